"""Golden outputs of adapted CLIPs for Tests/CLIPTests/AdapterParityTests.swift, kilobytes each.

    python tools/reference/adapters.py               every case but those of the embedded model
    python tools/reference/adapters.py NAME...       some cases
    python tools/reference/adapters.py scenes        prompts in the embedded model: run it whenever models/scenes changes
    python tools/reference/adapters.py half          how far f16, which the trainers run in, is from f32 (prints only)

Each method is written here from its paper's definition over transformers' modules, in f32 with eager attention:
MaPLe (Khattak et al. 2023), VPT (Jia et al. 2022), IVLP (MaPLe's baseline), CoOp and CoCoOp (Zhou et al. 2022), LoRA
(Hu et al. 2022). Weights and prompts come from the generator that the tests share, under the checkpoint's own keys, so
that a test writes the same checkpoint. adapter_files.py writes files as the trainers themselves do.
"""
import collections
import hashlib
import json
import math
import pathlib
import sys
import tempfile

import numpy as np
import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizerFast
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

import clip
import seeded

ROOT = pathlib.Path(__file__).parents[2]
OUT = ROOT / "Tests/CLIPTests/Golden/adapters"
CLASSES = ["red_cube", "a blue ball.", "x"]
INIT = "a photo of a"
B16 = clip.config(768, 12, 12, 3072, 16, 224, 512, 12, 8, 2048, 49408, 77, 49407, 512)
ODD = clip.config(96, 3, 3, 200, 14, 70, 64, 3, 4, 256, 600, 40, 599, 40)
# Exact GELU, text wider than vision, pooled at the largest id; another epsilon.
GELU = clip.config(80, 4, 5, 320, 16, 48, 96, 3, 6, 100, 520, 40, 2, 33, "gelu", None, 1e-4)


# MARK: The methods

class Adapted:
    """A CLIP with prompts. `vision[0]` joins before the pre-norm, `vision[i]` replaces before block i; `text` likewise."""

    def __init__(self, model, vision=(), deep_text=()):
        self.model, self.vision, self.deep_text = model, list(vision), list(deep_text)

    def image(self, pixels):
        """Hidden states after each block, and embeddings."""
        tower = self.model.vision_model
        x = tower.embeddings(pixels)
        count = 0
        if self.vision:
            count = self.vision[0].shape[0]
            x = torch.cat([x, self.vision[0].expand(len(x), -1, -1)], dim=1)
        x = tower.pre_layrnorm(x)
        states = []
        for index, block in enumerate(tower.encoder.layers):
            if 1 <= index < len(self.vision):
                x = torch.cat([x[:, :-count], self.vision[index].expand(len(x), -1, -1)], dim=1)
            x = first(block(x, None, None))
            states.append(x)
        return states, self.model.visual_projection(tower.post_layernorm(x[:, 0]))

    def text(self, rows, end):
        """Embedding of one prompt of token rows `[T, width]`, read at `end`."""
        tower = self.model.text_model
        positions = tower.embeddings.position_embedding.weight[: len(rows)]
        x = (rows + positions)[None]
        mask = torch.full((len(rows), len(rows)), float("-inf")).triu(1)[None, None].to(x.dtype)
        for index, block in enumerate(tower.encoder.layers):
            if index >= 1 and index - 1 < len(self.deep_text):
                prompt = self.deep_text[index - 1]
                x = torch.cat([x[:, :1], prompt[None], x[:, 1 + len(prompt):]], dim=1)
            x = first(block(x, None, mask))
        return self.model.text_projection(tower.final_layer_norm(x[:, end]))[0]


def first(output):
    return output[0] if isinstance(output, tuple) else output


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


