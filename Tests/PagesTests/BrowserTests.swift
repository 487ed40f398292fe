// The pages in headless Chromium: tools/reference/pages.py opens what is written here and checks it as a person would use
// it. SAED_TEST_PAGES names a folder to leave the pages in.

import Basics
import Foundation
import Pages
import Programs
import Testing

private let environment = ProcessInfo.processInfo.environment

@Suite(.enabled(if: environment["SAED_TEST_BROWSER"] != nil, "SAED_TEST_BROWSER names no Chromium (tools/test does)"), .serialized)
struct BrowserTests {
    @Test func thePagesWorkByMouseAndByKeyboard() throws {
        let folder = environment["SAED_TEST_PAGES"].map { URL(fileURLWithPath: $0) } ?? FileManager.default.temporaryDirectory.appending(path: "saed-pages-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { if environment["SAED_TEST_PAGES"] == nil { try? FileManager.default.removeItem(at: folder) } }
        let shifted = try Samples.scenes("shifted", count: 300)
        let some = try shifted + Samples.scenes("heldout", count: 300)
        let pages: [(String, [UInt8])] = try [
            ("report.html", ReportPage(Samples.report(scenes: shifted)).html()),
            ("large.html", ReportPage(Samples.large()).html()),
            ("hostile.html", ReportPage(PageTests.hostileReport(Array(shifted.prefix(40)))).html()),
            ("atlas.html", AtlasPage(Samples.atlas(scenes: some, latents: 10_000, sheet: 8)).html()),
            ("few.html", AtlasPage(Samples.atlas(scenes: Array(shifted.prefix(3)), latents: 3, sheet: 2)).html()),
        ]
        for (name, bytes) in pages {
            try Data(bytes).write(to: folder.appending(path: name))
            print("\(name): \(bytes.count) bytes")
        }
        let python = try Program.run(
            try #require(environment["SAED_TEST_PYTHON"]), [Samples.root.appending(path: "tools/reference/pages.py").path, folder.path], timeout: 300)
        print(python.output)
        #expect(python.status == 0, "\(python.output)\(python.errors)")
    }
}
