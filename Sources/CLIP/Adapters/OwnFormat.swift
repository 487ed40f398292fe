// Our own format, written by `export`: FOLDER/adapter.json and FOLDER/adapter.safetensors.
// docs/ADAPTERS.md describes them, key by key and tensor by tensor. Read and written here alone.

import Checkpoints
import Foundation

enum OwnFormat {
    static let name = "saed adapter"
    static let version = 1

    // MARK: Reading

    static func read(_ file: AdapterFile, _ config: ConfigFile, _ method: AdapterMethod) throws(CheckpointError)
        -> AdapterEffect
    {
        let format = try config.string("format")
        guard format == name else { throw config.error("format", "is '\(format)'; '\(name)' is expected") }
        _ = try config.int("version", in: 1...version)
        var effect = AdapterEffect(method: method)
        effect.trainedParameters = try config.int("parameters", default: 0, in: 0...Int.max)
        if config["epoch"] != nil { effect.epoch = try config.int("epoch", in: 0...Int.max) }
        let vision = try layers(file, "vision.prompts.", from: 0)
        if let first = vision.first {
            effect.visionPrompts = VisionPrompts(
                count: first.shape[0], width: first.shape[1], layers: vision.map(\.values))
        }
        if file.has("text.context") { try readContext(file, config, into: &effect) }
        if file.has("meta.linear1.weight") { effect.metaNet = try metaNet(file) }
        try readWeights(file, into: &effect)
        let hasPart =
            switch method {
            case .maple: effect.visionPrompts != nil && effect.context != nil
            case .vpt: effect.visionPrompts != nil
            case .ivlp, .coop: effect.context != nil
            case .cocoop: effect.context != nil && effect.metaNet != nil
            case .lora: !effect.lowRank.isEmpty
            case .finetuned: effect.replaced != nil
            }
        guard hasPart else { throw file.malformed("'adapter.json' says '\(method.rawValue)', whose tensors it lacks") }
        if let net = effect.metaNet, let context = effect.context, net.outputs != context.width {
            throw file.malformed(
                "'meta.linear2.weight' gives \(net.outputs) values, its context has width \(context.width)")
        }
        return effect
    }

    private static func layers(_ file: AdapterFile, _ prefix: String, from first: Int) throws(CheckpointError)
        -> [(shape: [Int], values: [Float])]
    {
        let indices = file.names.filter { $0.hasPrefix(prefix) }.compactMap { Int($0.dropFirst(prefix.count)) }.sorted()
        var layers: [(shape: [Int], values: [Float])] = []
        for (index, layer) in indices.enumerated() {
            guard layer == first + index else {
                throw .missingTensor(tensor: prefix + "\(first + index)", file: file.path)
            }
            let own = try file.shape(prefix + "\(layer)", dimensions: 2...2)
            let shape = layers.first?.shape ?? own
            layers.append((shape, try file.values(prefix + "\(layer)", shape: shape)))
        }
        return layers
    }

