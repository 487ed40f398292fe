"""Golden answers of compare and remap on two small random views, by numpy in f64.

    python tools/reference/concepts_pairs.py        # writes Tests/ConceptsTests/Golden/pairs.json

Written from the doc comments of Compare.swift, Remap.swift and Bootstrap.swift. Values are f16-exact; image means differ
from f64 by the f32 they are kept in. Random draws are SplitMix64's, so that intervals and shuffled labels can be compared.
"""

import json
import pathlib

import numpy as np

ROWS, COLUMNS, LATENTS, IMAGES = 2, 3, 16, 44
PATCHES, PROMPTS = ROWS * COLUMNS, 1  # prompts of the adapted view
TAU = 0.2
CLASSES = ["Red Cube", "green_ball", "blue cone", "unseen"]
LABELS = ["red_cube", "green ball", "Blue Cone", "other"]
K, HIGH, LOW, ROUNDS, SEED = 4, 4, 8, 200, 5
GOLDEN = pathlib.Path(__file__).parents[2] / "Tests" / "ConceptsTests" / "Golden"


class SplitMix:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    def below(self, bound):
        return (self.next() >> 32) * bound >> 32


def random_views(rng):
    """z [image, token, latent] of both views, labels (None for some) and right or wrong answers."""
    labels = [None if rng.random() < 0.1 else LABELS[int(rng.integers(4))] for _ in range(IMAGES)]
    number = np.array([LABELS.index(l) if l else 3 for l in labels])
    rate = rng.random((2, 4, LATENTS)) ** 2  # how often a latent fires on a label's tokens, in each view
    rate[1, :, :6] = rate[0, :, :6]
    rate[:, :, 9] = 0  # dead
    views = []
    for view, prompts in enumerate((0, PROMPTS)):
        shape = (IMAGES, 1 + PATCHES + prompts, LATENTS)
        active = rng.random(shape) < rate[view][number][:, None]
        views.append(np.where(active, rng.random(shape) * 0.6 + 0.01, 0).astype(np.float16).astype(np.float64))
    answers = [[int(n) if rng.random() < p else int(rng.integers(4)) for n in number] for p in (0.3, 0.7)]
    return views, labels, answers


def counts(z, prompts):
    """Tokens over tau by latent; class and patches, or all."""
    return (np.float32(z[:, :None if prompts else 1 + PATCHES]) > np.float32(TAU)).sum((0, 1))


def ranked(c):
    return sorted(np.flatnonzero(c).tolist(), key=lambda j: (-c[j], j))


def rank(order, j):
    return order.index(j) + 1 if j in order else 0


def cosine(b, a):
    scale = np.sqrt(float((b.astype(float) ** 2).sum()) * float((a.astype(float) ** 2).sum()))
    return float((b.astype(float) * a).sum() / scale) if scale > 0 else None


def move(b, a):
    def weight(r):
        return 1 / np.log2(r + 1) if r else 0.0

    return abs(weight(a) - weight(b))


def kind_change(views, images, j, published):
    out = []
    for kind, tokens in (("class", slice(0, 1)), ("patch", slice(1, 1 + PATCHES)), ("prompt", slice(1 + PATCHES, None))):
        if kind == "prompt" and not published:
            continue
        v = [z[images, tokens, j] for z in views]
        active = [x[x > 0] for x in v]
        out.append({
            "kind": kind, "frequency": [a.size / x.size if x.size else 0.0 for a, x in zip(active, v)],
            "mean": [float(a.mean()) if a.size else None for a in active]})
    return out


