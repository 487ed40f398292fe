"""Writes Tests/InterventionsTests/Golden/explain.json: gradients and explanations by PyTorch's autograd, in f64.

    python tools/reference/explain.py      run it whenever models/scenes, models/saes/scenes, vpt or shape changes

Gradients of a difference of two logits at the stream after a block: on seeded towers of odd sizes (clip.py's, whose
weights the tests share), with prompts that the next blocks carry on or replace; on the embedded model, with prompts and
with the weights that a LoRA leaves. Explanations of the embedded model under two of its adapters: integrated gradients
written from the definition (Sundararajan, Taly, Yan 2017), with numpy's Gauss-Legendre nodes. Needs requirements.txt.
"""
import hashlib
import json
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

import clip
import seeded

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "Tests/InterventionsTests/Golden/explain.json"
CLASSES = 5  # of the seeded heads
CHOSEN, AGAINST = 3, 1
SCALE = 20.0
PROMPTS = 3
SAMPLES = 90
EXACT = 64
IMAGES = ["shifted/images/red_star", "shifted/images/green_heart", "heldout/images/blue_ring"]
ODD = [  # configuration, hook, layers of prompts
    ("odd70", 0, 0), ("odd70", 1, 0), ("odd70", 2, 0), ("odd70", 0, 3), ("odd70", 0, 1), ("gelu", 0, 0), ("gelu", 0, 2), ("gelu", 1, 2),
    ("one-patch", 0, 0), ("eos300", 0, 0), ("eos300", 1, 3), ("eos300", 0, 4), ("eos300", 2, 1),
]
SCENES = [("base", 4), ("base", 2), ("base", 0), ("vpt", 4), ("vpt", 1), ("shape", 4), ("shape", 1)]
EXPLAINED = [  # adapter, hook, error term
    ("vpt", 4, "dropped"), ("vpt", 4, "kept"), ("shape", 4, "dropped"), ("shape", 4, "kept"), ("shape", 2, "dropped"), ("vpt", 2, "dropped"),
]


def shortest(values, digits=7):
    return [float(f"{float(v):.{digits}g}") for v in np.asarray(values).reshape(-1)]


