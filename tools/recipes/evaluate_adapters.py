"""Writes the model card's section on adapters from the files as shipped.

    evaluate_adapters.py MODELS [--card MODELS/README.md]

reads MODELS/scenes, MODELS/saes/scenes, MODELS/adapters and MODELS/shifted, puts the figures under
"adapters" in MODELS/figures.json and the tables between the card's two marks for adapters.

Accuracies are over the 100 classes, by the frozen CLIP's f16 weights in f32, text "a photo of a {}."
where the adapter does not learn it; intervals are Wilson's at 95 %. Scenes are held out from training:
shifted ones of seeds from 210,000, original one-object ones from 10,000.

What an adapter did to the latents: a latent is colour-specific or shape-specific as the card's figures
have it (AUROC above 0.95 on labelled patches of original scenes, base view), its own classes are those ten
that have its value. Three measures, each over the same original scenes in both views:

    contrast kept  (mean activation on the patches of objects that have the value, minus that on other objects),
                   summed over the latents, adapted by base
    by mean        a latent is in a class when its mean activation over the class's images (class token and
                   patches, never prompts) is among the k largest
    by count       likewise, by the number of tokens above tau = 0.2, as PatchSAE counts; activations of this
                   SAE are tens, so that faint firing counts as much as strong one

Controls: the opposite adapter, the same LoRA trained equally long on true labels, and the same latents in the
classes that do not have the value.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer

import lora
import prompts
import scenes
import shifted
from evaluate import BLOCK, FACTORS, MIXED, SPECIFIC, Sae, patch_labels, rounded, specificity
from train_adapters import RUNS, as_pixels

TEST, ORIGINAL_SEED = 1000, 10_000
THRESHOLD = 0.2  # tau
TOPS = (10, 20, 30)
PLANTED = ("shape", "colour", "shape-control")
START, END = "<!-- adapters: written by tools/recipes/evaluate_adapters.py -->", "<!-- end of adapters -->"


def wilson(right: int, of: int, z: float = 1.959963984540054) -> tuple[float, float]:
    p, n = right / of, of
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def load(folder: str, name: str, model: CLIPModel, words: prompts.Words) -> prompts.Prompted:
    """The frozen CLIP with an adapter of MODELS/adapters in it."""
    run = RUNS[name]
    if run.method == "lora":
        model = copy.deepcopy(model)
        method = lora.LoRA(model, run.count, run.depth)
        method.load(os.path.join(folder, name))
    else:
        method = prompts.METHODS[run.method](model, words, run.count, run.depth)
        # Dassl's checkpoints hold their scheduler as an object; this file is one that we wrote.
        saved = torch.load(os.path.join(folder, name + ".pth.tar"), weights_only=False)
        method.load_state_dict(saved["state_dict"])
    return prompts.Prompted(model, words, method)


def files(folder: str, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The labelled images that ship in a folder, at the model's size, their classes, and no patches."""
    images, labels = [], []
    for label in sorted(os.listdir(os.path.join(folder, "images"))):
        inside = os.path.join(folder, "images", label)
        for file in sorted(os.listdir(inside)) if os.path.isdir(inside) else []:
            images.append(scenes.model_view(np.asarray(Image.open(os.path.join(inside, file)).convert("RGB"))))
            labels.append(names.index(label.replace("_", " ")))
    return np.stack(images), np.array(labels), np.zeros((len(images), scenes.GRID**2), bool)


