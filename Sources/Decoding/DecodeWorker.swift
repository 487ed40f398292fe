// The child: enters its walls, then decodes what it is sent until its parent hangs up. Nothing that a file makes it do
// reaches further than its own memory and one socket.

import CMalloc
import CSandbox
import Foundation
import Imaging

/// What `saed decode-worker` runs.
///
///     DecodeWorker.run(memoryBytesMax: 2 << 30)   // never returns
public enum DecodeWorker {
    /// Where the parent put its socket.
    static let descriptor: Int32 = 3

    public typealias Decode = (_ bytes: UnsafeRawBufferPointer, _ limits: DecodeLimits) throws(ImagingError) -> DecodedImage

    /// - Parameter decode: how bytes become an image; tests plant others.
    public static func run(
        memoryBytesMax: Int,
        decode: Decode = { (bytes, limits) throws(ImagingError) in try decodeImageWithDetails(bytes, limits: limits) }
    ) -> Never {
        let channel = DecodeChannel(descriptor)
        keepMemory()
        do {
            // Whatever Foundation reads once, it reads before the walls stand.
            _ = DecodeReply(header: try DecodeReply.ready(problem: nil).header())
            let failed = sandbox_enter(UInt64(memoryBytesMax)) != 0
            try channel.send(DecodeReply.ready(problem: failed ? String(cString: strerror(errno)) : nil).header(), payload: [])
            if failed { exit(1) }
            var last: (header: [UInt8], request: DecodeRequest)?
            while true {
                let (header, bytes) = try channel.receive(payloadBytesMax: Int(UInt32.max))
                let request = last?.header == header ? last?.request : nil
                let asked = try request ?? JSONDecoder().decode(DecodeRequest.self, from: Data(header))
                last = (header, asked)
                try answer(asked, bytes, channel, decode)
            }
        } catch {
            // The parent hung up: the only end there is.
            exit(0)
        }
    }

    /// What an image's decoding has freed is kept for the next: given back, it is faulted in and zeroed anew for every image,
    /// 35 pages of a small one's, a tenth of its time. These are the bounds that glibc's own rule comes to once large images
    /// were freed; small ones alone never take it there. Above them memory goes back at once.
    private static func keepMemory() {
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 64 << 20)
    }

    private static func answer(_ request: DecodeRequest, _ bytes: [UInt8], _ channel: DecodeChannel, _ decode: Decode) throws {
        let limits = DecodeLimits(pixelsMax: request.pixelsMax, bytesMax: request.bytesMax)
        let decoded: DecodedImage
        do throws(ImagingError) {
            decoded = try bytes.withUnsafeBytes { bytes in Result { () throws(ImagingError) in try decode(bytes, limits) } }.get()
        } catch {
            return try channel.send(DecodeReply.refused(error).header(), payload: [])
        }
        let images = request.task.images(of: decoded.image)
        let header = try DecodeReply.images(
            format: decoded.format, width: decoded.image.width, height: decoded.image.height,
            images: images.map { ImageSize(width: $0.width, height: $0.height) }).header()
        try withPixels(images[...], []) { try channel.send(header, payload: $0) }
    }

    /// The pixels of all images as buffers that live as long as `body`.
    private static func withPixels(
        _ images: ArraySlice<RGBImage>, _ buffers: [UnsafeRawBufferPointer], _ body: ([UnsafeRawBufferPointer]) throws -> Void
    ) throws {
        guard let first = images.first else { return try body(buffers) }
        try first.pixels.withUnsafeBytes { try withPixels(images.dropFirst(), buffers + [$0], body) }
    }
}

extension DecodeTask {
    /// What is asked for, of a decoded image.
    func images(of image: RGBImage) -> [RGBImage] {
        switch self {
        case let .crops(configs): configs.map { Preprocessor($0).crop(image) }
        case let .picture(sideMax): [image.scaledToFit(width: sideMax, height: sideMax)]
        }
    }
}
