// A segment's aggregates as bytes: columns in byte planes, so that zstd finds the zeros of dead latents.
//
//   u32 images · for class, patch and (with prompts) prompt: active u32, over tau u32, sum f64, max f32
//   · images by patches u32 · images by class and patches u32; each column [latents]

import Basics

struct AggregateCoder {
    let layout: TokenLayout
    let latents: Int

    private var kinds: [WritableKeyPath<LatentAggregate, KindAggregate>] {
        [\.classToken, \.patch] + (layout.prompts > 0 ? [\.prompt] : [])
    }

    func encode(_ aggregates: Aggregates) -> [UInt8] {
        var writer = ByteWriter(capacity: 4 + latents * (kinds.count * 20 + 8))
        writer.put(UInt32(aggregates.images))
        func column<T: BitwiseCopyable>(_ value: (LatentAggregate) -> T) {
            aggregates.latents.map(value).withUnsafeBytes { writer.put(Planes.split($0, width: MemoryLayout<T>.size)) }
        }
        for kind in kinds {
            column { UInt32($0[keyPath: kind].active) }
            column { UInt32($0[keyPath: kind].overTau) }
            column { $0[keyPath: kind].sum.bitPattern }
            column { $0[keyPath: kind].max.bitPattern }
        }
        column { UInt32($0.patchImages) }
        column { UInt32($0.anyImages) }
        return writer.bytes
    }

    func decode(_ payload: [UInt8]) throws(MalformedBytes) -> Aggregates {
        var aggregates = Aggregates(layout: layout, latents: latents)
        try payload.withRaw { (raw) throws(MalformedBytes) in
            var reader = ByteReader(raw)
            aggregates.images = Int(try reader.get(UInt32.self, "aggregates"))
            for kind in kinds {
                let active = Planes.join(try reader.take(4 * latents, "aggregates"), as: UInt32.self)
                let over = Planes.join(try reader.take(4 * latents, "aggregates"), as: UInt32.self)
                let sum = Planes.join(try reader.take(8 * latents, "aggregates"), as: UInt64.self)
                let max = Planes.join(try reader.take(4 * latents, "aggregates"), as: UInt32.self)
                for latent in 0..<latents {
                    aggregates.latents[latent][keyPath: kind] = KindAggregate(
                        active: Int(active[latent]), overTau: Int(over[latent]),
                        sum: Double(bitPattern: sum[latent]), max: Float(bitPattern: max[latent]))
                }
            }
            let patchImages = Planes.join(try reader.take(4 * latents, "aggregates"), as: UInt32.self)
            let anyImages = Planes.join(try reader.take(4 * latents, "aggregates"), as: UInt32.self)
            for latent in 0..<latents {
                aggregates.latents[latent].patchImages = Int(patchImages[latent])
                aggregates.latents[latent].anyImages = Int(anyImages[latent])
            }
        }
        return aggregates
    }
}