    private static func readContext(_ file: AdapterFile, _ config: ConfigFile, into effect: inout AdapterEffect)
        throws(CheckpointError)
    {
        let shape = try file.shape("text.context", dimensions: 2...3)
        let count = shape[shape.count - 2]
        let width = shape[shape.count - 1]
        var context = TextContext(
            count: count, width: width, classes: shape.count == 3 ? shape[0] : nil,
            rows: try file.values("text.context", shape: shape))
        let deep = try layers(file, "text.prompts.", from: 1)
        guard deep.allSatisfy({ $0.shape == [count, width] }) else {
            throw file.malformed("'text.prompts.1' is \(deep[0].shape), 'text.context' is \(shape)")
        }
        context.deep = deep.map(\.values)
        let position = try config.string("class_position", default: "end")
        guard let place = ClassPosition(rawValue: position) else {
            throw config.error("class_position", "is '\(position)'; end, middle or front is expected")
        }
        context.position = place
        let tail = try config.string("tail", default: "none")
        switch tail {
        case "none": context.tail = .none
        case "words": context.tail = .words
        case "rows":
            let rows = try file.shape("text.tail", dimensions: 2...2)
            guard rows[1] == width else { throw file.malformed("'text.tail' is \(rows), 'text.context' is \(shape)") }
            context.tail = .rows(try file.values("text.tail", shape: rows))
        default: throw config.error("tail", "is '\(tail)'; none, words or rows is expected")
        }
        effect.context = context
        guard case .array(let classes)? = config["class_tokens"] else { return }
        var tokens: [[Int32]] = []
        for element in classes {
            guard case .array(let ids) = element else { throw config.error("class_tokens", "must be lists of ids") }
            tokens.append(
                try ids.map { id throws(CheckpointError) in
                    guard case .int(let value) = id, let token = Int32(exactly: value) else {
                        throw config.error("class_tokens", "must be lists of ids")
                    }
                    return token
                })
        }
        guard tokens.count == context.classes else {
            throw config.error("class_tokens", "has \(tokens.count) classes, 'text.context' is \(shape)")
        }
        effect.classTokens = tokens
    }

    private static func metaNet(_ file: AdapterFile) throws(CheckpointError) -> MetaNet {
        let first = try file.shape("meta.linear1.weight", dimensions: 2...2)
        let second = try file.shape("meta.linear2.weight", dimensions: 2...2)
        guard second[1] == first[0] else {
            throw file.malformed("'meta.linear1.weight' is \(first), 'meta.linear2.weight' is \(second)")
        }
        return MetaNet(
            inputs: first[1], hidden: first[0], outputs: second[0],
            weight1: try file.values("meta.linear1.weight", shape: first),
            bias1: try file.values("meta.linear1.bias", shape: [first[0]]),
            weight2: try file.values("meta.linear2.weight", shape: second),
            bias2: try file.values("meta.linear2.bias", shape: [second[0]]))
    }

    private static func readWeights(_ file: AdapterFile, into effect: inout AdapterEffect) throws(CheckpointError) {
        var replaced: [String: RelabeledTensors.Part] = [:]
        for key in file.names {
            if key.hasPrefix("lora."), key.hasSuffix(".a") {
                let name = String(key.dropFirst("lora.".count).dropLast(2))
                let a = try file.shape(key, dimensions: 2...2)
                let b = try file.shape("lora.\(name).b", dimensions: 2...2)
                let dimensions = try file.shape("lora.\(name).shape", dimensions: 1...1)
                let shape = try file.values("lora.\(name).shape", shape: dimensions).map { Int($0) }
                guard b[1] == a[0], shape.first == b[0], shape.dropFirst().reduce(1, *) == a[1] else {
                    throw file.malformed("'lora.\(name)' has a \(a), b \(b) and shape \(shape), which are no product")
                }
                effect.lowRank[name] = LowRank(
                    rank: a[0], shape: shape, scale: try file.values("lora.\(name).scale", shape: [1])[0],
                    a: try file.values(key, shape: a), b: try file.values("lora.\(name).b", shape: b))
            } else if key.hasPrefix("weights.") {
                let name = String(key.dropFirst("weights.".count))
                replaced[name] = .whole(file.key(key))
                effect.replacedShapes[name] = file.shape(key) ?? []
            } else if key.hasPrefix("base.") {
                effect.base[String(key.dropFirst("base.".count))] = try file.values(key, shape: file.shape(key) ?? [])
            }
        }
        if !replaced.isEmpty { effect.replaced = RelabeledTensors(file.source, replaced) }
    }

    // MARK: Writing

    static func write(_ effect: AdapterEffect, to folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        // The configuration last: a folder without it is no adapter.
        try writeSafetensors(folder + "/adapter.safetensors", tensors(effect), metadata: ["format": "pt"])
        try configuration(effect).write(toFile: folder + "/adapter.json", atomically: true, encoding: .utf8)
    }

