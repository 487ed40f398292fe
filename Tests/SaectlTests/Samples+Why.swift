// Answers of version 1.2 as a daemon would give them: an unsure name, a silent latent, no control, no label, a class with
// an escape sequence.

import Wire

extension Sample {
    static func name(_ latent: UInt32, _ word: String, sure: Bool = true, candidates: [(String, Double)] = [], reason: String = "") -> Saed_LatentName {
        .with {
            ($0.latent, $0.word, $0.sure, $0.score, $0.reason) = (latent, word, sure, candidates.first?.1 ?? 0, reason)
            $0.candidates = candidates.map { word, score in .with { ($0.word, $0.score) = (word, score) } }
        }
    }

    static let sureName = name(4321, "red star", candidates: [("red star", 0.412), ("star", 0.31)])
    static let unsureName = name(
        7, "ring", sure: false, candidates: [("ring", 0.1), ("a thin ring", 0.098), ("circle", 0.09), ("wheel", 0.05)],
        reason: "no better than the best word of 8 in 100 random sets of images")
    static let silentName = name(9, "", sure: false, reason: "it was active nowhere")

    private static func ranked(_ path: String) -> Saed_RankedImage {
        .with {
            ($0.image, $0.rank) = (image(path, label: "star"), 1)
            $0.hit = .with { ($0.latent, $0.mean, $0.peak) = (4321, 0.5, 3.25) }
        }
    }

    private static func classes(_ list: [(String, Double, Double)]) -> [Saed_ClassProbability] {
        list.map { name, probability, logit in .with { ($0.name, $0.probability, $0.logit) = (name, probability, logit) } }
    }

    private static func place(_ row: UInt32, _ column: UInt32) -> Saed_Patch { .with { ($0.row, $0.column) = (row, column) } }

    static let explain = Saed_ExplainReply.with {
        ($0.image, $0.base, $0.adapted) = (image("/srv/saed/drop/images/star/12.jpg", label: "star"), view("base"), view("maple"))
        ($0.className, $0.against) = ("carmine star", "red star")
        $0.baseClasses = classes([("red star", 0.71, 24.3), ("carmine star", 0.2, 23.1)])
        $0.adaptedClasses = classes([("carmine star", 0.93, 26.7), ("red star", 0.031, 23.3)])
        ($0.baseMargin, $0.adaptedMargin, $0.change) = (-1.2, 3.4, 4.6)
        $0.parts = [
            ("text side", 1.1, "the class texts of the second view with the first's image"), ("above the hook", -0.35, ""),
            ("latents", 3.755, "change of each latent times its direction's effect, over class token and patches"), ("quadrature", 0.005, ""),
            ("SAE error", 0.09, ""),
        ].map { part, change, definition in .with { ($0.part, $0.change, $0.definition) = (part, change, definition) } }
        $0.latents = [
            .with {
                ($0.latent, $0.contribution, $0.classToken, $0.patches) = (4321, 2.1, 0.4, 1.7)
                $0.strongest = [(2, 3, 0.81), (2, 4, 0.52), (3, 3, 0.2), (0, 0, -0.01)].map { row, column, value in
                    .with { ($0.patch, $0.contribution) = (place(row, column), value) }
                }
                ($0.baseMean, $0.adaptedMean, $0.baseClassValue, $0.adaptedClassValue) = (0.02, 0.51, 0, 1.5)
                ($0.alone, $0.frequency, $0.name, $0.top) = (-1.95, 0.034, sureName, [ranked("/srv/saed/drop/images/star/3.jpg")])
            },
            .with {
                ($0.latent, $0.contribution, $0.classToken, $0.patches) = (7, -0.6, -0.6, 0)
                ($0.baseMean, $0.adaptedMean, $0.baseClassValue, $0.adaptedClassValue) = (0, 0, 0.2, 1.2)
                ($0.alone, $0.frequency, $0.name) = (0.55, 0.5, unsureName)
            },
            .with { ($0.latent, $0.contribution, $0.patches, $0.baseMean, $0.alone, $0.frequency) = (4095, 0.04, 0.04, 0.125, -0.04, 0.00002) },
        ]
        ($0.changedLatents, $0.listed, $0.marginWithout) = (312, 1.54, 3.31)
        $0.setBack = ([
            ("listed", 3, 1.62, "carmine star", 0.55), ("random", 3, 3.3, "carmine star", 0.92), ("all", 312, -0.5, "red star", 0.6),
        ] as [(String, UInt32, Double, String, Double)]).map { what, latents, margin, answer, probability in
            .with { ($0.what, $0.latents, $0.margin, $0.answer, $0.probability) = (what, latents, margin, answer, probability) }
        }
        $0.layout = .with { ($0.rows, $0.columns, $0.prompts) = (3, 5, 2) }
        $0.patchContributions = [0, 0.01, 0.1, 0, -0.02, 0, 0.2, 0.81, 0.52, 0, -0.4, 0, 0.2, 0.3, .nan]
        $0.nodes = 8
        $0.definitions = ["Contribution: along the straight path from the first view's latents to the second's, 8 nodes."]
        $0.notes = ["scenes/maple/scenes keeps no activations: the SAE's reconstruction stands for them"]
    }

    /// Both views give the same answer, and nothing on the vision side changed.
    static let explainNothing = Saed_ExplainReply.with {
        ($0.image, $0.base, $0.adapted) = (image(nil, label: ""), view("base"), view("base", "random"))
        ($0.className, $0.against) = ("a class with a name that is rather long \u{1B}[2J", "another class with a name that is rather long")
        $0.baseClasses = classes([(explainLongName, 0.5, 20)])
        $0.adaptedClasses = classes([(explainLongName, 0.51, 20)])
        ($0.baseMargin, $0.adaptedMargin, $0.errorTerm) = (1, 1, true)
        $0.parts = [.with { ($0.part, $0.change) = ("text side", 0) }]
        $0.layout = .with { ($0.rows, $0.columns) = (2, 2) }
        $0.patchContributions = [0, 0, 0, 0]
    }
    private static let explainLongName = "a class with a name that is rather long"

