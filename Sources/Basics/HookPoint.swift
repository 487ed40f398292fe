// Where activations are read: the residual stream after a transformer block.

/// `blocks.<L>.resid_post`, `L` 0-based: the output of block `L`, before any final LayerNorm.
///
/// PatchSAE's own is the output of the last block but one (`HookPoint.patchSAE(layers:)`).
public struct HookPoint: Hashable, Sendable, Codable, CustomStringConvertible {
    public let block: Int

    public init(block: Int) {
        precondition(block >= 0, "block \(block)")
        self.block = block
    }

    /// Reads `blocks.10.resid_post`, or `blocks.10.hook_resid_post` as other tools write it.
    /// - Returns: nil where the text names no residual stream after a block.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "blocks", let block = Int(parts[1]), block >= 0,
            parts[2] == "resid_post" || parts[2] == "hook_resid_post"
        else { return nil }
        self.block = block
    }

    /// The last block but one of a tower.
    public static func patchSAE(layers: Int) -> HookPoint { HookPoint(block: max(0, layers - 2)) }

    public var description: String { "blocks.\(block).resid_post" }
}