def sampled(values):
    """Every step-th value, and the length of the whole."""
    flat = values.reshape(-1)
    step = max(1, flat.numel() // SAMPLES) | 1
    return {"step": step, "values": shortest(flat[::step]), "norm": float(f"{flat.norm().item():.9g}")}


class Tower:
    """A vision side: prompts[0] joins before the pre-norm, prompts[i] replaces before block i."""

    def __init__(self, model, prompts=()):
        self.vision, self.projection, self.prompts = model.vision_model, model.visual_projection, list(prompts)
        self.blocks = self.vision.encoder.layers

    def block(self, x, index):
        if 1 <= index < len(self.prompts):
            count = len(self.prompts[index])
            x = torch.cat([x[:, :-count], self.prompts[index].expand(len(x), -1, -1)], dim=1)
        y = self.blocks[index](x, None, None)
        return y[0] if isinstance(y, tuple) else y

    def to_hook(self, pixels, hook):
        x = self.vision.embeddings(pixels)
        if self.prompts:
            x = torch.cat([x, self.prompts[0].expand(len(x), -1, -1)], dim=1)
        x = self.vision.pre_layrnorm(x)
        for index in range(hook + 1):
            x = self.block(x, index)
        return x

    def finish(self, x, hook):
        for index in range(hook + 1, len(self.blocks)):
            x = self.block(x, index)
        return self.projection(self.vision.post_layernorm(x[:, 0]))


class Head:
    def __init__(self, features, scale):
        self.features, self.scale = features, scale

    def __call__(self, embeddings):
        return embeddings / embeddings.norm(dim=-1, keepdim=True) @ self.features.T * self.scale


def margin(logits, metric):
    return logits[:, metric[0]] - logits[:, metric[1]]


def gradient(tower, head, x, hook, metric):
    """Of each stream's margin."""
    x = x.detach().clone().requires_grad_()
    values = margin(head(tower.finish(x, hook)), metric)
    return values.detach(), torch.autograd.grad(values.sum(), x)[0]


def odd():
    for name, hook, depth in ODD:
        settings, seed, _, _, _, _ = clip.CASES[name]
        model = clip.build(settings, seed, "f32").double().requires_grad_(False)
        width, side = settings["vision_config"]["hidden_size"], settings["vision_config"]["image_size"]
        prompts = [torch.from_numpy(np.array(seeded.values(seed, f"prompts.{i}", (PROMPTS, width), 1.0))).double() for i in range(depth)]
        head = Head(torch.from_numpy(np.array(seeded.values(seed, "head", (CLASSES, settings["projection_dim"]), 1.0))).double(), SCALE)
        pixels = torch.from_numpy(np.array(seeded.values(seed, "pixels", (2, 3, side, side), 2.0))).double()
        tower = Tower(model, prompts)
        with torch.no_grad():
            x = tower.to_hook(pixels, hook)
        values, slope = gradient(tower, head, x, hook, (CHOSEN, AGAINST))
        print(name, hook, depth, "margins", values.tolist(), "gradient", slope.norm().item())
        yield {"name": name, "config": settings, "seed": seed, "hook": hook, "depth": depth, "margins": shortest(values, 9), "gradient": sampled(slope)}


class Scenes:
    def __init__(self):
        folder = ROOT / "models/scenes"
        self.model = CLIPModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
        tokenizer = CLIPTokenizerFast.from_pretrained(folder)
        lines = lambda name: [l for l in (ROOT / "models/classes" / name).read_text().split("\n") if l.strip()]
        self.classes, templates = lines("scenes.txt"), lines("scenes.templates.txt")

        def features(templates):
            rows = []
            for name in self.classes:
                texts = self.model.get_text_features(**tokenizer(
                    [t.replace("{}", name) for t in templates], padding="max_length", truncation=True,
                    max_length=self.model.config.text_config.max_position_embeddings, return_tensors="pt"))
                mean = (texts / texts.norm(dim=-1, keepdim=True)).mean(dim=0)
                rows.append(mean / mean.norm())
            return torch.stack(rows).double()

        scale = self.model.logit_scale.exp().double()
        # The adapted views read the classes through one template: another text side.
        self.head, self.adapted_head = Head(features(templates), scale), Head(features(templates[:1]), scale)
        self.model = self.model.double().requires_grad_(False)
        weights = {k: v.double() for k, v in load_file(ROOT / "models/saes/scenes/sae_weights.safetensors").items()}
        self.w_enc, self.b_enc, self.w_dec, self.b_dec = (weights[k] for k in ("W_enc", "b_enc", "W_dec", "b_dec"))
        self.paths = [sorted((ROOT / "models" / folder).glob("*.jpg"))[0] for folder in IMAGES]
        self.pixels = CLIPImageProcessor.from_pretrained(folder)(
            [Image.open(p).convert("RGB") for p in self.paths], return_tensors="pt")["pixel_values"].double()

    def tower(self, name):
        if name == "base":
            return Tower(self.model)
        if name == "vpt":
            state = torch.load(ROOT / "models/adapters/vpt.pth.tar", map_location="cpu", weights_only=False)["state_dict"]
            found = [v.double() for k, v in sorted(state.items(), key=lambda item: [int(p) for p in item[0].split(".") if p.isdigit()]) if "VPT" in k]
            assert len(found) == 6
            return Tower(self.model, found)
        folder = ROOT / "models/scenes"
        model = CLIPModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval().double().requires_grad_(False)
        config = json.loads((ROOT / f"models/adapters/{name}/adapter_config.json").read_text())
        low = load_file(ROOT / f"models/adapters/{name}/adapter_model.safetensors")
        for key in [k for k in low if k.endswith("lora_A.weight")]:
            layer = model.get_submodule(key.removeprefix("base_model.model.").removesuffix(".lora_A.weight"))
            up = low[key.replace("lora_A", "lora_B")].double()
            layer.weight.data += config["lora_alpha"] / config["r"] * up @ low[key].double()
        return Tower(model)

    def encode(self, x):
        return torch.relu((x - self.b_dec) @ self.w_enc + self.b_enc)

    def decode(self, z):
        return z @ self.w_dec + self.b_dec


def metric_of(adapted, base):
    """The adapted view's answer against the base's, or its strongest other one."""
    best = int(adapted.argmax())
    other = int(base.argmax())
    if other == best:
        rest = base.clone()
        rest[best] = -np.inf
        other = int(rest.argmax())
    return best, other


def explain(scenes, tower, base, image, hook, term):
    pixels = scenes.pixels[image:image + 1]
    with torch.no_grad():
        x, x_base = tower.to_hook(pixels, hook), base.to_hook(pixels, hook)
        own, theirs = tower.finish(x, hook), base.finish(x_base, hook)
        z, z_base = scenes.encode(x), scenes.encode(x_base)
        tokens = x_base.shape[1]  # class and patches
        streams = (x, x_base) if term == "kept" else (scenes.decode(z), scenes.decode(z_base))
        metric = metric_of(scenes.adapted_head(own)[0], scenes.head(theirs)[0])
        mixed = torch.cat([streams[1], streams[0][:, tokens:]], dim=1)
        m = lambda embedding, head: margin(head(embedding), metric).item()
        at = lambda tower, stream: m(tower.finish(stream, hook), scenes.adapted_head)
        total = m(own, scenes.adapted_head) - m(theirs, scenes.head)
        text = m(theirs, scenes.adapted_head) - m(theirs, scenes.head)
        above = at(tower, mixed) - at(base, streams[1])
        way = at(tower, streams[0]) - at(tower, mixed)

    def integrated(nodes):
        places, weights = np.polynomial.legendre.leggauss(nodes)
        places, weights = (torch.from_numpy(v)[:, None, None] / 2 for v in (places, weights))
        slopes = gradient(tower, scenes.adapted_head, mixed + (places + 0.5) * (streams[0] - mixed), hook, metric)[1]
        average = (weights * slopes).sum(dim=0, keepdim=True)
        contributions = (z[0, :tokens] - z_base[0]) * (average[0, :tokens] @ scenes.w_dec.T)
        error = 0.0
        if term == "kept":
            left = (x[0, :tokens] - scenes.decode(z)[0, :tokens]) - (x_base[0] - scenes.decode(z_base)[0])
            error = (left * average[0, :tokens]).sum().item()
        return contributions, error

    nodes = 4
    while True:
        contributions, error = integrated(nodes)
        remainder = way - contributions.sum().item() - error
        if abs(remainder) <= 0.005 * contributions.abs().sum().item() or 2 * nodes > 32:
            break
        nodes *= 2
    if term == "dropped":
        error = total - text - above - way
    exact, _ = integrated(EXACT)
    sums = contributions.sum(dim=0)
    ranking = sorted(range(len(sums)), key=lambda j: (-abs(sums[j].item()), j))[:15]
    return {
        "image": image, "class": metric[0], "against": metric[1], "total": total, "nodes": nodes,
        "parts": shortest([text, above, contributions.sum().item(), remainder, error], 9),
        "latents": ranking, "classToken": shortest(contributions[0, ranking]), "patches": shortest(contributions[1:, ranking].sum(dim=0)),
        "exact": shortest(exact[:, ranking].sum(dim=0)), "magnitude": contributions.abs().sum().item(),
        "patchTotals": shortest(contributions[1:].sum(dim=1), 5),
    }


def main():
    scenes = Scenes()
    towers = {name: scenes.tower(name) for name in ("base", "vpt", "shape")}
    gradients = []
    for name, hook in SCENES:
        with torch.no_grad():
            x = scenes.decode(scenes.encode(towers[name].to_hook(scenes.pixels, hook)))
        values, slope = gradient(towers[name], scenes.head, x, hook, (30, 3))
        print(name, hook, "margins", values.tolist(), "gradient", slope.norm().item())
        gradients.append({"name": name, "hook": hook, "margins": shortest(values, 9), "gradient": sampled(slope)})
    explained = []
    for name, hook, term in EXPLAINED:
        for image in range(len(IMAGES) if hook == 4 else 1):
            found = explain(scenes, towers[name], towers["base"], image, hook, term)
            print(name, hook, term, scenes.classes[found["class"]], scenes.classes[found["against"]], "total", found["total"], "nodes", found["nodes"], found["parts"], "of", found["magnitude"])
            explained.append({"adapter": name, "hook": hook, "term": term, **found})
    sha = lambda path: hashlib.sha256((ROOT / "models" / path).read_bytes()).hexdigest()
    golden = {
        "files": {p: sha(p) for p in ("scenes/model.safetensors", "saes/scenes/sae_weights.safetensors", "adapters/vpt.pth.tar", "adapters/shape/adapter_model.safetensors")},
        "chosen": CHOSEN, "against": AGAINST, "scale": SCALE, "classes": CLASSES, "prompts": PROMPTS, "odd": list(odd()),
        "images": [str(p.relative_to(ROOT)) for p in scenes.paths], "scenes": {"class": 30, "against": 3, "gradients": gradients},
        "explained": explained,
    }
    OUT.write_text(json.dumps(golden, separators=(",", ":")).replace("},", "},\n") + "\n")
    print(OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
