// compare, remap, ablate, classify and images --disagree as JSON. docs/JSON.md describes the keys.

import Wire

extension Saed_Interval {
    var json: JSON { ["low": JSON(low), "high": JSON(high)] }
}

extension JSON {
    fileprivate static func interval(_ interval: Saed_Interval, _ has: Bool) -> JSON { has ? interval.json : .null }
    /// A rank from 1; 0 is none.
    fileprivate static func rank(_ rank: UInt32) -> JSON { rank > 0 ? JSON(rank) : .null }
}

extension Saed_LatentChange {
    var json: JSON {
        [
            "latent": JSON(latent), "base_rank": .rank(baseRank), "adapted_rank": .rank(adaptedRank), "base_count": JSON(baseCount),
            "adapted_count": JSON(adaptedCount),
            "kinds": .object(
                Dictionary(
                    kinds.map { kind in
                        (
                            kind.kind.name,
                            [
                                "base_frequency": JSON(kind.baseFrequency), "adapted_frequency": JSON(kind.adaptedFrequency),
                                "base_mean": .optional(kind.baseMean, kind.hasBaseMean),
                                "adapted_mean": .optional(kind.adaptedMean, kind.hasAdaptedMean),
                            ] as JSON
                        )
                    }, uniquingKeysWith: { $1 })),
            "published": hasPublished ? published.json : .null,
        ]
    }
}

extension Saed_PublishedChange {
    var json: JSON {
        [
            "base_sparsity": JSON(baseSparsity), "adapted_sparsity": JSON(adaptedSparsity), "base_mean": .optional(baseMean, hasBaseMean),
            "adapted_mean": .optional(adaptedMean, hasAdaptedMean),
        ]
    }
}

extension Saed_Control {
    var json: JSON {
        [
            "view": .optional(view), "automatic": .bool(automatic), "images": JSON(images), "wanted": JSON(wanted), "shown": .bool(shown),
            "text": .optional(text),
        ]
    }
}

extension Saed_CompareReply {
    public var json: JSON {
        [
            "base": base.json, "adapted": adapted.json, "scope": JSON(scope), "images": JSON(images), "only_base": JSON(onlyBase),
            "only_adapted": JSON(onlyAdapted),
            "overlap": JSON(
                overlap.map {
                    [
                        "k": JSON($0.k), "shared": JSON($0.shared), "share": JSON($0.share), "expected_by_chance": JSON($0.expectedByChance),
                        "control": .optional($0.control, $0.hasControl), "same_images": .optional($0.sameImages, $0.hasSameImages),
                    ]
                }),
            "gained": JSON(gained.map(\.json)), "lost": JSON(lost.map(\.json)), "changed": JSON(changed.map(\.json)), "cosine": JSON(cosine),
            "control_cosine": .optional(controlCosine, hasControlCosine), "control_view": .optional(controlView),
            "same_images_cosine": .optional(sameImagesCosine, hasSameImagesCosine), "control": control.json, "k": JSON(k),
            "definitions": JSON(definitions), "notes": JSON(notes),
        ]
    }
}

extension Saed_ClassRemap {
    var json: JSON {
        [
            "label": JSON(label), "images": JSON(images), "base_accuracy": JSON(baseAccuracy), "adapted_accuracy": JSON(adaptedAccuracy),
            "change": JSON(change), "change_interval": .interval(changeInterval, hasChangeInterval), "overlap": JSON(overlap),
            "cosine": JSON(cosine), "stays_high": JSON(staysHigh), "stays_low": JSON(staysLow), "rises": JSON(rises), "falls": JSON(falls),
            "kept": JSON(kept), "reassigned": JSON(reassigned), "newly_used": JSON(newlyUsed), "left": JSON(left), "moves": JSON(moves.map(\.json)),
        ]
    }
}

extension Saed_RemapFigures {
    var json: JSON {
        [
            "what": JSON(what), "images": images > 0 ? JSON(images) : .null, "overlap": JSON(overlap), "overlap_interval": .interval(overlapInterval, hasOverlapInterval),
            "cosine": JSON(cosine), "reassigned": JSON(reassigned), "newly_used": JSON(newlyUsed), "left": JSON(left),
            "groups": JSON(
                groups.map {
                    [
                        "group": JSON($0.group), "mean_size": JSON($0.meanSize), "correlation": .optional($0.correlation, $0.hasCorrelation),
                        "correlation_interval": .interval($0.correlationInterval, $0.hasCorrelationInterval),
                    ]
                }),
        ]
    }
}

