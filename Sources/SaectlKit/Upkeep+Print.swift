// Upkeep: the texts and the JSON of `verify`, `rm` and `gc`.

import Wire

extension Saed_VerifyReply {
    public var json: JSON {
        [
            "sound": .bool(sound), "snapshots": JSON(snapshots), "catalog_problems": JSON(catalogProblems.map { JSON($0) }),
            "views": JSON(
                views.map {
                    [
                        "view": JSON($0.view), "snapshots": JSON($0.snapshots), "damaged": JSON($0.damaged.map { JSON($0) }),
                        "wrong_latents": JSON($0.wrongLatents.map { JSON($0) }),
                    ]
                }),
        ]
    }

    public func text(for terminal: Terminal) -> String {
        var table = Table(["VIEW".left, "SNAPSHOTS".right, "DAMAGED".right, "LATENTS THAT DIFFER".right])
        for view in views { table.add([view.view, "\(view.snapshots)", "\(view.damaged.count)", "\(view.wrongLatents.count)"]) }
        var out = views.isEmpty ? "" : table.text(for: terminal) + "\n"
        for view in views {
            for image in view.damaged { out += "damaged in \(view.view): \(image)".printable + "\n" }
            if !view.wrongLatents.isEmpty {
                out += "\(view.view): the statistics of latents \(view.wrongLatents.prefix(20).map { "\($0)" }.joined(separator: ", ")) are not those of their snapshots".printable + "\n"
            }
        }
        for problem in catalogProblems { out += "catalog: \(problem)".printable + "\n" }
        return out
            + (sound
                ? "all is sound: \(count(snapshots, "snapshot")) read, every checksum and every count agrees\n"
                : "not sound: restart saed, which makes damaged snapshots again from their images; keep a copy of the store before\n")
    }
}

extension Saed_ImageRemoveReply {
    public var json: JSON {
        ["images": JSON(images.map(\.json)), "files": JSON(files), "snapshots": JSON(snapshots), "bytes": JSON(bytes)]
    }

    public var text: String {
        images.map { "removed \($0.paths.first ?? $0.id)".printable + "\n" }.joined()
            + "\(count(UInt64(images.count), "image")): \(count(files, "file")) and \(count(snapshots, "snapshot")) removed, \(sizeText(bytes)) freed\n"
    }
}

extension Saed_CollectReply {
    public var json: JSON { ["images": JSON(images), "snapshots": JSON(snapshots), "bytes": JSON(bytes)] }

    public var text: String {
        snapshots == 0 && images == 0
            ? "nothing to free\n" : "\(count(snapshots, "snapshot")) of \(count(images, "image")) that nothing shows freed, \(sizeText(bytes))\n"
    }
}
