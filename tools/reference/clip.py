"""Golden outputs of transformers' CLIPModel for Tests/CLIPTests, kilobytes each.

    python tools/reference/clip.py               every case but the embedded model
    python tools/reference/clip.py NAME...       some cases
    python tools/reference/clip.py scenes        the embedded model on its images: run it whenever models/scenes changes

Weights come from the generator that Sources/CLIP/SeededCLIP.swift shares (`scale_of` is its table), so neither
weights nor a download are needed to test. Everything runs in f32 with eager attention.
"""
import hashlib
import json
import math
import pathlib
import sys

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

import seeded
import tokenizer as reference_tokenizer

ROOT = pathlib.Path(__file__).parents[2]
OUT = ROOT / "Tests/CLIPTests/Golden"
SAMPLES = 256


def scale_of(name, shape):
    """(scale, offset), as SeededCLIP.scale(of:shape:)."""
    if name == "logit_scale":
        return 0.0, 2.6592
    if "norm" in name:
        return (0.2, 1.0) if name.endswith(".weight") else (0.1, 0.0)
    if name.endswith("class_embedding") or name.endswith("token_embedding.weight"):
        return 0.5, 0.0
    if name.endswith("position_embedding.weight"):
        return 0.3, 0.0
    if name.endswith(".bias"):
        return 0.1, 0.0
    kind = name.split(".")[-2]
    gain = 1.5 if kind in ("q_proj", "k_proj") else 0.8 if kind in ("v_proj", "out_proj", "fc2") else 1.0
    return gain * math.sqrt(3 / math.prod(shape[1:])), 0.0


def config(width, layers, heads, mlp, patch, image, text_width, text_layers, text_heads, text_mlp, vocabulary, context, eos,
           projection, activation="quick_gelu", text_activation=None, epsilon=1e-5):
    return {
        "projection_dim": projection,
        "vision_config": {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": mlp,
                          "patch_size": patch, "image_size": image, "hidden_act": activation, "layer_norm_eps": epsilon},
        "text_config": {"hidden_size": text_width, "num_hidden_layers": text_layers, "num_attention_heads": text_heads,
                        "intermediate_size": text_mlp, "vocab_size": vocabulary, "max_position_embeddings": context,
                        "eos_token_id": eos, "hidden_act": text_activation or activation, "layer_norm_eps": epsilon},
    }


ODD = config(96, 3, 3, 200, 14, 70, 64, 2, 4, 256, 600, 16, 599, 40)
CASES = {
    # name: (configuration, seed, batch, hooks, weight type, prompts)
    "vit-b16": (config(768, 12, 12, 3072, 16, 224, 512, 12, 8, 2048, 49408, 77, 49407, 512), 1, 1, [0, 5, 10, 11], "f32",
                [[49406, 320, 1125, 539, 320, 1929, 269, 49407], [49406, 49407], [49406] + list(range(1000, 1075)) + [49407]]),
    # 5 x 5 patches, a width and heads that fill no vector register evenly, text narrower than vision.
    "odd70": (ODD, 2, 3, [0, 1, 2], "f32", [[598, 5, 6, 599], [598] + list(range(14)) + [599], [598, 599, 7, 599]]),
    "odd70-f16": (ODD, 2, 1, [1], "f16", [[598, 5, 6, 599]]),
    "odd70-bf16": (ODD, 2, 1, [1], "bf16", [[598, 5, 6, 599]]),
    # Exact GELU; text wider than vision; eos_token_id 2: the largest id is pooled, the first of equals.
    "gelu": (config(80, 2, 5, 320, 16, 48, 96, 3, 6, 100, 520, 9, 2, 33, "gelu"), 3, 2, [0, 1], "f32",
             [[518, 4, 519, 2, 519], [2, 519, 3, 2], [518, 1, 7]]),
    # One patch, one block, one head: the hook is the last block.
    "one-patch": (config(64, 1, 1, 64, 32, 32, 32, 1, 1, 40, 514, 4, 513, 8), 4, 2, [0], "f32", [[512, 513], [512, 3, 4, 513]]),
    # Another epsilon, activations that differ by tower, an end token in the middle of the vocabulary; and a
    # prompt without any, which transformers pools at 0.
    "eos300": (config(88, 4, 2, 100, 8, 24, 48, 2, 3, 96, 700, 12, 300, 24, "quick_gelu", "gelu", 1e-3), 5, 5, [1, 2], "f32",
               [[698, 1, 300, 5, 300, 699], [698, 10, 11, 12], [300, 4]]),
    # 7 x 7 patches; hooks at the first block and the published one.
    "vit-b32": (config(768, 12, 12, 3072, 32, 224, 512, 12, 8, 2048, 49408, 77, 49407, 512), 7, 2, [0, 10], "f32",
                [[49406, 320, 1125, 539, 320, 1929, 269, 49407]]),
    # 24 x 24 patches: 577 tokens.
    "vit-l14-336": (config(1024, 24, 16, 4096, 14, 336, 768, 12, 12, 3072, 49408, 77, 49407, 768), 8, 1, [22], "f32",
                    [[49406, 320, 1125, 49407]]),
    "vit-l14": (config(1024, 24, 16, 4096, 14, 224, 768, 12, 12, 3072, 49408, 77, 49407, 768), 6, 1, [11, 22], "f32",
                [[49406, 320, 1125, 49407]]),
}


