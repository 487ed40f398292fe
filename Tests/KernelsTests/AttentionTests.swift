// Reference: torch's scaled_dot_product_attention in f64 (tools/reference/kernels.py). Scores reach 50 here: f32 rounds
// them by 4e-6, and exp passes that on as a relative error.

import Kernels
import Testing

private let golden = GoldenKernels.shared

@Suite struct AttentionTests {
    private func qkv(_ test: GoldenKernels.Attention) -> [Float] {
        golden.values(
            "attention.\(test.batch)x\(test.tokens)x\(test.heads)x\(test.dim)",
            test.batch * test.tokens * 3 * test.heads * test.dim, scale: test.scale)
    }

    @Test(arguments: golden.attention, InstructionSet.available)
    func matchesPyTorch(_ test: GoldenKernels.Attention, _ set: InstructionSet) {
        var out = [Float](repeating: .nan, count: test.batch * test.tokens * test.heads * test.dim)
        attention(
            qkv: qkv(test), batch: test.batch, tokens: test.tokens, heads: test.heads, headDim: test.dim, causal: test.causal,
            queries: 0..<test.tokens, into: &out, using: set)
        test.output.expect(out, within: 1e-5)
    }

    @Test(arguments: golden.attention)
    func someQueriesAreThoseOfAll(_ test: GoldenKernels.Attention) {
        let input = qkv(test), width = test.heads * test.dim
        var all = [Float](repeating: .nan, count: test.batch * test.tokens * width)
        attention(qkv: input, batch: test.batch, tokens: test.tokens, heads: test.heads, headDim: test.dim, causal: test.causal, into: &all)
        for queries in [0..<1, test.tokens / 3..<test.tokens] {
            var some = [Float](repeating: .nan, count: test.batch * queries.count * width)
            attention(
                qkv: input, batch: test.batch, tokens: test.tokens, heads: test.heads, headDim: test.dim, causal: test.causal,
                queries: queries, into: &some)
            for image in 0..<test.batch {
                let own = some[image * queries.count * width..<(image + 1) * queries.count * width]
                let theirs = all[(image * test.tokens + queries.lowerBound) * width..<(image * test.tokens + queries.upperBound) * width]
                #expect(zip(own, theirs).allSatisfy { abs($0 - $1) <= 1e-6 }, "image \(image), queries \(queries)")
            }
        }
    }
}