    private static func steered(_ adapter: String, _ answers: (String, String), control: Bool) -> Saed_SteeredView {
        .with {
            ($0.view, $0.answer, $0.probability, $0.answerBefore, $0.answerAfter) = (view(adapter), "star", 0.95, answers.0, answers.1)
            let after = answers.1 == "star" ? (0.7, 0.2) : (0.11, 0.785)
            $0.classes = ([("star", 0.94, after.0, 26.1, 22), ("square", 0.05, after.1, 23, 24.5), ("circle", 0.01, 0.005, 20, 19.5)] as [(String, Double, Double, Double, Double)])
                .map { name, before, after, logit, later in
                    .with {
                        ($0.name, $0.probabilityBefore, $0.probabilityAfter, $0.logitBefore, $0.logitAfter) = (name, before, after, logit, later)
                    }
                }
            $0.latents = [
                .with { ($0.latent, $0.tokens, $0.before, $0.after, $0.name) = (4321, 17, 12.5, 0, sureName) },
                .with { ($0.latent, $0.tokens, $0.before, $0.after) = (7, 1, 0, 2.5) },
            ]
            $0.moved = 0.94 - after.0
            if control { ($0.movedRandom, $0.randomEdits) = (0.021, 5) }
        }
    }

    static let steer = Saed_SteerReply.with {
        $0.image = image("/srv/saed/drop/images/star/12.jpg", label: "star")
        $0.views = [steered("base", ("star", "square"), control: true), steered("maple", ("star", "star"), control: false)]
        $0.definitions = ["Moved: half the sum of the probabilities' absolute changes."]
        $0.notes = ["latent 7 is not active on this image: it was added"]
    }

    static let find = Saed_FindReply.with {
        ($0.view, $0.text) = (view("base"), "a red star\n")
        $0.latents = [
            .with {
                ($0.latent, $0.score, $0.frequency, $0.mean, $0.name, $0.top) = (4321, 0.41, 0.034, 0.5, sureName, ranked("/srv/saed/drop/images/star/3.jpg"))
                $0.deviations = 7.25
            },
            .with { ($0.latent, $0.score, $0.frequency, $0.mean, $0.name) = (7, 0.2, 0.5, 0.01, unsureName) },
        ]
        $0.images = [
            .with { ($0.image, $0.score, $0.rank) = (image("/srv/saed/drop/images/star/3.jpg", label: "star"), 0.31, 1) },
            .with { ($0.image, $0.score, $0.rank, $0.deviations) = (image(nil, label: ""), 0.3, 2, -0.5) },
        ]
        ($0.meanLatentScore, $0.meanImageScore) = (0.002, 0.21)
        $0.definitions = ["Score: cosine."]
    }

    static let nameOne = Saed_NameReply.with {
        ($0.view, $0.names, $0.unsure, $0.words, $0.wordsSkipped, $0.images) = (view("base"), [unsureName], 1, 1900, 12, 300)
        $0.definitions = ["Score: cosine of a latent's evidence with a word, less the mean over words."]
    }

    static let nameAll = Saed_NameReply.with {
        ($0.view, $0.names) = (view("base"), [sureName, unsureName, silentName])
        ($0.sure, $0.unsure, $0.silent, $0.words, $0.images) = (1, 1, 1, 1900, 300)
    }

    static let similar = Saed_SimilarReply.with {
        ($0.view, $0.image) = (view("base"), image("/srv/saed/drop/images/star/12.jpg", label: "star"))
        $0.images = [
            .with {
                ($0.image, $0.score, $0.rank) = (image("/srv/saed/drop/images/star/3.jpg", label: "star"), 0.81, 1)
                $0.shared = [
                    .with { ($0.latent, $0.share, $0.value, $0.other, $0.name) = (4321, 0.4, 1.5, 1.25, sureName) },
                    .with { ($0.latent, $0.share, $0.value, $0.other, $0.name) = (7, 0.2, 0.5, 0.75, unsureName) },
                ]
            },
            .with { ($0.image, $0.score, $0.rank) = (image(nil, label: ""), 0.3, 2) },
        ]
        ($0.compared, $0.randomScore, $0.latents, $0.latentsActive) = (399, 0.041, 64, 128)
        $0.definitions = ["Score: weighted Jaccard of the latents' image means."]
    }

    static let similarPatch = Saed_SimilarReply.with {
        $0 = similar
        $0.patch = place(2, 3)
        $0.images[0].patch = place(0, 12)
    }

    static let report = Saed_ReportReply.with {
        ($0.base, $0.adapted, $0.scope) = (view("base"), view("maple"), "data set 'shifted'")
        $0.summary = [
            "Accuracy on data set 'shifted' rose from 41.2 % to 83.0 % (+41.8 points [+36.9, +46.6]).",
            "Of each class's top 50 latents 62.0 % are the same in both views; with shuffled labels 93.0 % are.",
        ]
        ($0.images, $0.classes, $0.latents, $0.imagesShown, $0.bytes) = (400, 16, 24, 24, 13)
        $0.notes = ["no control: make one with `saectl sae random NAME --like scenes`"]
    }

    static let atlas = Saed_AtlasReply.with {
        ($0.view, $0.latents, $0.named, $0.images, $0.bytes) = (view("base"), 812, 29, 400, 13)
    }
}
