"""Checkpoint files of adapters as the trainers write them, and their outputs, for Tests/CLIPTests/AdapterFileTests.swift.

    python tools/reference/adapter_files.py

One tiny seeded model, so that the files can be committed: Dassl's `model.pth.tar` of each method of prompts, PEFT's
folders (written by PEFT), fine-tuned towers in three layouts, and bad ones. What the outputs are computed by is in
adapters.py; towers in OpenAI's layout run through modules of that layout. Needs requirements-adapters.txt.
"""
import collections
import json
import math
import os
import sys
import types

import numpy as np
import peft
import torch
from safetensors.torch import save_file

import clip
import seeded
from adapters import (
    CLASSES, INIT, OUT, TEMPLATES, Adapted, Learner, Words, outputs, pixels_of, prompted, seeded_tokenizer, template_features, unit, write)

# Small enough that its checkpoints can be committed.
TINY = clip.config(32, 3, 2, 48, 8, 16, 24, 2, 2, 48, 514, 24, 513, 16)


class WarmupScheduler(torch.optim.lr_scheduler.LRScheduler):
    """Dassl's: it keeps its successor, and with it the optimizer, in its own state."""

    def __init__(self, optimizer, successor):
        self.successor = successor
        super().__init__(optimizer)

    def get_lr(self):
        return self.successor.get_last_lr()


WarmupScheduler.__module__, WarmupScheduler.__qualname__ = "dassl.optim.lr_scheduler", "ConstantWarmupScheduler"
dassl = types.ModuleType("dassl.optim.lr_scheduler")
dassl.ConstantWarmupScheduler = WarmupScheduler
sys.modules.update({"dassl": types.ModuleType("dassl"), "dassl.optim": types.ModuleType("dassl.optim"), "dassl.optim.lr_scheduler": dassl})


def save_dassl(path, state, trained, epoch=5):
    """`save_checkpoint` of Dassl after a step of SGD: optimizer, scheduler and numpy results beside the state."""
    parameters = [torch.nn.Parameter(t.clone()) for t in trained]
    optimizer = torch.optim.SGD(parameters, lr=0.0035, momentum=0.9, weight_decay=5e-4)
    for p in parameters:
        p.grad = torch.zeros_like(p)
    optimizer.step()
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
    scheduler = WarmupScheduler(optimizer, cosine)
    state = collections.OrderedDict(state)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    torch.save({"state_dict": state, "epoch": epoch, "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
                "val_result": np.float64(81.25)}, path)


def base_keys(model, dtype):
    """Some of CLIP's own weights, which the trainers save too, as f16 models keep them."""
    vision, text = model.vision_model, model.text_model
    return {"image_encoder.class_embedding": vision.embeddings.class_embedding.data.to(dtype),
            "image_encoder.positional_embedding": vision.embeddings.position_embedding.weight.data.to(dtype),
            "image_encoder.ln_pre.weight": vision.pre_layrnorm.weight.data, "image_encoder.ln_post.weight": vision.post_layernorm.weight.data,
            "text_encoder.ln_final.weight": text.final_layer_norm.weight.data, "logit_scale": model.logit_scale.data}


# name: (seed of the prompts, method, options, f16, DataParallel)
FILES = {
    "maple-words": (61, "maple", dict(count=2, depth=3), True, False),
    "maple-placeholders": (62, "maple", dict(count=2, depth=2, prefix=None), False, True),
    "vpt": (63, "vpt", dict(count=3, depth=3), False, False),
    "ivlp": (64, "ivlp", dict(count=2, depth=2, text_count=4, text_depth=2), False, False),
    "coop": (65, "coop", dict(count=4, depth=0), False, False),
    "coop-classes": (66, "coop", dict(count=2, depth=0, class_specific=True), False, False),
    "cocoop": (67, "cocoop", dict(count=4, depth=0), True, False),
}
MODEL_SEED = 60


def file_case(name):
    seed, method, options, is_half, parallel = FILES[name]
    model = clip.build(TINY, MODEL_SEED, "f32")
    learner, words = Learner(seed), Words(model, seeded_tokenizer(TINY))
    dtype = torch.float16 if is_half else torch.float32
    if is_half:  # what the file keeps is what is computed with
        make = Learner.__call__
        learner.__class__ = type("HalfLearner", (Learner,), {
            "__call__": lambda self, key, *shape, **scale: self.tensors.__setitem__(key, make(self, key, *shape, **scale).half().float()) or self.tensors[key]})
    with torch.no_grad():
        adapted, features, conditional = prompted(method, model, learner, words, **options)
        state = collections.OrderedDict((k, t.to(dtype)) for k, t in learner.tensors.items())
        if method != "vpt":
            key = "" if method in ("coop", "cocoop") else "prompt_learner."
            prefix = options.get("prefix", INIT) if method in ("maple", "ivlp") else None
            count = options.get("text_count", options["count"])
            width = TINY["text_config"]["hidden_size"]
            suffixes = [words.prompt(c, torch.zeros(count, width), "end", prefix)[2] for c in CLASSES]
            start = words.embedding(torch.tensor([words.encode("")[0]]))
            state[key + "token_prefix"] = start.expand(len(CLASSES), 1, -1).to(dtype).contiguous()
            state[key + "token_suffix"] = torch.stack(suffixes).to(dtype)
        if method not in ("coop", "cocoop"):
            state.update(base_keys(model, dtype))
        if parallel:
            state = collections.OrderedDict(("module." + k, t) for k, t in state.items())
        save_dassl(OUT / f"{name}.pth.tar", state, list(learner.tensors.values())[:1])
    finish_file(name, f"{name}.pth.tar", method, model, adapted, features, conditional, epoch=5)


