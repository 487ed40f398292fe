"""Golden answers of naming, by numpy and PyTorch in f64.

    python tools/reference/naming.py       # writes Tests/ConceptsTests/Golden/naming.json and
                                           # Tests/InterventionsTests/Golden/carried.json

naming.json: names on the store of concepts.py (run that before where it changed), from definitions alone
(Sources/Concepts/Naming.swift): planted words and image embeddings, so that every outcome occurs.
carried.json: rows of the carry matrix of models/scenes at a seeded stream (Sources/Interventions/CarriedDirections.swift);
run it whenever models/scenes changes. Needs requirements.txt.
"""

import hashlib
import json
import pathlib

import numpy as np
import torch
from transformers import CLIPModel

import seeded

ROOT = pathlib.Path(__file__).parents[2]
WIDTH, WORDS, RANDOM, SEED = 10, 36, 200, 3
short = lambda values: [float(f"{v:.7g}") for v in np.asarray(values).reshape(-1)]
unit = lambda m: m / np.linalg.norm(m, axis=-1, keepdims=True)


def naming():
    golden = json.loads((ROOT / "Tests/ConceptsTests/Golden/concepts.json").read_text())
    patches, latents, images = golden["rows"] * golden["columns"], golden["latents"], len(golden["labels"])
    z = np.zeros((len(golden["indices"]), latents))
    for token, (index, value) in enumerate(zip(golden["indices"], golden["values"])):
        z[token, index] = value
    z = z.reshape(images, -1, latents)
    u = z[:, : 1 + patches].sum(1) / (1 + patches)  # class token and patches; prompts never count

    rng = np.random.default_rng(SEED)
    raw = rng.standard_normal((WORDS, WIDTH))
    raw[WORDS // 2 :: 3] = raw[: len(raw[WORDS // 2 :: 3])] + 0.25 * rng.standard_normal((len(raw[WORDS // 2 :: 3]), WIDTH))  # twins
    words = np.float32(unit(raw + 0.8))
    tokens = rng.integers(1, 5, WORDS)
    t = unit(words.astype(float) - words.astype(float).mean(0))
    # Images are what their latents say: latent j says word j.
    spread = np.where(u.std(0) > 0, u.std(0), 1)
    embeddings = np.float32((u / spread) @ (t[:latents] * np.linspace(2.5, 0.2, latents)[:, None]) + 0.3 * rng.standard_normal((images, WIDTH)) + 4)
    directions = np.float32(t[:latents] + np.linspace(0.1, 0.5, latents)[:, None] * rng.standard_normal((latents, WIDTH)))
    random = np.float32(rng.standard_normal((RANDOM, WIDTH)))

    x = unit(embeddings.astype(float))
    c = unit(directions.astype(float)) @ t.T
    r = np.zeros((latents, WORDS))
    for j in range(latents):
        for w in range(WORDS):
            if u[:, j].std() > 0:
                r[j, w] = np.corrcoef(u[:, j], x @ t[w])[0, 1]
    maxima = sorted((unit(random.astype(float)) @ t.T).max(1), reverse=True)
    gates = {str(n): float(maxima[n]) for n in (0, 20)}
    # With ten images the shipped gate can't be reached; a lower one lets all outcomes occur.
    gate, needed = maxima[20], max(0.2, 5 / images**0.5)
    names = []
    for j in range(latents):
        active = int((u[:, j] > 0).sum())
        if active == 0:
            names.append({"latent": j, "word": -1, "outcome": "silent"})
            continue
        s = c[j] + r[j]
        top = int(s.argmax())
        same = lambda a, b: t[a] @ t[b] >= 0.8
        twins = [w for w in sorted(range(WORDS), key=lambda w: -s[w]) if same(w, top) and s[w] >= 0.9 * s[top]]
        word = min(twins, key=lambda w: tokens[w])
        rivals = [s[w] for w in range(WORDS) if not same(w, top) and not same(w, word)]
        outcome = ("rare" if active < 10 else "direction" if c[j, word] < gate else "images" if r[j, word] < needed
                   else "rival" if max(rivals) > 0.95 * s[word] else "sure")
        names.append({"latent": j, "word": word, "outcome": outcome, "score": float(s[word]), "direction": float(c[j, word]),
                      "images": float(r[j, word]), "twins": len(twins), "active": active})
    outcomes = [n["outcome"] for n in names]
    print("names:", {o: outcomes.count(o) for o in sorted(set(outcomes))}, "twins:", sum(n.get("twins", 1) > 1 for n in names), "gates", gates, needed)
    (ROOT / "Tests/ConceptsTests/Golden/naming.json").write_text(json.dumps({
        "width": WIDTH, "words": short(words), "tokens": tokens.tolist(), "embeddings": short(embeddings), "directions": short(directions),
        "random": short(random), "gate": float(gate), "gates": gates, "names": names, "query": short(words[0]),
        "queryScores": [float(c[j, 0] + r[j, 0]) for j in range(latents)],
        "covariance": short(((u - u.mean(0)).T @ (x - x.mean(0)) / images)), "deviations": [float(d) for d in u.std(0)],
    }) + "\n")


@torch.no_grad()
def carried():
    model = CLIPModel.from_pretrained(ROOT / "models/scenes", dtype=torch.float64).eval()
    tower = model.vision_model
    width, hook, step = model.config.vision_config.hidden_size, 4, 0.1
    count = (model.config.vision_config.image_size // model.config.vision_config.patch_size) ** 2 + 1
    stream = torch.from_numpy(np.array(seeded.values(SEED, "stream", (count, width), 2.0))).double()
    step *= float(stream.norm(dim=1).mean())

    def embed(x):
        for layer in tower.encoder.layers[hook + 1 :]:
            x = layer(x, None, None)[0]
        return torch.nn.functional.normalize(model.visual_projection(tower.post_layernorm(x[:, 0])), dim=-1)

    rows = {}
    for component in (0, 1, 17, 100, 159):
        change = torch.zeros(width, dtype=torch.float64)
        change[component] = step
        up, down = embed((stream + change)[None])[0], embed((stream - change)[None])[0]
        rows[str(component)] = short((up - down) / (2 * step))
    digest = hashlib.sha256((ROOT / "models/scenes/model.safetensors").read_bytes()).hexdigest()
    (ROOT / "Tests/InterventionsTests/Golden/carried.json").write_text(
        json.dumps({"model": digest, "seed": SEED, "hook": hook, "rows": rows}) + "\n")


naming()
carried()
