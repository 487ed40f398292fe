"""Writes the model card's figures from the files as shipped, on scenes held out from training.

    evaluate.py MODELS [--card MODELS/README.md]

reads MODELS/scenes, MODELS/saes/scenes, MODELS/classes and MODELS/heldout, and writes
MODELS/figures.json, MODELS/sheets/*.png and the card's part between its two marks.

Legend: d width, n latents, T tokens. A patch is *labelled* when an object covers half
of it or more (it has that object's shape, colour and texture) or when no object touches
it (it has the scene's background). A latent is *specific* to a value of a factor when,
over all labelled patches, its activation tells patches of that value from all others
with AUROC above 0.95. The control has random unit directions, each with the bias that
makes it fire on as many tokens as its partner in the trained SAE.
"""

from __future__ import annotations

import argparse
import json
import os

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from scipy.stats import rankdata
from transformers import CLIPModel, CLIPProcessor

import scenes
from train_sae import BLOCK, to_hook

SPECIFIC = 0.95
NAMEABLE = 0.90  # share of a latent's activation on one value, or on one pair of values
SINGLES, MIXED = range(10_000, 12_000), range(20_000, 20_800)
FACTORS = {"shape": scenes.SHAPES, "colour": scenes.COLOUR_NAMES, "texture": scenes.TEXTURES,
           "background": scenes.BACKGROUND_NAMES}


class Sae:
    def __init__(self, folder: str):
        weights = {k: v.float() for k, v in load_file(os.path.join(folder, "sae_weights.safetensors")).items()}
        self.W_enc, self.b_enc, self.W_dec, self.b_dec = (weights[k] for k in ("W_enc", "b_enc", "W_dec", "b_dec"))

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return ((x - self.b_dec) @ self.W_enc + self.b_enc).relu()

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return z @ self.W_dec + self.b_dec


@torch.no_grad()
def class_weights(model: CLIPModel, processor: CLIPProcessor, names: list[str], templates: list[str]) -> torch.Tensor:
    """CLIP's zero-shot head `[classes, p]`: each prompt normalised, averaged, normalised."""
    total = 0
    for template in templates:
        inputs = processor(text=[template.replace("{}", n) for n in names], return_tensors="pt", padding=True)
        total = total + torch.nn.functional.normalize(model.get_text_features(**inputs), dim=-1)
    return torch.nn.functional.normalize(total, dim=-1)


@torch.no_grad()
def image_features(model: CLIPModel, processor: CLIPProcessor, images: list, sae: Sae | None) -> torch.Tensor:
    """Image embeddings `[images, p]`; with `sae` its reconstruction of all tokens goes on from the hook."""
    tower, out = model.vision_model, []
    for start in range(0, len(images), 100):
        pixels = processor(images=images[start : start + 100], return_tensors="pt")["pixel_values"]
        if sae is None:
            out.append(model.get_image_features(pixel_values=pixels))
            continue
        x = sae.decode(sae.encode(to_hook(model, pixels)))
        for layer in tower.encoder.layers[BLOCK + 1 :]:
            x = layer(x, None, None)[0]
        out.append(model.visual_projection(tower.post_layernorm(x[:, 0])))
    return torch.cat(out)


def share_right(features: torch.Tensor, head: torch.Tensor, truth: np.ndarray) -> float:
    return float(((features @ head.T).argmax(1).numpy() == truth).mean())


