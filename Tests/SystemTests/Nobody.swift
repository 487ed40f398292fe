// Somebody else than the daemon's own user: programs run as 'nobody', for what roles, limits and permissions make of others.

import Foundation
import Programs
import Testing

/// `saectl` as user 'nobody' asks a rig's daemon, whose socket it opens to all.
struct Nobody {
    /// Only root may become somebody else.
    static let canBe = geteuid() == 0 && FileManager.default.isExecutableFile(atPath: setpriv.path)
    private static let setpriv = URL(fileURLWithPath: "/usr/bin/setpriv")

    private let rig: Rig
    private let program: String

    /// - Parameter opening: whether 'nobody' may open the socket.
    init(_ rig: Rig, opening: Bool = true) throws {
        self.rig = rig
        // Where the programs were built, others may not look.
        program = rig.root.appendingPathComponent("saectl-of-nobody").path
        try? FileManager.default.removeItem(atPath: program)
        try FileManager.default.copyItem(atPath: Place.saectl.path, toPath: program)
        try #require(chmod(program, 0o755) == 0 && chmod(rig.root.path, 0o755) == 0)
        if opening { try #require(chmod(rig.root.appendingPathComponent("saed.sock").path, 0o666) == 0) }
    }

    private func arguments(_ arguments: [String]) -> [String] {
        ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", program] + arguments + ["--root", rig.root.path]
    }

    func saectl(_ arguments: String...) throws -> Finished {
        try run(Nobody.setpriv, self.arguments(arguments), environment: ["NO_COLOR": "1"])
    }

    func background(_ arguments: String...) throws -> Background { try Background(Nobody.setpriv, self.arguments(arguments)) }
}

extension Rig {
    /// Open connections, the one that asks included.
    static func connections(_ rig: Rig) throws -> Int {
        (try rig.json("status")["clients"] as? [String: Any])?["connections"] as? Int ?? 0
    }
}
