// Answers that carry a PNG: one message, then the array "png".

import Wire

/// A picture that was asked for and written.
public struct Picture {
    public let reply: Saed_Reply

    /// Why 1 GiB: a sheet of 256 images has some tens of megabytes; what is larger is a fault.
    private static let bytesMax = 1 << 30

    /// Asks, and writes the PNG to `output`.
    public init(asking request: Saed_Request, of client: WireClient, to output: String) throws {
        var part: Saed_Reply?
        var png: [UInt8] = []
        try client.ask(request) { piece in
            switch piece {
            case let .part(reply): part = reply
            case let .chunk(header, bytes) where header.name == "png":
                guard png.count + bytes.count <= Picture.bytesMax else {
                    throw WireFailure(.tooLarge, "the picture has more than \(Picture.bytesMax) bytes", remedy: "ask for fewer images (--top)")
                }
                png += bytes
            case .progress, .array, .chunk: break
            }
        }
        guard let part, !png.isEmpty else {
            throw WireFailure(.internal, "the daemon's answer has no picture", remedy: "use client and daemon of the same release")
        }
        try writeFile(output, png)
        reply = part
    }
}