    private static func configuration(_ effect: AdapterEffect) -> String {
        var lines = [
            "\"format\": \(quoted(name))", "\"version\": \(version)", "\"method\": \(quoted(effect.method.rawValue))",
            "\"parameters\": \(effect.trainedParameters)",
        ]
        if let epoch = effect.epoch { lines.append("\"epoch\": \(epoch)") }
        if let context = effect.context {
            lines.append("\"class_position\": \(quoted(context.position.rawValue))")
            let tail =
                switch context.tail {
                case .none: "none"
                case .words: "words"
                case .rows: "rows"
                }
            lines.append("\"tail\": \(quoted(tail))")
        }
        if let tokens = effect.classTokens {
            let classes = tokens.map { "[" + $0.map(String.init).joined(separator: ", ") + "]" }
            lines.append("\"class_tokens\": [\(classes.joined(separator: ", "))]")
        }
        return "{\n  " + lines.joined(separator: ",\n  ") + "\n}\n"
    }

    private static func tensors(_ effect: AdapterEffect) -> [SafetensorsTensor] {
        var tensors: [SafetensorsTensor] = []
        if let prompts = effect.visionPrompts {
            for (index, layer) in prompts.layers.enumerated() {
                tensors.append(
                    SafetensorsTensor("vision.prompts.\(index)", shape: [prompts.count, prompts.width], values: layer))
            }
        }
        if let context = effect.context {
            let shape = (context.classes.map { [$0] } ?? []) + [context.count, context.width]
            tensors.append(SafetensorsTensor("text.context", shape: shape, values: context.rows))
            for (index, layer) in context.deep.enumerated() {
                tensors.append(
                    SafetensorsTensor(
                        "text.prompts.\(index + 1)", shape: [context.count, context.width], values: layer))
            }
            if case .rows(let rows) = context.tail {
                tensors.append(
                    SafetensorsTensor("text.tail", shape: [rows.count / context.width, context.width], values: rows))
            }
        }
        if let net = effect.metaNet {
            tensors += [
                SafetensorsTensor("meta.linear1.weight", shape: [net.hidden, net.inputs], values: net.weight1),
                SafetensorsTensor("meta.linear1.bias", shape: [net.hidden], values: net.bias1),
                SafetensorsTensor("meta.linear2.weight", shape: [net.outputs, net.hidden], values: net.weight2),
                SafetensorsTensor("meta.linear2.bias", shape: [net.outputs], values: net.bias2),
            ]
        }
        for (name, change) in effect.lowRank.sorted(by: { $0.key < $1.key }) {
            let inputs = change.a.count / change.rank
            tensors += [
                SafetensorsTensor("lora.\(name).a", shape: [change.rank, inputs], values: change.a),
                SafetensorsTensor(
                    "lora.\(name).b", shape: [change.b.count / change.rank, change.rank], values: change.b),
                SafetensorsTensor("lora.\(name).scale", shape: [1], values: [change.scale]),
                SafetensorsTensor(
                    "lora.\(name).shape", shape: [change.shape.count], values: change.shape.map(Float.init)),
            ]
        }
        if let replaced = effect.replaced {
            for (name, shape) in effect.replacedShapes.sorted(by: { $0.key < $1.key }) {
                tensors.append(
                    SafetensorsTensor("weights.\(name)", shape: shape) {
                        try replaced.read(name, shape: shape, into: $0.baseAddress!)
                    })
            }
        }
        for (name, values) in effect.base.sorted(by: { $0.key < $1.key }) {
            tensors.append(SafetensorsTensor("base.\(name)", shape: [values.count], values: values))
        }
        return tensors
    }
}

extension Adapter {
    /// Writes our own format: `FOLDER/adapter.json` and `FOLDER/adapter.safetensors`, which `load` and `inspect` read
    /// back with the same `contentHash`. An adapter that is there is replaced.
    public func export(to folder: String) throws(ModelError) {
        do { try OwnFormat.write(effect, to: folder) } catch let error as CheckpointError {
            throw .checkpoint(error)
        } catch {
            throw .checkpoint(.unreadable(file: folder, reason: error.localizedDescription))
        }
    }
}