def finish_file(name, file, method, model, adapted, features, conditional=False, templates=None, epoch=None):
    pixels = pixels_of(TINY, MODEL_SEED, 2)
    result = outputs(model, adapted, features, conditional, pixels, [0, 1])
    write(name, {"config": TINY, "seed": MODEL_SEED, "batch": 2, "method": method, "position": "end", "classes": CLASSES, "tensors": [],
                 "file": file, "epoch": epoch, **({"templates": templates} if templates else {}), **result})


def lora(name, config, seed):
    """PEFT writes the folder; the outputs are `W x + scale * B (A x)` of each adapted layer, by hooks on the base."""
    model = clip.build(TINY, MODEL_SEED, "f32")
    wrapped = peft.get_peft_model(clip.build(TINY, MODEL_SEED, "f32"), peft.LoraConfig(**config))
    with torch.no_grad():
        for key, tensor in wrapped.named_parameters():
            if "lora_" in key or "modules_to_save" in key:
                scale = 0.3 if "modules_to_save" not in key else 0.05
                change = torch.from_numpy(np.array(seeded.values(seed, key, tuple(tensor.shape), scale)))
                tensor.copy_(change if "lora_" in key else tensor + change)
    folder = OUT / name
    wrapped.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    settings = json.loads((folder / "adapter_config.json").read_text())
    if isinstance(settings["target_modules"], list):
        settings["target_modules"].sort()  # PEFT writes a set in any order
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    modules = dict(model.named_modules())
    for key, module in wrapped.base_model.model.named_modules():
        if hasattr(module, "lora_A") and len(module.lora_A):
            a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
            alpha, rank = config.get("alpha_pattern", {}).get(key.split(".")[-1], config["lora_alpha"]), a.shape[0]
            scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)

            def add(own, inputs, output, a=a, b=b, scale=scale):
                if a.dim() == 4:
                    inner = torch.nn.functional.conv2d(inputs[0], a, stride=own.stride)
                    return output + scale * torch.nn.functional.conv2d(inner, b)
                return output + scale * ((inputs[0] @ a.T) @ b.T)

            modules[key].register_forward_hook(add)
        elif hasattr(module, "modules_to_save") and len(module.modules_to_save):
            modules[key].weight.data.copy_(module.modules_to_save["default"].weight)
    words = Words(model, seeded_tokenizer(TINY))
    pixels = pixels_of(TINY, MODEL_SEED, 2)
    with torch.no_grad():
        assert torch.allclose(Adapted(model).image(pixels)[1], wrapped.base_model.model.get_image_features(pixels), atol=1e-5)
    finish_file(name, name, "lora", model, Adapted(model), template_features(model, words), templates=TEMPLATES)


class Block(torch.nn.Module):
    """OpenAI's ResidualAttentionBlock."""

    def __init__(self, width, heads, mlp, mask):
        super().__init__()
        self.attn = torch.nn.MultiheadAttention(width, heads)
        self.ln_1, self.ln_2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.mlp = torch.nn.Sequential(collections.OrderedDict(
            c_fc=torch.nn.Linear(width, mlp), gelu=QuickGELU(), c_proj=torch.nn.Linear(mlp, width)))
        self.mask = mask

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=self.mask)[0]
        return x + self.mlp(self.ln_2(x))


class QuickGELU(torch.nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class OpenAITower(torch.nn.Module):
    """OpenAI's VisionTransformer, or its text side: the same names, layouts and order of work."""

    def __init__(self, settings, tokens, patch=None, vocabulary=None):
        super().__init__()
        width, projection = settings["hidden_size"], TINY["projection_dim"]
        mask = None if patch else torch.full((tokens, tokens), float("-inf")).triu(1)
        self.transformer = torch.nn.Module()
        self.transformer.resblocks = torch.nn.Sequential(*[
            Block(width, settings["num_attention_heads"], settings["intermediate_size"], mask) for _ in range(settings["num_hidden_layers"])])
        self.positional_embedding = torch.nn.Parameter(torch.zeros(tokens, width))
        if patch:
            self.conv1 = torch.nn.Conv2d(3, width, patch, patch, bias=False)
            self.class_embedding = torch.nn.Parameter(torch.zeros(width))
            self.ln_pre, self.ln_post = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
            self.proj = torch.nn.Parameter(torch.zeros(width, projection))
        else:
            self.token_embedding = torch.nn.Embedding(vocabulary, width)
            self.ln_final = torch.nn.LayerNorm(width)
            self.text_projection = torch.nn.Parameter(torch.zeros(width, projection))

    def image(self, pixels):
        x = self.conv1(pixels).flatten(2).permute(0, 2, 1)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1) + self.positional_embedding
        x, states = self.ln_pre(x).permute(1, 0, 2), []
        for block in self.transformer.resblocks:
            x = block(x)
            states.append(x.permute(1, 0, 2))
        return states, self.ln_post(states[-1][:, 0]) @ self.proj

    def text(self, rows, end):
        x = (rows + self.positional_embedding)[:, None]
        for block in self.transformer.resblocks:
            x = block(x)
        return self.ln_final(x[end, 0]) @ self.text_projection


