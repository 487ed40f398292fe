"""Golden answers of Concepts on a small random store, by numpy in f64.

    python tools/reference/concepts.py        # writes Tests/ConceptsTests/Golden/concepts.json

Definitions: PatchSAE (ICLR 2025), with prompt tokens left out of every image mean. Values are f16-exact, so that
the store's rounding changes nothing; the images' means differ from f64 by the f32 they are kept in.
"""

import io
import json
import pathlib
import zlib

import numpy as np

ROWS, COLUMNS, PROMPTS, LATENTS, IMAGES = 2, 3, 1, 12, 40
PATCHES = ROWS * COLUMNS
TAU = np.float32(0.2)
GOLDEN = pathlib.Path(__file__).parents[2] / "Tests" / "ConceptsTests" / "Golden"


def random_store(rng):
    """z [image, token, latent]: class, patches row-major, prompts; and labels, None for some."""
    density = np.linspace(0.02, 0.7, LATENTS)
    density[3] = 0.0  # a dead latent
    active = rng.random((IMAGES, 1 + PATCHES + PROMPTS, LATENTS)) < density
    active[:, :, 4] = False
    active[:6, 1, 4] = True  # fewer than 10 images
    active[:, :, 5] = False
    active[:, 0, 5] = rng.random(IMAGES) < 0.5  # on the class token only
    z = np.where(active, rng.random(active.shape) * 1.5 + 0.01, 0).astype(np.float16).astype(np.float64)
    z[[7, 9, 30], 3, 6] = 1.75  # equal peaks: the earlier image comes first
    names = ["owl", "ant", "bee", "cat"]
    labels = [None if rng.random() < 0.15 else names[int(rng.integers(4))] for _ in range(IMAGES)]
    return z, labels


def label_statistics(means, images, labels):
    """Over the given images: p(label) proportional to summed means of labelled images."""
    order = sorted({label for label in labels if label is not None})
    images = [i for i in images if labels[i] is not None and means[i] > 0]
    sums = {label: sum(means[i] for i in images if labels[i] == label) for label in order}
    counts = {label: sum(labels[i] == label for i in images) for label in order}
    total = sum(sums.values())
    listed = sorted((label for label in order if counts[label]), key=lambda label: (-sums[label], label))
    out = {
        "images": len(images), "entropy": None, "standardDeviation": None,
        "labels": [{"label": l, "images": counts[l], "share": sums[l] / total} for l in listed],
    }
    if len(images) >= 10:
        p = np.array([sums[label] / total for label in order])
        index = np.arange(len(order))
        out["entropy"] = float(-(p[p > 0] * np.log(p[p > 0])).sum())
        out["standardDeviation"] = float(np.sqrt((p * (index - (p * index).sum()) ** 2).sum()))
    return out


def latent(z, labels, j):
    value = z[:, :, j]
    kinds = {"class": value[:, :1], "patch": value[:, 1:1 + PATCHES], "prompt": value[:, 1 + PATCHES:]}
    out = {"kinds": {}, "scopes": {}}
    for kind, v in kinds.items():
        active = v[v > 0]
        out["kinds"][kind] = {
            "tokens": v.size, "active": int(active.size), "frequency": active.size / v.size,
            "overTau": int((v > TAU).sum()), "meanWhenActive": float(active.mean()) if active.size else None,
            "max": float(active.max()) if active.size else None,
        }
    peaks = kinds["patch"].max(1)
    for scope, tokens in [("patches", value[:, 1:1 + PATCHES]), ("classAndPatches", value[:, :1 + PATCHES])]:
        means = tokens.mean(1)
        ranked = sorted((i for i in range(IMAGES) if means[i] > 0), key=lambda i: (-means[i], i))
        out["scopes"][scope] = {
            "images": len(ranked), "share": len(ranked) / IMAGES,
            "meanActivation": float(means.sum() / len(ranked)) if ranked else None,
            "topByMean": ranked[:5], "topMeans": [float(means[i]) for i in ranked[:5]],
            "topLabels": label_statistics(means, ranked[:16], labels),
            "allLabels": label_statistics(means, ranked, labels),
        }
    by_peak = sorted((i for i in range(IMAGES) if peaks[i] > 0), key=lambda i: (-peaks[i], i))[:5]
    out["topByPeak"] = by_peak
    out["peaks"] = [float(peaks[i]) for i in by_peak]
    out["peakPatches"] = [divmod(int(kinds["patch"][i].argmax()), COLUMNS) for i in by_peak]
    return out


def table(answers, z):
    def sort(key):
        return sorted(range(LATENTS), key=lambda j: (-key(j), j))

    low = float("-inf")

    def number(value):
        return low if value is None else value

    patches = [a["scopes"]["patches"] for a in answers]
    kinds = [a["kinds"] for a in answers]
    entropy = [p["allLabels"]["entropy"] for p in patches]
    return {
        "frequency": sort(lambda j: kinds[j]["patch"]["active"]), "images": sort(lambda j: patches[j]["images"]),
        "mean": sort(lambda j: number(kinds[j]["patch"]["meanWhenActive"])),
        "max": sort(lambda j: number(kinds[j]["patch"]["max"])),
        "activation": sort(lambda j: number(patches[j]["meanActivation"])),
        "entropy": sorted(range(LATENTS), key=lambda j: (entropy[j] is None, number(entropy[j]), j)),
        "classFrequency": sort(lambda j: kinds[j]["class"]["active"]), "id": list(range(LATENTS)),
        "alive": int(((z > 0).any((0, 1))).sum()),
    }


def spectrum(z, i):
    image, patches = z[i], z[i, 1:1 + PATCHES]
    quantities = {
        "mean": patches.mean(0), "peak": patches.max(0), "sum": image[:1 + PATCHES].sum(0),
        "count": (image[:1 + PATCHES] > TAU).sum(0).astype(float), "class": image[0],
    }

    def ranked(v):
        return [[j, float(v[j])] for j in sorted(np.flatnonzero(v > 0).tolist(), key=lambda j: (-v[j], j))]

    return {
        "image": i, "orders": {name: ranked(v) for name, v in quantities.items()},
        "patch12": ranked(z[i, 1 + 1 * COLUMNS + 2]), "l0": (image > 0).sum(1).tolist(),
        "active": int((image > 0).any(0).sum()), "heat6": patches[:, 6].tolist(),
    }


def main():
    z, labels = random_store(np.random.default_rng(7))
    tokens = z.reshape(-1, LATENTS)
    answers = [latent(z, labels, j) for j in range(LATENTS)]
    golden = {
        "rows": ROWS, "columns": COLUMNS, "prompts": PROMPTS, "latents": LATENTS, "labels": labels,
        "indices": [np.flatnonzero(t).tolist() for t in tokens], "values": [t[t > 0].tolist() for t in tokens],
        "answers": answers, "table": table(answers, z), "spectra": [spectrum(z, i) for i in (0, 7, 33)],
    }
    GOLDEN.mkdir(parents=True, exist_ok=True)
    (GOLDEN / "concepts.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