extension Saed_RemapReply {
    public var json: JSON {
        [
            "base": base.json, "adapted": adapted.json, "scope": JSON(scope), "images": JSON(images), "left_out": JSON(leftOut), "k": JSON(k),
            "seed": JSON(seed), "base_accuracy": JSON(baseAccuracy), "adapted_accuracy": JSON(adaptedAccuracy),
            "base_interval": .interval(baseInterval, hasBaseInterval), "adapted_interval": .interval(adaptedInterval, hasAdaptedInterval),
            "change": JSON(change), "change_interval": .interval(changeInterval, hasChangeInterval), "classes": JSON(classes.map(\.json)),
            "latents": JSON(
                latents.map {
                    [
                        "latent": JSON($0.latent), "left": JSON($0.left), "joined": JSON($0.joined), "classes_before": JSON($0.classesBefore),
                        "classes_after": JSON($0.classesAfter), "cosine": JSON($0.cosine),
                    ]
                }),
            "figures": JSON(figures.map(\.json)), "control": control.json,
            "explained": JSON(
                explained.map {
                    [
                        "group": JSON($0.group), "accuracy_without": JSON($0.accuracyWithout), "share": .optional($0.share, $0.hasShare),
                        "share_interval": .interval($0.shareInterval, $0.hasShareInterval), "latents": JSON($0.latents),
                    ]
                }),
            "definitions": JSON(definitions), "notes": JSON(notes),
        ]
    }
}

extension Saed_AblationPoint {
    var json: JSON {
        [
            "k": JSON(k), "all": .bool(all), "on": JSON(on), "off": JSON(off), "on_random": .optional(onRandom, hasOnRandom),
            "off_random": .optional(offRandom, hasOffRandom),
        ]
    }
}

extension Saed_AblateReply {
    public var json: JSON {
        [
            "view": view.json, "scope": JSON(scope), "images": JSON(images), "by": JSON(by), "error_term": .bool(errorTerm),
            "no_sae": JSON(noSae), "points": JSON(points.map(\.json)),
            "classes": JSON(
                classes.map {
                    ["label": JSON($0.label), "images": JSON($0.images), "no_sae": JSON($0.noSae), "points": JSON($0.points.map(\.json))]
                }),
            "definitions": JSON(definitions), "notes": JSON(notes),
        ]
    }
}

extension Saed_ClassProbability {
    var json: JSON { ["name": JSON(name), "probability": JSON(probability), "logit": JSON(logit)] }
}

extension Saed_ClassifyReply {
    /// Of one image, or of many.
    public var json: JSON {
        guard !hasImage else {
            return [
                "view": view.json, "scope": JSON(scope), "image": image.json, "classes": JSON(classes.map(\.json)),
                "definitions": JSON(definitions), "notes": JSON(notes),
            ]
        }
        return [
            "view": view.json, "scope": JSON(scope), "images": JSON(images), "labelled": JSON(labelled), "right": JSON(right),
            "accuracy": .optional(accuracy, labelled > 0), "interval": .interval(interval, hasInterval),
            "macro_accuracy": .optional(macroAccuracy, labelled > 0),
            "per_class": JSON(
                perClass.map {
                    [
                        "label": JSON($0.label), "images": JSON($0.images), "right": JSON($0.right), "accuracy": JSON($0.accuracy),
                        "interval": .interval($0.interval, $0.hasInterval),
                    ]
                }),
            "confusions": JSON(confusions.map { ["label": JSON($0.label), "answer": JSON($0.answer), "images": JSON($0.images)] }),
            "answers": JSON(answers.map { ["answer": JSON($0.answer), "images": JSON($0.images)] }), "definitions": JSON(definitions),
            "notes": JSON(notes),
        ]
    }
}

extension Saed_DisagreeReply {
    public var json: JSON {
        [
            "images": JSON(
                images.map { entry in
                    var members = entry.image.members
                    members["base_answer"] = JSON(entry.baseAnswer)
                    members["adapted_answer"] = JSON(entry.adaptedAnswer)
                    members["base_probability"] = JSON(entry.baseProbability)
                    members["adapted_probability"] = JSON(entry.adaptedProbability)
                    members["base_right"] = .bool(entry.baseRight)
                    members["adapted_right"] = .bool(entry.adaptedRight)
                    return .object(members)
                }), "total": JSON(total), "compared": JSON(compared), "fixed": JSON(fixed), "broken": JSON(broken),
        ]
    }
}
