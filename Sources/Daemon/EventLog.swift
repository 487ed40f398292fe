// Turns what happens into log entries: a text for who reads, a kind and fields for who filters.

import Basics
import Ingest
import Logging

/// - `log`: for what an operator cares about.
/// - `images`: for what happens to each of thousands of images; nearly always too much for a terminal, never for the journal.
package struct EventLog: Sendable {
    let log: Logger
    let images: Logger

    package init(log: Logger, images: Logger) {
        self.log = log
        self.images = images
    }

    package func write(_ event: IngestEvent) {
        switch event {
        case .committed, .pathAdded, .pathMoved, .pathRemoved: writeImage(event)
        case .modelAdded, .modelRemoved, .saeAdded, .saeRemoved, .adapterAdded, .adapterChanged, .adapterRemoved, .classesSet:
            writeLibrary(event)
        case let .failed(path, reason, quarantine):
            log.log(.failed, .warning, "'\(path)': \(reason)", ["SAED_PATH": path, "SAED_QUARANTINE": quarantine].present)
        case let .backfill(view, left):
            log.log(.backfill, .info, "\(view): \(left) images to encode", ["SAED_VIEW": "\(view)", "SAED_LEFT": "\(left)"])
        case let .warning(text): log.log(.warning, .warning, text)
        case .busy: log.log(.busy, .debug, "work began")
        case .idle: log.log(.idle, .info, "all work is done")
        case .rescanned: log.log(.rescanned, .notice, "the drop folder was read again")
        case .stopping: log.log(.stopping, .notice, "stopping")
        case let .missed(count):
            log.log(.missed, .warning, "\(count) events were too fast for this log", ["SAED_MISSED": "\(count)"])
        }
    }

    private func writeImage(_ event: IngestEvent) {
        switch event {
        case let .committed(image, path, label, view, latents, took):
            let fields = [
                "SAED_IMAGE_ID": image.short, "SAED_PATH": path, "SAED_LABEL": label, "SAED_VIEW": "\(view)",
                "SAED_LATENTS": "\(latents)", "SAED_DURATION_USEC": "\(took.microseconds)",
            ]
            images.log(.committed, .debug, "snapshot of '\(path ?? image.short)' in '\(view)': \(latents) latents", fields.present)
        case let .pathAdded(path, image, label):
            images.log(
                .pathAdded, .debug, "'\(path)' is image \(image.short)",
                ["SAED_PATH": path, "SAED_IMAGE_ID": image.short, "SAED_LABEL": label].present)
        case let .pathMoved(from, to, image):
            images.log(
                .pathMoved, .debug, "'\(from)' is '\(to)' now",
                ["SAED_PATH": to, "SAED_OLD_PATH": from, "SAED_IMAGE_ID": image?.short].present)
        case let .pathRemoved(path, image):
            images.log(.pathRemoved, .debug, "'\(path)' is gone", ["SAED_PATH": path, "SAED_IMAGE_ID": image?.short].present)
        default: break
        }
    }

    private func writeLibrary(_ event: IngestEvent) {
        switch event {
        case let .modelAdded(name): log.log(.modelAdded, .info, "model '\(name)' added", ["SAED_MODEL": name])
        case let .modelRemoved(name): log.log(.modelRemoved, .notice, "model '\(name)' removed", ["SAED_MODEL": name])
        case let .saeAdded(name, model):
            log.log(.saeAdded, .info, "SAE '\(name)' added to model '\(model)'", ["SAED_SAE": name, "SAED_MODEL": model])
        case let .saeRemoved(name): log.log(.saeRemoved, .notice, "SAE '\(name)' removed", ["SAED_SAE": name])
        case let .adapterAdded(name, model):
            log.log(.adapterAdded, .info, "adapter '\(name)' added to model '\(model)'", ["SAED_ADAPTER": name, "SAED_MODEL": model])
        case let .adapterChanged(name, model, state):
            let what = switch state {
            case .active: "activated"
            case .deactivated: "deactivated"
            case .missing: "inactive: its file is gone; what it made is kept"
            }
            log.log(.adapterChanged, .notice, "adapter '\(name)' of model '\(model)' \(what)", ["SAED_ADAPTER": name, "SAED_MODEL": model])
        case let .adapterRemoved(name, model):
            log.log(.adapterRemoved, .notice, "adapter '\(name)' of model '\(model)' removed", ["SAED_ADAPTER": name, "SAED_MODEL": model])
        case let .classesSet(model, count):
            log.log(.classesSet, .info, "\(count) classes set for model '\(model)'", ["SAED_MODEL": model])
        default: break
        }
    }
}

extension Dictionary where Key == String, Value == String? {
    /// Those that have a value.
    fileprivate var present: [String: String] { compactMapValues { $0 } }
}

extension Duration {
    var microseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}
