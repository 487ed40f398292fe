// Which images automatic controls cover.

import Testing

import Ingest

struct ControlSampleTests {
    /// Images 1... of labels and data sets, so many each.
    private func images(_ counts: [(label: Int32, dataset: String?, count: Int)]) -> [ControlSample.Image] {
        var images: [ControlSample.Image] = []
        for (label, dataset, count) in counts {
            for _ in 0..<count { images.append(.init(number: images.count + 1, label: label, dataset: dataset)) }
        }
        return images
    }

    private func labels(_ chosen: [Int], of images: [ControlSample.Image]) -> [Int32: Int] {
        chosen.reduce(into: [:]) { $0[images[$1 - 1].label, default: 0] += 1 }
    }

    @Test func fewImagesAreAllIn() {
        let all = images([(0, nil, 3), (1, nil, 4)])
        #expect(ControlSample.choose(all, count: 7).sorted() == Array(1...7))
        #expect(ControlSample.choose(all, count: 100).sorted() == Array(1...7))
        #expect(ControlSample.choose(all, count: 0).isEmpty && ControlSample.choose([], count: 8).isEmpty)
    }

    @Test func labelsTakePartEvenlyAndSmallOnesWhole() {
        let all = images([(1, nil, 1000), (2, nil, 5), (3, nil, 200), (0, nil, 400)])
        let chosen = ControlSample.choose(all, count: 65)
        #expect(Set(chosen).count == 65)
        #expect(labels(chosen, of: all) == [1: 20, 2: 5, 3: 20, 0: 20])
        // The beginning, on which densities are matched, is spread as the whole.
        #expect(labels(Array(chosen.prefix(16)), of: all) == [1: 4, 2: 4, 3: 4, 0: 4])
    }

    @Test func moreLabelsThanImagesGiveOneEach() {
        let all = images((1...500).map { ($0, nil, 3) })
        let chosen = ControlSample.choose(all, count: 64)
        #expect(chosen.count == 64 && labels(chosen, of: all).values.allSatisfy { $0 == 1 })
    }

    @Test func aDataSetIsNotDrownedByTheRest() {
        let all = images([(1, nil, 5000), (2, nil, 5000), (1, "shifted", 30), (2, "shifted", 30)])
        let chosen = ControlSample.choose(all, count: 100)
        #expect(chosen.count { all[$0 - 1].dataset == "shifted" } == 50)
    }

    @Test func theSameImagesGiveTheSameSampleInAnyOrder() {
        let all = images([(1, nil, 300), (2, nil, 300), (1, "a", 40)])
        #expect(ControlSample.choose(all, count: 64) == ControlSample.choose(all.reversed(), count: 64))
    }

    // Each image more takes the place of at most one, and of a tenfold growth's 9,000 at most about 64 ln 10 = 147 a label do.
    @Test func aSampleIsStableWhileImagesArrive() {
        var all = images([(1, nil, 500), (2, nil, 500)])
        var before = Set(ControlSample.choose(all, count: 128)), came = 0
        for number in 1001...2000 {
            all.append(.init(number: number, label: Int32(1 + number % 2), dataset: nil))
            let after = Set(ControlSample.choose(all, count: 128))
            #expect(after.count == 128 && after.subtracting(before).count <= 1)
            came += after.subtracting(before).count
            before = after
        }
        // Expected: 128 ln 2 = 89.
        #expect(came > 40 && came < 140, "\(came) images came in")
    }
}
