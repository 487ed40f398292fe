// Answers as a daemon would give them, small but with everything that a table has a rule for: no rank, no interval, no
// control, a class's name that is too long, a path with a control character.

import Wire

enum Sample {
    static func view(_ adapter: String, _ sae: String = "scenes") -> Saed_ViewName {
        .with { ($0.model, $0.adapter, $0.sae) = ("scenes", adapter, sae) }
    }

    static func interval(_ low: Double, _ high: Double) -> Saed_Interval { .with { ($0.low, $0.high) = (low, high) } }

    static func image(_ path: String?, label: String) -> Saed_ImageInfo {
        .with {
            $0.id = String(repeating: "0123456789abcdef", count: 4)
            $0.paths = path.map { [$0] } ?? []
            ($0.label, $0.width, $0.height, $0.format, $0.bytes, $0.firstSeenMs) = (label, 64, 48, "jpeg", 1234, 1_700_000_000_000)
        }
    }

    static func change(_ latent: UInt32, ranks: (UInt32, UInt32), counts: (UInt64, UInt64)) -> Saed_LatentChange {
        .with {
            $0.latent = latent
            ($0.baseRank, $0.adaptedRank) = ranks
            ($0.baseCount, $0.adaptedCount) = counts
            $0.kinds = [
                .with {
                    $0.kind = .class
                    ($0.baseFrequency, $0.adaptedFrequency) = (0, 0.5)
                    $0.adaptedMean = 1.25
                },
                .with {
                    $0.kind = .patch
                    ($0.baseFrequency, $0.adaptedFrequency) = (0.0123, 0.1234)
                    ($0.baseMean, $0.adaptedMean) = (0.25, 0.5)
                },
            ]
        }
    }

    static let compare = Saed_CompareReply.with {
        ($0.base, $0.adapted) = (view("base"), view("maple"))
        ($0.scope, $0.images, $0.onlyBase) = ("class 'red star'", 128, 3)
        for (k, shared, chance, control) in [(1, 0, 0.0002, nil), (10, 6, 0.0021, 0.9), (100, 81, 0.021, 0.97)] as [(UInt32, UInt32, Double, Double?)] {
            $0.overlap.append(.with {
                ($0.k, $0.shared, $0.share, $0.expectedByChance) = (k, shared, Double(shared) / Double(k), chance)
                if let control { ($0.control, $0.sameImages) = (control, control - 0.3) }
            })
        }
        // An automatic one, on some of the images.
        $0.control = .with {
            ($0.view, $0.automatic, $0.images, $0.wanted, $0.shown) = ("scenes/maple/scenes~random", true, 48, 64, true)
            $0.text =
                "control: random directions, on 48 of the 128 images, a sample spread over data sets and labels, still being made: 48 of 64; 'same images' is the finding on these"
        }
        $0.sameImagesCosine = 0.8412
        $0.gained = [change(4321, ranks: (0, 3), counts: (0, 812)), change(7, ranks: (1204, 88), counts: (2, 41))]
        $0.changed = [change(4321, ranks: (0, 3), counts: (0, 812))]
        $0.cosine = 0.8342
        $0.controlCosine = 0.99
        $0.k = 100
        $0.controlView = "scenes/maple/scenes~random"
        $0.definitions = [
            "A latent's count: tokens (class and patches, prompts never) on which it has more than 0.2, over images that have a snapshot in both views.",
            "By chance: k / latents active in either view.",
        ]
        $0.notes = ["3 images wait for their snapshot in scenes/maple/scenes"]
    }

    private static func group(_ name: String, _ size: Double, _ correlation: Double?) -> Saed_GroupFigures {
        .with {
            ($0.group, $0.meanSize) = (name, size)
            guard let correlation else { return }
            $0.correlation = correlation
            $0.correlationInterval = interval(correlation - 0.3, correlation + 0.25)
        }
    }

    private static func label(_ name: String, _ accuracies: (Double, Double), moves: [Saed_LatentChange]) -> Saed_ClassRemap {
        .with {
            ($0.label, $0.images, $0.moves) = (name, 25, moves)
            ($0.baseAccuracy, $0.adaptedAccuracy) = accuracies
            $0.change = accuracies.1 - accuracies.0
            $0.changeInterval = interval($0.change - 0.16, $0.change + 0.16)
            ($0.overlap, $0.cosine) = (0.62, 0.8123)
            ($0.staysHigh, $0.staysLow, $0.rises, $0.falls) = (11, 30, 4, 1)
            ($0.kept, $0.reassigned, $0.newlyUsed, $0.left) = (31, 15, 4, 19)
        }
    }

