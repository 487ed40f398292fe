// Who may ask what. Whoever can open the socket is let in by the file's mode; from there on the kernel's word for who it
// is (SO_PEERCRED) and the configuration decide.

import Foundation
import Wire
import WireNIO

/// Reading, or also changing what the daemon holds.
enum Role: Int, Comparable {
    case none, reader, admin

    static func < (a: Role, b: Role) -> Bool { a.rawValue < b.rawValue }
}

/// Users and groups by role.
struct Access: Sendable {
    /// User names or numbers, groups as '@name', '*' for anyone.
    let readers, admins: [String]

    init(_ configuration: Configuration) {
        readers = configuration.readers
        admins = configuration.admins
    }

    /// The daemon's own user and root may do everything: they could edit the store's files as well.
    func isTrusted(_ peer: Peer) -> Bool { peer.uid == 0 || peer.uid == geteuid() }

    private func role(of user: UInt32, group: UInt32) -> Role {
        let names = Names(user: user, group: group)
        if admins.contains(where: names.match) { return .admin }
        return readers.contains(where: names.match) ? .reader : .none
    }

    /// Looks users and groups up: for threads that may block.
    /// - Throws: `WireFailure`, where the peer's role does not suffice.
    func check(_ request: Saed_Request, of peer: Peer) throws {
        if isTrusted(peer) { return }
        let role = role(of: peer.uid, group: peer.gid), needed: Role = request.changesSomething ? .admin : .reader
        guard role < needed else { return }
        let setting = needed == .admin ? "access.admins" : "access.readers"
        throw WireFailure(
            .failedPrecondition, "user \(Names(user: peer.uid, group: peer.gid).text) may not ask for '\(request.title)'",
            remedy: "whoever configures saed can name the user or a group of theirs in \(setting)")
    }

    /// What a user is called.
    private struct Names {
        let user: UInt32
        let name: String?
        let groups: Set<String>

        /// May ask a directory over the network: for threads that may block.
        init(user: UInt32, group: UInt32) {
            self.user = user
            var entry = passwd(), found: UnsafeMutablePointer<passwd>?
            var buffer = [CChar](repeating: 0, count: 1 << 14)
            guard getpwuid_r(user, &entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.pw_name else {
                name = nil
                groups = Set(Names.name(ofGroup: group).map { [$0] } ?? [])
                return
            }
            self.name = String(cString: name)
            var ids = [gid_t](repeating: 0, count: 1024), count = Int32(ids.count)
            let all = getgrouplist(name, group, &ids, &count)
            groups = Set(ids.prefix(all < 0 ? 0 : Int(count)).compactMap(Names.name(ofGroup:)))
        }

        private static func name(ofGroup id: gid_t) -> String? {
            var entry = group(), found: UnsafeMutablePointer<group>?
            var buffer = [CChar](repeating: 0, count: 1 << 16)
            guard getgrgid_r(id, &entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.gr_name else { return nil }
            return String(cString: name)
        }

        func match(_ entry: String) -> Bool {
            if entry == "*" { return true }
            if entry.hasPrefix("@") { return groups.contains(String(entry.dropFirst())) }
            return entry == name || entry == "\(user)"
        }

        var text: String { name.map { "'\($0)'" } ?? "\(user)" }
    }
}

extension Saed_Request {
    /// Adds, removes or sets what all clients see.
    var changesSomething: Bool {
        switch body {
        case .modelAdd, .saeAdd, .classesSet, .adapterAdd, .adapterChange, .saeRandom, .imageRemove, .collect: true
        default: false
        }
    }
}
