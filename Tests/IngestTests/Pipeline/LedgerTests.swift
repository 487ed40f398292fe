// Who works on which image, against the ways in which work ends.

import Ingest
import Store
import Synchronization
import Testing

@Suite struct LedgerTests {
    private let one = ImageRecord.ID(rawValue: 1), two = ImageRecord.ID(rawValue: 2)

    @Test func anImageIsClaimedOnceUntilItsLastViewIsFinished() {
        let ledger = Ledger()
        #expect(ledger.claim(one, views: 2))
        #expect(!ledger.claim(one, views: 1))
        #expect(ledger.claim(two, views: 1) && ledger.running == 2)
        ledger.finished(one)
        #expect(!ledger.claim(one, views: 1))
        ledger.finished(one)
        #expect(ledger.claim(one, views: 1))
        ledger.release(one)
        #expect(ledger.running == 1)
        // Finishing what nobody has changes nothing.
        ledger.finished(one)
        #expect(ledger.running == 1)
    }

    @Test func whatIsSkippedIsLeftAloneUntilSomethingChanges() {
        let ledger = Ledger()
        #expect(ledger.claim(one, views: 3))
        ledger.skip(one)
        #expect(ledger.running == 0 && ledger.skipped == [one])
        #expect(!ledger.claim(one, views: 1))
        ledger.unskipAll()
        #expect(ledger.skipped.isEmpty && ledger.claim(one, views: 1))
    }

    @Test func quietWorkIsNotCountedAndMakesNobodyWait() {
        let ledger = Ledger(), heard = Mutex(0)
        ledger.onWanted { heard.withLock { $0 += 1 } }
        #expect(ledger.claim(.init(rawValue: 1), views: 2, quiet: true) && ledger.claim(.init(rawValue: 2), views: 1))
        #expect(ledger.running == 1 && ledger.runningQuietly == 1)
        // Who asks quietly for what another has does not ask to be told.
        #expect(!ledger.claim(.init(rawValue: 2), views: 1, quiet: true))
        ledger.finished(.init(rawValue: 2))
        #expect(heard.withLock { $0 } == 0)
        // Who wants what is made quietly is told when it is done.
        #expect(!ledger.claim(.init(rawValue: 1), views: 1))
        ledger.finished(.init(rawValue: 1))
        #expect(ledger.runningQuietly == 1)
        ledger.finished(.init(rawValue: 1))
        #expect(heard.withLock { $0 } == 1 && ledger.running == 0 && ledger.runningQuietly == 0)
    }
}
