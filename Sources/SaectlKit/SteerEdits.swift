// The edits of `steer`, from the options in the order in which they were written:
//
//     --latent 12 --latent 40:3,4 --scale 0 --latent 7:0,0-1,2 --to 2.5
//
// A change (--scale, --to) is for the latents named since the last one; where there is just one change it is for all
// of them, wherever it stands.

import Wire

/// `N`, `N:R,C`, `N:R,C-R,C`, `N:class`: a latent and the tokens on which it is changed.
public struct LatentPlace: Sendable, Equatable {
    public enum Place: Sendable, Equatable {
        /// Class token and patches.
        case everywhere
        case classToken
        /// Corners included; first is the upper left one.
        case patches(first: Saed_Patch, last: Saed_Patch)
    }

    public let latent: UInt32
    public let place: Place

    /// Why 4,096: no encoder's grid is larger (64x64), and a request of so many edits still fits its frame.
    public static let patchesMax = 4096

    public init(_ text: String) throws(SteerMistake) {
        let colon = text.firstIndex(of: ":")
        guard let latent = UInt32(text[..<(colon ?? text.endIndex)]) else {
            throw SteerMistake("'\(text)' is no latent: write N, N:ROW,COLUMN, N:ROW,COLUMN-ROW,COLUMN or N:class")
        }
        self.latent = latent
        guard let colon else {
            place = .everywhere
            return
        }
        let rest = String(text[text.index(after: colon)...])
        guard rest != "class" else {
            place = .classToken
            return
        }
        let corners = rest.split(separator: "-", omittingEmptySubsequences: false).map { Saed_Patch(text: String($0)) }
        guard (1...2).contains(corners.count), let one = corners[0], let other = corners[corners.count - 1] else {
            throw SteerMistake("'\(rest)' in '\(text)' is no place: write ROW,COLUMN, ROW,COLUMN-ROW,COLUMN or class")
        }
        let rows = min(one.row, other.row)...max(one.row, other.row), columns = min(one.column, other.column)...max(one.column, other.column)
        guard rows.count <= LatentPlace.patchesMax, columns.count <= LatentPlace.patchesMax, rows.count * columns.count <= LatentPlace.patchesMax else {
            throw SteerMistake("'\(rest)' in '\(text)' has more than \(LatentPlace.patchesMax) patches: name a smaller rectangle, or no place for all")
        }
        place = .patches(
            first: .with { ($0.row, $0.column) = (rows.lowerBound, columns.lowerBound) },
            last: .with { ($0.row, $0.column) = (rows.upperBound, columns.upperBound) })
    }

    /// Without their change: one, or one a patch of a rectangle, row by row.
    var edits: [Saed_LatentEdit] {
        var edit = Saed_LatentEdit()
        edit.latent = latent
        switch place {
        case .everywhere: return [edit]
        case .classToken:
            edit.classToken = true
            return [edit]
        case let .patches(first, last):
            return (first.row...last.row).flatMap { row in
                (first.column...last.column).map { column in
                    edit.patch = .with { ($0.row, $0.column) = (row, column) }
                    return edit
                }
            }
        }
    }
}

/// An option of `steer`.
public enum SteerOption: Sendable, Equatable {
    case latent(LatentPlace)
    case scale(Float)
    case to(Float)

    public static func number(_ text: String) throws(SteerMistake) -> Float {
        guard let value = Float(text), value.isFinite else { throw SteerMistake("'\(text)' is no number") }
        return value
    }

    /// The edits that options, in the order of the command line, ask for.
    public static func edits(_ options: [SteerOption]) throws(SteerMistake) -> [Saed_LatentEdit] {
        let changes = options.filter { $0.latentPlace == nil }
        let places = options.compactMap(\.latentPlace)
        guard let first = places.first else { throw SteerMistake("name a latent with --latent N") }
        guard let change = changes.first else {
            throw SteerMistake("latent \(first.latent) has no change: say --scale S or --to V")
        }
        if changes.count == 1 { return places.flatMap(\.edits).map { change.changing($0) } }
        var edits: [Saed_LatentEdit] = []
        var waiting: [LatentPlace] = []
        for option in options {
            if let place = option.latentPlace {
                waiting.append(place)
            } else if waiting.isEmpty {
                throw SteerMistake("\(option.written) has no latent: of several changes each is for the latents named before it and after the last one")
            } else {
                edits += waiting.flatMap(\.edits).map { option.changing($0) }
                waiting = []
            }
        }
        if let left = waiting.first {
            throw SteerMistake("latent \(left.latent) has no change: of several changes each is for the latents named before it; say --scale S or --to V after it")
        }
        return edits
    }

    private var latentPlace: LatentPlace? { if case let .latent(place) = self { place } else { nil } }

    private var written: String {
        switch self {
        case let .latent(place): "--latent \(place.latent)"
        case let .scale(value): "--scale \(value)"
        case let .to(value): "--to \(value)"
        }
    }

    private func changing(_ edit: Saed_LatentEdit) -> Saed_LatentEdit {
        var edit = edit
        switch self {
        case .latent: break
        case let .scale(value): edit.scale = value
        case let .to(value): edit.to = value
        }
        return edit
    }
}

/// Why options of `steer` make no edits: a sentence.
public struct SteerMistake: Error, Sendable, Equatable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}

extension Saed_Patch {
    /// "ROW,COLUMN".
    public init?(text: String) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { UInt32($0) }
        guard parts.count == 2, let row = parts[0], let column = parts[1] else { return nil }
        self.init()
        (self.row, self.column) = (row, column)
    }
}