class Words:
    """Token ids as CLIP's own code makes them: a prompt whole, its end at the largest id."""

    def __init__(self, model, tokenizer):
        self.embedding = model.text_model.embeddings.token_embedding
        self.tokenizer = tokenizer
        self.context = model.config.text_config.max_position_embeddings

    def encode(self, text):
        """`[start] text [end]`, filled up with zeros as OpenAI's tokenize does."""
        ids = self.tokenizer(text)["input_ids"]
        assert len(ids) <= self.context, f"{text}: {len(ids)} tokens"
        return ids + [0] * (self.context - len(ids))

    def prompt(self, name, context, position="end", prefix=None):
        """Rows of `[start] context name . [end]` and the end's place, as the trainers' PromptLearners join them.

        `prefix`: the words that the prompt was tokenised with; None: a placeholder a context token.
        """
        name = name.replace("_", " ")
        count = len(context)
        ids = self.encode((prefix if prefix is not None else " ".join(["X"] * count)) + " " + name + ".")
        rows = self.embedding(torch.tensor(ids))
        start, suffix = rows[:1], rows[1 + count:]
        name_count = len(self.tokenizer(name)["input_ids"]) - 2
        if position == "end":
            parts = [start, context, suffix]
        elif position == "front":
            parts = [start, suffix[:name_count], context, suffix[name_count:]]
        else:
            half = count // 2
            parts = [start, context[:half], suffix[:name_count], context[half:], suffix[name_count:]]
        return torch.cat(parts), int(np.argmax(ids)), suffix


class Learner:
    """Tensors of a checkpoint, made from the seed under their keys."""

    def __init__(self, seed):
        self.seed, self.tensors = seed, collections.OrderedDict()

    def __call__(self, key, *shape, scale=0.5, offset=0.0):
        self.tensors[key] = torch.from_numpy(np.array(seeded.values(self.seed, key, shape, scale, offset)))
        self.scales = getattr(self, "scales", {})
        self.scales[key] = (scale, offset)
        return self.tensors[key]

    def linear(self, key, outputs, inputs):
        return self(key + ".weight", outputs, inputs, scale=math.sqrt(3 / inputs)), self(key + ".bias", outputs, scale=0.1)

    def describe(self):
        return [{"name": k, "shape": list(t.shape), "scale": self.scales[k][0], "offset": self.scales[k][1]} for k, t in self.tensors.items()]


TEMPLATES = ["a photo of a {}.", "the {}"]


def template_features(model, words, classes=CLASSES):
    def features(_):
        rows = []
        for name in classes:
            texts = []
            for template in TEMPLATES:
                ids = words.encode(template.replace("{}", name.replace("_", " ")))
                texts.append(unit(Adapted(model).text(words.embedding(torch.tensor(ids)), int(np.argmax(ids)))))
            rows.append(unit(torch.stack(texts).mean(dim=0)))
        return torch.stack(rows)
    return features


def low_rank(model, learner, rank, alpha, layers):
    """`y += alpha / rank * B (A x)` in some layers of every block of both towers, under PEFT's keys."""
    for tower in ("vision_model", "text_model"):
        for index in range(len(getattr(model, tower).encoder.layers)):
            for layer in layers:
                name = f"{tower}.encoder.layers.{index}.{layer}"
                module = model.get_submodule(name)
                a = learner(f"base_model.model.{name}.lora_A.weight", rank, module.in_features, scale=math.sqrt(3 / module.in_features))
                b = learner(f"base_model.model.{name}.lora_B.weight", module.out_features, rank, scale=0.3)
                module.register_forward_hook(
                    lambda own, inputs, output, a=a, b=b: output + alpha / rank * ((inputs[0] @ a.T) @ b.T))


def changed(method, model, settings, learner, words, classes=CLASSES, tuned=None, **options):
    """The model with other weights: LoRA's, or a vision tower of the seed `tuned`."""
    if method == "lora":
        low_rank(model, learner, **options)
    else:
        other = clip.build(settings, tuned, "f32")
        for part in ("vision_model", "visual_projection"):
            getattr(model, part).load_state_dict(getattr(other, part).state_dict())
    return Adapted(model), template_features(model, words, classes), False


