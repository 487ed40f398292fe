// explain and steer as JSON. docs/JSON.md describes the keys.

import Wire

extension Saed_LatentName {
    var json: JSON {
        [
            "latent": JSON(latent), "word": .optional(word), "sure": .bool(sure), "score": JSON(score), "reason": .optional(reason),
            "candidates": JSON(candidates.map { ["word": JSON($0.word), "score": JSON($0.score)] }),
        ]
    }
}

extension JSON {
    static func name(_ name: Saed_LatentName, _ has: Bool) -> JSON { has ? name.json : .null }
}

extension Saed_ExplainedLatent {
    /// - Parameter change: of the margin, which contributions are shares of.
    func json(change: Double) -> JSON {
        [
            "latent": JSON(latent), "contribution": JSON(contribution), "share": .optional(share(of: change) ?? 0, share(of: change) != nil),
            "class_token": JSON(classToken), "patches": JSON(patches),
            "strongest": JSON(
                strongest.map { ["row": JSON($0.patch.row), "column": JSON($0.patch.column), "contribution": JSON($0.contribution)] }),
            "base_mean": JSON(baseMean), "adapted_mean": JSON(adaptedMean), "base_class_value": JSON(baseClassValue),
            "adapted_class_value": JSON(adaptedClassValue), "alone": JSON(alone), "frequency": JSON(frequency), "name": .name(name, hasName),
            "top": JSON(top.map(\.json)),
        ]
    }

    /// Of the margin's change; nil where that is nothing.
    func share(of change: Double) -> Double? { abs(change) < 1e-6 ? nil : contribution / change }
}

extension Saed_ExplainReply {
    /// What the parts leave of the change they should add up to: rounding.
    var leftOver: Double { change - parts.reduce(0) { $0 + $1.change } }

    /// - Parameter output: the picture that was written, as the user named it.
    public func json(output: String?) -> JSON {
        let columns = Int(layout.columns)
        return [
            "image": image.json, "base": base.json, "adapted": adapted.json, "class": JSON(className), "against": JSON(against),
            "base_classes": JSON(baseClasses.map(\.json)), "adapted_classes": JSON(adaptedClasses.map(\.json)), "base_margin": JSON(baseMargin),
            "adapted_margin": JSON(adaptedMargin), "change": JSON(change),
            "parts": JSON(parts.map { ["part": JSON($0.part), "change": JSON($0.change), "definition": JSON($0.definition)] }),
            "left_over": JSON(leftOver), "latents": JSON(latents.map { $0.json(change: change) }), "changed_latents": JSON(changedLatents),
            "listed": JSON(listed), "margin_without": JSON(marginWithout),
            "set_back": JSON(
                setBack.map {
                    [
                        "what": JSON($0.what), "latents": JSON($0.latents), "margin": JSON($0.margin), "answer": JSON($0.answer),
                        "probability": JSON($0.probability),
                    ]
                }),
            "layout": layout.json,
            "patch_contributions": columns > 0
                ? JSON(
                    stride(from: 0, to: patchContributions.count, by: columns).map { row in
                        JSON(patchContributions[row..<min(row + columns, patchContributions.count)].map { JSON($0) })
                    }) : [],
            "nodes": JSON(nodes), "error_term": .bool(errorTerm), "output": output.map { JSON($0) } ?? .null, "definitions": JSON(definitions),
            "notes": JSON(notes),
        ]
    }
}

extension Saed_SteeredView {
    var json: JSON {
        [
            "view": view.json, "answer": JSON(answer), "probability": JSON(probability), "answer_before": JSON(answerBefore),
            "answer_after": JSON(answerAfter), "moved": JSON(moved), "moved_random": .optional(movedRandom, randomEdits > 0),
            "random_edits": JSON(randomEdits),
            "classes": JSON(
                classes.map {
                    [
                        "name": JSON($0.name), "probability_before": JSON($0.probabilityBefore), "probability_after": JSON($0.probabilityAfter),
                        "logit_before": JSON($0.logitBefore), "logit_after": JSON($0.logitAfter),
                    ]
                }),
            "latents": JSON(
                latents.map {
                    [
                        "latent": JSON($0.latent), "tokens": JSON($0.tokens), "before": JSON($0.before), "after": JSON($0.after),
                        "name": .name($0.name, $0.hasName),
                    ]
                }),
        ]
    }
}

extension Saed_SteerReply {
    public var json: JSON {
        [
            "image": image.json, "views": JSON(views.map(\.json)), "error_term": .bool(errorTerm), "definitions": JSON(definitions),
            "notes": JSON(notes),
        ]
    }
}
