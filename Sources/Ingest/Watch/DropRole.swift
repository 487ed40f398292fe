// What a drop is for, by its place in the drop folder and its content:
//
//     images/CLASS/**      an image of CLASS (the first folder below images/; deeper ones are the user's own order)
//     images/x             an image without label
//     datasets/SET/CLASS/**    an image of CLASS in the data set SET; datasets/SET/x has no label
//     models/NAME/**       the model NAME
//     saes/NAME.pt, saes/NAME/**    the SAE NAME
//     classes/NAME.txt     the class list NAME
//     prompts/NAME/**, prompts/NAME.pth.tar    the adapter NAME
//     anywhere else        an image is an image without label; a checkpoint is an adapter, named as its file

import Basics

/// What is to be done with a dropped file.
public enum DropRole: Sendable, Hashable {
    case image(label: String?)
    /// A file of the folder `models/NAME`, which is delivered as one.
    case model(name: String)
    /// `saes/NAME.pt`, or a file of the folder `saes/NAME`.
    case sae(name: String)
    case classList(name: String)
    /// A checkpoint, or a file of the folder `prompts/NAME`, which is delivered as one.
    case adapter(name: String)
    /// Can't be used; the reason says what would be.
    case unusable(reason: String)

    /// - Parameter path: relative to the drop folder.
    public init(path: String, kind: FileKind) {
        let parts = path.split(separator: "/").map(String.init)
        self = switch (parts.first, parts.count) {
        case ("prompts", 3...): DropRole.named(parts[1], DropRole.adapter)
        case ("prompts", 2): DropRole.checkpoint(parts[1], kind)
            ?? .unusable(reason: "is no checkpoint; expected what the trainers write (model.pth.tar-N), or a folder prompts/NAME/")
        case ("models", 3...): DropRole.named(parts[1], DropRole.model)
        case ("saes", 3...): DropRole.named(parts[1], DropRole.sae)
        case ("saes", 2): DropRole.saeFile(parts[1], kind)
        case ("classes", 2...): DropRole.classFile(parts, kind)
        case ("models", 2): DropRole.image(kind, label: nil)
            ?? .unusable(reason: "a model is a folder: models/NAME/ with config.json and model.safetensors")
        case (_, 2...) where AdapterPlace.isHalf(path): DropRole.named(parts[parts.count - 2], DropRole.adapter)
        default: DropRole.image(kind, label: DropRole.label(of: path)) ?? DropRole.checkpoint(parts.last ?? "", kind)
            ?? .unusable(reason: DropRole.noImage(kind))
        }
    }

    /// The label that a path gives an image; nil for none.
    static func label(of path: String) -> String? {
        let parts = path.split(separator: "/").map(String.init)
        switch (parts.first, parts.count) {
        case ("images", 3...): return parts[1]
        case ("datasets", 4...): return parts[2]
        default: return nil
        }
    }

    /// A file of tensors, or one that is named as a checkpoint (a broken one deserves to hear so).
    private static func checkpoint(_ file: String, _ kind: FileKind) -> DropRole? {
        let suffix = file.range(of: #"\.(pth|pt|safetensors|bin)(\.tar(-[^.]+)?)?$"#, options: [.regularExpression, .caseInsensitive])?.lowerBound
        switch kind {
        case .torchZip, .safetensors, .pickle: break
        default: if suffix == nil { return nil }
        }
        return named(suffix.map { String(file[..<$0]) } ?? stem(file), DropRole.adapter)
    }

    /// Whether a file belongs to a folder that is delivered as one.
    static func isInBundle(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts.first.map { BundlePlaces.holders.contains(String($0)) } ?? false
    }

    private static func image(_ kind: FileKind, label: String?) -> DropRole? {
        switch kind {
        case .jpeg, .png, .webp: .image(label: label)
        default: nil
        }
    }

    private static func noImage(_ kind: FileKind) -> String {
        switch kind {
        case .empty: "is empty"
        case let .otherImage(format): "is \(format), which is not read; convert it to JPEG, PNG or WebP"
        case .json, .text: "is text, not an image (class lists go to classes/NAME.txt)"
        default: "is no JPEG, PNG or WebP image"
        }
    }

    private static func saeFile(_ file: String, _ kind: FileKind) -> DropRole {
        switch kind {
        case .torchZip: named(stem(file), DropRole.sae)
        case .safetensors:
            .unusable(reason: "SAE weights in safetensors need their cfg.json: drop a folder saes/NAME/ with both")
        case .pickle: .unusable(reason: "is a bare pickle; save it again with torch.save of PyTorch 1.6 or later")
        default: .unusable(reason: "is no SAE; expected a PatchSAE checkpoint (.pt)")
        }
    }

    private static func classFile(_ parts: [String], _ kind: FileKind) -> DropRole {
        guard parts.count == 2 else { return .unusable(reason: "a class list is a file classes/NAME.txt, not in a folder below") }
        return switch kind {
        case .text, .json: named(stem(parts[1]), DropRole.classList)
        case .empty: .unusable(reason: "is empty; expected one class name a line")
        default: .unusable(reason: "is not UTF-8 text; expected one class name a line")
        }
    }

    private static func named(_ name: String, _ role: (String) -> DropRole) -> DropRole {
        guard ViewName.isValid(part: name) else {
            return .unusable(reason: "the name '\(name)' cannot stand in a view: at most 64 letters, digits, '.', '_', '-', not beginning with '.' or '-'")
        }
        return role(name)
    }

    /// Without the last extension.
    private static func stem(_ file: String) -> String {
        guard let dot = file.lastIndex(of: "."), dot != file.startIndex else { return file }
        return String(file[..<dot])
    }
}