def prompted(method, model, learner, words, count, depth, text_count=None, text_depth=None, position="end", classes=CLASSES,
             prefix=INIT, class_specific=False):
    """(adapted model, features(image feature) -> [classes, projection])."""
    vw, tw = model.config.vision_config.hidden_size, model.config.text_config.hidden_size
    projection = model.config.projection_dim
    vision, deep, context, meta = [], [], None, None
    if method == "maple":
        key = "prompt_learner."
        context = learner(key + "ctx", count, tw)
        w, b = learner.linear(key + "proj", vw, tw)
        vision.append(context @ w.T + b)
        for i in range(depth - 1):
            deep.append(learner(key + f"compound_prompts_text.{i}", count, tw))
            w, b = learner.linear(key + f"compound_prompt_projections.{i}", vw, tw)
            vision.append(deep[-1] @ w.T + b)
    if method in ("vpt", "ivlp") and depth:
        vision.append(learner("image_encoder.VPT", count, vw))
        for i in range(1, depth):
            vision.append(learner(f"image_encoder.transformer.resblocks.{i}.VPT_shallow", count, vw))
    if method == "ivlp":
        context = learner("prompt_learner.ctx", text_count, tw)
        for i in range(1, text_depth):
            deep.append(learner(f"text_encoder.transformer.resblocks.{i}.VPT_shallow", text_count, tw))
    if method in ("coop", "cocoop"):
        context = learner("ctx", *([len(classes)] if class_specific else []), count, tw)
        prefix = None
    if method == "cocoop":
        hidden = max(2, projection // 16)
        w1, b1 = learner.linear("meta_net.linear1", hidden, projection)
        w2, b2 = learner.linear("meta_net.linear2", tw, hidden)
        meta = lambda f: torch.relu(f @ w1.T + b1) @ w2.T + b2  # noqa: E731
    adapted = Adapted(model, vision, deep)

    def features(feature):
        rows = []
        for index, name in enumerate(classes):
            if context is None:
                ids = words.encode(INIT + " " + name.replace("_", " ") + ".")
                rows.append(Adapted(model).text(words.embedding(torch.tensor(ids)), int(np.argmax(ids))))
                continue
            own = context[index] if class_specific else context
            if meta is not None:
                own = own + meta(feature)
            prompt, end, _ = words.prompt(name, own, position, prefix)
            rows.append(adapted.text(prompt, end))
        return unit(torch.stack(rows))

    return adapted, features, meta is not None


def outputs(model, adapted, features, conditional, pixels, hooks):
    with torch.no_grad():
        states, images = adapted.image(pixels)
        if conditional:
            rows = [unit(f) @ features(unit(f)).T for f in images]
            texts, cosines = features(unit(images[0])), torch.stack(rows)
        else:
            texts = features(None)
            cosines = unit(images) @ texts.T
        return {
            "hooks": [clip.hook(states[b].numpy(), b) for b in hooks], "imageEmbeddings": clip.shortest(images),
            "textFeatures": clip.shortest(texts), "logits": clip.shortest(cosines * model.logit_scale.exp()),
        }


# MARK: Cases

# name: (configuration, seed, batch, hooks, method, options of `prompted`)
CASES = {
    "b16-maple-deep": (B16, 21, 1, [0, 8, 10], "maple", dict(count=2, depth=9)),
    "b16-maple-shallow": (B16, 22, 1, [0, 10], "maple", dict(count=4, depth=1)),
    "b16-vpt-deep": (B16, 23, 1, [0, 10, 11], "vpt", dict(count=8, depth=12)),
    "b16-vpt-shallow": (B16, 24, 1, [0, 10], "vpt", dict(count=4, depth=1)),
    "b16-ivlp-deep": (B16, 25, 1, [10], "ivlp", dict(count=2, depth=12, text_count=2, text_depth=12, classes=CLASSES[:2])),
    "b16-coop": (B16, 26, 1, [10], "coop", dict(count=16, depth=0, classes=CLASSES[:2])),
    "b16-cocoop": (B16, 27, 1, [10], "cocoop", dict(count=4, depth=0, classes=CLASSES[:2])),
    "b16-lora": (B16, 28, 1, [10], "lora", dict(rank=4, alpha=16, layers=["self_attn.q_proj", "self_attn.v_proj"], classes=CLASSES[:2])),
    "b16-finetuned": (B16, 29, 1, [10], "finetuned", dict(tuned=129, classes=CLASSES[:2])),
    "odd-lora": (ODD, 49, 2, [0, 2], "lora", dict(rank=5, alpha=3, layers=["self_attn.k_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"])),
    "gelu-finetuned": (GELU, 50, 2, [1, 3], "finetuned", dict(tuned=150)),
    "odd-maple-deep": (ODD, 31, 3, [0, 1, 2], "maple", dict(count=3, depth=3)),
    "odd-maple-shallow": (ODD, 32, 2, [0, 1], "maple", dict(count=1, depth=1)),
    "odd-vpt-deep": (ODD, 33, 2, [0, 1, 2], "vpt", dict(count=5, depth=2)),
    "odd-vpt-shallow": (ODD, 34, 2, [1], "vpt", dict(count=7, depth=1)),
    "odd-ivlp-deep": (ODD, 35, 2, [0, 1], "ivlp", dict(count=4, depth=3, text_count=2, text_depth=2)),
    "odd-ivlp-shallow": (ODD, 36, 2, [0, 1], "ivlp", dict(count=1, depth=1, text_count=5, text_depth=1, prefix=None)),
    "odd-ivlp-text": (ODD, 37, 1, [1], "ivlp", dict(count=0, depth=0, text_count=3, text_depth=3)),
    "gelu-maple-deep": (GELU, 38, 2, [1, 2, 3], "maple", dict(count=2, depth=3)),
    "gelu-vpt-deep": (GELU, 39, 2, [2, 3], "vpt", dict(count=3, depth=4)),
    "odd-coop-end": (ODD, 41, 1, [1], "coop", dict(count=4, depth=0)),
    "odd-coop-middle": (ODD, 42, 1, [1], "coop", dict(count=5, depth=0, position="middle")),
    "odd-coop-front": (ODD, 43, 1, [1], "coop", dict(count=3, depth=0, position="front")),
    "odd-coop-classes": (ODD, 44, 1, [1], "coop", dict(count=2, depth=0, class_specific=True)),
    "odd-coop-classes-middle": (ODD, 45, 1, [1], "coop", dict(count=4, depth=0, class_specific=True, position="middle")),
    "odd-cocoop": (ODD, 46, 3, [1], "cocoop", dict(count=4, depth=0)),
    "gelu-cocoop": (GELU, 47, 2, [1], "cocoop", dict(count=2, depth=0)),
    "gelu-coop-end": (GELU, 48, 1, [1], "coop", dict(count=16, depth=0)),
}


def seeded_tokenizer(settings):
    """The vocabulary that SeededCLIP writes: bytes, bytes that end a word, fillers, start and end."""
    size = settings["text_config"]["vocab_size"]
    alphabet = [bytes_to_unicode()[b] for b in range(256)]
    tokens = alphabet + [c + "</w>" for c in alphabet] + [f"<|filler_{i}|>" for i in range(size - 514)] + ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
        (folder / "merges.txt").write_text("#version: 0.2\n")
        return CLIPTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))


