// A decoder that does what a taken-over one would, where the image's bytes tell it to: "plant:crash" and so on. Behind
// the same walls as the real one.

import Decoding
import Foundation
import Imaging

let memoryBytesMax = Int(CommandLine.arguments.dropFirst().first ?? "") ?? 2 << 30

func obey(_ order: String) {
    switch order {
    case "crash":
        UnsafeMutablePointer<Int>(bitPattern: 8)?.pointee = 1
    case "abort": abort()
    case "loop": while true {}
    case "eat":
        var blocks: [UnsafeMutablePointer<UInt8>] = []
        while true {
            let block = UnsafeMutablePointer<UInt8>.allocate(capacity: 64 << 20)
            block.update(repeating: 1, count: 64 << 20)
            blocks.append(block)
        }
    case "open": _ = open("/etc/passwd", O_RDONLY)
    case "fork":
        var child: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("true"), nil]
        _ = posix_spawn(&child, "/bin/true", nil, nil, &arguments, nil)
    case "network": _ = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    case "execute": _ = mmap(nil, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    case "signal": _ = kill(getppid(), SIGTERM)
    case "lie":
        // A reply whose pixels are fewer than its sizes say.
        let header: [UInt8] = [1, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0]
        let reply = [UInt8(header.count), 0, 0, 0, 3, 0, 0, 0] + header + [1, 2, 3]
        _ = reply.withUnsafeBytes { write(3, $0.baseAddress, $0.count) }
        while true { sched_yield() }
    case "shrink":
        // One pixel, and says so: no lie about the pixels, but no crop either.
        let header: [UInt8] = [1, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]
        let reply = [UInt8(header.count), 0, 0, 0, 3, 0, 0, 0] + header + [1, 2, 3]
        _ = reply.withUnsafeBytes { write(3, $0.baseAddress, $0.count) }
        while true { sched_yield() }
    case "babble":
        let noise = [UInt8](repeating: 0xEE, count: 64)
        _ = noise.withUnsafeBytes { write(3, $0.baseAddress, $0.count) }
        while true { sched_yield() }
    case "leave": exit(0)
    default: break
    }
}

// One that is ready and then reads nothing: its socket fills up.
if CommandLine.arguments.last == "deaf" {
    let header: [UInt8] = [0] + Array(#"{"ready":{}}"#.utf8)
    let ready = [UInt8(header.count), 0, 0, 0, 0, 0, 0, 0] + header
    _ = ready.withUnsafeBytes { write(3, $0.baseAddress, $0.count) }
    while true { pause() }
}

DecodeWorker.run(memoryBytesMax: memoryBytesMax) { (bytes, limits) throws(ImagingError) in
    let text = String(decoding: bytes.suffix(32), as: UTF8.self)
    if let mark = text.range(of: "plant:") { obey(String(text[mark.upperBound...])) }
    return try decodeImageWithDetails(bytes, limits: limits)
}
