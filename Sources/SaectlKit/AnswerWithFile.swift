// Answers that carry a file: one message, and an array with the file's bytes.

import Wire

/// An answer and the file that came with it.
public struct AnswerWithFile {
    public let reply: Saed_Reply
    /// Empty where none came.
    public let bytes: [UInt8]

    /// Why 1 GiB: a sheet of 256 images or a report has some tens of megabytes; what is larger is a fault.
    private static let bytesMax = 1 << 30

    /// - Parameter array: the name of the array that the file is: "png", "html".
    public init(asking request: Saed_Request, of client: WireClient, array: String, progress: (Saed_Progress) -> Void = { _ in }) throws {
        var part: Saed_Reply?
        var file: [UInt8] = []
        try client.ask(request) { piece in
            switch piece {
            case let .part(reply): part = reply
            case let .progress(message): progress(message)
            case let .chunk(header, bytes) where header.name == array:
                guard file.count + bytes.count <= AnswerWithFile.bytesMax else {
                    throw WireFailure(.tooLarge, "the file has more than \(AnswerWithFile.bytesMax) bytes", remedy: "ask for fewer images or latents")
                }
                file += bytes
            case .array, .chunk: break
            }
        }
        guard let part else { throw WireClientError.malformed(.order("the answer has no part")) }
        (reply, bytes) = (part, file)
    }

    /// Writes a file that must have come.
    /// - Parameter what: the file in words, for an error: "picture".
    public func write(what: String, to place: OutputPlace) throws {
        guard !bytes.isEmpty else {
            throw WireFailure(.internal, "the daemon's answer has no \(what)", remedy: "use client and daemon of the same release")
        }
        try place.write(bytes)
    }
}
