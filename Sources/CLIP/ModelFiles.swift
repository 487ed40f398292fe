// The files of a model folder, read and checked against each other.

import Basics
import Checkpoints
import Foundation
import Imaging
import Kernels

struct ModelFiles {
    let folder: String
    let config: CLIPConfig
    let preprocess: PreprocessConfig
    let source: any TensorSource

    init(folder: String) throws {
        guard isFolder(folder) else {
            throw ModelError.mismatch(
                folder: folder, problem: "is not a folder; a model is a folder with config.json and model.safetensors")
        }
        self.folder = folder
        config = try CLIPConfig(path: folder + "/config.json")
        preprocess = try ModelFiles.preprocess(folder: folder, config)
        source = try openTensors(folder)
        for (name, shape) in config.tensors { try source.check(name, shape: shape) }
    }

    private static func preprocess(folder: String, _ config: CLIPConfig) throws -> PreprocessConfig {
        let bytes = try readSmallFile(folder + "/preprocessor_config.json")
        let preprocess: PreprocessConfig
        do throws(PreprocessConfigError) {
            preprocess = try PreprocessConfig(json: Data(bytes))
        } catch { throw ModelError.preprocess(folder: folder, error) }
        let side = config.vision.imageSize
        guard let size = preprocess.inputSize, size.height == side, size.width == side else {
            let found = preprocess.inputSize.map { "\($0.width) x \($0.height)" } ?? "images of any size"
            throw ModelError.mismatch(
                folder: folder,
                problem: "preprocessor_config.json prepares \(found), config.json's 'image_size' is \(side)")
        }
        return preprocess
    }

    /// The tokenizer, which must fit the text tower.
    static func tokenizer(folder: String, _ config: CLIPConfig) throws(ModelError) -> Tokenizer {
        let tokenizer = try Tokenizer(folder: folder, contextLength: config.text.contextLength)
        // An embedding may have spare rows; an id without a row can't be looked up.
        guard tokenizer.vocabularyCount <= config.text.vocabulary else {
            throw .mismatch(
                folder: folder,
                problem:
                    "the tokenizer has \(tokenizer.vocabularyCount) tokens, config.json's 'vocab_size' is \(config.text.vocabulary)"
            )
        }
        guard config.text.eosTokenID == 2 || Int(tokenizer.endID) == config.text.eosTokenID else {
            throw .mismatch(
                folder: folder,
                problem:
                    "the tokenizer's end token is \(tokenizer.endID), config.json's 'eos_token_id' is \(config.text.eosTokenID)"
            )
        }
        return tokenizer
    }

    /// Reads every tensor once and refuses NaN and infinities.
    func checkValues() throws {
        // Not from the pool of workspaces, which would keep the largest tensor's size.
        let values = FloatBuffer(count: config.tensors.map { $0.shape.reduce(1, *) }.max() ?? 1)
        for (name, shape) in config.tensors { try source.readFinite(name, shape: shape, into: values.pointer) }
    }

    private static let hashedNames = [
        "config.json", "preprocessor_config.json", "tokenizer.json", "vocab.json", "merges.txt",
        "tokenizer_config.json", "special_tokens_map.json",
    ]

    static func contentHash(folder: String) throws -> ContentHash {
        let source = try openTensors(folder)
        let weights = (source as? ShardedSafetensors).map { [$0.path] + $0.files } ?? [source.path]
        let files = hashedNames.map { folder + "/" + $0 }.filter(fileExists) + weights
        var hasher = ContentHasher()
        for path in files {
            hasher.update("\(path.split(separator: "/").last ?? "")\0")
            try hashFile(path, into: &hasher)
        }
        return hasher.finish()
    }
}