def compare(views, images, published):
    c = [counts(z[images], published) for z in views]
    r = [ranked(x) for x in c]
    top = [set(x[:K]) for x in r]
    union = len(set(r[0]) | set(r[1]))
    overlap = []
    for k in (1, 2, 3, 5, 10, 20):
        sizes = [min(k, len(x)) for x in r]
        shared = len(set(r[0][:k]) & set(r[1][:k]))
        overlap.append({"k": k, "shared": shared, "share": shared / max(sizes), "chance": sizes[0] * sizes[1] / union / max(sizes)})
    both = [j for j in r[0] if j in top[0] & top[1]]
    moves = {j: move(rank(r[0], j), rank(r[1], j)) for j in both}
    changed = sorted((j for j in both if moves[j] > 0), key=lambda j: (-moves[j], j))
    listed = [j for j in r[1] if j in top[1] - top[0]] + [j for j in r[0] if j in top[0] - top[1]] + changed
    latents = []
    for j in listed:
        means = [z[images].mean(1)[:, j] for z in views]
        latents.append({
            "latent": j, "ranks": [rank(x, j) for x in r], "counts": [int(x[j]) for x in c], "kinds": kind_change(views, images, j, published),
            "publishedFrequency": [float((m > 0).mean()) for m in means],
            "publishedMean": [float(m.sum() / (m > 0).sum()) if (m > 0).any() else None for m in means]})
    return {
        "images": len(images), "counted": [len(x) for x in r], "overlap": overlap, "cosine": cosine(*c),
        "gained": [j for j in r[1] if j in top[1] - top[0]], "lost": [j for j in r[0] if j in top[0] - top[1]], "changed": changed,
        "latents": latents}


def groups(c):
    r = [ranked(x) for x in c]
    x = [v / v.max() for v in c]

    def union(k):
        return sorted(set(r[0][:k]) | set(r[1][:k]))

    def level(k):
        return float(np.mean([x[0][union(k)], x[1][union(k)]]))

    high = level(HIGH)
    low = min(high, level(LOW))
    b, a = x[0][union(LOW)], x[1][union(LOW)]
    return [int(v.sum()) for v in ((b >= high) & (a >= high), (b < low) & (a < low), (b < low) & (a >= high), (b >= high) & (a < low))]


def interval(rounds):
    return [float(np.percentile(rounds, q)) for q in (2.5, 97.5)] if len(rounds) else None