def fill(module, seed):
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            scale, offset = (0.2, 1.0) if key.split(".")[-2:-1] and key.split(".")[-2].startswith("ln_") and key.endswith("weight") else (
                (0.1, 0.0) if key.endswith("bias") else (0.3, 0.0))
            tensor.copy_(torch.from_numpy(np.array(seeded.values(seed, key, tuple(tensor.shape), scale, offset))).half().float())


def fine_tuned():
    """Hugging Face's layout, vision alone; and OpenAI's with both towers, as a torch archive and a safetensors file of open_clip's."""
    words = Words(clip.build(TINY, MODEL_SEED, "f32"), seeded_tokenizer(TINY))
    model = clip.build(TINY, MODEL_SEED, "f32")
    other = clip.build(TINY, 71, "f16")
    for part in ("vision_model", "visual_projection"):
        getattr(model, part).load_state_dict(getattr(other, part).state_dict())
    # A tower that left its patch embedding alone.
    for key in ("embeddings", "pre_layrnorm"):
        getattr(model.vision_model, key).load_state_dict(getattr(clip.build(TINY, MODEL_SEED, "f32").vision_model, key).state_dict())
    save_file({k: v.contiguous() for k, v in model.state_dict().items() if k.startswith("vis") and "position_ids" not in k}, OUT / "finetuned-hf.safetensors")
    finish_file("finetuned-hf", "finetuned-hf.safetensors", "finetuned", model, Adapted(model), template_features(model, words), templates=TEMPLATES)

    vision = OpenAITower(TINY["vision_config"], 5, patch=8)
    text = OpenAITower(TINY["text_config"], 24, vocabulary=514)
    fill(vision, 72), fill(text, 73)
    state = collections.OrderedDict({**text.state_dict(), **{"visual." + k: v for k, v in vision.state_dict().items()}})
    state["logit_scale"] = torch.tensor(3.0)
    torch.save({"epoch": 7, "name": "run", "state_dict": {"module." + k: v.half() for k, v in state.items()}}, OUT / "finetuned-openai.pt")
    base = clip.build(TINY, MODEL_SEED, "f32")
    base.logit_scale.data.fill_(3.0)
    own = types.SimpleNamespace(image=vision.image)
    words.embedding = text.token_embedding

    def features(_):
        rows = []
        for name in CLASSES:
            ids = [words.encode(t.replace("{}", name.replace("_", " "))) for t in TEMPLATES]
            rows.append(unit(torch.stack([unit(text.text(text.token_embedding(torch.tensor(i)), int(np.argmax(i)))) for i in ids]).mean(dim=0)))
        return torch.stack(rows)

    finish_file("finetuned-openai", "finetuned-openai.pt", "finetuned", base, own, features, templates=TEMPLATES, epoch=7)

    # The vision tower alone in open_clip's layout: the text side stays the base's.
    save_file({"visual." + k: v.half().contiguous() for k, v in vision.state_dict().items()}, OUT / "finetuned-open-clip.safetensors")
    plain = clip.build(TINY, MODEL_SEED, "f32")
    finish_file("finetuned-open-clip", "finetuned-open-clip.safetensors", "finetuned", plain, own,
                template_features(plain, Words(plain, seeded_tokenizer(TINY))), templates=TEMPLATES)


def files():
    OUT.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        file_case(name)
    lora("lora-attention", dict(r=4, lora_alpha=6, target_modules=r"vision_model\..*\.(q_proj|v_proj)"), 68)
    lora("lora-everything", dict(
        r=3, lora_alpha=5, use_rslora=True, alpha_pattern={"fc1": 2}, rank_pattern={"fc2": 2}, modules_to_save=["text_projection"],
        target_modules=["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", "patch_embedding", "visual_projection"]), 69)
    fine_tuned()
    # The format before torch 1.6, and half a file.
    whole = torch.load(OUT / "vpt.pth.tar", weights_only=False)
    torch.save(whole, OUT / "legacy.pth.tar", _use_new_zipfile_serialization=False)
    (OUT / "half.pth.tar").write_bytes((OUT / "vpt.pth.tar").read_bytes()[:4000])

    class Call:
        def __reduce__(self):
            return os.system, ("touch owned",)

    torch.save({**whole, "optimizer": Call()}, OUT / "calls.pth.tar")
    for path in OUT.rglob("*.safetensors"):
        path.chmod(0o644)


if __name__ == "__main__":
    torch.set_num_threads(2)
    files()
