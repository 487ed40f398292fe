// The configuration file: what it prints it reads, and what it can't use it names.

import Daemon
import Foundation
import Testing

@Test func documentedDefaultsReadBackAsThemselves() throws {
    let text = Configuration().documented()
    #expect(try Configuration.read(text: text, name: "saed.toml") == Configuration())
    #expect(text.contains("# how long an image waits for company\nbatch_wait = \"4ms\""))
}

@Test func fileOverridesDefaults() throws {
    let text = """
        [compute]
        threads = 3
        batch_wait = "12ms"
        [idle]
        release_after = "2m"
        [paths]
        drop = "/srv/drop"
        """
    let configuration = try Configuration.read(text: text, name: "saed.toml").resolved(root: "/var/lib/saed")
    #expect(configuration.threads == 3)
    #expect(configuration.batchWait == .milliseconds(12))
    #expect(configuration.releaseAfter == .seconds(120))
    #expect(configuration.drop == "/srv/drop")
    #expect(configuration.store == "/var/lib/saed/store")
    #expect(configuration.socket == "/var/lib/saed/saed.sock")
}

@Test(arguments: [
    ("[compute]\nthread = 2", "'saed.toml': no setting is called 'compute.thread'; did you mean 'compute.threads'?"),
    ("[computer]\nthreads = 2", "'saed.toml': no setting is called 'computer'; did you mean 'compute'?"),
    ("[compute]\nthreads = -1", "'saed.toml': 'compute.threads' must be a whole number from 0 to 1024"),
    ("[compute]\nbatch_wait = 4", "'saed.toml': 'compute.batch_wait' must be a time such as \"500ms\", \"20s\" or \"10m\""),
    ("[log]\nlevel = \"loud\"", "'saed.toml': 'log.level' must be one of trace, debug, info, notice, warning, error"),
    ("[store]\nactivations = 1", "'saed.toml': 'store.activations' must be true or false"),
])
func wrongSettingsAreNamed(_ text: String, _ message: String) {
    #expect(throws: ConfigurationError(description: message)) { try Configuration.read(text: text, name: "saed.toml") }
}

@Test func brokenFileNamesItsLine() {
    do {
        _ = try Configuration.read(text: "[compute]\nthreads = = 2", name: "saed.toml")
        Issue.record("no error")
    } catch {
        #expect(error.description.hasPrefix("'saed.toml': line 2: "))
    }
}

/// Whoever is told to set a key finds it: every `section.key` that messages, comments and documents spell out is one.
@Test func keysThatAreNamedAnywhereAreThere() throws {
    var section = "", keys: Set<String> = []
    for line in Configuration().documented().split(separator: "\n") {
        if let header = line.wholeMatch(of: #/\[(\w+)\]/#) { section = String(header.1) }
        if let key = line.prefixMatch(of: #/(\w+) = /#) { keys.insert("\(section).\(key.1)") }
    }
    let sections = Set(keys.map { $0.prefix { $0 != "." } }).union(["decode", "sandbox"])
    // As a setting, at the end of a message in brackets, or as code in a comment or document.
    let spelled = #/(?:[ (;]([a-z]+\.[a-z_]+) = (?:true|false|"|[0-9])|[^\\]\(([a-z]+\.[a-z_]+)\)"|`([a-z]+\.[a-z_]+)`)/#
    let checkout = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    var named = 0
    for folder in ["Sources", "docs", "systemd", "README.md"] {
        let top = checkout.appendingPathComponent(folder)
        let inside = FileManager.default.enumerator(at: top, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
        for file in [top] + inside where ["swift", "md", "toml", "service"].contains(file.pathExtension) && !file.path.contains("/Generated/") {
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
                for match in line.matches(of: spelled) {
                    let key = String(match.1 ?? match.2 ?? match.3 ?? "")
                    guard sections.contains(key.prefix { $0 != "." }) else { continue }
                    named += 1
                    #expect(keys.contains(key), "\(file.lastPathComponent): \(line)")
                }
            }
        }
    }
    #expect(named > 5)
}
