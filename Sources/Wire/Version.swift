// The release that both programs name themselves by.

public enum SaedVersion {
    public static let current = "0.1.0"
}
