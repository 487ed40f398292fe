// What `top` and `tail` have to show: a busy daemon of two views, hostile names, and a daemon that is gone.

import Foundation
import SaectlKit
import Wire

enum Live {
    /// Golden frames have times of day in them.
    static let inUTC: Void = {
        setenv("TZ", "UTC", 1)
        tzset()
    }()

    /// 2023-11-14 22:13:20 UTC.
    static let now: Int64 = 1_700_000_000_000
    static let base = Sample.view("base"), maple = Sample.view("maple")

    static func id(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 64 - digits.count) + digits
    }

    static func committed(_ number: Int, _ path: String, label: String = "", view: Saed_ViewName = base, at time: Int64) -> Saed_Event {
        .with {
            ($0.kind, $0.image, $0.path, $0.label, $0.view, $0.timeMs) = (.committed, id(number), path, label, view, time)
            $0.count = UInt64(200 + number)
        }
    }

    static func failure(_ path: String, _ reason: String, at time: Int64, quarantine: String = "") -> Saed_Failure {
        .with { ($0.path, $0.reason, $0.timeMs, $0.quarantine) = (path, reason, time, quarantine) }
    }

    static let status = Saed_StatusReply.with {
        ($0.version, $0.pid, $0.state, $0.uptimeMs) = ("0.2.0", 4711, "ready", 7_500_000)
        ($0.root, $0.drop) = ("/srv/saed", "/srv/saed/drop")
        ($0.queued, $0.running, $0.backfill) = (75, 16, 40)
        ($0.images, $0.paths, $0.failures) = (1300, 1302, 2)
        $0.views = [
            .with {
                ($0.name, $0.hook, $0.latents, $0.snapshots, $0.queued, $0.bytes) = (base, "blocks.4.resid_post", 4096, 1300, 0, 52 << 20)
                $0.l0 = [.with { ($0.kind, $0.l0) = (.patch, 12.53) }]
            },
            .with { ($0.name, $0.hook, $0.latents, $0.snapshots, $0.queued, $0.bytes) = (maple, "blocks.4.resid_post", 4096, 1260, 40, 50 << 20) },
        ]
        $0.loaded = [.with { ($0.kind, $0.name, $0.bytes) = ("vision", "scenes", 31 << 20) }, .with { ($0.kind, $0.name, $0.bytes) = ("sae", "scenes", 12 << 20) }]
        $0.store = .with { ($0.segments, $0.snapshots, $0.bytes) = (12, 2560, 102 << 20) }
        ($0.residentBytes, $0.residentPeakBytes, $0.threads, $0.imagesPerSecond) = (260 << 20, 420 << 20, 2, 9.5)
        $0.notices = ["view 'scenes/lora/scenes' makes no snapshots: its file is gone"]
    }

    static func look(_ status: Saed_StatusReply = status) -> TopLook {
        var look = TopLook()
        look.status = status
        look.diskFreeBytes = 12 << 30
        look.failures = [
            failure("/srv/saed/drop/images/bad\u{1B}[2J.jpg", "the JPEG ends early: send it whole", at: now - 5000),
            failure("/srv/saed/drop/images/folder/notes.txt", "no image: 'notes.txt' is no JPEG, PNG or WebP", at: now - 86_400_000),
        ]
        look.past = [
            Happening(committed(1, "/srv/saed/drop/images/star/0001.jpg", label: "star", at: now - 90_000_000), answer: .init(name: "star", probability: 0.91, margin: 2.5), isPast: true),
        ]
        return look
    }

    /// Ten seconds of work at 4 images a second, under way.
    static let busy: TopState = {
        var state = TopState()
        state.begin(at: now - 30_000)
        var most = status
        most.queued = 300
        state.take(look(most), at: now - 20_000)
        for number in 2..<42 {
            let label = number % 3 == 0 ? "square" : "star"
            state.hear(committed(number, "/srv/saed/drop/images/\(label)/\(number).jpg", label: label, view: number % 2 == 0 ? base : maple, at: now - 12_000 + Int64(number) * 250))
        }
        state.hear(committed(42, "/srv/saed/drop/images/縞馬/a\u{1B}]0;x\u{07}\u{202E}gpj.\u{301}é🦓 with a name that is longer than most.jpg", at: now - 100))
        var answers = look()
        answers.past = []
        answers.answered = (30..<43).map { number in
            Happening(committed(number, "", view: number % 2 == 0 ? base : maple, at: now), answer: .init(name: number % 3 == 0 ? "square" : "a red star", probability: 0.5 + Double(number) / 100, margin: 1.25))
        }
        state.take(answers, at: now - 200)
        state.now = now
        return state
    }()

    static let gone: TopState = {
        var state = busy
        state.lose("can't connect to '/srv/saed/saed.sock': Connection refused")
        return state
    }()

    static let never: TopState = {
        var state = TopState()
        state.lose("can't connect to '/srv/saed/saed.sock': No such file or directory")
        state.now = now
        return state
    }()

    static let events: [(name: String, happening: Happening)] = [
        ("right", Happening(committed(7, "/srv/saed/drop/images/star/7.jpg", label: "Red_star", at: now), answer: .init(name: "red star", probability: 0.982, margin: 3.214), tookMilliseconds: 420)),
        ("wrong", Happening(committed(8, "/srv/saed/drop/a b/8\n.jpg", label: "square", view: maple, at: now), answer: .init(name: "star", probability: 0.51, margin: 0.04))),
        ("no classes", Happening(committed(9, "", at: now), isPast: true)),
        ("one class", Happening(committed(10, "/elsewhere/10.jpg", at: now), answer: .init(name: "it", probability: 1, margin: nil))),
        ("failed", Happening(failure("/srv/saed/drop/images/bad.jpg", "the JPEG ends early: send it whole", at: now, quarantine: "/srv/saed/quarantine/bad.jpg"))),
        ("moved", Happening(.with { ($0.kind, $0.path, $0.text, $0.timeMs) = (.pathMoved, "/srv/saed/drop/images/b.jpg", "/srv/saed/drop/images/a.jpg", now) })),
        ("removed", Happening(.with { ($0.kind, $0.path, $0.timeMs) = (.pathRemoved, "/srv/saed/drop/images/b.jpg", now) })),
        ("backfill", Happening(.with { ($0.kind, $0.view, $0.count, $0.text, $0.timeMs) = (.backfill, maple, 40, "40 images to encode", now) })),
        ("warning", Happening(.with { ($0.kind, $0.text, $0.timeMs) = (.warning, "the disk is nearly full", now) })),
        ("adapter", Happening(.with { ($0.kind, $0.text, $0.timeMs) = (.adapterAdded, "maple of scenes", now) })),
        ("missed", Happening(.with { ($0.kind, $0.count, $0.timeMs) = (.missed, 12, now) })),
    ]
}
