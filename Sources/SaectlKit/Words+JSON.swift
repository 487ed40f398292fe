// find, name, similar, report and atlas as JSON. docs/JSON.md describes the keys.

import Wire

extension Saed_FindReply {
    public var json: JSON {
        [
            "view": view.json, "text": JSON(text),
            "latents": JSON(
                latents.map {
                    [
                        "latent": JSON($0.latent), "score": JSON($0.score), "deviations": JSON($0.deviations), "frequency": JSON($0.frequency),
                        "mean": JSON($0.mean), "name": .name($0.name, $0.hasName), "top": $0.hasTop ? $0.top.json : .null,
                    ]
                }),
            "images": JSON(
                images.map { entry in
                    var members = entry.image.members
                    (members["score"], members["deviations"], members["rank"]) = (JSON(entry.score), JSON(entry.deviations), JSON(entry.rank))
                    return .object(members)
                }), "mean_latent_score": JSON(meanLatentScore), "mean_image_score": JSON(meanImageScore), "definitions": JSON(definitions),
            "notes": JSON(notes),
        ]
    }
}

extension Saed_NameReply {
    public var json: JSON {
        [
            "view": view.json, "names": JSON(names.map(\.json)), "sure": JSON(sure), "unsure": JSON(unsure), "silent": JSON(silent),
            "words": JSON(words), "words_skipped": JSON(wordsSkipped), "images": JSON(images), "definitions": JSON(definitions), "notes": JSON(notes),
        ]
    }
}

extension Saed_SimilarReply {
    public var json: JSON {
        [
            "view": view.json, "image": image.json, "patch": hasPatch ? patch.json : .null,
            "images": JSON(
                images.map { entry in
                    var members = entry.image.members
                    (members["score"], members["rank"]) = (JSON(entry.score), JSON(entry.rank))
                    members["patch"] = entry.hasPatch ? entry.patch.json : .null
                    members["shared"] = JSON(
                        entry.shared.map {
                            [
                                "latent": JSON($0.latent), "share": JSON($0.share), "value": JSON($0.value), "other": JSON($0.other),
                                "name": .name($0.name, $0.hasName),
                            ]
                        })
                    return .object(members)
                }), "compared": JSON(compared), "random_score": JSON(randomScore), "latents": JSON(latents), "latents_active": JSON(latentsActive),
            "definitions": JSON(definitions), "notes": JSON(notes),
        ]
    }
}

extension Saed_ReportReply {
    /// - Parameter path: of the page, absolute.
    public func json(path: String) -> JSON {
        [
            "base": base.json, "adapted": adapted.json, "scope": JSON(scope), "summary": JSON(summary), "images": JSON(images),
            "classes": JSON(classes), "latents": JSON(latents), "images_shown": JSON(imagesShown), "bytes": JSON(bytes), "path": JSON(path),
            "notes": JSON(notes),
        ]
    }
}

extension Saed_AtlasReply {
    /// - Parameter path: of the page, absolute.
    public func json(path: String) -> JSON {
        [
            "view": view.json, "latents": JSON(latents), "named": JSON(named), "images": JSON(images), "bytes": JSON(bytes), "path": JSON(path),
            "notes": JSON(notes),
        ]
    }
}
