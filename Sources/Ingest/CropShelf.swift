// Crops on the shelf between intake and back-fill. The intake decodes each new image, to know that it is one; where the pipeline
// has no room for it then, as when many come at once, its crops wait here, so that the back-fill need not decode it again.

import Basics
import Imaging

/// Crops of images that wait for room, the oldest given up where there are too many: the back-fill takes the newest first.
///
/// By content, not by the catalog's numbers: those may come to mean another image.
package struct CropShelf {
    private struct Place {
        let image: ContentHash
        let crops: [PreprocessConfig: RGBImage]
        var bytes: Int { crops.values.reduce(0) { $0 + $1.pixels.count } }
    }

    private let bytesMax: Int
    private var places: [Place] = []
    private var bytes = 0

    /// - Parameter bytesMax: of pixels, together.
    package init(bytesMax: Int) { self.bytesMax = bytesMax }

    package mutating func put(_ crops: [PreprocessConfig: RGBImage], of image: ContentHash) {
        let place = Place(image: image, crops: crops)
        places.append(place)
        bytes += place.bytes
        while bytes > bytesMax { bytes -= places.removeFirst().bytes }
    }

    /// What lies here of an image; nil where a crop that is asked for is not among it.
    package mutating func take(_ image: ContentHash, for configs: Set<PreprocessConfig>) -> [PreprocessConfig: RGBImage]? {
        guard let found = places.lastIndex(where: { $0.image == image }) else { return nil }
        let place = places.remove(at: found)
        bytes -= place.bytes
        return configs.isSubset(of: place.crops.keys) ? place.crops : nil
    }

    package mutating func clear() {
        places = []
        bytes = 0
    }
}
