// Who may do what with a file, by its mode and its access control list: for users other than the one who asks, whom the
// kernel can't be asked about.

import CFileCalls
import Glibc

/// A user as the kernel sees one: by numbers.
package struct Identity: Sendable, Equatable {
    package var user: UInt32
    /// All that it is in now, the primary one included.
    package var groups: Set<UInt32>
    /// For people.
    package var name: String

    package init(user: UInt32, groups: Set<UInt32>, name: String) { (self.user, self.groups, self.name) = (user, groups, name) }
}

/// What there is at a path.
package struct FileFacts: Sendable, Equatable {
    package enum Kind: Sendable { case folder, file, socket, other }
    package struct Rights: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let read = Rights(rawValue: 4), write = Rights(rawValue: 2), enter = Rights(rawValue: 1)
    }

    /// An entry of a POSIX access control list.
    package struct Entry: Sendable, Equatable {
        package enum Who: Sendable, Equatable { case owner, user(UInt32), owningGroup, group(UInt32), mask, others }
        package let who: Who
        package let rights: Rights
    }

    package var path: String
    package var kind: Kind
    /// Permission bits.
    package var mode: UInt32
    package var owner: UInt32
    package var group: UInt32
    package var ownerName: String
    package var groupName: String
    /// Empty where the mode says all.
    package var list: [Entry] = []

    package init(
        path: String, kind: Kind, mode: UInt32, owner: UInt32, group: UInt32, ownerName: String, groupName: String, list: [Entry] = []
    ) {
        (self.path, self.kind, self.mode, self.list) = (path, kind, mode, list)
        (self.owner, self.group, self.ownerName, self.groupName) = (owner, group, ownerName, groupName)
    }

    /// As POSIX 1003.1e, draft 17, decides it; root may do everything.
    package func allows(_ rights: Rights, to who: Identity) -> Bool {
        if who.user == 0 { return true }
        func bits(_ shift: UInt32) -> Rights { Rights(rawValue: mode >> shift & 7) }
        if who.user == owner { return bits(6).isSuperset(of: rights) }
        // With a list, the mode's group bits are its mask.
        let mask = list.first { $0.who == .mask }?.rights ?? [.read, .write, .enter]
        for entry in list where entry.who == .user(who.user) { return entry.rights.intersection(mask).isSuperset(of: rights) }
        var isInGroup = false
        for entry in list {
            switch entry.who {
            case .owningGroup where who.groups.contains(group): break
            case .group(let id) where who.groups.contains(id): break
            default: continue
            }
            isInGroup = true
            if entry.rights.intersection(mask).isSuperset(of: rights) { return true }
        }
        if list.isEmpty, who.groups.contains(group) { return bits(3).isSuperset(of: rights) }
        return isInGroup ? false : bits(0).isSuperset(of: rights)
    }

    /// As `ls -ld` begins: "drwxr-x--- saed saed".
    package var text: String {
        let letters = (0..<9).map { mode & (256 >> UInt32($0)) == 0 ? "-" : String("rwxrwxrwx".dropFirst($0).prefix(1)) }.joined()
        let first = kind == .folder ? "d" : kind == .socket ? "s" : "-"
        return "\(first)\(letters)\(list.isEmpty ? "" : "+") \(ownerName) \(groupName)"
    }
}

extension FileFacts {
    /// - Returns: nil, with `errno`, where there is nothing or it can't be seen.
    init?(at path: String, following: Bool = true) {
        var info = stat()
        guard (following ? stat(path, &info) : lstat(path, &info)) == 0 else { return nil }
        self.path = path
        kind =
            switch info.st_mode & S_IFMT {
            case S_IFDIR: .folder
            case S_IFREG: .file
            case S_IFSOCK: .socket
            default: .other
            }
        mode = info.st_mode & 0o7777
        owner = info.st_uid
        group = info.st_gid
        ownerName = nameOfUser(info.st_uid)
        groupName = nameOfGroup(info.st_gid)
        list = FileFacts.list(at: path)
    }

    private static func list(at path: String) -> [Entry] {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = saed_access_list(path, &bytes, UInt(bytes.count))
        return count > 4 ? list(bytes[..<Int(count)]) : []
    }

    /// The kernel's form: a version (2), then entries of tag, rights and id, little-endian.
    package static func list(_ bytes: ArraySlice<UInt8>) -> [Entry] {
        func number(_ at: Int, _ size: Int) -> UInt32 { (0..<size).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) } }
        let first = bytes.startIndex
        guard bytes.count >= 4, number(first, 4) == 2 else { return [] }
        return stride(from: first + 4, through: bytes.endIndex - 8, by: 8).compactMap { at in
            let rights = Rights(rawValue: number(at + 2, 2) & 7), id = number(at + 4, 4)
            switch number(at, 2) {
            case 0x01: return Entry(who: .owner, rights: rights)
            case 0x02: return Entry(who: .user(id), rights: rights)
            case 0x04: return Entry(who: .owningGroup, rights: rights)
            case 0x08: return Entry(who: .group(id), rights: rights)
            case 0x10: return Entry(who: .mask, rights: rights)
            case 0x20: return Entry(who: .others, rights: rights)
            default: return nil
            }
        }
    }
}

extension Identity {
    /// Who runs this program: the groups are those of the login.
    static var own: Identity {
        var groups = [gid_t](repeating: 0, count: 65_536)
        let count = getgroups(Int32(groups.count), &groups)
        return Identity(user: geteuid(), groups: Set(groups.prefix(max(0, Int(count)))).union([getegid()]), name: nameOfUser(geteuid()))
    }

    /// A user with the groups that the user database lists: those that the next login has.
    init(listed user: UInt32) {
        self.user = user
        name = nameOfUser(user)
        groups = []
        guard let entry = getpwuid(user) else { return }
        var ids = [gid_t](repeating: 0, count: 65_536), count = Int32(ids.count)
        if getgrouplist(entry.pointee.pw_name, entry.pointee.pw_gid, &ids, &count) >= 0 { groups = Set(ids.prefix(Int(count))) }
    }

    /// A process's, from /proc; nil where it can't be seen.
    init?(process: Int) {
        guard let text = try? readLines("/proc/\(process)/status") else { return nil }
        func numbers(_ key: String) -> [UInt32] {
            text.first { $0.hasPrefix(key) }.map { $0.dropFirst(key.count).split { $0 == " " || $0 == "\t" }.compactMap { UInt32($0) } } ?? []
        }
        let users = numbers("Uid:"), groups = numbers("Gid:")
        guard users.count >= 2, groups.count >= 2 else { return nil }
        self.init(user: users[1], groups: Set(numbers("Groups:")).union([groups[1]]), name: nameOfUser(users[1]))
    }
}

/// The name, or the number where there is none (a dynamic user of a service that has stopped).
func nameOfUser(_ user: UInt32) -> String { getpwuid(user).map { String(cString: $0.pointee.pw_name) } ?? "\(user)" }
func nameOfGroup(_ group: UInt32) -> String { getgrgid(group).map { String(cString: $0.pointee.gr_name) } ?? "\(group)" }
