// Which images a question is about: all, those of a class, those of a data set, or both.

import Basics
import Concepts
import Foundation
import Ingest
import Store
import Wire

/// The images of a question. `images` is nil for all.
struct ImageScope {
    var text: String
    var label: String?
    var images: Set<ImageRecord.ID>?
}

extension Answers {
    /// - Parameters:
    ///   - label: nil for every class.
    ///   - dataset: nil for the whole store.
    func scope(label: String?, dataset: String?) throws -> ImageScope {
        var scope = ImageScope(text: "all images")
        if let dataset {
            scope.images = try images(inDataset: dataset)
            scope.text = "data set '\(dataset)'"
        }
        if let label {
            let known = try canonical(label: label)
            scope.label = known
            scope.text = dataset == nil ? "class '\(known)'" : "class '\(known)' of \(scope.text)"
        }
        return scope
    }

    /// A label as the store has it: '_' and case need not be the user's.
    private func canonical(label: String) throws -> String {
        if store.imageCount(label: label) > 0 { return label }
        let wanted = ClassNames.key(label)
        if let found = store.labelNames.first(where: { ClassNames.key($0) == wanted }) { return found }
        let labels = store.labelNames
        throw WireFailure(
            .notFound, "no image has the label '\(label)'",
            remedy: labels.isEmpty ? "drop images into images/CLASS/ or datasets/SET/CLASS/" : "there are " + labels.prefix(8).joined(separator: ", ") + (labels.count > 8 ? ", ..." : ""),
            candidates: Array(labels.prefix(20)))
    }

    /// A data set is a folder of the drop folder: `datasets/NAME` by its name, any other by its path.
    func images(inDataset name: String) throws -> Set<ImageRecord.ID> {
        var given = relative(name) ?? name
        while given.hasSuffix("/") { given.removeLast() }
        if given == "." || given.isEmpty {
            throw WireFailure(.invalidArgument, "'\(name)' names no data set", remedy: "give the name of a folder in datasets/, or a path in the drop folder")
        }
        for folder in ["datasets/" + given, given, "images/" + given] {
            var found: Set<ImageRecord.ID> = []
            var after = ""
            while true {
                let page = try store.paths(below: folder, after: after, limit: 10_000)
                guard let last = page.last else { break }
                for path in page { found.insert(path.image) }
                after = last.path
            }
            if !found.isEmpty { return found }
        }
        let sets = (try? FileManager.default.contentsOfDirectory(atPath: ingest.dropFolder + "/datasets"))?.filter { !$0.hasPrefix(".") }.sorted() ?? []
        throw WireFailure(
            .notFound, "no data set is called '\(name)'",
            remedy: sets.isEmpty
                ? "drop images into datasets/\(name)/CLASS/, or saectl add PATH... --dataset \(name)" : "there are " + sets.joined(separator: ", "),
            candidates: sets)
    }

    /// Both sides of BASE..ADAPTED. They must be views of one SAE: other latents can't be compared.
    func views(_ base: Saed_ViewName, _ adapted: Saed_ViewName) throws -> (base: ViewPlan, adapted: ViewPlan) {
        let adapted = try view(adapted)
        // Parts that the base leaves open are the adapted view's.
        let base = try view(
            .with {
                $0.model = base.model.isEmpty ? adapted.name.model : base.model
                $0.adapter = base.adapter
                $0.sae = base.sae.isEmpty ? adapted.name.sae : base.sae
            })
        guard base.model.id == adapted.model.id, base.sae.contentHash == adapted.sae.contentHash, base.hook == adapted.hook else {
            throw WireFailure(
                .invalidArgument, "'\(base.name)' and '\(adapted.name)' have different models or SAEs: their latents are not the same",
                remedy: "compare views of one model, hook and SAE, as \(adapted.name.model)/base/\(adapted.name.sae)..\(adapted.name)")
        }
        return (base, adapted)
    }
}