def pixels_of(settings, seed, batch):
    side = settings["vision_config"]["image_size"]
    return torch.from_numpy(np.array(seeded.values(seed, "pixels", (batch, 3, side, side), 2.0)))


def case(name):
    settings, seed, batch, hooks, method, options = CASES[name]
    model = clip.build(settings, seed, "f32")
    learner = Learner(seed)
    words = Words(model, seeded_tokenizer(settings))
    with torch.no_grad():
        if method in ("lora", "finetuned"):
            adapted, features, conditional = changed(method, model, settings, learner, words, **options)
        else:
            adapted, features, conditional = prompted(method, model, learner, words, **options)
    result = outputs(model, adapted, features, conditional, pixels_of(settings, seed, batch), hooks)
    write(name, {
        "config": settings, "seed": seed, "batch": batch, "method": method, "position": options.get("position", "end"),
        "classes": options.get("classes", CLASSES), "tensors": learner.describe(), **extras(method, options), **result})


def extras(method, options):
    """What a test needs beside tensors: PEFT's configuration, the other tower's seed, templates."""
    if method == "lora":
        return {"peft": {"peft_type": "LORA", "r": options["rank"], "lora_alpha": options["alpha"]}, "templates": TEMPLATES}
    return {"tuned": options["tuned"], "templates": TEMPLATES} if method == "finetuned" else {}


