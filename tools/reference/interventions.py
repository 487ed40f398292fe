"""Writes Tests/InterventionsTests/Golden/scenes.json: what the embedded model answers with changed latents, in f64.

    python tools/reference/interventions.py      run it whenever models/scenes or models/saes/scenes changes

Written from the definitions: the stream at the hook is replaced on all tokens by a reconstruction from masked latents,
with and without the SAE's error, and the blocks above, the projection and the classifier of transformers' modules run
on it. Four views: the model alone at the SAE's hook and at a lower one; with seeded visual prompts that the block above
the hook carries on, and with some that it replaces. Needs requirements.txt.
"""
import hashlib
import json
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

import seeded

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "Tests/InterventionsTests/Golden/scenes.json"
SAE_BIAS = -0.105131256516992
TAU = 0.2
SEED = 11
PROMPTS, LISTED, CLASS_STEP = 2, 20, 9
KS = [0, 1, 5, 10, 20, 47]  # the last: all of them
IMAGES = ["red_star", "red_star", "blue_ring"]
VIEWS = {  # hook, layers of prompts, error terms
    "base": (4, 0, ["dropped", "published", "kept"]), "lower": (2, 0, ["dropped"]),
    "carried": (4, 3, ["dropped", "kept"]), "replaced": (4, 6, ["dropped"]),
}


def shortest(values):
    return [float(f"{float(v):.7g}") for v in np.asarray(values).reshape(-1)]


class Tower:
    def __init__(self, model, depth):
        self.vision, self.projection = model.vision_model, model.visual_projection
        self.width = model.config.vision_config.hidden_size
        self.prompts = [
            torch.from_numpy(np.array(seeded.values(SEED, f"prompts.{i}", (PROMPTS, self.width), 1.0))).double() for i in range(depth)]

    def block(self, x, index):
        if 1 <= index < len(self.prompts):
            x = torch.cat([x[:, :-PROMPTS], self.prompts[index].expand(len(x), -1, -1)], dim=1)
        return self.vision.encoder.layers[index](x, None, None)[0]

    def to_hook(self, pixels, hook):
        x = self.vision.embeddings(pixels)
        if self.prompts:
            x = torch.cat([x, self.prompts[0].expand(len(x), -1, -1)], dim=1)
        x = self.vision.pre_layrnorm(x)
        for index in range(hook + 1):
            x = self.block(x, index)
        return x

    def finish(self, x, hook):
        for index in range(hook + 1, len(self.vision.encoder.layers)):
            x = self.block(x, index)
        return self.projection(self.vision.post_layernorm(x[:, 0]))


class SAE:
    def __init__(self, folder):
        w = {k: v.double() for k, v in load_file(folder / "sae_weights.safetensors").items()}
        self.w_enc, self.b_enc, self.w_dec, self.b_dec = w["W_enc"], w["b_enc"], w["W_dec"], w["b_dec"]

    def encode(self, x):
        return torch.relu((x - self.b_dec) @ self.w_enc + self.b_enc)

    def decode(self, z):
        return z @ self.w_dec + self.b_dec


def ablate(tower, sae, logits, hook, x, z, ranking, term):
    """[on or off][k][image][class]"""
    result = []
    for keeps in (True, False):
        for k in KS:
            mask = torch.full((z.shape[-1],), 0.0 if keeps else 1.0, dtype=torch.float64)
            mask[ranking[:k]] = 1.0 if keeps else 0.0
            changed = sae.decode(z * mask)
            if term == "published":
                changed = changed - SAE_BIAS
            if term == "kept":
                changed = x + changed - sae.decode(z)
            result.append(logits(tower.finish(changed, hook)))
    return result


def substitute(tower, sae, logits, hook, x, z, z_base, sets):
    """[set][image][class]"""
    result = []
    for chosen in sets:
        changed = x.clone()
        tokens = z_base.shape[1]
        changed[:, :tokens] += (z_base - z[:, :tokens])[..., chosen] @ sae.w_dec[chosen]
        result.append(logits(tower.finish(changed, hook)))
    return result


def main():
    folder = ROOT / "models/scenes"
    model = CLIPModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = CLIPTokenizerFast.from_pretrained(folder)
    sae = SAE(ROOT / "models/saes/scenes")
    lines = lambda name: [l for l in (ROOT / "models/classes" / name).read_text().split("\n") if l.strip()]
    classes, templates = lines("scenes.txt"), lines("scenes.templates.txt")
    features = []
    for name in classes:
        texts = model.get_text_features(**tokenizer(
            [t.replace("{}", name) for t in templates], padding="max_length", truncation=True,
            max_length=model.config.text_config.max_position_embeddings, return_tensors="pt"))
        mean = (texts / texts.norm(dim=-1, keepdim=True)).mean(dim=0)
        features.append(mean / mean.norm())
    features = torch.stack(features).double()
    model = model.double()

    def logits(embeddings):
        return embeddings / embeddings.norm(dim=-1, keepdim=True) @ features.T * model.logit_scale.exp()

    paths = [sorted((ROOT / "models/heldout/images" / c).glob("*.jpg"))[IMAGES[:i].count(c)] for i, c in enumerate(IMAGES)]
    pixels = CLIPImageProcessor.from_pretrained(folder)(
        [Image.open(p).convert("RGB") for p in paths], return_tensors="pt")["pixel_values"].double()

    def answer(results):
        """Some classes' logits, and the answers."""
        return [{"best": r.argmax(dim=1).tolist(), "logits": shortest(r[:, ::CLASS_STEP])} for r in results]

    views = {}
    for name, (hook, depth, terms) in VIEWS.items():
        tower = Tower(model, depth)
        x = tower.to_hook(pixels, hook)
        z = sae.encode(x)
        # As a class is described: the number of tokens over tau.
        counts = (z[:2] > TAU).sum(dim=(0, 1))
        order = sorted(range(len(counts)), key=lambda j: (-int(counts[j]), j))
        assert counts[order[LISTED]] > 0
        # What is not listed follows by index.
        ranking = order[:LISTED] + sorted(order[LISTED:])
        view = {"hook": hook, "depth": depth, "ranking": order[:LISTED], "withoutSAE": answer([logits(tower.finish(x, hook))]),
                "active": float(f"{float((z > 0).double().sum(dim=-1).mean()):.4g}")}
        for term in terms:
            view[term] = answer(ablate(tower, sae, logits, hook, x, z, ranking, term))
        if depth:
            z_base = sae.encode(Tower(model, 0).to_hook(pixels, hook))
            sets = [[], order[:3], order[:10], order[10:20], list(range(len(counts)))]
            view["sets"] = sets[:-1]
            view["substituted"] = answer(substitute(tower, sae, logits, hook, x, z, z_base, sets))
        views[name] = view
        print(name, view["withoutSAE"][0]["best"], [a["best"][0] for a in view["dropped"]], "active", view["active"])

    golden = {
        "model": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "sae": hashlib.sha256((ROOT / "models/saes/scenes/sae_weights.safetensors").read_bytes()).hexdigest(),
        "seed": SEED, "prompts": PROMPTS, "sizes": KS, "classStep": CLASS_STEP,
        "images": [str(p.relative_to(ROOT)) for p in paths], "views": views,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden, separators=(",", ":")).replace('},', '},\n') + "\n")
    print(OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    torch.set_num_threads(2)
    with torch.no_grad():
        main()
