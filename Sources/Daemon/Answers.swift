// Answers requests: finds what a request names, asks the store, and speaks the wire's language. One file a topic;
// this one has the switch and what all topics need.

import Basics
import Concepts
import Foundation
import Ingest
import Logging
import Store
import Synchronization
import Wire
import WireNIO

/// The daemon's request handler. Reads and small computations run on `queue`, never in the cooperative pool;
/// what needs a model runs on the compute thread.
final class Answers: RequestHandler {
    let ingest: Ingest
    let classifier: Classifier
    let concepts: Concepts
    let configuration: Configuration
    let root: String
    let started = Date()
    let log: Logger
    private let access: Mutex<Access>
    /// What clients hold and may.
    let clients: WireClients
    /// Words that latents were given.
    let names: NameBook
    /// Comparisons on the images of controls.
    let sampledComparisons = Mutex<[SampledComparison: Comparison]>([:])
    private let queue = DispatchQueue(label: "answers", qos: .userInitiated, attributes: .concurrent)

    var store: Store { ingest.store }
    var registry: Registry { ingest.registry }

    init(ingest: Ingest, configuration: Configuration, root: String, clients: WireClients, log: Logger) {
        self.ingest = ingest
        self.configuration = configuration
        self.root = root
        self.log = log
        self.clients = clients
        access = Mutex(Access(configuration))
        names = NameBook(folder: configuration.store + "/names")
        classifier = Classifier(ingest)
        concepts = Concepts(ingest.store)
    }

    /// Merges aggregates and opens indexes of all views, so that the first question is as fast as the second.
    func warmUp() {
        queue.async {
            for plan in self.registry.views {
                // A question that fails here is answered with its error when it is asked.
                _ = try? self.store.aggregates(in: plan.record.id)
                _ = try? self.store.postings(of: 0, in: plan.record.id)
            }
        }
    }

    /// Makes the embedding tables of views, and the class tables of those that can be compared, so that a first `find`,
    /// `similar` or `remap` over a large store finds them: for idle times. Does nothing where little has changed.
    func prepareTables() {
        queue.async {
            let views = self.registry.workingViews
            for plan in views { _ = try? self.concepts.prepareEmbeddings(in: plan.record) }
            for plan in views where views.contains(where: { $0.sae.id == plan.sae.id && $0.record.id != plan.record.id }) {
                // A question that needs them makes them itself, and says what is wrong.
                _ = try? self.store.prepareClassTables(of: plan.record.id, seed: Answers.defaultSeed)
            }
        }
    }

    /// Of the shuffled labels, bootstraps and random latents, where a question names none.
    static let defaultSeed: UInt64 = 0

    /// Takes up who may ask what, and how much, and what controls cover, from settings that were read again: for every request from now on.
    func reload(_ configuration: Configuration) {
        access.withLock { $0 = Access(configuration) }
        clients.limits = configuration.clientLimits
        ingest.controls.imagesMax = configuration.controlImages
    }

    func handle(_ request: Saed_Request, from peer: Peer, into reply: ReplyStream) async throws {
        do {
            let access = access.withLock { $0 }
            if !access.isTrusted(peer) { try await blocking { try access.check(request, of: peer) } }
            switch request.body {
            case .status: try await reply.part(\.status, status())
            case let .wait(body): try await wait(body, reply)
            case let .follow(body): try await follow(body, reply)
            case let .images(body): try await images(body, reply)
            case let .show(body): try await reply.part(\.show, show(body))
            case let .latents(body): try await latents(body, reply)
            case let .latent(body): try await reply.part(\.latent, blocking { try self.latent(body) })
            case let .heatmap(body): try await heatmap(body, reply)
            case let .sheet(body): try await sheet(body, reply)
            case .models: try await reply.part(\.models.models, blocking { try self.models() })
            case let .modelAdd(body): try await reply.part(\.modelAdd, blocking { try self.modelAdd(body) })
            case let .saes(body): try await reply.part(\.saes.saes, blocking { try self.saes(model: body.model) })
            case let .saeAdd(body): try await reply.part(\.saeAdd, blocking { try self.saeAdd(body) })
            case let .classes(body): try await reply.part(\.classes, blocking { try self.classes(body) })
            case let .classesSet(body): try await reply.part(\.classesSet, classesSet(body))
            case .views: try await reply.part(\.views.views, blocking { try self.views() })
            case .watch: try await watch(reply)
            case let .failures(body): try await failures(body, reply)
            case .version: try await reply.part(\.version, version())
            case let .export(body): try await export(body, reply)
            case let .adapters(body): try await reply.part(\.adapters.adapters, blocking { try self.adapters(model: body.model) })
            case let .adapterAdd(body): try await reply.part(\.adapterAdd, blocking { try self.adapterAdd(body) })
            case let .adapterChange(body): try await reply.part(\.adapterChange, blocking { try self.adapterChange(body) })
            case let .adapterExport(body): try await adapterExport(body, reply)
            case let .compare(body): try await reply.part(\.compare, blocking { try self.compare(body) })
            case let .remap(body): try await remap(body, reply)
            case let .ablate(body): try await ablate(body, reply)
            case let .classify(body): try await reply.part(\.classify, classify(body))
            case let .disagree(body): try await disagree(body, reply)
            case let .saeRandom(body): try await saeRandom(body, reply)
            case let .explain(body): try await explain(body, reply)
            case let .steer(body): try await reply.part(\.steer, steer(body))
            case let .find(body): try await reply.part(\.find, find(body, reply))
            case let .name(body): try await name(body, reply)
            case let .similar(body): try await reply.part(\.similar, blocking { try self.similar(body) })
            case let .report(body): try await report(body, reply)
            case let .atlas(body): try await atlas(body, reply)
            case let .verify(body): try await verify(body, reply)
            case let .imageRemove(body): try await reply.part(\.imageRemove, blocking { try self.remove(body) })
            case let .collect(body): try await reply.part(\.collect, blocking { try self.collect(body) })
            case nil:
                throw WireFailure(.unsupported, "this daemon (\(SaedVersion.current)) doesn't know the request", remedy: "update saed")
            }
        } catch {
            // Whatever was thrown on the way out: it is no failure.
            if reply.isCancelled { throw CancellationError() }
            let failure = WireFailure.from(error)
            switch (failure.code, request.body) {
            case (.internal, _): log.log(.requestFailed, .error, "request '\(request.title)' failed: \(error)", ["SAED_REQUEST": request.title])
            case (_, .modelAdd), (_, .saeAdd), (_, .classesSet), (_, .adapterAdd), (_, .adapterChange), (_, .saeRandom), (_, .imageRemove), (_, .collect): log.warning("request '\(request.title)' of \(peer) failed: \(error)")
            default: break
            }
            throw failure
        }
    }

