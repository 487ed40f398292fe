// The words: names parse as they print, tokens know their kind, seeded weights equal Python's.

import Basics
import Testing

@Test func tokensKnowTheirKind() {
    let layout = TokenLayout(rows: 2, columns: 3, prompts: 2)
    #expect(layout.count == 9)
    #expect((0..<9).map(layout.kind(of:)) == [.class] + Array(repeating: .patch, count: 6) + [.prompt, .prompt])
    #expect(layout.token(row: 1, column: 2) == 6)
    #expect(layout.token(row: 2, column: 0) == nil)
    #expect(layout.patch(of: 6)?.row == 1 && layout.patch(of: 6)?.column == 2)
    #expect(layout.patch(of: 0) == nil && layout.patch(of: 7) == nil)
}

@Test(arguments: [("blocks.10.resid_post", 10), ("blocks.0.hook_resid_post", 0)])
func hookPointsRead(_ text: String, _ block: Int) {
    #expect(HookPoint(text)?.block == block)
}

@Test(arguments: ["", "blocks.-1.resid_post", "blocks.1.resid_pre", "blocks.1", "block.1.resid_post", "blocks.1.resid_post.x"])
func otherHookPointsAreRefused(_ text: String) {
    #expect(HookPoint(text) == nil)
}

@Test func viewNamesReadAsTheyPrint() {
    let name = ViewName(model: "scenes", sae: "scenes")
    #expect(name.description == "scenes/base/scenes")
    #expect(ViewName(name.description) == name)
    for bad in ["", "a/b", "a//c", "a/b/c/d", "/b/c"] { #expect(ViewName(bad) == nil) }
    #expect(ViewName.isValid(part: "ViT-B_16.v2") && !ViewName.isValid(part: "../x") && !ViewName.isValid(part: "a b"))
}

// FIPS 180-2, appendix B.1.
@Test func hashIsSHA256() {
    let hash = ContentHash(of: "abc")
    #expect(hash.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(ContentHash(hex: hash.hex) == hash)
    #expect(ContentHash(hex: "zz" + hash.hex.dropFirst(2)) == nil)
}

// tools/reference/seeded.py prints these.
@Test func seededWeightsEqualPythons() {
    let values = SeededWeights(seed: 7).values("visual.conv1.weight", count: 5, scale: 0.25)
    #expect(values == [-0.14412492513656616, 0.20926642417907715, -0.21405619382858276, 0.13692888617515564, -0.1563895046710968])
}

@Test func sparseRowsFindTheirValues() {
    let rows = SparseRows(width: 10, indptr: [0, 2, 2, 3], indices: [1, 7, 3], values: [0.5, 2, 4])
    #expect(rows.value(row: 0, column: 7) == 2 && rows.value(row: 0, column: 2) == 0 && rows.value(row: 1, column: 1) == 0)
    #expect(rows.slice(rows: 1..<3) == SparseRows(width: 10, indptr: [0, 0, 1], indices: [3], values: [4]))
}
