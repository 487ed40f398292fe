// top and tail against a daemon at work, one that is killed while they listen.

import Foundation
import Testing

@Suite struct LiveTests {
    private func numbers(_ tail: Background) -> [String] { tail.events.compactMap { ($0["path"] as? String).map { ($0 as NSString).lastPathComponent } } }

    @Test func tailTellsEveryImageOnceThoughTheDaemonIsKilled() throws {
        let rig = try Rig.tiny()
        for number in 1...4 { try rig.put(Picture.png(number), "images/\(number).png") }
        try rig.wait()
        let tail = try Background(Place.saectl, ["tail", "-n", "2", "--json", "--root", rig.root.path])
        try eventually("the last two") { tail.events.count == 2 }
        // Those of the past have the latents that their commits told of.
        let shown = try rig.json("show", numbers(tail)[0])
        let kinds = try #require(shown["kinds"] as? [String: [String: Any]])
        let active = kinds.values.reduce(0.0) { $0 + ($1["l0"] as? Double ?? 0) * Double($1["tokens"] as? Int ?? 0) }
        #expect(tail.events[0]["count"] as? Int == Int(active.rounded()))
        for number in 5...8 { try rig.put(Picture.png(number), "images/\(number).png") }
        try rig.put(Data("no image".utf8), "images/bad.png")
        try eventually("what came") { tail.events.count == 7 }
        rig.kill()
        for number in 9...12 { try rig.put(Picture.png(number), "images/\(number).png") }
        try rig.start()
        try rig.wait()
        try eventually("what came while there was no daemon") { tail.events.count == 11 }
        try rig.put(Picture.png(13), "images/13.png")
        try eventually("what came after") { tail.events.count == 12 }
        let files = numbers(tail)
        #expect(Set(files).count == files.count, "\(files)")
        #expect(Set(files.dropFirst(2)) == Set((5...13).map { "\($0).png" } + ["bad.png"]), "\(files)")
        #expect(tail.events.filter { $0["event"] as? String == "failed" }.count == 1)
        tail.end()
        let failed = try rig.saectl("tail", "--failed", "--no-follow")
        #expect(failed.output.split(separator: "\n").count == 1 && failed.output.contains("images/bad.png  failed: "))
        #expect(try rig.saectl("tail", "-n", "100", "--no-follow").output.split(separator: "\n").count == 14)
    }

    @Test func topShowsWhatStatusSays() throws {
        let rig = try Rig.tiny()
        for number in 1...3 { try rig.put(Picture.png(number), "images/\(number).png") }
        try rig.put(Data("no image".utf8), "images/bad.png")
        try rig.wait()
        let text = try rig.saectl("top", "--once").output
        let view = try #require(try rig.viewNames().first)
        for part in ["  ready", "queue     empty", "images    3, 1 failure", view, "images/3.png", "images/bad.png"] { #expect(text.contains(part), "\(part) in \(text)") }
        let json = try rig.json("top", "--once"), status = try rig.json("status")
        let shown = try #require(json["status"] as? [String: Any])
        #expect(shown["images"] as? Int == 3 && shown["pid"] as? Int == status["pid"] as? Int && (json["disk_free_bytes"] as? Int ?? 0) > 0)
        let images = try #require(json["images"] as? [[String: Any]])
        #expect(images.count == 3 && images.allSatisfy { $0["view"] as? String == view && $0["past"] as? Bool == true })
    }
}
