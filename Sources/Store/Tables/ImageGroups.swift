// Which group each image counts in: its label's, a shuffled one's (the control), or none.

import Basics

/// Groups of images by image id. A value: questions about two views use the same one.
package struct ImageGroups: Sendable {
    package enum Kind: Sendable, Hashable {
        /// Every present image under its label.
        case labels
        /// Labels dealt anew with a seed; images without one, and the latest, are left out.
        case shuffled(seed: UInt64)
        /// Anything else: no table is kept for it.
        case other
    }

    /// By image id: -1 in no group, 0 counted in the total only, else 1 + the place in `names`.
    package private(set) var entries: [Int32]
    package let names: [String]
    package private(set) var kind: Kind
    /// Some images were taken out: a kept table must be corrected for them.
    package private(set) var isMasked = false

    init(_ table: ImageTable) {
        entries = table.entries
        names = table.labels
        kind = .labels
    }

    private init(entries: [Int32], names: [String]) {
        self.entries = entries
        self.names = names
        kind = .other
    }

    package func entry(of image: Int64) -> Int32 { image >= 0 && image < entries.count ? entries[Int(image)] : -1 }

    /// Only these images, in the groups they have.
    package func only(_ images: Set<ImageRecord.ID>) -> ImageGroups {
        var groups = self
        for id in entries.indices where entries[id] >= 0 && !images.contains(.init(rawValue: Int64(id))) { groups.entries[id] = -1 }
        groups.isMasked = true
        return groups
    }

    /// Only images that are true in `mask` (by image id).
    package func only(where mask: [Bool]) -> ImageGroups {
        var groups = self
        for id in entries.indices where entries[id] >= 0 && !(id < mask.count && mask[id]) {
            groups.entries[id] = -1
            groups.isMasked = true
        }
        return groups
    }

    /// Only images of one label; the others are in no group.
    package func only(label: String) -> ImageGroups {
        let number = Int32(1 + (names.firstIndex(of: label) ?? -2))
        var groups = self
        for id in entries.indices where entries[id] != number { groups.entries[id] = -1 }
        groups.isMasked = true
        return groups
    }

    /// The same images without labels: only the total is summed up.
    package var totalOnly: ImageGroups {
        var groups = ImageGroups(entries: entries.map { min($0, 0) }, names: [])
        groups.isMasked = isMasked
        return groups
    }

    /// The same labels on other images: a seeded permutation of the labelled images' labels.
    ///
    /// The permutation is over the image numbers below a power of two, and an image without a label passes on to
    /// the next of its cycle; so one image more or less changes the labels of one other. Of all images only those
    /// up to a number are dealt to, which moves in steps of a ninth or less, so that a kept table stays good while images
    /// arrive; the later ones are left out.
    package func shuffled(seed: UInt64) -> ImageGroups {
        let isWhole = kind == .labels && !isMasked
        var end = entries.count
        if isWhole {
            var step = 1
            while step * 16 <= end - 1 { step *= 2 }
            end = max(0, (end - 1) / step * step) + 1
        }
        end = min(end, entries.count)
        var domain = 16
        while domain < entries.count { domain *= 2 }
        var next = Array(0..<Int32(domain))
        var random = SplitMix(seed: seed)
        for i in stride(from: domain - 1, to: 0, by: -1) { next.swapAt(i, random.below(i + 1)) }
        func takesPart(_ id: Int) -> Bool { id < end && entries[id] > 0 }
        var dealt = [Int32](repeating: -1, count: entries.count)
        var visited = [Bool](repeating: false, count: domain)
        for start in 0..<domain where !visited[start] {
            // Backwards along the cycle would need the inverse: remember the last image met instead.
            var id = start
            var first = -1, last = -1
            repeat {
                visited[id] = true
                if takesPart(id) {
                    if last >= 0 { dealt[last] = entries[id] } else { first = id }
                    last = id
                }
                id = Int(next[id])
            } while id != start
            if last >= 0 { dealt[last] = entries[first] }
        }
        var groups = self
        groups.entries = dealt
        groups.kind = isWhole ? .shuffled(seed: seed) : .other
        return groups
    }
}

extension Store {
    /// Present images under their labels, as of now.
    package var labelGroups: ImageGroups { images.withLock { ImageGroups($0) } }
}
