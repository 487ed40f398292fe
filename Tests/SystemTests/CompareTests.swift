// tools/bench/compare must not rot: its smallest size runs here, saed alone, since the peers are gigabytes.

import Foundation
import Testing

@Suite struct CompareTests {
    @Test func theSmallestSizeMeasuresEveryTask() throws {
        let report = FileManager.default.temporaryDirectory.appendingPathComponent("compare-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: report) }
        let compare = Place.checkout.appendingPathComponent("tools/bench/compare")
        let finished = try run(
            compare, ["--tiny", "--peers", "none", "--json", report.path],
            environment: ["SAED_BENCH_PROGRAM": Place.products.appendingPathComponent("saed-bench").path])
        #expect(finished.status == 0, "\(finished.errors)")
        #expect(finished.output.contains("| hook + SAE, 2.6 % active, batch 1 |"))
        let figures = try JSONSerialization.jsonObject(with: Data(contentsOf: report)) as? [String: Any]
        let results = try #require(figures?["results"] as? [String: [String: [String: Any]]])
        #expect(results.count == 10, "tower, hook and three densities, each with a batch and with one image")
        for (task, entry) in results {
            for name in ["saed", "peak", "products"] {
                #expect((entry[name]?["images_per_second"] as? Double ?? 0) > 0, "\(task): \(name)")
            }
        }
    }
}
