// Limits of clients as an operator meets them: in the settings, in a reload, in the log.

import Daemon
import Testing
import WireNIO

@Suite struct LimitsTests {
    @Test func limitsAreSettings() throws {
        let text = """
            [limits]
            user_connections = 8
            request_time = "90s"
            unread_time = "0s"
            """
        let limits = try Configuration.read(text: text, name: "saed.toml").clientLimits
        #expect(limits.userConnections == 8 && limits.requestTime == .seconds(90) && limits.unreadTime == .zero)
        #expect(limits.connections == WireLimits().connections, "what is not named keeps its default")
    }

    /// An error names a setting; it must be one.
    @Test func everyLimitThatAnErrorNamesIsASetting() {
        let documented = Configuration().documented()
        let section = documented.components(separatedBy: "[limits]").last ?? ""
        for limit in WireLimit.allCases { #expect(section.contains("\n\(limit.rawValue) = "), "\(limit.key)") }
    }

    @Test(arguments: [
        ("user_connections = 0", "'saed.toml': 'limits.user_connections' must be a whole number from 1 to 10000"),
        ("request_bytes = 2000000", "'saed.toml': 'limits.request_bytes' must be a whole number from 4096 to 1048576"),
        ("request_time = 10", "'saed.toml': 'limits.request_time' must be a time such as \"500ms\", \"20s\" or \"10m\""),
        ("users = 1", "'saed.toml': no setting is called 'limits.users'; did you mean 'limits.requests'?"),
    ])
    func wrongLimitsAreNamed(_ line: String, _ message: String) {
        #expect(throws: ConfigurationError(description: message)) { try Configuration.read(text: "[limits]\n" + line, name: "saed.toml") }
    }

    @Test func rolesAndLimitsAreTakenUpByAReload() {
        var wanted = Configuration()
        wanted.admins = ["ada"]
        wanted.clientLimits.idleTime = .seconds(60)
        wanted.batch = 2
        let (live, restart) = wanted.changes(from: Configuration())
        #expect(live == ["access.admins", "limits.idle_time"] && restart == ["compute.batch"])
    }

    // MARK: the log

    @Test func aRunawayProgramIsOneLineAMinute() {
        let log = RefusalLog(), key = RefusalLog.Key(user: 1000, reason: "limits.user_connections"), start = ContinuousClock.now
        #expect(log.note(key, now: start) == "")
        for second in 1..<60 { #expect(log.note(key, now: start + .seconds(second)) == nil) }
        #expect(log.note(key, now: start + .seconds(60)) == " (and 59 more like it since the last such line)")
        #expect(log.note(key, now: start + .seconds(61)) == nil)
        // Others have lines of their own.
        #expect(log.note(.init(user: 1001, reason: "limits.user_connections"), now: start + .seconds(61)) == "")
        #expect(log.note(.init(user: 1000, reason: "limits.requests"), now: start + .seconds(61)) == "")
    }

    @Test func garbageIsToldATimeOrTen() {
        let log = RefusalLog(), key = RefusalLog.Key(user: 1000, reason: ""), start = ContinuousClock.now
        #expect((0..<50).count { _ in log.note(key, now: start) != nil } == 10)
        #expect(log.note(key, now: start + .seconds(70)) == " (and 40 more like it since the last such line)")
    }

    @Test func manyUsersFillNothing() {
        let log = RefusalLog(), start = ContinuousClock.now
        for user in 0..<5000 { #expect(log.note(.init(user: UInt32(user), reason: "x"), now: start + .seconds(user)) == "") }
        #expect(log.users < 1100)
    }
}