    static let remap = Saed_RemapReply.with {
        ($0.base, $0.adapted) = (view("base"), view("maple"))
        ($0.scope, $0.images, $0.leftOut, $0.k, $0.seed) = ("data set 'shifted'", 400, 12, 50, 7)
        ($0.baseAccuracy, $0.adaptedAccuracy, $0.change) = (0.412, 0.83, 0.418)
        ($0.baseInterval, $0.adaptedInterval, $0.changeInterval) = (interval(0.365, 0.461), interval(0.79, 0.864), interval(0.369, 0.466))
        $0.classes = [
            label("star", (0.04, 0.92), moves: [change(4321, ranks: (0, 3), counts: (0, 812)), change(12, ranks: (2, 340), counts: (700, 3))]),
            label("a very long name of a class", (0.8, 0.6), moves: [change(7, ranks: (1204, 88), counts: (2, 41))]),
            label("square", (0.52, 0.52), moves: []),
        ]
        $0.latents = [
            .with {
                ($0.latent, $0.left, $0.joined) = (4321, [], ["star", "square", "triangle", "ring", "heart", "cross", "arrow", "circle"])
                ($0.classesBefore, $0.classesAfter, $0.cosine) = (2, 5, 0.31)
            },
            .with { ($0.latent, $0.left, $0.classesBefore, $0.classesAfter, $0.cosine) = (12, ["star"], 11, 10, 0.97) },
        ]
        $0.control = .with {
            ($0.view, $0.images, $0.wanted, $0.shown, $0.text) = (
                "scenes/maple/chance", 1200, 2400, true,
                "control: random directions ('chance'), on 1200 of the 2400 images, still being made: 1200 of 2400; 'same images' is the finding on these"
            )
        }
        for (what, overlap, images) in [
            ("finding", 0.62, 2400), ("shuffled labels", 0.93, 2400), ("finding, same images", 0.6, 1200), ("random directions", 0.97, 1200),
        ] as [(String, Double, UInt64)] {
            $0.figures.append(.with {
                ($0.what, $0.overlap, $0.cosine, $0.images) = (what, overlap, overlap + 0.02, images)
                if what != "random directions" { $0.overlapInterval = interval(overlap - 0.03, overlap + 0.03) }
                ($0.reassigned, $0.newlyUsed, $0.left) = (15.25, 3.75, 19)
                $0.groups = what == "random directions"
                    ? [] : [group("stays high", 11.05, 0.1), group("stays low", 30.5, -0.2), group("rises", 4.1, 0.55), group("falls", 0, nil)]
            })
        }
        for (name, accuracy, share, latents) in [
            ("kept", 0.7, 0.311, 31), ("re-assigned", 0.55, 0.67, 15), ("newly used", 0.81, 0.048, 4), ("all of them", 0.42, 0.981, 50),
            ("random latents", 0.835, -0.012, 50), ("every latent", 0.43, 0.957, 4096), ("whole vision side", 0.425, nil, 0),
        ] as [(String, Double, Double?, UInt32)] {
            $0.explained.append(.with {
                ($0.group, $0.accuracyWithout, $0.latents) = (name, accuracy, latents)
                guard let share else { return }
                $0.share = share
                $0.shareInterval = interval(share - 0.06, share + 0.06)
            })
        }
        $0.definitions = ["Top 50 by tokens over 0.2 (class and patches) on the class's images; intervals: 95 %, 1000 rounds, seed 7."]
    }

    /// One class, nothing gained, no ablation, no controls.
    static let remapOfOneClass = Saed_RemapReply.with {
        ($0.base, $0.adapted, $0.scope, $0.images, $0.k) = (view("base"), view("twin"), "class 'star'", 25, 50)
        $0.classes = [label("star", (0.92, 0.92), moves: [change(12, ranks: (2, 3), counts: (700, 690))])]
        ($0.baseAccuracy, $0.adaptedAccuracy) = (0.92, 0.92)
        $0.figures = [.with { ($0.what, $0.overlap, $0.cosine) = ("finding", 1, 1) }]
        $0.control = .with { ($0.automatic, $0.wanted, $0.text) = (true, 2, "control: random directions, being made: 0 of 2 images (saectl wait --controls)") }
    }

    private static let points = ([(1, 0.04, 0.66), (10, 0.31, 0.4), (100, 0.62, 0.02), (0, 0.65, 0)] as [(UInt32, Double, Double)]).map { k, on, off in
        Saed_AblationPoint.with {
            ($0.k, $0.all) = (k == 0 ? 4096 : k, k == 0)
            ($0.on, $0.off) = (on, off)
            if k > 0 { ($0.onRandom, $0.offRandom) = (0.05, 0.65) }
        }
    }