def patch_labels(many: list[scenes.Scene]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Which patches are labelled, and their value's index a factor (-1: none), `[scenes * patches]`."""
    labels = {k: [] for k in FACTORS}
    for scene in many:
        coverage = scene.coverage.reshape(len(scene.coverage), -1)
        owner = np.where(coverage.max(0) >= 0.5, coverage.argmax(0), -1)
        for k in ("shape", "colour", "texture"):
            value = np.array([FACTORS[k].index(o[k]) for o in scene.factors["objects"]] + [-1])
            labels[k].append(value[owner])
        kind = scenes.BACKGROUND_NAMES.index(scene.factors["background"])
        labels["background"].append(np.where(coverage.sum(0) == 0, kind, -1))
    labels = {k: np.concatenate(v) for k, v in labels.items()}
    return (labels["shape"] >= 0) | (labels["background"] >= 0), labels


def indicators(labels: dict[str, np.ndarray]) -> tuple[list[tuple[str, str]], np.ndarray]:
    """All values of all factors and, for each, 1 on its patches: `[patches, values]`."""
    names = [(k, v) for k, values in FACTORS.items() for v in values]
    return names, np.stack([labels[k] == FACTORS[k].index(v) for k, v in names], 1).astype(np.float32)


def auroc(z: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Area under the curve of each latent for each value, `[latents, values]`; ties count half."""
    out = np.empty((z.shape[1], truth.shape[1]), np.float32)
    positive = truth.sum(0, dtype=np.float64)
    negative = len(truth) - positive
    for start in range(0, z.shape[1], 64):
        ranks = rankdata(z[:, start : start + 64], axis=0)
        out[start : start + 64] = (ranks.T @ truth - positive * (positive + 1) / 2) / (positive * negative)
    return out


def specificity(z: np.ndarray, alive: np.ndarray, labelled: np.ndarray, labels: dict[str, np.ndarray]) -> dict:
    """How many alive latents are specific, and how many put their activation on one value or pair."""
    names, truth = indicators({k: v[labelled] for k, v in labels.items()})
    z = z[labelled][:, alive]
    area = auroc(z, truth)
    best = area.argmax(1)
    hit = area.max(1) > SPECIFIC
    mass = z.T @ truth / np.maximum(z.sum(0), 1e-9)[:, None]
    # Pairs of values of different factors that one patch can have: shape, colour, texture.
    values = [i for i, (k, _) in enumerate(names) if k != "background"]
    pair_mass = np.zeros(len(mass))
    for a in values:
        both = truth[:, [a]] * truth[:, [b for b in values if names[b][0] > names[a][0]]]
        if both.shape[1]:
            pair_mass = np.maximum(pair_mass, (z.T @ both / np.maximum(z.sum(0), 1e-9)[:, None]).max(1))
    pure = mass.max(1) >= NAMEABLE
    # Where in the image: one of 4 x 4 cells of 3 x 3 patches, whatever is there.
    place = np.flatnonzero(labelled) % scenes.GRID**2
    cell = place // scenes.GRID // 3 * 4 + place % scenes.GRID // 3
    in_cell = z.T @ np.eye(16, dtype=np.float32)[cell] / np.maximum(z.sum(0), 1e-9)[:, None]
    placed = (in_cell.max(1) >= NAMEABLE) & ~pure & ~hit
    # A value against the others of its factor alone: objects with objects, backgrounds with backgrounds.
    own = np.zeros(len(mass))
    for among in ([i for i, (k, _) in enumerate(names) if k != "background"], [i for i, (k, _) in enumerate(names) if k == "background"]):
        rows = truth[:, among].any(1)
        own = np.maximum(own, auroc(z[rows], truth[rows][:, among]).max(1))
    by_factor = {k: int(sum(hit[i] and names[best[i]][0] == k for i in range(len(hit)))) for k in FACTORS}
    found = {names[i] for i in range(len(names)) if (area[:, i] > SPECIFIC).any()}
    pure_by = {k: int(sum(pure[i] and names[mass[i].argmax()][0] == k for i in range(len(pure)))) for k in FACTORS}
    return {
        "alive": int(len(hit)), "specific": int(hit.sum()), "specific_share": float(hit.mean()),
        "specific_by_factor": by_factor,
        "values_with_a_specific_latent": {k: f"{sum((k, v) in found for v in vs)} of {len(vs)}" for k, vs in FACTORS.items()},
        "mean_best_auroc": float(area.max(1).mean()), "median_best_auroc": float(np.median(area.max(1))),
        "pure": int(pure.sum()), "pure_share": float(pure.mean()), "pure_by_factor": pure_by,
        "pure_or_specific_share": float((pure | hit).mean()),
        "specific_within_kind": int((own > SPECIFIC).sum()), "specific_within_kind_share": float((own > SPECIFIC).mean()),
        "activity_share": float((z[:, hit] > 0).sum() / (z > 0).sum()),
        "place_share": float(placed.mean()),
        "pure_pair_share": float((pair_mass >= NAMEABLE).mean()),
        "_area": area, "_names": names, "_mass": mass,
    }


def random_control(x: np.ndarray, density: np.ndarray, seed: int = 0) -> np.ndarray:
    """Activations `[T, n]` of random unit directions that fire as often as the trained latents."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((x.shape[1], len(density))).astype(np.float32)
    w /= np.linalg.norm(w, axis=0)
    pre = (x - x.mean(0)) @ w
    for i, share in enumerate(density):
        k = min(len(pre) - 1, max(1, round(share * len(pre))))
        pre[:, i] -= np.partition(pre[:, i], len(pre) - k)[len(pre) - k]
    return np.maximum(pre, 0)


# --- sheets ---


def sheet(scenes_of: list[scenes.Scene], z: np.ndarray, title: str, path: str, columns: int = 8) -> None:
    """The images where a latent peaks, above with the strongest patch framed, below as a heat map."""
    peak = z.max(1)
    top = np.argsort(-peak, kind="stable")[:columns]
    side = 128
    canvas = Image.new("RGB", (columns * (side + 4) + 4, 2 * (side + 4) + 22), (24, 24, 26))
    draw = ImageDraw.Draw(canvas)
    draw.text((6, 5), title, fill=(235, 235, 235))
    for c, i in enumerate(top):
        image = scenes_of[i].image.astype(np.float32)
        heat = (z[i] / peak[i]).reshape(scenes.GRID, scenes.GRID)
        opacity = np.asarray(Image.fromarray(np.uint8(255 * heat)).resize((scenes.SIZE,) * 2, Image.Resampling.BILINEAR)) / 255
        dimmed = image.mean(2, keepdims=True) * 0.35 * np.ones(3)
        lit = dimmed * (1 - opacity[..., None]) + image * opacity[..., None]
        for r, picture in enumerate((image, lit)):
            tile = Image.fromarray(np.uint8(np.clip(picture, 0, 255)))
            if r == 0:
                y, x = (int(v) * scenes.SIZE // scenes.GRID for v in divmod(int(z[i].argmax()), scenes.GRID))
                ImageDraw.Draw(tile).rectangle((x - 2, y - 2, x + 17, y + 17), outline=(255, 255, 255), width=2)
            canvas.paste(tile.resize((side, side), Image.Resampling.LANCZOS), (4 + c * (side + 4), 22 + r * (side + 4)))
    canvas.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def choose(area: np.ndarray, names: list[tuple[str, str]], a_factor: int = 3) -> list[tuple[int, int]]:
    """(latent, value) pairs for the sheets: for each factor its best latents of different values."""
    chosen = []
    for factor in FACTORS:
        columns = [i for i, (k, _) in enumerate(names) if k == factor]
        best = sorted(((area[:, i].max(), int(area[:, i].argmax()), i) for i in columns), reverse=True)
        chosen += [(latent, i) for _, latent, i in best[:a_factor]]
    return chosen


# --- the whole ---


def evaluate(folder: str) -> dict:
    model = CLIPModel.from_pretrained(os.path.join(folder, "scenes"), dtype=torch.float32).eval()
    processor = CLIPProcessor.from_pretrained(os.path.join(folder, "scenes"), use_fast=False)
    sae = Sae(os.path.join(folder, "saes", "scenes"))
    read = lambda name: [l for l in open(os.path.join(folder, "classes", name)).read().splitlines() if l]
    names, templates = read("scenes.txt"), read("scenes.templates.txt")
    head = class_weights(model, processor, names, templates)
    head_one = class_weights(model, processor, names, ["a photo of a {}."])
    figures: dict = {}

    singles = [scenes.render(s, single=True) for s in SINGLES]
    truth = np.array([names.index(f"{s.factors['objects'][0]['colour']} {s.factors['objects'][0]['shape']}") for s in singles])
    images = [Image.fromarray(s.image) for s in singles]
    plain = image_features(model, processor, images, None)
    rebuilt = image_features(model, processor, images, sae)
    shape_of = np.array([scenes.SHAPES.index(n.split()[1]) for n in names])
    guess = (plain @ head.T).argmax(1).numpy()
    large = np.array([s.factors["objects"][0]["size"] == "large" for s in singles])
    figures["zero_shot"] = {
        "scenes": len(singles), "classes": len(names), "templates": len(templates),
        "accuracy": share_right(plain, head, truth),
        "accuracy_one_template": share_right(plain, head_one, truth),
        "accuracy_large": float((guess == truth)[large].mean()), "accuracy_small": float((guess == truth)[~large].mean()),
        "shape_accuracy": float((shape_of[guess] == shape_of[truth]).mean()),
        "accuracy_with_reconstruction": share_right(rebuilt, head, truth),
        "cosine_with_reconstruction": float(torch.nn.functional.cosine_similarity(plain, rebuilt).mean()),
    }
    shipped = json.load(open(os.path.join(folder, "heldout", "factors.json")))["images"]
    labelled_files = [p for p, f in shipped.items() if f["count"] == 1]
    files = [Image.open(os.path.join(folder, "heldout", p)) for p in labelled_files]
    file_truth = np.array([names.index(p.split("/")[1].replace("_", " ")) for p in labelled_files])
    figures["zero_shot_shipped_files"] = {
        "files": len(files),
        "accuracy": share_right(image_features(model, processor, files, None), head, file_truth),
        "accuracy_with_reconstruction": share_right(image_features(model, processor, files, sae), head, file_truth)}

    mixed = [scenes.render(s) for s in MIXED]
    x, images = [], [Image.fromarray(s.image) for s in mixed]
    for start in range(0, len(images), 100):
        x.append(to_hook(model, processor(images=images[start : start + 100], return_tensors="pt")["pixel_values"]))
    x = torch.cat(x)
    z, error = [], []
    for part in x.split(50):
        code = sae.encode(part)
        z.append(code.half())
        error.append(((sae.decode(code) - part) ** 2).sum(-1))
    z, error = torch.cat(z), torch.cat(error)
    fired = (z > 0).flatten(0, 1).float().mean(0).numpy()
    alive = fired > 0
    kinds = {"class": slice(0, 1), "patch": slice(1, None), "all": slice(None)}
    explained, l0 = {}, {}
    for kind, tokens in kinds.items():
        about = x[:, tokens].flatten(0, 1)
        explained[kind] = float(1 - error[:, tokens].mean() / ((about - about.mean(0)) ** 2).sum(1).mean())
        l0[kind] = float((z[:, tokens] > 0).sum(-1).float().mean())
    squares = (x**2).sum(-1).mean()
    figures["sae"] = {
        "scenes": len(mixed), "tokens": int(z.shape[0] * z.shape[1]), "width": x.shape[-1], "latents": len(fired),
        "explained_variance_about_mean": explained, "explained_about_zero": float(1 - error.mean() / squares), "l0": l0,
        "dead": int((~alive).sum()), "dense": int((fired > 0.1).sum()), "mean_token_norm": float(x.norm(dim=-1).mean()),
    }
    labelled, labels = patch_labels(mixed)
    patches = z[:, 1:].flatten(0, 1).float().numpy()
    figures["specificity"] = specificity(patches, alive, labelled, labels)
    tokens = x[:, 1:].flatten(0, 1).numpy()
    control = random_control(tokens, (patches > 0).mean(0)[alive])
    figures["control"] = specificity(control, np.ones(control.shape[1], bool), labelled, labels)
    del control

    os.makedirs(os.path.join(folder, "sheets"), exist_ok=True)
    for old in os.listdir(os.path.join(folder, "sheets")):
        os.remove(os.path.join(folder, "sheets", old))
    area, value_names = figures["specificity"]["_area"], figures["specificity"]["_names"]
    of_image = patches.reshape(len(mixed), -1, patches.shape[1])
    index = np.flatnonzero(alive)
    sheets = []
    for latent, value in choose(area, value_names):
        factor, name = value_names[value]
        number = int(index[latent])
        file = f"{factor}-{name}-{number}.png"
        sheet(mixed, of_image[:, :, number],
              f"latent {number}   {factor}: {name}   AUROC {area[latent, value]:.3f}   fires on {fired[number]:.2%} of tokens",
              os.path.join(folder, "sheets", file))
        sheets.append({"latent": number, "factor": factor, "value": name, "auroc": float(area[latent, value]), "file": "sheets/" + file})
    figures["sheets"] = sheets
    for part in ("specificity", "control"):
        figures[part] = {k: v for k, v in figures[part].items() if not k.startswith("_")}
    return figures


def rounded(value):
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value


def table(f: dict) -> str:
    """The card's figures as Markdown."""
    z, s, p, c = f["zero_shot"], f["sae"], f["specificity"], f["control"]
    percent = lambda v: f"{100 * v:.1f} %"
    e, l0 = s["explained_variance_about_mean"], s["l0"]
    by = lambda d: ", ".join(f"{k} {v}" for k, v in d.items())
    rows = [
        ("**Zero-shot**, colour and shape, one object", f"{percent(z['accuracy'])} of {z['scenes']:,} scenes, {z['classes']} classes, {z['templates']} templates"),
        ("the same, only \"a photo of a {}.\"", percent(z["accuracy_one_template"])),
        ("the same, large / small objects", f"{percent(z['accuracy_large'])} / {percent(z['accuracy_small'])}"),
        ("the shipped one-object files", f"{percent(f['zero_shot_shipped_files']['accuracy'])} of {f['zero_shot_shipped_files']['files']}"),
        ("**with the reconstruction at the hook**", f"{percent(z['accuracy_with_reconstruction'])} (shipped files {percent(f['zero_shot_shipped_files']['accuracy_with_reconstruction'])}); cosine of the embeddings {z['cosine_with_reconstruction']:.4f}"),
        ("**Explained variance** about the mean", f"{e['all']:.4f} (class token {e['class']:.4f}, patches {e['patch']:.4f}); about zero {f['sae']['explained_about_zero']:.4f}"),
        ("**L0**, mean a token", f"class {l0['class']:.1f}, patches {l0['patch']:.1f}"),
        ("Dead / dense latents", f"{s['dead']} never fire on {s['tokens']:,} tokens / {s['dense']} fire on more than a tenth, of {s['latents']:,}"),
        ("**Specific latents** (AUROC > 0.95)", f"{p['specific']} of {p['alive']} alive, {percent(p['specific_share'])} ({by(p['specific_by_factor'])})"),
        ("share of what fires on a patch that is specific", percent(p["activity_share"])),
        ("values that have a specific latent", by(p["values_with_a_specific_latent"])),
        ("mean of the latents' best AUROC", f"{p['mean_best_auroc']:.3f} (median {p['median_best_auroc']:.3f})"),
        ("**Pure latents** (90 % of the activation on one value)", f"{percent(p['pure_share'])} of the alive ({by(p['pure_by_factor'])})"),
        ("pure or specific / of the rest, bound to one sixteenth of the image", f"{percent(p['pure_or_specific_share'])} / {percent(p['place_share'])}"),
        ("90 % of the activation on one pair of values of an object", percent(p["pure_pair_share"])),
        ("*Control*, random directions of the same density", f"specific {c['specific']} ({percent(c['specific_share'])}); mean best AUROC {c['mean_best_auroc']:.3f}; pure {percent(c['pure_share'])} ({by(c['pure_by_factor'])}); one pair {percent(c['pure_pair_share'])}; place {percent(c['place_share'])}"),
    ]
    return "| figure | on held-out scenes, from the f16 files |\n| --- | --- |\n" + "\n".join(f"| {a} | {b} |" for a, b in rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", help="folder with scenes/, saes/scenes/, classes/ and heldout/")
    parser.add_argument("--card", help="model card whose part between the marks is rewritten")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    figures = rounded(evaluate(args.models))
    path = os.path.join(args.models, "figures.json")
    if os.path.exists(path):  # what evaluate_adapters.py and evaluate_names.py have measured stays
        figures |= {k: v for k, v in json.load(open(path)).items() if k in ("adapters", "names")}
    with open(path, "w") as f:
        json.dump(figures, f, indent=1)
        f.write("\n")
    text = table(figures)
    print(text)
    if args.card:
        start, end = "<!-- figures: written by tools/recipes/evaluate.py -->", "<!-- end of figures -->"
        card = open(args.card).read()
        if start not in card or end not in card:
            raise SystemExit(f"'{args.card}' lacks the marks '{start}' and '{end}': add them where the figures belong")
        before, after = card.split(start)[0], card.split(end)[1]
        pictures = "\n".join(f"![{s['factor']} {s['value']}: latent {s['latent']}]({s['file']})" for s in figures["sheets"])
        with open(args.card, "w") as f:
            f.write(f"{before}{start}\n{text}\n{pictures}\n{end}{after}")


if __name__ == "__main__":
    main()
