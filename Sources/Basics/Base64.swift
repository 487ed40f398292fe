// Base64 (RFC 4648) without Foundation, which would double the start of `saectl`.

/// Appends `bytes` in base64, filled up with `=`.
package func appendBase64(_ bytes: ArraySlice<UInt8>, to text: inout [UInt8]) {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var at = bytes.startIndex
    while at < bytes.endIndex {
        let left = bytes.endIndex - at
        let group = Int(bytes[at]) << 16 | (left > 1 ? Int(bytes[at + 1]) << 8 : 0) | (left > 2 ? Int(bytes[at + 2]) : 0)
        text.append(alphabet[group >> 18])
        text.append(alphabet[group >> 12 & 63])
        text.append(left > 1 ? alphabet[group >> 6 & 63] : UInt8(ascii: "="))
        text.append(left > 2 ? alphabet[group & 63] : UInt8(ascii: "="))
        at += 3
    }
}