def build(settings, seed, dtype):
    model = CLIPModel(CLIPConfig(**settings, attn_implementation="eager")).eval()
    rounded = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            scale, offset = scale_of(name, tensor.shape)
            weights = torch.from_numpy(np.array(seeded.values(seed, name, tensor.shape, scale, offset)))
            tensor.copy_(weights.to(rounded).to(torch.float32))
    return model


def shortest(values):
    return [float(f"{float(v):.8g}") for v in np.asarray(values, dtype=np.float32).reshape(-1)]


def hook(x, block):
    """What is kept of `[batch, tokens, width]`: every token's norm and some values."""
    flat = x.reshape(-1)
    indices = (np.arange(SAMPLES, dtype=np.int64) * 7919 + 13) % len(flat)
    return {
        "block": block, "maxAbs": float(np.abs(flat).max()), "norms": shortest(np.linalg.norm(x.reshape(-1, x.shape[-1]), axis=1)),
        "samples": shortest(flat[indices]),
    }


def outputs(model, pixels, prompts, hooks):
    context = model.config.text_config.max_position_embeddings
    with torch.no_grad():
        vision = model.vision_model(pixel_values=pixels, output_hidden_states=True)
        images = model.visual_projection(vision.pooler_output)
        texts = torch.cat([model.get_text_features(torch.tensor([p])) for p in prompts])
        logits = (images / images.norm(dim=-1, keepdim=True)) @ (texts / texts.norm(dim=-1, keepdim=True)).T * model.logit_scale.exp()
    assert all(len(p) <= context for p in prompts)
    return {
        # hidden_states[0] is the input of block 0.
        "hooks": [hook(vision.hidden_states[b + 1].numpy(), b) for b in hooks],
        "imageEmbeddings": shortest(images), "textEmbeddings": shortest(texts), "logits": shortest(logits),
    }


def case(name):
    settings, seed, batch, hooks, dtype, prompts = CASES[name]
    model = build(settings, seed, dtype)
    side = settings["vision_config"]["image_size"]
    pixels = torch.from_numpy(np.array(seeded.values(seed, "pixels", (batch, 3, side, side), 2.0)))
    result = outputs(model, pixels, prompts, hooks)
    golden = {"config": settings, "seed": seed, "batch": batch, "dtype": dtype, "prompts": prompts, **result}
    write(name, golden)
    spread = np.asarray(golden["logits"]).reshape(batch, -1)
    print(f"{name}: norms at the last hook {np.mean(golden['hooks'][-1]['norms']):.3g}, logits {spread[0]}")


def scenes():
    """The embedded model, whole: real images, its own vocabulary, its own classes and templates."""
    folder = ROOT / "models/scenes"
    model = CLIPModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = CLIPTokenizerFast.from_pretrained(folder)
    context = model.config.text_config.max_position_embeddings
    classes = (ROOT / "models/classes/scenes.txt").read_text().split("\n")
    classes = [c for c in classes if c.strip()]
    templates = [t for t in (ROOT / "models/classes/scenes.templates.txt").read_text().split("\n") if t.strip()]
    held_out = sorted((ROOT / "models/heldout/images").glob("*/*.jpg"))
    paths = held_out[:: max(1, len(held_out) // 4)][:4] + [ROOT / "models/photos/cat.jpg"]
    pixels = CLIPImageProcessor.from_pretrained(folder)([Image.open(p).convert("RGB") for p in paths], return_tensors="pt")["pixel_values"]

    def encode(texts):
        return tokenizer(texts, padding="max_length", truncation=True, max_length=context, return_tensors="pt")

    prompts = [template.replace("{}", classes[0].replace("_", " ")) for template in templates]
    result = outputs(model, pixels, encode(prompts)["input_ids"].tolist(), [0, model.config.vision_config.num_hidden_layers - 2])
    with torch.no_grad():
        features = []
        for name in classes:
            texts = model.get_text_features(**encode([template.replace("{}", name.replace("_", " ")) for template in templates]))
            mean = (texts / texts.norm(dim=-1, keepdim=True)).mean(dim=0)
            features.append(mean / mean.norm())
        images = torch.tensor(result["imageEmbeddings"]).reshape(len(paths), -1)
        images = images / images.norm(dim=-1, keepdim=True)
        result["logits"] = shortest(images @ torch.stack(features).T * model.logit_scale.exp())
    texts = reference_tokenizer.STRINGS + prompts
    write("scenes", {
        "weights": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "images": [str(p.relative_to(ROOT)) for p in paths], "prompts": prompts,
        "tokens": [{"text": t, "ids": i} for t, i in zip(texts, encode(texts)["input_ids"].tolist())], **result,
    })
    best = torch.tensor(result["logits"]).reshape(len(paths), -1).argmax(dim=1)
    print("scenes:", [(p.parent.name, classes[b]) for p, b in zip(paths, best)])


def write(name, golden):
    text = json.dumps(golden, separators=(",", ":"))
    (OUT / f"{name}.json").write_text(text.replace(',"', ',\n"') + "\n")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    for name in sys.argv[1:] or CASES:
        scenes() if name == "scenes" else case(name)
