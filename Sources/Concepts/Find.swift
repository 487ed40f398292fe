// From words to latents and images: cosines of a text embedding with the latents' and the images' embeddings.
//
// Text and image embeddings of CLIP lie in two cones apart, so a cosine by itself says little: beside each stands how
// many standard deviations it lies above the mean over all latents, or images, of the view.

import Basics
import Store

/// What to look for.
public struct FindQuery: Sendable {
    /// Latents, and images, listed.
    public var top = 10
    /// Only images of this label are listed.
    public var label: String?
    /// Only latents active on so many images are listed and counted: one image's embedding is no latent's.
    public var imagesMin = 3
    /// Taken off the text embedding before it is compared with latents, whose embeddings have their mean taken off: the
    /// mean normalised embedding of many texts. nil: nothing.
    public var centre: [Float]?

    public init(top: Int = 10, label: String? = nil, imagesMin: Int = 3, centre: [Float]? = nil) {
        (self.top, self.label, self.imagesMin, self.centre) = (top, label, imagesMin, centre)
    }
}

/// An image that words fit.
public struct FoundImage: Sendable, Codable, Equatable {
    /// Content hash, hex.
    public var image: String
    public var imageNumber: Int64
    public var path: String?
    public var label: String?
    /// Cosine of the text's and the image's embedding.
    public var score: Double
    /// Standard deviations above the mean over all images.
    public var deviations: Double
}

/// A latent that words fit.
public struct FoundLatent: Sendable, Codable, Equatable {
    public var latent: Int
    /// Cosine of the centred text's and the latent's embedding (see `LatentEmbeddings`).
    public var score: Double
    /// Standard deviations above the mean over all latents that were compared.
    public var deviations: Double
    /// Images on which it is active.
    public var images: Int
    /// Share of patches on which it is active.
    public var frequency: Double
    /// Its mean where it is active on a patch; nil where it never is.
    public var mean: Double?
    /// Its strongest images, the strongest first, with its mean over class token and patches.
    public var top: [StrongestImage]
}

/// One of a latent's strongest images.
public struct StrongestImage: Sendable, Codable, Equatable {
    public var image: String
    public var imageNumber: Int64
    public var path: String?
    public var label: String?
    public var mean: Double
}

/// What words lead to.
public struct FoundConcepts: Sendable, Codable, Equatable {
    public var view: String
    public var latents: [FoundLatent]
    public var images: [FoundImage]
    public var latentsCompared: Int
    public var imagesCompared: Int
    /// Over all latents, and images, that were compared: the controls.
    public var meanLatentScore: Double
    public var latentDeviation: Double
    public var meanImageScore: Double
    public var imageDeviation: Double
}

extension Concepts {
    /// Strongest images listed of a found latent.
    static let foundImagesListed = 3

    /// The latents and the images that a text fits.
    ///
    /// Cost at 100,000 images and 49,152 latents: two passes over the images' embeddings, some 50 ms.
    ///
    /// - Parameter text: the embedding of the words `[width]`, of any length.
    /// - Throws: `noLabel`, `wrongWidth`, `store`.
    public func find(_ text: [Float], in view: ViewRecord, _ query: FindQuery = FindQuery()) throws(ConceptsError) -> FoundConcepts {
        for vector in [text, query.centre ?? text] where vector.count != view.embeddingWidth {
            throw .wrongWidth(found: vector.count, view: view.name, width: view.embeddingWidth)
        }
        let embeddings = try latentEmbeddings(in: view), table = embeddings.table
        let unit = normalised(text), products = table.products(with: unit)
        let images = try imagesNear(products, table, query)
        var centred = products, direction = unit
        if let centre = query.centre {
            direction = normalised(zip(unit, centre).map { $0 - $1 })
            centred = table.products(with: direction)
        }
        let cosines = embeddings.cosines(with: direction, products: centred)
        let aggregates: Aggregates
        do { aggregates = try store.aggregates(in: view.id) } catch { throw .store(error) }
        var compared = Moments(), best = TopK<Int>(max(0, query.top))
        for (entry, latent) in embeddings.latents.enumerated() where aggregates.latents[latent].anyImages >= query.imagesMin {
            compared.add(Double(cosines[entry]))
            best.offer(entry, score: Double(cosines[entry]), tie: Int64(latent))
        }
        let latents = try best.items.map { (entry) throws(ConceptsError) in
            try found(embeddings.latents[entry], score: Double(cosines[entry]), embeddings, aggregates, compared)
        }
        return FoundConcepts(
            view: view.name, latents: latents, images: images.found, latentsCompared: compared.count,
            imagesCompared: images.compared.count, meanLatentScore: compared.mean, latentDeviation: compared.deviation,
            meanImageScore: images.compared.mean, imageDeviation: images.compared.deviation)
    }

