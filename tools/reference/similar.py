"""Golden answers of likeness, latent embeddings and words on the store of concepts.py, by numpy in f64.

    python tools/reference/similar.py         # writes Tests/ConceptsTests/Golden/similar.json

Reads concepts.json, so run concepts.py before where that changed. Definitions: Sources/Concepts/Similar.swift,
LatentEmbeddings.swift and Find.swift.
"""

import json
import pathlib

import numpy as np

GOLDEN = pathlib.Path(__file__).parents[2] / "Tests" / "ConceptsTests" / "Golden"
WIDTH, STRONGEST = 5, 16


def load():
    golden = json.loads((GOLDEN / "concepts.json").read_text())
    patches, latents, images = golden["rows"] * golden["columns"], golden["latents"], len(golden["labels"])
    z = np.zeros((len(golden["indices"]), latents))
    for token, (index, value) in enumerate(zip(golden["indices"], golden["values"])):
        z[token, index] = value
    return z.reshape(images, -1, latents), patches, golden


def ruzicka(weights, u, v):
    """Weighted Jaccard of rows of `v` with `u`."""
    both, either = (weights * np.minimum(u, v)).sum(-1), (weights * np.maximum(u, v)).sum(-1)
    return np.where(either > 0, both / np.where(either > 0, either, 1), 0)


def of_images(z, patches, image):
    means = z[:, 1:1 + patches].mean(1)
    active = (means > 0).sum(0)
    scale = np.where(active > 0, active / np.where(active > 0, means.sum(0), 1), 0)
    weights = np.where(active > 0, np.log(len(z) / np.maximum(active, 1)), 0)
    scaled = means * scale
    scores = ruzicka(weights, scaled[image], scaled)
    parts = weights * np.minimum(scaled[image], scaled)
    order = [int(i) for i in sorted(range(len(z)), key=lambda i: (-scores[i], i)) if i != image and scores[i] > 0]
    best = order[0]
    latents = [int(j) for j in sorted(range(z.shape[2]), key=lambda j: (-parts[best, j], j)) if parts[best, j] > 0]
    return {
        "image": image, "active": int((means[image] > 0).sum()), "order": order, "scores": [float(scores[i]) for i in order],
        "random": float(np.mean([scores[i] for i in range(len(z)) if i != image])),
        "deviation": float(np.std([scores[i] for i in range(len(z)) if i != image])),
        "sharedLatents": latents, "shares": [float(parts[best, j] / parts[best].sum()) for j in latents],
        "weights": [float(weights[j]) for j in latents], "values": [float(means[image, j]) for j in latents],
        "others": [float(means[best, j]) for j in latents],
        "sharedCount": int(((means[image] > 0) & (means[best] > 0)).sum()),
    }


def of_patches(z, patches, columns, image, patch):
    values = z[:, 1:1 + patches]
    active = (values > 0).sum((0, 1))
    scale = np.where(active > 0, active / np.where(active > 0, values.sum((0, 1)), 1), 0)
    weights = np.where(active > 0, np.log(len(z) * patches / np.maximum(active, 1)), 0)
    scores = ruzicka(weights, values[image, patch] * scale, values * scale)
    best = scores.argmax(1)  # the first of equal ones
    top = scores.max(1)
    order = [int(i) for i in sorted(range(len(z)), key=lambda i: (-top[i], i)) if i != image and top[i] > 0]
    others = [top[i] for i in range(len(z)) if i != image]
    return {
        "image": image, "patch": list(divmod(patch, columns)), "active": int((values[image, patch] > 0).sum()), "order": order,
        "scores": [float(top[i]) for i in order], "patches": [list(divmod(int(best[i]), columns)) for i in order],
        "random": float(np.mean(others)), "deviation": float(np.std(others)),
    }


def embeddings(z, patches, raw):
    """e_j: weighted mean of the strongest images' normalised embeddings, less the mean of all; None for a dead latent."""
    x = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    means = z[:, :1 + patches].mean(1)
    out = []
    for j in range(z.shape[2]):
        top = sorted((i for i in range(len(z)) if means[i, j] > 0), key=lambda i: (-means[i, j], i))[:STRONGEST]
        if not top:
            out.append(None)
            continue
        out.append(np.average(x[top], axis=0, weights=means[top, j]) - x.mean(0))
    return x, out


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def main():
    z, patches, golden = load()
    rng = np.random.default_rng(11)
    raw = (rng.normal(size=(len(z), WIDTH)) + 1.5).astype(np.float32).astype(np.float64)
    x, latents = embeddings(z, patches, raw)
    text = rng.normal(size=WIDTH).astype(np.float32).astype(np.float64)
    centre = (rng.normal(size=WIDTH) * 0.1).astype(np.float32).astype(np.float64)
    direction = text / np.linalg.norm(text) - centre
    images_active = (z[:, :1 + patches] > 0).any(1).sum(0)
    compared = [j for j in range(z.shape[2]) if latents[j] is not None and images_active[j] >= 7]
    scores = {j: cosine(latents[j], direction) for j in compared}
    of_text = [cosine(i, text) for i in x]
    columns = golden["columns"]
    out = {
        "embeddings": raw.tolist(), "images": [of_images(z, patches, i) for i in (0, 7, 33)],
        "patches": [of_patches(z, patches, columns, i, p) for i, p in ((0, 0), (7, 5), (33, 2))],
        "latents": [None if e is None else e.tolist() for e in latents], "text": text.tolist(), "centre": centre.tolist(),
        "found": sorted(compared, key=lambda j: -scores[j]), "foundScores": sorted(scores.values(), reverse=True),
        "latentMean": float(np.mean(list(scores.values()))), "latentDeviation": float(np.std(list(scores.values()))),
        "foundImages": sorted(range(len(z)), key=lambda i: -of_text[i])[:5], "imageScores": sorted(of_text, reverse=True)[:5],
        "imageMean": float(np.mean(of_text)), "imageDeviation": float(np.std(of_text)),
    }
    (GOLDEN / "similar.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
