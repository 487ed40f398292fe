// Postings of snapshots in the dense form, kept beside an open segment (`.sum`), because making them again
// needs the SAE. A cache: not synced, not in the catalog, read up to its first bad frame, removed at sealing.

import Basics
import Foundation

extension Store {
    /// Appends a batch's dense snapshots' postings. Failing costs only time later.
    func keepSummaries<P: Sequence>(of batch: P, view: ViewStore, segment: Segment, _ parts: (P.Element) -> (dense: Bool, summary: ImageSummary)) {
        var bytes: [UInt8] = []
        let coder = SummaryCoder(layout: view.shape.layout, latents: view.shape.latents)
        for (place, element) in batch.enumerated() {
            let (dense, summary) = parts(element)
            guard dense else { continue }
            let payload = coder.encode(summary, slot: segment.images.count + place)
            bytes += zstd.with { Frame.encode(.summary, payload, codec: $0, level: 1) }
        }
        guard !bytes.isEmpty, let file = try? File(path: view.path(segment.id, "sum"), flags: O_RDWR | O_CREAT),
            let size = try? file.size()
        else { return }
        if size < SegmentHeader.byteCount {
            bytes = view.shape.encode(magic: SegmentHeader.summaryMagic) + bytes
            try? file.write(bytes, at: 0)
        } else {
            try? file.write(bytes, at: size)
        }
    }

    /// Postings by slot; empty where there is no usable side file.
    func keptSummaries(segment: SegmentRecord.ID, view: ViewStore) -> [Int: ImageSummary] {
        guard let file = try? File(path: view.path(segment, "sum"), flags: O_RDONLY), let size = try? file.size(),
            let bytes = try? file.read(at: 0, count: size),
            let header = try? SegmentHeader(bytes, magic: SegmentHeader.summaryMagic, file: file.path), header == view.shape
        else { return [:] }
        let coder = SummaryCoder(layout: view.shape.layout, latents: view.shape.latents)
        var kept: [Int: ImageSummary] = [:]
        bytes.withUnsafeBytes { raw in
            var offset = SegmentHeader.byteCount
            while offset < raw.count {
                let rest = UnsafeRawBufferPointer(rebasing: raw[offset...])
                guard let (payload, length) = try? zstd.with({ try Frame.decode(rest, expecting: .summary, codec: $0) }),
                    let (slot, summary) = try? coder.decode(payload)
                else { return }
                kept[slot] = summary
                offset += length
            }
        }
        return kept
    }
}

/// An image's postings as bytes: slot, count, then each column.
struct SummaryCoder {
    let layout: TokenLayout
    let latents: Int

    func encode(_ summary: ImageSummary, slot: Int) -> [UInt8] {
        var writer = ByteWriter(capacity: 8 + summary.count * 34)
        writer.put(UInt32(slot))
        writer.put(UInt32(summary.count))
        writer.put(array: summary.latents)
        writer.put(array: summary.patchMean)
        writer.put(array: summary.peak)
        writer.put(array: summary.classValue)
        writer.put(array: summary.peakPatch)
        writer.put(array: summary.activePatches)
        writer.put(array: summary.patchesOverTau)
        writer.put(array: summary.promptSum)
        writer.put(array: summary.promptPeak)
        writer.put(array: summary.activePrompts)
        writer.put(array: summary.promptsOverTau)
        return writer.bytes
    }

    func decode(_ payload: [UInt8]) throws(MalformedBytes) -> (slot: Int, summary: ImageSummary) {
        try payload.withRaw { (raw) throws(MalformedBytes) in
            var reader = ByteReader(raw)
            let slot = Int(try reader.get(UInt32.self, "slot"))
            let count = Int(try reader.get(UInt32.self, "postings"))
            let prompts = layout.prompts > 0 ? count : 0
            let latent = try reader.array(UInt32.self, count: count, "latents")
            let mean = try reader.array(Float.self, count: count, "means")
            let peak = try reader.array(Float.self, count: count, "peaks")
            let classValue = try reader.array(Float.self, count: count, "class values")
            let patch = try reader.array(UInt16.self, count: count, "peak patches")
            let active = try reader.array(UInt16.self, count: count, "counts")
            let over = try reader.array(UInt16.self, count: count, "counts over tau")
            let promptSum = try reader.array(Float.self, count: prompts, "prompts")
            let promptPeak = try reader.array(Float.self, count: prompts, "prompts")
            let activePrompts = try reader.array(UInt16.self, count: prompts, "prompts")
            let promptsOver = try reader.array(UInt16.self, count: prompts, "prompts")
            guard latent.allSatisfy({ $0 < UInt32(latents) }) else {
                throw MalformedBytes(reason: "a latent beyond \(latents)", offset: 8)
            }
            let postings = (0..<count).map { i in
                LatentPosting(
                    latent: latent[i], patchMean: mean[i], peak: peak[i], peakPatch: patch[i], activePatches: active[i],
                    patchesOverTau: over[i], classValue: classValue[i], promptSum: prompts > 0 ? promptSum[i] : 0,
                    promptPeak: prompts > 0 ? promptPeak[i] : 0, activePrompts: prompts > 0 ? activePrompts[i] : 0,
                    promptsOverTau: prompts > 0 ? promptsOver[i] : 0)
            }
            return (slot, ImageSummary(postings, hasPrompts: prompts > 0))
        }
    }
}
