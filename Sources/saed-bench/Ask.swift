// Asks a running daemon the same kind of question many times over one connection, and prints how long each took.

import Foundation
import Wire

enum Ask {
    /// - Parameter kind: `latent` (a random latent), `show` (a random image), `status`, `latents`, `compare`, `remap` (from
    ///   aggregates, without setting latents back), `explain`, `steer`, `similar`, `similar-patch` (a random image), `find`.
    /// - Returns: one line of JSON: milliseconds at the 50th, 90th, 99th percentile and at most.
    static func run(socket: String, kind: String, count: Int) throws -> String {
        let client = try WireClient(path: socket, name: "saed-bench")
        var random = SystemRandomNumberGenerator()
        let views = try client.ask(.with { $0.views = .init() }).views.views
        guard let view = views.first, count > 0 else { throw UsageError(text: "the daemon has no view") }
        let images = ["show", "explain", "steer", "similar", "similar-patch"].contains(kind) ? try someImages(client, of: Int(view.snapshots)) : []
        var times: [Double] = []
        for i in 0..<count + 10 {
            let request = try question(kind, view, views[views.count - 1], images, &random)
            let start = DispatchTime.now().uptimeNanoseconds
            _ = try client.ask(request, each: { _ in })
            let milliseconds = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-6
            // The first ten warm the caches.
            if i >= 10 { times.append(milliseconds) }
        }
        times.sort()
        func at(_ share: Double) -> String { String(format: "%.3f", times[min(times.count - 1, Int(share * Double(times.count)))]) }
        return "{\"kind\": \"\(kind)\", \"count\": \(count), \"p50_ms\": \(at(0.5)), \"p90_ms\": \(at(0.9)), \"p99_ms\": \(at(0.99)), \"max_ms\": \(at(1))}"
    }

    private static func someImages(_ client: WireClient, of all: Int) throws -> [String] {
        try stride(from: 0, to: max(1, all), by: max(1, all / 50)).compactMap { offset in
            try client.ask(
                .with {
                    $0.images.limit = 1
                    $0.images.offset = UInt32(offset)
                }
            ).images.images.first?.image.id
        }
    }

    private static func question(
        _ kind: String, _ view: Saed_ViewInfo, _ other: Saed_ViewInfo, _ images: [String], _ random: inout SystemRandomNumberGenerator
    ) throws -> Saed_Request {
        try .with { request in
            switch kind {
            case "latent":
                request.latent.view = view.name
                request.latent.latent = UInt32.random(in: 0..<view.latents, using: &random)
            case "show":
                request.show.view = view.name
                request.show.image.text = images.randomElement(using: &random) ?? ""
                request.show.patch = .with { $0.row = 3; $0.column = 5 }
            case "explain":
                request.explain.image.text = images.randomElement(using: &random) ?? ""
                request.explain.base = view.name
                request.explain.adapted = other.name
            case "steer":
                request.steer.view = view.name
                request.steer.image.text = images.randomElement(using: &random) ?? ""
                request.steer.edits = [.with { $0.latent = UInt32.random(in: 0..<view.latents, using: &random); $0.to = 5 }]
            case "similar", "similar-patch":
                request.similar.view = view.name
                request.similar.image.text = images.randomElement(using: &random) ?? ""
                if kind == "similar-patch" { request.similar.patch = .with { $0.row = 5; $0.column = 5 } }
            case "find":
                request.find.view = view.name
                request.find.text = ["a red star", "brick", "a striped heart", "two blue rings on grass", "night"].randomElement(using: &random) ?? ""
            case "latents":
                request.latents.view = view.name
                request.latents.limit = 25
            case "status": request.status = .init()
            case "compare":
                request.compare.base = view.name
                request.compare.adapted = other.name
            case "remap":
                request.remap.base = view.name
                request.remap.adapted = other.name
                request.remap.noAblation = true
            default: throw UsageError(text: "'\(kind)' is no question; ask latent, show, latents, compare, remap or status")
            }
        }
    }
}