    /// Runs reads of files and the catalog on threads that may block.
    func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await Cancellation.whileWaiting { cancellation, continuation in
            queue.async { continuation.resume(with: Result { try cancellation.run(body) }) }
        }
    }

    // MARK: Names

    /// The view that a request names; an empty part stands for the only one there is.
    func view(_ name: Saed_ViewName) throws -> ViewPlan {
        let adapter = name.adapter.isEmpty ? ViewName.baseAdapter : name.adapter
        let all = registry.views
        let fitting = all.filter {
            // A control stands beside what it controls: who means it names it.
            (name.model.isEmpty || $0.name.model == name.model) && $0.name.adapter == adapter
                && (name.sae.isEmpty ? SAEFacts(json: $0.sae.config)?.controlOf == nil : $0.name.sae == name.sae)
        }
        if fitting.count == 1 { return fitting[0] }
        let candidates = (fitting.isEmpty ? all : fitting).map(\.name.description)
        guard !all.isEmpty else {
            throw WireFailure(
                .failedPrecondition, "there is no view yet",
                remedy: "add a model and an SAE: saectl model add DIR --name NAME, then saectl sae add PATH --model NAME --name NAME")
        }
        if fitting.isEmpty {
            if let gone = try whyInactive(adapter, model: name.model) { throw gone }
            throw WireFailure(
                .notFound, "no view is called '\([name.model, adapter, name.sae].filter { !$0.isEmpty }.joined(separator: "/"))'",
                remedy: "name one of those that there are", candidates: candidates)
        }
        throw WireFailure(
            .ambiguous, "several views fit", remedy: "name one whole, as MODEL/ADAPTER/SAE, with --view or as a side of BASE..ADAPTED",
            candidates: candidates)
    }

    /// An adapter that is known and has no view now: why, and how to have it back.
    private func whyInactive(_ adapter: String, model: String) throws -> WireFailure? {
        let plans = try registry.adapters().filter { $0.record.name == adapter && !$0.isBase && !$0.record.active }
        guard let plan = plans.first, let path = plan.facts?.path else { return nil }
        guard FileManager.default.fileExists(atPath: path) else {
            return WireFailure(.failedPrecondition, "the file of adapter '\(adapter)', '\(path)', is gone, so it has no view now", remedy: "put it back: what it made is kept")
        }
        return WireFailure(.failedPrecondition, "adapter '\(adapter)' is not active, so it has no view now", remedy: "saectl adapter activate \(adapter) switches it on; what it made is kept")
    }

    /// The image that a request names: a path, the content of a file, a unique file name, the beginning of an id.
    func image(_ reference: Saed_ImageReference) throws -> ImageRecord {
        if let path = relative(reference.path), let record = try store.path(path), let image = try store.image(record.image) {
            return image
        }
        if let hash = ContentHash(bytes: Array(reference.sha256)), let image = try store.image(hash: hash), !image.absent { return image }
        switch try store.findImage(relative(reference.text) ?? reference.text) {
        case let .found(image): return image
        case .none:
            throw WireFailure(
                .notFound, "no image is called '\(reference.text)'",
                remedy: "give a path, a file name or the beginning of an id, as saectl images lists them")
        case let .ambiguous(images):
            let candidates = images.map { $0.path ?? $0.hash.short }
            throw WireFailure(.ambiguous, "'\(reference.text)' fits several images", remedy: "give the whole path or the id", candidates: candidates)
        }
    }

    /// A path below the drop folder as the catalog has it; nil for others.
    func relative(_ path: String) -> String? {
        let folder = ingest.dropFolder + "/"
        if path.hasPrefix(folder) { return String(path.dropFirst(folder.count)) }
        let configured = configuration.drop + "/"
        return path.hasPrefix(configured) ? String(path.dropFirst(configured.count)) : nil
    }

    func absolute(_ path: String) -> String { ingest.dropFolder + "/" + path }
}

extension Array {
    /// Slices of at most so many items; one, empty, of an empty array: a list is answered by one part at least.
    func pages(of size: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: Swift.max(1, count), by: size).map { self[$0..<Swift.min(count, $0 + size)] }
    }
}

extension ReplyStream {
    /// Sends a part that has one field set.
    func part<Value>(_ field: WritableKeyPath<Saed_Reply, Value>, _ value: Value) async throws {
        var reply = Saed_Reply()
        reply[keyPath: field] = value
        try await part(reply)
    }
}
