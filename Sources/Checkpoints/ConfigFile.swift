// A JSON configuration beside weights: typed look-ups whose errors name the file and the key.

/// An object of a JSON file, such as `config.json` or its `vision_config`.
package struct ConfigFile: Sendable {
    package let path: String
    /// Dotted place inside the file, empty at the top: for messages.
    private let place: String
    private let object: JSON

    /// - Throws: `unreadable`, `malformed`.
    package init(path: String) throws(CheckpointError) {
        let json = try JSON.parse(try readSmallFile(path), file: path)
        guard case .object = json else {
            throw .malformed(file: path, offset: 0, reason: "a JSON object was expected, this is \(json.kind)")
        }
        self.init(path: path, place: "", object: json)
    }

    private init(path: String, place: String, object: JSON) {
        self.path = path
        self.place = place
        self.object = object
    }

    /// The value of a key; `null` counts as absent.
    package subscript(key: String) -> JSON? {
        let value = object[key]
        return value == .null ? nil : value
    }

    package func error(_ key: String, _ problem: String) -> CheckpointError {
        .configuration(file: path, key: place + key, problem: problem)
    }

    /// An object inside this one; nil where it is absent.
    package func section(_ key: String) throws(CheckpointError) -> ConfigFile? {
        guard let value = self[key] else { return nil }
        guard case .object = value else { throw error(key, "must be an object, not \(value.kind)") }
        return ConfigFile(path: path, place: place + key + ".", object: value)
    }

    /// An empty section, for the defaults of one that a file leaves out.
    package func emptySection(_ key: String) -> ConfigFile {
        ConfigFile(path: path, place: place + key + ".", object: .object([]))
    }

    /// - Parameter range: what is allowed.
    package func int(_ key: String, default standard: Int? = nil, in range: ClosedRange<Int>) throws(CheckpointError)
        -> Int
    {
        guard let value = self[key] else {
            guard let standard else { throw error(key, "is missing") }
            return standard
        }
        guard case .int(let number) = value else { throw error(key, "must be an integer, not \(value.kind)") }
        guard range.contains(number) else {
            throw error(key, "is \(number); \(range.lowerBound) to \(range.upperBound) is allowed")
        }
        return number
    }

    package func double(_ key: String, default standard: Double? = nil) throws(CheckpointError) -> Double {
        switch self[key] {
        case .int(let number)?: return Double(number)
        case .double(let number)? where number.isFinite: return number
        case let value?: throw error(key, "must be a finite number, not \(value.kind)")
        case nil:
            guard let standard else { throw error(key, "is missing") }
            return standard
        }
    }

    package func bool(_ key: String, default standard: Bool? = nil) throws(CheckpointError) -> Bool {
        switch self[key] {
        case .bool(let flag)?: return flag
        case let value?: throw error(key, "must be true or false, not \(value.kind)")
        case nil:
            guard let standard else { throw error(key, "is missing") }
            return standard
        }
    }

    package func string(_ key: String, default standard: String? = nil) throws(CheckpointError) -> String {
        switch self[key] {
        case .string(let text)?: return text
        case let value?: throw error(key, "must be a text, not \(value.kind)")
        case nil:
            guard let standard else { throw error(key, "is missing") }
            return standard
        }
    }

    package func doubles(_ key: String, count: Int) throws(CheckpointError) -> [Double] {
        guard case .array(let elements)? = self[key], elements.count == count else {
            throw error(key, "must be a list of \(count) numbers")
        }
        var numbers: [Double] = []
        for element in elements {
            switch element {
            case .int(let number): numbers.append(Double(number))
            case .double(let number) where number.isFinite: numbers.append(number)
            default: throw error(key, "must be a list of \(count) numbers")
            }
        }
        return numbers
    }
}
