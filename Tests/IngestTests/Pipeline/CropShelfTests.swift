// What may not go wrong: the pixels of one image given for another, memory without bound, a crop that a model does not ask for.

import Basics
import Imaging
import Ingest
import Testing

@Suite struct CropShelfTests {
    private let small = PreprocessConfig(resize: .shortestEdge(2), crop: .init(height: 2, width: 2))

    private func hash(_ number: Int) -> ContentHash { ContentHash(of: [UInt8(number)]) }

    /// 12 bytes.
    private func crop(_ number: Int) -> RGBImage { RGBImage(width: 2, height: 2, pixels: Array(repeating: UInt8(number), count: 12)) }

    @Test func anImageIsGivenItsOwnCropsOnce() {
        var shelf = CropShelf(bytesMax: 1000)
        for number in 0..<9 { shelf.put([small: crop(number)], of: hash(number)) }
        for number in [4, 8, 0] {
            #expect(shelf.take(hash(number), for: [small]) == [small: crop(number)])
            #expect(shelf.take(hash(number), for: [small]) == nil)
        }
        #expect(shelf.take(hash(99), for: [small]) == nil)
    }

    @Test func theOldestIsGivenUp() {
        var shelf = CropShelf(bytesMax: 36)
        for number in 0..<5 { shelf.put([small: crop(number)], of: hash(number)) }
        #expect((0..<5).map { shelf.take(hash($0), for: [small]) != nil } == [false, false, true, true, true])
        // What was taken leaves its room.
        for number in 0..<3 { shelf.put([small: crop(number)], of: hash(number)) }
        #expect((0..<3).allSatisfy { shelf.take(hash($0), for: [small]) != nil })
    }

    @Test func whatIsLargerThanTheShelfIsNotKept() {
        var shelf = CropShelf(bytesMax: 11)
        shelf.put([small: crop(1)], of: hash(1))
        #expect(shelf.take(hash(1), for: [small]) == nil)
    }

    @Test func aCropThatIsMissingIsNoAnswer() {
        var shelf = CropShelf(bytesMax: 1000)
        shelf.put([small: crop(1)], of: hash(1))
        #expect(shelf.take(hash(1), for: [small, .clip224]) == nil)
    }

    @Test func aClearedShelfIsEmpty() {
        var shelf = CropShelf(bytesMax: 12)
        shelf.put([small: crop(1)], of: hash(1))
        shelf.clear()
        #expect(shelf.take(hash(1), for: [small]) == nil)
        shelf.put([small: crop(2)], of: hash(2))
        #expect(shelf.take(hash(2), for: [small]) != nil)
    }
}