def measured(guess: np.ndarray, truth: np.ndarray) -> dict:
    right, shapes = int((guess == truth).sum()), len(scenes.SHAPES)
    return {"right": right, "of": len(truth), "accuracy": right / len(truth), "interval": list(wilson(right, len(truth))),
            "shape": float((guess % shapes == truth % shapes).mean()), "colour": float((guess // shapes == truth // shapes).mean())}


@torch.no_grad()
def look(view: prompts.Prompted, images: np.ndarray, covered: np.ndarray, sae: Sae) -> dict[str, np.ndarray]:
    """For each image its class and, `[images, latents]`: on how many tokens a latent exceeds tau, its sum over
    class token and patches, its mean over the object's patches; f32 throughout."""
    head, out = view.classes(), {"class": [], "count": [], "sum": [], "object": []}
    for start in range(0, len(images), 100):
        hook = view.run(view.start(as_pixels(images[start : start + 100])), range(BLOCK + 1))
        z = sae.encode(hook[:, : 1 + scenes.GRID**2])
        inside = torch.from_numpy(covered[start : start + 100]).float()
        out["count"].append((z > THRESHOLD).sum(1))
        out["sum"].append(z.sum(1))
        out["object"].append((inside.unsqueeze(1) @ z[:, 1:])[:, 0] / inside.sum(1, keepdim=True).clamp(min=1))
        out["class"].append((view.project(view.run(hook, range(BLOCK + 1, view.depth))[:, 0]) @ head.T).argmax(1))
    return {k: torch.cat(v).numpy() for k, v in out.items()}


def by_class(values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Means over the images of a class, `[latents, classes]`."""
    return np.stack([values[labels == c].mean(0) for c in range(classes)], 1)


def contrasts(on_object: np.ndarray, labels: np.ndarray, specific: list[dict], classes: list[str]) -> np.ndarray:
    """How much more strongly each specific latent fires on objects that have its value than on others, `[specific]`."""
    words = [c.split() for c in classes]
    has = np.array([[s["value"] in words[label] for s in specific] for label in labels])
    mine = on_object[:, [s["latent"] for s in specific]]
    return (mine * has).sum(0) / np.maximum(has.sum(0), 1) - (mine * ~has).sum(0) / (~has).sum(0)


def members(means: np.ndarray, k: int) -> np.ndarray:
    """Which latents are among the k largest of a class, bool `[latents, classes]`; ties go to the lower number."""
    order = np.argsort(-means, axis=0, kind="stable")
    inside = np.zeros(means.shape, bool)
    np.put_along_axis(inside, order[:k], True, 0)
    return inside & (means > 0)


@torch.no_grad()
def specific_latents(base: prompts.Prompted, sae: Sae) -> list[dict]:
    """The card's specific latents, with their factor, value and AUROC."""
    many = [scenes.render(s) for s in MIXED]
    z = []
    for start in range(0, len(many), 100):
        views = np.stack([scenes.model_view(s.image) for s in many[start : start + 100]])
        z.append(sae.encode(base.run(base.start(as_pixels(views)), range(BLOCK + 1)))[:, 1:].half())
    z = torch.cat(z).flatten(0, 1).float().numpy()
    alive = (z > 0).any(0)
    found = specificity(z, alive, *patch_labels(many))
    area, names, index = found["_area"], found["_names"], np.flatnonzero(alive)
    return [{"latent": int(index[i]), "factor": names[best][0], "value": names[best][1], "auroc": float(area[i, best])}
            for i, best in enumerate(area.argmax(1)) if area[i, best] > SPECIFIC]


def moved(base: np.ndarray, adapted: np.ndarray, specific: list[dict], classes: list[str], k: int) -> dict:
    """Memberships of specific latents in classes' top k: base, stayed, left, joined."""
    before, after = members(base, k), members(adapted, k)
    out = {}
    for factor in ("colour", "shape"):
        for whose in ("own", "other"):
            pick = np.zeros(before.shape, bool)
            for s in specific:
                if s["factor"] == factor:
                    has = np.array([s["value"] in c.split() for c in classes])
                    pick[s["latent"]] = has if whose == "own" else ~has
            out[f"{factor}_{whose}"] = {"base": int((before & pick).sum()), "stayed": int((before & after & pick).sum()),
                                        "left": int((before & ~after & pick).sum()), "joined": int((~before & after & pick).sum())}
        own, other = out[f"{factor}_own"], out[f"{factor}_other"]
        after_own, after_other = (m["stayed"] + m["joined"] for m in (own, other))
        out[f"{factor}_own_share"] = {"base": own["base"] / (own["base"] + other["base"]), "adapted": after_own / max(1, after_own + after_other)}
    out["overlap"] = float((before & after).sum() / before.sum())
    return out


def evaluate(folder: str) -> dict:
    model = CLIPModel.from_pretrained(os.path.join(folder, "scenes"), dtype=torch.float32).eval().requires_grad_(False)
    sae = Sae(os.path.join(folder, "saes", "scenes"))
    names = [line for line in open(os.path.join(folder, "classes", "scenes.txt")).read().splitlines() if line]
    words = prompts.Words(model, CLIPTokenizer.from_pretrained(os.path.join(folder, "scenes")), names)
    base = prompts.Prompted(model, words)
    sets = {"shifted": shifted.labelled("shifted", shifted.TEST_SEED, TEST), "original": shifted.labelled("original", ORIGINAL_SEED, TEST),
            "shifted_files": files(os.path.join(folder, "shifted"), names),
            "original_files": files(os.path.join(folder, "heldout"), names)}
    views = {"base": base, **{name: load(os.path.join(folder, "adapters"), name, model, words) for name in RUNS}}
    figures: dict = {"accuracy": {}, "tau": THRESHOLD}
    originals = {}
    for name, view in views.items():
        figures["accuracy"][name] = {}
        for key, (images, truth, covered) in sets.items():
            seen = look(view, images, covered, sae)
            figures["accuracy"][name][key] = measured(seen["class"], truth)
            if key == "original":
                originals[name] = seen
        print(name, {key: round(v["accuracy"], 4) for key, v in figures["accuracy"][name].items()}, flush=True)
    figures["specific_latents"] = specific_latents(base, sae)
    specific, truth = figures["specific_latents"], sets["original"][1]
    contrast = {name: contrasts(originals[name]["object"], truth, specific, names) for name in ("base", *PLANTED)}
    figures["moved"], figures["contrast_kept"] = {}, {}
    for name in PLANTED:
        figures["moved"][name], figures["contrast_kept"][name] = {}, {}
        for by, key in (("mean", "sum"), ("count", "count")):
            before, after = (by_class(originals[n][key], truth, len(names)) for n in ("base", name))
            figures["moved"][name][by] = {str(k): moved(before, after, specific, names, k) for k in TOPS}
        for factor in ("colour", "shape"):
            chosen = [i for i, s in enumerate(specific) if s["factor"] == factor]
            figures["contrast_kept"][name][factor] = float(contrast[name][chosen].sum() / contrast["base"][chosen].sum())
    return figures


def table(f: dict) -> str:
    """The card's figures as Markdown."""
    def cell(m: dict) -> str:
        low, high = m["interval"]
        return f"{100 * m['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"

    titles = {"base": "*none*: zero-shot"}
    sets = ("shifted", "original", "shifted_files", "original_files")
    lines = [f"| adapter | shifted, {TEST:,} scenes | original, {TEST:,} scenes | shifted/ | heldout/, one object | shape / colour right, shifted |",
             "| --- | --- | --- | --- | --- | --- |"]
    for name, m in f["accuracy"].items():
        s = m["shifted"]
        lines.append(f"| {titles.get(name, name)} | {' | '.join(cell(m[k]) for k in sets)} | {100 * s['shape']:.1f} / {100 * s['colour']:.1f} % |")
    base = f["accuracy"]["base"]
    drop = base["original"]["accuracy"] - base["shifted"]["accuracy"]
    back = {n: (f["accuracy"][n]["shifted"]["accuracy"] - base["shifted"]["accuracy"]) / drop for n, run in RUNS.items() if run.style == "shifted"}
    lines += ["", f"The drop is {100 * drop:.1f} points; won back: " + ", ".join(f"{n} {100 * v:.0f} %" for n, v in back.items())
              + ". Intervals: Wilson, 95 %. Of the original scenes, "
              + "; ".join(f"`{n}` tells {100 * f['accuracy'][n]['original']['shape']:.1f} % of shapes and {100 * f['accuracy'][n]['original']['colour']:.1f} % of colours"
                          for n in ("shape", "colour")) + ".", ""]
    count = {k: sum(s["factor"] == k for s in f["specific_latents"]) for k in FACTORS}
    lines += ["| what became of the specific latents | " + " | ".join(f"`{n}`" for n in PLANTED) + " |", "| --- |" + " --- |" * len(PLANTED)]
    for factor in ("colour", "shape"):
        lines.append(f"| **contrast kept** by the {count[factor]} {factor} latents | "
                     + " | ".join(f"{100 * f['contrast_kept'][n][factor]:.0f} %" for n in PLANTED) + " |")
    for by in ("mean", "count"):
        for k in (10, 20):
            for factor in ("colour", "shape"):
                each = [f["moved"][n][by][str(k)][f"{factor}_own"] for n in PLANTED]
                lines.append(f"| {factor} latents in own classes' top {k} by {by}: stayed / left / joined, of {each[0]['base']} | "
                             + " | ".join(f"{m['stayed']} / {m['left']} / {m['joined']}" for m in each) + " |")
    for by in ("mean", "count"):
        for factor in ("colour", "shape"):
            each = [f["moved"][n][by]["10"][f"{factor}_own_share"] for n in PLANTED]
            lines.append(f"| {factor} latents' places in classes' top 10 by {by} that are in own classes (chance 10 %; {100 * each[0]['base']:.0f} % before) | "
                         + " | ".join(f"{100 * m['adapted']:.0f} %" for m in each) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", help="folder with scenes/, saes/scenes/, classes/, heldout/, adapters/ and shifted/")
    parser.add_argument("--card", help="model card whose part between the marks is rewritten")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    path = os.path.join(args.models, "figures.json")
    figures = json.load(open(path))
    figures["adapters"] = rounded(evaluate(args.models))
    with open(path, "w") as f:
        json.dump(figures, f, indent=1)
        f.write("\n")
    text = table(figures["adapters"])
    print(text)
    if args.card:
        card = open(args.card).read()
        if START not in card or END not in card:
            raise SystemExit(f"'{args.card}' lacks the marks '{START}' and '{END}': add them where the figures belong")
        with open(args.card, "w") as f:
            f.write(f"{card.split(START)[0]}{START}\n{text}{END}{card.split(END)[1]}")


if __name__ == "__main__":
    main()