def correlation(x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    return float(np.corrcoef(x, y)[0, 1]) if len(x) >= 3 and x.std() > 1e-9 and y.std() > 1e-9 else None


def over_classes(n, statistic):
    rng = SplitMix(SEED)
    drawn = [[rng.below(n) for _ in range(n)] for _ in range(ROUNDS)]
    return interval([v for v in map(statistic, drawn) if v is not None])


def analyse(views, members, changes):
    """members: image lists of the classes, in their order; changes: of accuracy, None where unknown."""
    c = [[counts(z[images], False) for z in views] for images in members]
    top = [[ranked(x)[:K] for x in pair] for pair in c]
    classes = []
    for n, pair in enumerate(c):
        others = {j for m, t in enumerate(top) if m != n for j in t[0]}
        new = [j for j in top[n][1] if j not in top[n][0]]
        kept = [j for j in top[n][1] if j in top[n][0]]
        r = [ranked(x) for x in pair]
        both = set(top[n][0]) | set(top[n][1])
        moves = {j: move(rank(r[0], j), rank(r[1], j)) for j in both}
        classes.append({
            "images": len(members[n]), "kept": kept, "reassigned": [j for j in new if j in others],
            "newlyUsed": [j for j in new if j not in others], "left": [j for j in top[n][0] if j not in top[n][1]],
            "overlap": len(kept) / max(len(top[n][0]), len(top[n][1])), "cosine": cosine(*pair), "groups": groups(pair),
            "moves": sorted((j for j in both if moves[j] > 0), key=lambda j: (-moves[j], j))})
    latents = []
    for j in range(LATENTS):
        before, after = ([n for n, t in enumerate(top) if j in t[v]] for v in (0, 1))
        left, joined = [n for n in before if n not in after], [n for n in after if n not in before]
        if left or joined:
            latents.append({"latent": j, "left": left, "joined": joined, "before": len(before), "after": len(after),
                            "cosine": cosine(np.array([p[0][j] for p in c]), np.array([p[1][j] for p in c]))})
    latents.sort(key=lambda l: (-len(l["left"]) - len(l["joined"]), l["latent"]))
    overlaps = [k["overlap"] for k in classes]
    known = [n for n, v in enumerate(changes) if v is not None]
    y = [changes[n] for n in known]
    figures = {
        "overlap": float(np.mean(overlaps)), "overlapInterval": over_classes(len(classes), lambda d: float(np.mean([overlaps[i] for i in d]))),
        "cosine": float(np.mean([k["cosine"] for k in classes]))}
    for name in ("kept", "reassigned", "newlyUsed", "left"):
        figures[name] = float(np.mean([len(k[name]) for k in classes]))
    figures["groups"] = []
    for g in range(4):
        x = [classes[n]["groups"][g] for n in known]
        figures["groups"].append({
            "size": float(np.mean([k["groups"][g] for k in classes])), "correlation": correlation(x, y),
            "interval": over_classes(len(x), lambda d: correlation([x[i] for i in d], [y[i] for i in d]))})
    return classes, latents, figures


def shuffle(labels, seed):
    """Image numbers start at 1; label numbers in the order of first use do not matter here."""
    entries = [None] + labels
    last = len(entries) - 1
    step = 1
    while step * 16 <= last:
        step *= 2
    end = last // step * step + 1
    domain = 16
    while domain < len(entries):
        domain *= 2
    after, rng = list(range(domain)), SplitMix(seed)
    for i in range(domain - 1, 0, -1):
        j = rng.below(i + 1)
        after[i], after[j] = after[j], after[i]

    def takes_part(i):
        return i < end and entries[i] is not None

    dealt = [None] * len(entries)
    for i in range(len(entries)):
        if takes_part(i):
            j = after[i]
            while not takes_part(j):
                j = after[j]
            dealt[i] = entries[j]
    return dealt[1:]


def paired_sum(n, gains, losses, rng):
    if gains + losses == 0:
        return 0
    total = 0
    for start in range(0, n, 2):
        word = rng.next()
        for half in (word >> 32, word & 0xFFFFFFFF)[:min(2, n - start)]:
            drawn = half * n >> 32
            total += 1 if drawn < gains else -1 if drawn < gains + losses else 0
    return total


def accuracies(labels, answers):
    rng, out, sums = SplitMix(SEED), [], np.zeros(ROUNDS)
    for n in range(3):
        images = [i for i, l in enumerate(labels) if l == LABELS[n]]
        right = [[answers[v][i] == n for i in images] for v in (0, 1)]
        gains = sum(a and not b for b, a in zip(*right))
        losses = sum(b and not a for b, a in zip(*right))
        rounds = np.array([paired_sum(len(images), gains, losses, rng) for _ in range(ROUNDS)])
        sums += rounds
        share = [float(np.mean(r)) for r in right]
        out.append({"base": share[0], "adapted": share[1], "change": share[1] - share[0], "interval": interval(rounds / len(images))})
    total = sum(labels.count(LABELS[n]) for n in range(3))
    return out, interval(sums / total)


def members_of(labels):
    return [[i for i, l in enumerate(labels) if l == name] for name in LABELS[:3]]


def main():
    views, labels, answers = random_views(np.random.default_rng(11))
    everyone = list(range(IMAGES))
    per_class, whole = accuracies(labels, answers)
    changes = [c["change"] for c in per_class]
    classes, latents, figures = analyse(views, members_of(labels), changes)
    shuffled = analyse(views, members_of(shuffle(labels, SEED)), changes)[2]
    golden = {
        "rows": ROWS, "columns": COLUMNS, "prompts": PROMPTS, "latents": LATENTS, "labels": labels, "answers": answers, "classes": CLASSES,
        "views": [{"indices": [np.flatnonzero(t).tolist() for t in z.reshape(-1, LATENTS)],
                   "values": [t[t > 0].tolist() for t in z.reshape(-1, LATENTS)]} for z in views],
        "compare": {"all": compare(views, everyone, False), "published": compare(views, everyone, True),
                    "label": compare(views, [i for i in everyone if labels[i] == "red_cube"], False),
                    "some": compare(views, [2, 3, 20, 21, 41], False), "image": compare(views, [7], True)},
        "remap": {"classes": classes, "latents": latents, "figures": figures, "shuffled": shuffled, "accuracies": per_class,
                  "changeInterval": whole, "leftOut": sum(l is None or l == "other" for l in labels)},
    }
    (GOLDEN / "pairs.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
