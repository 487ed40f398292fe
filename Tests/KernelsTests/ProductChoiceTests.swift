// Who computes products, by what the system lets oneDNN do.

import Kernels
import Testing

@Suite struct ProductChoiceTests {
    @Test func withAVX512NothingIsTried() {
        let choice = ProductChoice.choose(.avx512, canMakeExecutable: { Issue.record("tried"); return false }, isRight: { Issue.record("tried"); return false })
        #expect(choice.library == .tiles(.avx512) && choice.warning == nil)
    }

    @Test(arguments: [InstructionSet.avx2, .portable]) func oneDNNComputesWhereItCan(_ set: InstructionSet) {
        let choice = ProductChoice.choose(set, canMakeExecutable: { true }, isRight: { true })
        #expect(choice.library == .oneDNN && choice.warning == nil)
    }

    @Test func whereMemoryCantBeMadeExecutableOneDNNIsNotEvenTried() throws {
        let choice = ProductChoice.choose(.avx2, canMakeExecutable: { false }, isRight: { Issue.record("tried"); return true })
        #expect(choice.library == .tiles(.avx2))
        #expect(
            choice.warning
                == "memory can't be made executable here, so oneDNN is not used and images take longer: "
                + "remove MemoryDenyWriteExecute=yes from the unit (SELinux: allow execmem), then restart saed")
    }

    @Test func wrongProductsAreNotUsed() throws {
        let choice = ProductChoice.choose(.avx2, canMakeExecutable: { true }, isRight: { false })
        #expect(choice.library == .tiles(.avx2))
        #expect(choice.warning?.hasPrefix("oneDNN \(Team.libraryVersion) computes wrong products here") == true)
    }

    /// The trial itself, here where nothing is forbidden.
    @Test func theTrialSucceedsHere() {
        #expect(ProductChoice.memoryCanBeMadeExecutable())
        #expect(ProductChoice.oneDNNIsRight())
        #expect(ProductChoice.own.warning == nil && productWarning == nil)
    }
}
