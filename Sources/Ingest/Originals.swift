// The files that images came from, for whoever needs their pixels again.

import Decoding
import Imaging
import Store

/// Reads images of the catalog from the drop folder.
struct Originals: Sendable {
    let store: Store
    let dropFolder: String
    let decoder: ImageDecoder

    /// From the first of the image's files that still has its content; nil where there is none.
    func content(of image: ImageRecord) throws(DecodeFailure) -> DroppedContent? {
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
