// Reference: torch's own writer and reader; tools/reference/checkpoints.py made the files and expected.json.

import Checkpoints
import Foundation
import Testing

@Suite struct TorchArchiveTests {
    /// Widening is exact, so values are equal bit for bit (f64 rounds as torch rounds).
    @Test(arguments: [
        "patchsae.pt", "patchsae_protocol5.pt", "dtypes.pt", "views.pt", "parameters.pt", "objects.pt", "header.pt",
        "trainer.pt",
    ])
    func tensorsEqualWhatTorchReads(_ file: String) throws {
        let archive = try TorchArchive(path: Golden.path(file))
        let golden = try Golden.tensors(of: file)
        #expect(!golden.isEmpty)
        for tensor in golden {
            #expect(archive.info(tensor.name)?.shape == tensor.shape, "\(tensor.name)")
            let values = try archive.tensor(tensor.name, shape: tensor.shape)
            #expect(values.map(\.bitPattern) == tensor.values.map(\.bitPattern), "\(tensor.name)")
        }
    }

    @Test func namesAreThoseOfTheStateDict() throws {
        #expect(try TorchArchive(path: Golden.path("patchsae.pt")).names == ["W_dec", "W_enc", "b_dec", "b_enc"])
        #expect(try TorchArchive(path: Golden.path("parameters.pt")).names == ["fc.bias", "fc.weight"])
        #expect(try TorchArchive(path: Golden.path("dtypes.pt")).info("steps")?.dtype == .i64)
    }

    @Test(arguments: [("patchsae.pt", "cfg"), ("patchsae_protocol5.pt", "config")])
    func aConfigurationObjectIsReadAsADictionary(_ file: String, _ key: String) throws {
        let cfg = try #require(try TorchArchive(path: Golden.path(file)).metadata[key])
        #expect(cfg.className == "sae_training.config.Config")
        #expect(cfg["d_in"]?.int == 3)
        #expect(cfg["d_sae"]?.int == 4)
        #expect(cfg["block_layer"]?.int == -2)
        #expect(cfg["module_name"]?.string == "resid")
        #expect(cfg["class_token"]?.bool == true)
        #expect(cfg["lr"]?.double == 4e-4)
        #expect(cfg["dtype"]?.className == "torch.float32")
        #expect(cfg["kind"]?["value"]?.string == "vanilla")
        #expect(cfg["folder"]?.string == "/data/images")
        #expect(cfg["sizes"]?.elements?.map(\.int) == [1, 2])
        #expect(cfg["nothing"]?.isNone == true)
        #expect(cfg["absent"] == nil)
    }

    @Test func plainObjectsOfManyKindsAreRead() throws {
        let root = try TorchArchive(path: Golden.path("objects.pt")).metadata
        #expect(root["slots"]?["width"]?.int == 7)
        #expect(root["node"]?["depth"]?.int == 9)
        #expect(root["node"]?["extra"]?.string == "attribute")
        #expect(root["namespace"]?["lr"]?.double == 0.5)
        #expect(root["simple"]?["k"]?.int == 2)
        #expect(root["default"]?["a"]?.int == 1)
        #expect(root["set"]?.elements?.map(\.int) == [3])
        #expect(root["negative"]?.int == -(1 << 40))
        #expect(root["big"]?.int == nil)
    }

    /// What a trainer keeps beside its state dict is neither needed nor made.
    @Test func callsBesideTheStateDictAreLeftUnmade() throws {
        let archive = try TorchArchive(path: Golden.path("trainer.pt"))
        #expect(archive.names == ["W_dec", "W_enc", "b_dec", "b_enc"])
        #expect(archive.metadata["epoch"]?.int == 3)
        let options = try #require(archive.metadata["options"])
        #expect(options.className == nil && options.fields == nil && options.int == nil && !options.isTensor)
        #expect(archive.metadata["val_result"]?.double == nil)
        #expect(archive.metadata["filled"]?.fields == nil)
    }

    static let refusal = "; only tensors, plain values and plain configuration objects are read, and no code is run"

    @Test(arguments: [
        ("calls_system.pt", "would call 'posix.system' (at byte 54 of data.pkl)"),
        ("calls_eval.pt", "would call '__builtin__.eval' (at byte 52 of data.pkl)"),
        ("calls_popen.pt", "would call 'subprocess.Popen' (at byte 51 of data.pkl)"),
        ("calls_getattr.pt", "would call '__builtin__.getattr' (at byte 82 of data.pkl)"),
        ("calls_unknown.pt", "would call 'dataclasses.replace' (at byte 43 of data.pkl)"),
        ("opcode_inst.pt", "uses opcode 0x69 (at byte 3 of data.pkl)"),
    ])
    func aPickleThatWouldRunSomethingIsRefusedByName(_ file: String, _ what: String) {
        let found = message(without: Golden.folder) { _ = try TorchArchive(path: Golden.path(file)) }
        #expect(found == "'\(file)' is refused: its pickle \(what)\(TorchArchiveTests.refusal)")
    }

