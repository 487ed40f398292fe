// Where in a dropped folder the adapter is.

import Foundation
import Ingest
import Testing

@Suite struct AdapterPlaceTests {
    private let folder = TemporaryFolder()

    private func zip(_ path: String) {
        folder.makeFolder((path as NSString).deletingLastPathComponent)
        folder.write(path, "PK\u{3}\u{4}")
    }

    @Test func whatATrainerWritesIsFoundAmongItsLogs() throws {
        zip("maple/MultiModalPromptLearner/model.pth.tar-5")
        folder.write("maple/MultiModalPromptLearner/checkpoint", "model.pth.tar-5\n")
        folder.write("maple/log.txt", "epoch 1\n")
        #expect(try AdapterPlace.find(in: folder["maple"]) == folder["maple/MultiModalPromptLearner/model.pth.tar-5"])
    }

    @Test func aFolderWithItsOwnConfigurationIsTheAdapter() throws {
        folder.makeFolder("lora/out")
        folder.write("lora/out/adapter_config.json", "{}")
        folder.write("lora/out/adapter_model.safetensors", "")
        #expect(try AdapterPlace.find(in: folder["lora"]) == folder["lora/out"])
        folder.makeFolder("tuned")
        folder.write("tuned/config.json", "{}")
        folder.write("tuned/model-00001-of-00002.safetensors", "")
        folder.write("tuned/model-00002-of-00002.safetensors", "")
        #expect(try AdapterPlace.find(in: folder["tuned"]) == folder["tuned"])
    }

    @Test func noneAndSeveralAreSaid() {
        folder.makeFolder("none")
        folder.write("none/log.txt", "x")
        #expect(throws: IngestError.self) { try AdapterPlace.find(in: folder["none"]) }
        zip("two/model.pth.tar-5")
        zip("two/model.pth.tar-10")
        do {
            Issue.record("found \(try AdapterPlace.find(in: folder["two"]))")
        } catch {
            #expect("\(error)" == "the folder holds several checkpoints: model.pth.tar-10, model.pth.tar-5; leave one, or give each a folder of its own, prompts/NAME/")
        }
    }

    @Test func aBrokenCheckpointIsFoundByItsName() throws {
        folder.makeFolder("half")
        folder.write("half/model.pth.tar-5", "")
        #expect(try AdapterPlace.find(in: folder["half"]) == folder["half/model.pth.tar-5"])
    }
}
