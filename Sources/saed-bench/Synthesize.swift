// A root folder with a large store, for load tests of the real daemon: seeded snapshots, a file for every image (its
// content is what it is named by), a tiny seeded model, a seeded SAE of full width and an adapter, so that `saed run`
// finds everything in its place: every image has a snapshot in `synthetic/base/synthetic` and in its adapted twin.

import Basics
import CLIP
import Concepts
import Foundation
import Ingest
import SAE
import Store

enum Synthesize {
    /// Writes ROOT/drop and ROOT/store. Takes some minutes for 100,000 images.
    static func run(root: String, images: Int) throws {
        var options = SyntheticOptions()
        options.images = images
        options.labels = 1000
        let source = SyntheticStore(options)
        let drop = root + "/drop"

        let tower = CLIPConfig.Tower(width: 64, layers: 2, heads: 2, mlp: 128)
        let text = CLIPConfig.Tower(width: 64, layers: 1, heads: 2, mlp: 128)
        let clip = CLIPConfig(
            vision: CLIPConfig.Vision(tower, imageSize: 224, patch: 16),
            text: CLIPConfig.Text(text, vocabulary: 600, contextLength: 16, eosTokenID: 599), projection: options.embeddingWidth)
        try SeededCLIP(clip, seed: Workload.seed).write(to: drop + "/models/synthetic")
        try SeededSAE(width: tower.width, latents: options.latents).write(
            to: drop + "/saes/synthetic", bias: -1, hook: HookPoint.patchSAE(layers: tower.layers))
        try FileManager.default.createDirectory(atPath: drop + "/prompts", withIntermediateDirectories: true)
        try Workload.writePrompts(drop + "/prompts/twin.safetensors", width: tower.width, depth: 1, count: options.prompts)

        let store = try Store.open(folder: root + "/store")
        let registry = try Registry(store: store, activity: Activity())
        try registry.addModel(name: "synthetic", folder: drop + "/models/synthetic")
        try registry.addSAE(name: "synthetic", path: drop + "/saes/synthetic")
        try registry.addAdapter(name: "twin", path: drop + "/prompts/twin.safetensors")
        _ = try registry.setClasses(model: "synthetic", classes: (0..<options.labels).map(source.label), templates: ["a photo of a {}."])
        guard registry.views.count == 2, registry.views.map(\.record.layout) == [false, true].map(source.layout(adapted:)) else {
            throw UsageError(text: "the seeded views' layouts are \(registry.views.map(\.record.layout))")
        }
        let step = 256
        for first in stride(from: 0, to: images, by: step) {
            let numbers = first..<min(images, first + step)
            try store.addImages(
                try numbers.map { n in
                    let path = "images/\(source.label(n))/\(n).jpg"
                    let info = try writeFile(drop + "/" + path, text: source.content(n))
                    return NewImage(
                        path: path,
                        stamp: .init(
                            size: Int64(info.st_size),
                            mtimeNanoseconds: Int64(info.st_mtim.tv_sec) * 1_000_000_000 + Int64(info.st_mtim.tv_nsec),
                            inode: Int64(info.st_ino)),
                        facts: ImageFacts(hash: source.hash(n), width: 640, height: 480, format: "jpeg"), label: source.label(n))
                })
            for (view, adapted) in zip(registry.views, [false, true]) {
                try store.append(numbers.map { source.snapshot($0, adapted: adapted) }, to: view.record.id)
            }
            if first / step % 20 == 0 { FileHandle.standardError.write(Data("\r\(numbers.upperBound) of \(images) images".utf8)) }
        }
        FileHandle.standardError.write(Data("\n".utf8))
        try store.close()
    }

    private static func writeFile(_ path: String, text: String) throws -> stat {
        try FileManager.default.createDirectory(atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        var info = stat()
        guard stat(path, &info) == 0 else { throw UsageError(text: "'\(path)' was not written") }
        return info
    }
}