    @Test(arguments: [
        ("stack_underflow.pt", ": byte 2 of data.pkl: the stack is empty"),
        ("ends_early.pt", ": byte 3 of data.pkl: the pickle ends early"),
        ("no_memo.pt", ": byte 2 of data.pkl: memo 7 is not set"),
        ("not_tensors.pt", ": it holds no tensors; save a state_dict()"),
        (
            "outside.pt",
            ": byte 155 of data.pkl: a tensor [3, 4] with strides [4, 1] at 1 leaves its storage of 12 elements"
        ),
        (
            "expanded.pt",
            ": byte 155 of data.pkl: a tensor [1048576, 1048576] is larger than its storage of 12 elements"
        ),
        (
            "overflow.pt",
            ": byte 165 of data.pkl: a tensor [2, 2] with strides [4611686018427387904, 4611686018427387904] at 0 leaves its storage of 12 elements"
        ),
        ("no_storage.pt", ": tensor 'W_enc' lies in 'patchsae/data/0', which the zip does not have"),
        ("billion.pt", ": it holds no tensors; save a state_dict()"),
        ("deep.pt", ": it holds no tensors; save a state_dict()"),
        ("cyclic.pt", ": it holds no tensors; save a state_dict()"),
        (
            "legacy.pt",
            ": this is a pickle, not a zip: written by torch before 1.6; load and save it again with a newer torch"
        ),
        ("truncated.pt", ": the zip has no end record; it was truncated"),
    ])
    func aDamagedArchiveIsRefusedWithOneError(_ file: String, _ what: String) {
        #expect(message(without: Golden.folder) { _ = try TorchArchive(path: Golden.path(file)) } == "'\(file)'\(what)")
    }

    /// Offsets inside the zip depend on Python's zipfile; the rest of the message is compared.
    @Test(arguments: [
        ("short_storage.pt", ": 'patchsae/data/0' is 44 bytes, tensor 'W_enc' needs 48"),
        ("big_endian.pt", ": byte order 'big'; only 'little' is read, save it on an ordinary machine"),
        ("compressed.pt", ": zip entry 'patchsae/data.pkl' is compressed; torch stores them plain"),
    ])
    func aWrongEntryIsNamed(_ file: String, _ what: String) {
        let found = message(without: Golden.folder) { _ = try TorchArchive(path: Golden.path(file)) }
        #expect(found.hasPrefix("'\(file)' at byte ") && found.hasSuffix(what), "\(found)")
    }

    @Test func aTensorOfAnotherShapeOrTypeIsRefused() throws {
        let archive = try TorchArchive(path: Golden.path("dtypes.pt"))
        #expect(
            message(without: Golden.folder) { _ = try archive.tensor("half", shape: [3, 2]) }
                == "'dtypes.pt': tensor 'half' is [2, 3], its configuration says [3, 2]")
        #expect(
            message(without: Golden.folder) { _ = try archive.tensor("steps", shape: [3]) }
                == "'dtypes.pt': tensor 'steps' is i64, which can't be weights; f32, f16, bf16 and f64 can")
        #expect(
            message(without: Golden.folder) { _ = try archive.tensor("W", shape: [3]) }
                == "'dtypes.pt' has no tensor 'W'")
    }

    /// Any damage ends in an error or in a whole archive, never in a crash or an endless loop.
    @Test func damagedBytesNeverCrash() throws {
        var random = SplitMix(state: 20_260_101)
        let folder = try TemporaryFolder()
        for name in ["patchsae.pt", "views.pt", "objects.pt", "header.pt", "mixed.safetensors"] {
            let good = try readSmallFile(Golden.path(name))
            for _ in 0..<200 {
                var bytes = good
                for _ in 0...Int(random.next() % 4) {
                    bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
                }
                if random.next() % 4 == 0 { bytes.removeLast(Int(random.next() % UInt64(bytes.count))) }
                let path = try folder.write("damaged", bytes)
                guard let source = try? openTensors(path) else { continue }
                for tensor in source.names {
                    guard let info = source.info(tensor), info.dtype.isFloating else { continue }
                    _ = try? source.tensor(tensor, shape: info.shape)
                }
            }
        }
    }
}

/// SplitMix64: the seed is in the test, so a failure repeats.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
