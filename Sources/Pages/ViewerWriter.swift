// An image of the patch viewer: of every place (the whole image, the class token, each patch) the strongest latents of both
// views, and of every latent that is listed anywhere its grid in both views.

import Basics

struct ViewerWriter {
    let image: ViewerImage
    let rows: Int
    let columns: Int

    private var patches: Int { rows * columns }

    func write(_ json: inout JSONWriter, _ shelf: inout PictureShelf) {
        let sides = [image.base.latents, image.adapted.latents]
        // A place's latents are listed by the larger of both values; equal ones by number.
        let tokens = (0...patches).map { token in strongest(sides.map { token < $0.rows ? entries($0, token) : [:] }) }
        let means = sides.map(means)
        let whole = strongest(means)
        let listed = Set((tokens + [whole]).joined().map(\.latent)).sorted()
        let place = shelf.add(image.picture)
        json.object { json in
            json.key("path")
            json.text(image.path)
            json.key("label")
            json.text(image.label)
            json.key("picture")
            json.int(place)
            json.key("answers")
            json.array([image.base, image.adapted]) { json, side in
                json.array(side.answers) { json, answer in
                    json.array {
                        $0.text(answer.name)
                        $0.number(answer.probability)
                    }
                }
            }
            json.key("whole")
            write(whole, &json)
            json.key("tokens")
            json.array(tokens) { write($1, &$0) }
            json.key("grids")
            json.array(listed) { json, latent in
                json.array { json in
                    json.int(latent)
                    for side in sides {
                        let values = grid(side, latent)
                        json.grid(HeatGrid.encoded(values))
                        json.number(Double(values.max() ?? 0))
                    }
                }
            }
            json.key("why")
            write(image.explanation, &json)
        }
    }

    private typealias Place = (latent: UInt32, base: Float, adapted: Float)

    private func entries(_ latents: SparseRows, _ token: Int) -> [UInt32: Float] {
        Dictionary(latents.range(of: token).map { (latents.indices[$0], latents.values[$0]) }, uniquingKeysWith: { first, _ in first })
    }

    private func means(_ latents: SparseRows) -> [UInt32: Float] {
        var sums: [UInt32: Float] = [:]
        for token in 1..<max(1, min(patches + 1, latents.rows)) {
            for entry in latents.range(of: token) { sums[latents.indices[entry], default: 0] += latents.values[entry] }
        }
        return sums.mapValues { $0 / Float(patches) }
    }

    private func strongest(_ sides: [[UInt32: Float]]) -> [Place] {
        let first = sides.map { side in
            side.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(ReportPage.latentsAPlace).map(\.key)
        }
        return Set(first.joined()).map { (latent: $0, base: sides[0][$0] ?? 0, adapted: sides[1][$0] ?? 0) }
            .sorted { (max($1.base, $1.adapted), $0.latent) < (max($0.base, $0.adapted), $1.latent) }
    }

    private func grid(_ latents: SparseRows, _ latent: UInt32) -> [Float] {
        (1...patches).map { $0 < latents.rows ? latents.value(row: $0, column: latent) : 0 }
    }

    private func write(_ place: [Place], _ json: inout JSONWriter) {
        json.array(place) { json, entry in
            json.int(entry.latent)
            json.number(Double(entry.base))
            json.number(Double(entry.adapted))
        }
    }

    private func write(_ explanation: ViewerExplanation?, _ json: inout JSONWriter) {
        guard let explanation else { return json.int(0) }
        json.object { json in
            json.key("name")
            json.text(explanation.className)
            json.key("against")
            json.text(explanation.against)
            json.key("change")
            json.number(explanation.change)
            json.key("parts")
            json.array(explanation.parts) { json, part in
                json.array {
                    $0.text(part.part)
                    $0.number(part.change)
                }
            }
            json.key("latents")
            json.array(explanation.latents) { json, latent in
                json.array {
                    $0.int(latent.latent)
                    $0.number(latent.contribution)
                }
            }
            json.key("patches")
            json.array(explanation.patches.count == patches ? explanation.patches : []) { $0.number(Double($1)) }
        }
    }
}
