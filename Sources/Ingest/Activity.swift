// What happens, told to whoever listens: the log, `saectl watch`, `add --wait`, `wait`.
// Emitting never blocks: a listener that is too slow loses events and is told how many.

import Basics
import Foundation
import Synchronization

/// One thing that an operator or a client cares about.
public enum IngestEvent: Sendable {
    /// A snapshot is on disk and in the catalog. `latents` are active entries over all tokens; `took` is from the moment
    /// in which its batch came to the compute thread.
    case committed(image: ContentHash, path: String?, label: String?, view: ViewName, latents: Int, took: Duration)
    case pathAdded(path: String, image: ContentHash, label: String?)
    /// `image` is nil for a folder, or what is no image.
    case pathMoved(from: String, to: String, image: ContentHash?)
    case pathRemoved(path: String, image: ContentHash?)
    /// A file can't be used. `quarantine` is where it lies now, nil where it was left in its place.
    case failed(path: String, reason: String, quarantine: String?)
    case modelAdded(name: String)
    case modelRemoved(name: String)
    case saeAdded(name: String, model: String)
    case saeRemoved(name: String)
    case adapterAdded(name: String, model: String)
    /// Switched on or off, or its file went away.
    case adapterChanged(name: String, model: String, state: AdapterState)
    /// Forgotten.
    case adapterRemoved(name: String, model: String)
    /// Images that a view still lacks while a back-fill runs, told now and then.
    case backfill(view: ViewName, left: Int)
    case classesSet(model: String, count: Int)
    /// Something that wants attention but stops nothing.
    case warning(String)
    case busy
    case idle
    case rescanned
    case stopping
    /// The listener was too slow for this many events.
    case missed(Int)
}

/// An event and when it happened.
public struct TimedEvent: Sendable {
    public let time: Date
    public let event: IngestEvent
}

/// The bus between the parts that work and the parts that tell.
public final class Activity: Sendable {
    private struct Listener {
        var continuation: AsyncStream<TimedEvent>.Continuation
        var missed = 0
    }

    private struct State {
        var listeners: [Int: Listener] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// Events from now on, until the stream is dropped. At most `capacity` wait; what does not fit is counted
    /// and told as `.missed` when there is room again.
    public func listen(capacity: Int = 4096) -> AsyncStream<TimedEvent> {
        AsyncStream(bufferingPolicy: .bufferingOldest(capacity)) { continuation in
            let id = state.withLock { state in
                state.next += 1
                state.listeners[state.next] = Listener(continuation: continuation)
                return state.next
            }
            continuation.onTermination = { [weak self] _ in
                self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
            }
        }
    }

    public func emit(_ event: IngestEvent) {
        let timed = TimedEvent(time: Date(), event: event)
        // Yielding under the lock keeps the order of events; it never blocks or calls back.
        state.withLock { state in
            for id in Array(state.listeners.keys) {
                guard var listener = state.listeners[id] else { continue }
                if listener.missed > 0 {
                    if case .enqueued = listener.continuation.yield(TimedEvent(time: timed.time, event: .missed(listener.missed))) {
                        listener.missed = 0
                    }
                }
                if listener.missed > 0 {
                    listener.missed += 1
                } else if case .dropped = listener.continuation.yield(timed) {
                    listener.missed = 1
                }
                state.listeners[id] = listener
            }
        }
    }

    /// Ends every stream.
    public func finish() {
        let listeners = state.withLock { state in
            let all = state.listeners.values.map(\.continuation)
            state.listeners = [:]
            return all
        }
        for continuation in listeners { continuation.finish() }
    }
}
