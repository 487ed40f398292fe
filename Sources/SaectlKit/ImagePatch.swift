// An image, or one of its patches, as a user writes it.

import Wire

/// `IMAGE` or `IMAGE:ROW,COLUMN`. An image's own name may have a colon in it: an ending is a patch only where it reads as
/// one and no file has the whole name.
public struct ImagePatch: Sendable, Equatable {
    public let image: String
    public let patch: Saed_Patch?

    public init(_ text: String, isFile: (String) -> Bool) {
        let digits: (Character) -> Bool = { $0 == "," || ("0"..."9").contains($0) }
        guard let colon = text.lastIndex(of: ":"), colon > text.startIndex, text[text.index(after: colon)...].allSatisfy(digits),
            let patch = Saed_Patch(text: String(text[text.index(after: colon)...])), !isFile(text)
        else {
            (image, patch) = (text, nil)
            return
        }
        (image, self.patch) = (String(text[..<colon]), patch)
    }
}