def scenes():
    """Prompts of a sensible size in the embedded model, on its own images and classes."""
    folder = ROOT / "models/scenes"
    model = CLIPModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    words = Words(model, CLIPTokenizerFast.from_pretrained(folder))
    paths = sorted((ROOT / "models/heldout/images").glob("*/*.jpg"))[::97][:2]
    pixels = CLIPImageProcessor.from_pretrained(folder)([Image.open(p).convert("RGB") for p in paths], return_tensors="pt")["pixel_values"]
    classes = [c for c in (ROOT / "models/classes/scenes.txt").read_text().split("\n") if c.strip()][:6]
    for name, seed, method, options in [
        ("scenes-maple", 51, "maple", dict(count=2, depth=2)), ("scenes-vpt", 52, "vpt", dict(count=8, depth=6)),
        ("scenes-coop", 53, "coop", dict(count=4, depth=0)), ("scenes-cocoop", 54, "cocoop", dict(count=4, depth=0)),
        ("scenes-ivlp", 55, "ivlp", dict(count=2, depth=6, text_count=3, text_depth=2)),
        ("scenes-lora", 56, "lora", dict(rank=4, alpha=4, layers=["self_attn.q_proj", "mlp.fc1"])),
        ("scenes-finetuned", 57, "finetuned", dict(tuned=157)),
    ]:
        model = CLIPModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
        words.embedding = model.text_model.embeddings.token_embedding
        learner = Learner(seed)
        with torch.no_grad():
            if method in ("lora", "finetuned"):
                adapted, features, conditional = changed(method, model, model.config.to_dict(), learner, words, classes=classes, **options)
            else:
                adapted, features, conditional = prompted(method, model, learner, words, classes=classes, **options)
        result = outputs(model, adapted, features, conditional, pixels, [0, 4])
        write(name, {
            "weights": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(), "images": [str(p.relative_to(ROOT)) for p in paths],
            "seed": seed, "batch": len(paths), "method": method, "position": "end", "classes": classes, "tensors": learner.describe(), **extras(method, options), **result})


def write(name, golden):
    OUT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(golden, separators=(",", ":"))
    (OUT / f"{name}.json").write_text(text.replace(',"', ',\n"') + "\n")
    logits = np.asarray(golden["logits"]).reshape(golden["batch"], -1)
    print(f"{name}: norms at the last hook {np.mean(golden['hooks'][-1]['norms']):.3g}, logits {logits[0].round(3)}")


def half():
    """MaPLe at B/16: f16 weights and activations, as published runs have them, against f32."""
    settings, seed, batch, hooks, method, options = CASES["b16-maple-deep"]
    results = []
    for dtype in (torch.float32, torch.float16):
        model = clip.build(settings, seed, "f32")
        learner, words = Learner(seed), Words(model, seeded_tokenizer(settings))
        with torch.no_grad():
            adapted, features, _ = prompted(method, model, learner, words, **options)
            model.to(dtype)
            adapted.vision, adapted.deep_text = [p.to(dtype) for p in adapted.vision], [p.to(dtype) for p in adapted.deep_text]
            states, images = adapted.image(pixels_of(settings, seed, batch).to(dtype))
            results.append([states[10].float(), images.float()])
    for name, a, b in zip(("hook", "embedding"), *results):
        print(f"f16 against f32, {name}: relative L2 {float((a - b).norm() / a.norm()):.2e}, largest {float((a - b).abs().max() / a.abs().max()):.2e}")


if __name__ == "__main__":
    torch.set_num_threads(2)
    for name in sys.argv[1:] or CASES:
        {"scenes": scenes, "half": half}.get(name, lambda: case(name))()
