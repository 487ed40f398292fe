// The files that images came from, for whoever needs their pixels again.

import Decoding
import Imaging
import Store

/// Reads images of the catalog from the drop folder.
struct Originals: Sendable {
    let store: Store
    let dropFolder: String
    let decoder: ImageDecoder

    /// What preprocessing cuts out of an image; nil where none of its files has its content.
    func crops(of image: ImageRecord, for configs: Set<PreprocessConfig>) throws(DecodeFailure) -> [PreprocessConfig: RGBImage]? {
        guard let content = try content(of: image) else { return nil }
        return try decoder.prepare(content.bytes, for: configs).crops
    }

    /// From the first of the image's files that still has its content.
    private func content(of image: ImageRecord) throws(DecodeFailure) -> DroppedContent? {
        for path in (try? store.paths(of: image.id)) ?? [] {
            do throws(ImagingError) {
                if let content = try DroppedContent(path: dropFolder + "/" + path.path, bytesMax: decoder.limits.bytesMax),
                    content.hash == image.hash
                {
                    return content
                }
            } catch { throw .image(error) }
        }
        return nil
    }
}
