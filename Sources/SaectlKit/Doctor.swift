// What commonly goes wrong, looked for from outside: each finding says what is wrong and how to mend it.

import Glibc
import Wire

/// One thing that was looked at.
public struct Finding: Sendable, Equatable {
    public enum State: String, Sendable { case ok, note, bad }
    public let check: String
    public let state: State
    public let text: String
    /// What to do; empty where all is well.
    public let remedy: String

    init(_ check: String, _ state: State, _ text: String, remedy: String = "") {
        (self.check, self.state, self.text, self.remedy) = (check, state, text, remedy)
    }
}

/// What could be seen of a daemon and its machine; of what could not, nothing is said.
package struct DoctorFacts: Sendable {
    package var socket: SocketFacts
    package var units: [UnitFacts] = []
    package var unitNames: UnitNames?
    package var user: Identity
    /// The same user with the groups of the next login.
    package var listed: Identity
    /// What a daemon answered; nil where none could be asked.
    package var answer: (status: Saed_StatusReply, version: Saed_VersionReply)?
    /// Why one that took the connection gave no answer.
    package var refusal: String?
    package var drop: DropFacts?
    package var storage: [StorageFacts] = []
    package var machine: MachineFacts
}

public enum Doctor {
    /// Looks at the daemon of a socket: through the daemon where it answers, and from outside.
    /// - Parameter ask: what it says of itself; throws why it can't be asked.
    public static func look(_ socket: SocketPath, ask: () throws -> (Saed_StatusReply, Saed_VersionReply)) -> [Finding] {
        findings(DoctorFacts(socket, ask: ask))
    }

    package static func findings(_ facts: DoctorFacts) -> [Finding] {
        var findings = Doctor.findings(facts.socket, facts.user, listed: facts.listed, units: facts.unitNames)
        if let refusal = facts.refusal { findings.append(Finding("daemon", .bad, refusal)) }
        if let units = facts.unitNames { findings += Doctor.findings(facts.units, units) }
        if let (status, version) = facts.answer {
            findings += [release(version), state(status), models(status), failures(status)]
            findings += files(status)
        }
        if let drop = facts.drop { findings += Doctor.findings(drop, facts.user, listed: facts.listed) }
        findings += facts.storage.flatMap { storage($0, usedByStore: facts.answer?.status.store.bytes) }
        return findings + machine(facts)
    }

    private static func release(_ version: Saed_VersionReply) -> Finding {
        version.version == SaedVersion.current
            ? Finding("release", .ok, "saed and saectl are \(version.version)")
            : Finding(
                "release", .note, "saed is \(version.version), saectl \(SaedVersion.current)", remedy: "restart the daemon after an upgrade, or update saectl")
    }

    private static func state(_ status: Saed_StatusReply) -> Finding {
        if let notice = status.notices.first {
            let more = status.notices.count > 1 ? " (and \(status.notices.count - 1) more: saectl status)" : ""
            return Finding("state", .bad, notice + more, remedy: "see its text")
        }
        return Finding("state", .ok, "\(status.state), \(status.queued == 0 ? "nothing queued" : "\(status.queued) queued")")
    }

    private static func models(_ status: Saed_StatusReply) -> Finding {
        status.views.isEmpty
            ? Finding("models", .bad, "there is no view: images wait", remedy: "add a model and an SAE: saectl model add, saectl sae add")
            : Finding("models", .ok, "\(count(status.models.count, "model")), \(count(status.saes.count { !$0.automatic }, "SAE")), \(count(status.views.count, "view"))")
    }

    private static func failures(_ status: Saed_StatusReply) -> Finding {
        status.failures == 0
            ? Finding("files", .ok, "every dropped file could be used")
            : Finding("files", .note, "\(count(status.failures, "file")) could not be used", remedy: "saectl failures says why; mend and drop them again")
    }

    /// Weights are read when they are first needed, and again after a rest.
    private static func files(_ status: Saed_StatusReply) -> [Finding] {
        let named = status.models.map { ("model '\($0.name)'", $0.folder) } + status.saes.map { ("SAE '\($0.name)'", $0.path) }
        let gone = named.filter { !$0.1.isEmpty && access($0.1, F_OK) != 0 && errno == ENOENT }
        guard let first = gone.first else { return [] }
        let more = gone.count > 1 ? " (and \(gone.count - 1) more)" : ""
        return [
            Finding(
                "model files", .bad, "the files of \(first.0), '\(first.1)', are gone\(more): it can't be loaded again",
                remedy: "put them back there, or add it from where they are now")
        ]
    }
}

extension [Finding] {
    public var json: JSON {
        [
            "ok": .bool(!contains { $0.state == .bad }),
            "findings": JSON(map { ["check": JSON($0.check), "state": JSON($0.state.rawValue), "text": JSON($0.text), "remedy": .optional($0.remedy)] }),
        ]
    }

    public func text(for terminal: Terminal) -> String {
        var table = Table(["".left, "CHECK".left, "FOUND".flexible])
        for finding in self { table.add([finding.state == .ok ? "ok" : finding.state == .note ? "note" : "BAD", finding.check, finding.text]) }
        let remedies = filter { !$0.remedy.isEmpty }.map { "\($0.check): \($0.remedy)".printable + "\n" }.joined()
        return table.text(for: terminal) + (remedies.isEmpty ? "" : "\n" + remedies)
    }
}
