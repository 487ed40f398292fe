// The kinds of log entries: random 128-bit numbers, never reused. systemd/saed.catalog explains each
// (journalctl -u saed -x); a new case needs its entry there, which a test checks.

import Logging

/// What an entry is about, whatever its text.
package enum MessageID: String, CaseIterable, Sendable {
    // The daemon.
    case ready = "410fab900d664751a68ed37e0985d668"
    case stopping = "67db82b899b647af97012b76f07be331"
    case stopped = "c6aa48a5280c468ebed16576abbfb458"
    case startFailed = "4b043fcf518e492387a03cb4dbcdc6f9"
    case reloaded = "e344220c41034ca1b8379fa1f80cc148"
    case reloadFailed = "ef5bb3a859f7454eb3c79eb052bf4e54"
    case needsRestart = "ce6a74aac74b421b97f7b679d082c937"
    // The store.
    case bytesCut = "de709fc58ceb4bf48eba374f3fc041a8"
    case segmentShort = "be713f5f04af45019d436737e0284b51"
    case snapshotsDamaged = "6ad9816da04645eeb6a9f9209d4783d8"
    // The model that comes with saed.
    case embeddedMissing = "ffcdec163e984c64b1c39631e1d3b633"
    case embeddedBroken = "af587e93a2fe4fb3860941d06c28bb6a"
    // The machine.
    case slowProducts = "e68fe85827a14183bb4f33c05c9762e0"
    // Images.
    case committed = "0020ab849dc14b4ebd1553c8d4c76298"
    case pathAdded = "02c1c7d3b704425384bd9ee62c8862bf"
    case pathMoved = "592150ca332143b28bd4620e5c947cd1"
    case pathRemoved = "54e62af21b4844d1a4859b046d517c84"
    case failed = "554af6dff8e64ab494a3791ad9d82a13"
    // Models, SAEs, adapters, classes.
    case modelAdded = "23f4b09c8bea4d699a62e2ebd4e62184"
    case modelRemoved = "fc10ed6f3b974727948074d303ea82e9"
    case saeAdded = "f45b41083e4d4e5d85d7177321b17229"
    case saeRemoved = "09b878bed2284400a92cb24d937eb158"
    case adapterAdded = "cc9a7cd770ed4ebcb8eff5e09d7e64f3"
    case adapterChanged = "a8c92e34de8047868369d7338971ec34"
    case adapterRemoved = "d31b63f12e064bee966725451c826eb9"
    case backfill = "5bcf48ba665040da808cba8b7ca0e573"
    case classesSet = "eb88af6376214654bf9e76456bc62451"
    // Work.
    case warning = "59ab000be7054e589dd4df61ce584d7b"
    case busy = "a7fd1cc5562645c68bcea4e4d989b53b"
    case idle = "b139e2b9f16b46c4b724d3fdc066ae39"
    case rescanned = "6dd65e761ba54940a9c7931e8105b405"
    case missed = "f2cbd63ae85d42199162f4adfde3ab11"
    // Clients.
    case clientRefused = "2f97eb38417e472bbdaab70dbdf5f472"
    case limitReached = "3bdfd478ebbd46f98bfe6e607f7602c7"
    case requestFailed = "495279b4375847f3b7abcd4004ba2924"
}

extension Logger {
    /// An entry of a kind. `fields` are what an operator filters by: `journalctl SAED_PATH=cats/a.jpg`.
    func log(_ id: MessageID, _ level: Logger.Level, _ message: String, _ fields: [String: String] = [:]) {
        var metadata: Logger.Metadata = ["MESSAGE_ID": "\(id.rawValue)"]
        for (name, value) in fields { metadata[name] = "\(value)" }
        log(level: level, "\(message)", metadata: metadata)
    }
}
