// Turns what happens into log entries. Each kind of event has one MESSAGE_ID (a random 128-bit number, never
// reused) and the fields that an operator filters by; the journal carries the same later.

import Basics
import Ingest
import Logging

struct EventLog: Sendable {
    let log: Logger

    /// One entry; quiet kinds (an image among thousands) are at debug level.
    func write(_ event: IngestEvent) {
        switch event {
        case let .committed(image, path, label, view, latents):
            var fields: Logger.Metadata = [
                "MESSAGE_ID": "0020ab849dc14b4ebd1553c8d4c76298", "SAED_IMAGE_ID": "\(image.short)",
                "SAED_VIEW": "\(view)", "SAED_LATENTS": "\(latents)",
            ]
            if let path { fields["SAED_PATH"] = "\(path)" }
            if let label { fields["SAED_LABEL"] = "\(label)" }
            log.debug("snapshot committed", metadata: fields)
        case let .pathAdded(path, image, _):
            log.debug(
                "path added",
                metadata: ["MESSAGE_ID": "02c1c7d3b704425384bd9ee62c8862bf", "SAED_PATH": "\(path)", "SAED_IMAGE_ID": "\(image.short)"])
        case let .pathMoved(from, to):
            log.debug(
                "path moved",
                metadata: ["MESSAGE_ID": "592150ca332143b28bd4620e5c947cd1", "SAED_PATH": "\(to)", "SAED_OLD_PATH": "\(from)"])
        case let .pathRemoved(path):
            log.debug("path removed", metadata: ["MESSAGE_ID": "54e62af21b4844d1a4859b046d517c84", "SAED_PATH": "\(path)"])
        case let .failed(path, reason, quarantine):
            var fields: Logger.Metadata = ["MESSAGE_ID": "554af6dff8e64ab494a3791ad9d82a13", "SAED_PATH": "\(path)"]
            if let quarantine { fields["SAED_QUARANTINE"] = "\(quarantine)" }
            log.warning("'\(path)': \(reason)", metadata: fields)
        case let .modelAdded(name):
            log.info("model '\(name)' added", metadata: ["MESSAGE_ID": "23f4b09c8bea4d699a62e2ebd4e62184", "SAED_MODEL": "\(name)"])
        case let .modelRemoved(name):
            log.notice("model '\(name)' removed", metadata: ["MESSAGE_ID": "fc10ed6f3b974727948074d303ea82e9", "SAED_MODEL": "\(name)"])
        case let .saeAdded(name, model):
            log.info(
                "SAE '\(name)' added to model '\(model)'",
                metadata: ["MESSAGE_ID": "f45b41083e4d4e5d85d7177321b17229", "SAED_SAE": "\(name)", "SAED_MODEL": "\(model)"])
        case let .saeRemoved(name):
            log.notice("SAE '\(name)' removed", metadata: ["MESSAGE_ID": "09b878bed2284400a92cb24d937eb158", "SAED_SAE": "\(name)"])
        case let .adapterAdded(name, model):
            log.info(
                "adapter '\(name)' added to model '\(model)'",
                metadata: ["MESSAGE_ID": "cc9a7cd770ed4ebcb8eff5e09d7e64f3", "SAED_ADAPTER": "\(name)", "SAED_MODEL": "\(model)"])
        case let .adapterChanged(name, model, state):
            let what = switch state {
            case .active: "activated"
            case .deactivated: "deactivated"
            case .missing: "inactive: its file is gone; what it made is kept"
            }
            log.notice(
                "adapter '\(name)' of model '\(model)' \(what)",
                metadata: ["MESSAGE_ID": "a8c92e34de8047868369d7338971ec34", "SAED_ADAPTER": "\(name)", "SAED_MODEL": "\(model)"])
        case let .adapterRemoved(name, model):
            log.notice(
                "adapter '\(name)' of model '\(model)' removed",
                metadata: ["MESSAGE_ID": "d31b63f12e064bee966725451c826eb9", "SAED_ADAPTER": "\(name)", "SAED_MODEL": "\(model)"])
        case let .backfill(view, left):
            log.info(
                "\(view): \(left) images to encode",
                metadata: ["MESSAGE_ID": "5bcf48ba665040da808cba8b7ca0e573", "SAED_VIEW": "\(view)", "SAED_LEFT": "\(left)"])
        case let .classesSet(model, count):
            log.info(
                "\(count) classes set for model '\(model)'",
                metadata: ["MESSAGE_ID": "eb88af6376214654bf9e76456bc62451", "SAED_MODEL": "\(model)"])
        case let .warning(text):
            log.warning("\(text)", metadata: ["MESSAGE_ID": "59ab000be7054e589dd4df61ce584d7b"])
        case .busy:
            log.debug("work began", metadata: ["MESSAGE_ID": "a7fd1cc5562645c68bcea4e4d989b53b"])
        case .idle:
            log.info("all work is done", metadata: ["MESSAGE_ID": "b139e2b9f16b46c4b724d3fdc066ae39"])
        case .rescanned:
            log.notice("the drop folder was read again", metadata: ["MESSAGE_ID": "6dd65e761ba54940a9c7931e8105b405"])
        case .stopping:
            log.notice("stopping", metadata: ["MESSAGE_ID": "67db82b899b647af97012b76f07be331"])
        case let .missed(count):
            log.warning("\(count) events were too fast for this log", metadata: ["MESSAGE_ID": "f2cbd63ae85d42199162f4adfde3ab11"])
        }
    }
}