    static let ablate = Saed_AblateReply.with {
        ($0.view, $0.scope, $0.images, $0.by, $0.noSae, $0.points) = (view("base"), "all images", 400, "class-count", 0.683, points)
        $0.classes = ["square", "star"].map { name in
            .with {
                ($0.label, $0.images, $0.noSae) = (name, 25, name == "star" ? 0.88 : 0.5)
                $0.points = points
            }
        }
        $0.definitions = ["On, off: only the class's top k latents, all but those; the reconstruction stands for the activations."]
    }

    static let classifyImage = Saed_ClassifyReply.with {
        ($0.view, $0.scope, $0.image) = (view("base"), "image star/1.jpg", image("/srv/drop/images/star/1.jpg", label: "star"))
        $0.classes = [("star", 0.91, 24.31), ("square", 0.0899, 21.9), ("circle", 0.00005, 14.4)].map { name, probability, logit in
            .with { ($0.name, $0.probability, $0.logit) = (name, probability, logit) }
        }
    }

    static let classify = Saed_ClassifyReply.with {
        ($0.view, $0.scope, $0.images, $0.labelled, $0.right) = (view("maple"), "data set 'shifted'", 60, 50, 37)
        ($0.accuracy, $0.interval, $0.macroAccuracy) = (0.74, interval(0.604, 0.841), 0.74)
        $0.perClass = ([("star", 14, 0.56), ("square", 23, 0.92)] as [(String, UInt64, Double)]).map { name, right, accuracy in
            .with {
                ($0.label, $0.images, $0.right, $0.accuracy) = (name, 25, right, accuracy)
                $0.interval = interval(accuracy - 0.1, accuracy + 0.05)
            }
        }
        $0.confusions = [.with { ($0.label, $0.answer, $0.images) = ("star", "square", 11) }, .with { ($0.label, $0.answer, $0.images) = ("square", "star", 2) }]
        $0.answers = [.with { ($0.answer, $0.images) = ("square", 40) }, .with { ($0.answer, $0.images) = ("star", 20) }]
        $0.definitions = ["Right: the likeliest class is the image's label; intervals: Wilson, 95 %."]
    }

    static let classifyUnlabelled = Saed_ClassifyReply.with {
        ($0.view, $0.scope, $0.images) = (view("maple"), "data set 'photos'", 60)
        $0.answers = [.with { ($0.answer, $0.images) = ("square", 45) }, .with { ($0.answer, $0.images) = ("star", 15) }]
    }

    static let disagree = Saed_DisagreeReply.with {
        ($0.total, $0.compared, $0.fixed, $0.broken) = (3, 400, 1, 1)
        $0.images = [
            .with {
                ($0.image, $0.baseAnswer, $0.adaptedAnswer) = (image("/srv/saed/drop/datasets/shifted/star/9\u{1B}[2J.jpg", label: "star"), "star", "circle")
                ($0.baseProbability, $0.adaptedProbability, $0.baseRight) = (0.51, 0.62, true)
            },
            .with {
                ($0.image, $0.baseAnswer, $0.adaptedAnswer) = (image("/srv/saed/drop/datasets/shifted/star/12.jpg", label: "star"), "square", "star")
                ($0.baseProbability, $0.adaptedProbability, $0.adaptedRight) = (0.4, 0.97, true)
            },
            .with {
                ($0.image, $0.baseAnswer, $0.adaptedAnswer) = (image(nil, label: ""), "square", "star")
                ($0.baseProbability, $0.adaptedProbability) = (0.4, 0.5)
            },
        ]
    }

    static let adapters: [Saed_AdapterInfo] = [
        .with { ($0.name, $0.model, $0.method, $0.state, $0.snapshots) = ("base", "scenes", "base", "active", 1200) },
        .with {
            ($0.name, $0.model, $0.method, $0.state, $0.snapshots, $0.queued) = ("maple", "scenes", "maple", "active", 800, 400)
            ($0.prompts, $0.visionDepth, $0.textPrompts, $0.textDepth, $0.parameters) = (2, 3, 2, 3, 12345)
            ($0.path, $0.contentHash) = ("/srv/saed/drop/prompts/maple/model.pth.tar-5", String(repeating: "ab", count: 32))
            $0.views = [view("maple")]
        },
        .with {
            ($0.name, $0.model, $0.method, $0.state, $0.sharesWith, $0.classPosition) = ("words", "scenes", "coop", "missing", "base", "end")
            ($0.textPrompts, $0.textDepth, $0.path, $0.views) = (16, 1, "/srv/coop.pth.tar", [view("words")])
        },
    ]
}