    private func imagesNear(
        _ products: [Float], _ table: EmbeddingTable, _ query: FindQuery
    ) throws(ConceptsError) -> (found: [FoundImage], compared: Moments) {
        var compared = Moments()
        for product in products { compared.add(Double(product)) }
        let wanted = try query.label.map { (label) throws(ConceptsError) in try images(of: label) }
        let matches = table.nearest(cosines: products, count: max(0, query.top)) { wanted?($0) ?? true }
        let records = try records(matches.map(\.image))
        let found = matches.compactMap { match in
            records[match.image].map {
                FoundImage(
                    image: $0.hash.hex, imageNumber: $0.id.rawValue, path: $0.path, label: $0.label, score: Double(match.cosine),
                    deviations: compared.deviations(Double(match.cosine)))
            }
        }
        return (found, compared)
    }

    private func found(
        _ latent: Int, score: Double, _ embeddings: LatentEmbeddings, _ aggregates: Aggregates, _ compared: Moments
    ) throws(ConceptsError) -> FoundLatent {
        let total = aggregates.latents[latent], tokens = aggregates.tokens(of: .patch)
        let strongest = embeddings.topImages(of: latent).prefix(Concepts.foundImagesListed)
        let records = try records(strongest.map(\.image))
        return FoundLatent(
            latent: latent, score: score, deviations: compared.deviations(score), images: total.anyImages,
            frequency: tokens > 0 ? Double(total.patch.active) / Double(tokens) : 0,
            mean: total.patch.active > 0 ? total.patch.sum / Double(total.patch.active) : nil,
            top: strongest.compactMap { image, mean in
                records[image].map {
                    StrongestImage(image: $0.hash.hex, imageNumber: $0.id.rawValue, path: $0.path, label: $0.label, mean: Double(mean))
                }
            })
    }

    /// Records by id; images that are gone by now are left out.
    func records(_ images: [ImageRecord.ID]) throws(ConceptsError) -> [ImageRecord.ID: ImageRecord] {
        do throws(StoreError) {
            return Dictionary(try store.images(images).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        } catch { throw .store(error) }
    }

    /// Which images have a label.
    /// - Throws: `noLabel` where none has.
    func images(of label: String) throws(ConceptsError) -> (ImageRecord.ID) -> Bool {
        let groups = store.labelGroups
        guard let number = groups.names.firstIndex(of: label).map({ Int32($0 + 1) }), groups.entries.contains(number) else {
            throw .noLabel(label: label)
        }
        return { groups.entry(of: $0.rawValue) == number }
    }
}

/// Mean and standard deviation (over all, not a sample's) of numbers, one after the other (Welford 1962).
struct Moments {
    private(set) var count = 0
    private(set) var mean = 0.0
    private var squares = 0.0

    mutating func add(_ value: Double) {
        count += 1
        let distance = value - mean
        mean += distance / Double(count)
        squares += distance * (value - mean)
    }

    var deviation: Double { count > 0 ? (squares / Double(count)).squareRoot() : 0 }

    /// How many standard deviations a value lies above the mean; 0 where there is no spread.
    func deviations(_ value: Double) -> Double { deviation > 0 ? (value - mean) / deviation : 0 }
}
