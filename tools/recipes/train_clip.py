"""Trains the embedded CLIP on rendered scenes and exports it in Hugging Face's layout.

The model is transformers' `CLIPModel`, nothing added. Four contrastive terms, each a
softmax over cosine similarities times the model's own logit scale:

    L1  image and caption, both ways, over the batch (CLIP's own);
    L2  an object's pooled patches against "a large red striped circle" for the objects
        of the batch;
    L3  a patch against the words of each factor: its object's shape, colour and texture,
        or its background; from step `EARLY_FROM` on also after block `HOOK`, where the
        SAE will look, through the same ln_post and projection;
    L4  the class token of a one-object image against all colour-shape pairs
        ("a photo of a red circle.") and, every other step instead, against the words.

Beside them one term that is not contrastive, with a head that is thrown away: every
patch of an object tells how much of each patch around it that object covers
(`Outline`). It teaches where an object ends, which its texture hides.

A second run, `--start FOLDER`, goes on from a first one's weights with "early" on from its
first step and one term more, `unexplained`: the share of the variance of patches after block
`HOOK` that a sum of one vector a value (shape, colour, texture, background, as much of each
as covers the patch) leaves over. It takes the place in the image and within the object out
of the stream where the SAE will look; what lies above that block does without.

L2 and L3 put ln_post and the projection, which CLIP applies to the class token, on
patches too; they are why patches know what they belong to after so little training.
Most of the training computes only some of the 144 patches, those of objects first, and
the first `SINGLES` steps see one-object scenes only. Two starts save many steps: position embeddings are 2-D sinusoids as strong as the
patches, and the vision tower's heads start looking at a patch's neighbours.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import shutil
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import AttentionInterface, CLIPConfig, CLIPImageProcessor, CLIPModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

import scenes
import tokenizer as bpe

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
HOOK = 4  # block after which the SAE reads
FACTOR_NAMES = {"shape": scenes.SHAPES, "colour": scenes.COLOUR_NAMES, "texture": scenes.TEXTURES}


def _attention(module, query, key, value, attention_mask, **rest):
    """Attention in f32 inside a bf16 step: the CPU's bf16 backward pass is four times slower."""
    with torch.autocast("cpu", enabled=False):
        return sdpa_attention_forward(module, query.float(), key.float(), value.float(), attention_mask, **rest)


AttentionInterface.register("sdpa_f32", _attention)


def configuration(vocabulary: int) -> CLIPConfig:
    end = vocabulary - 1
    return CLIPConfig(
        projection_dim=128,
        logit_scale_init_value=math.log(1 / 0.07),
        text_config=dict(
            vocab_size=vocabulary, hidden_size=128, intermediate_size=512, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=bpe.CONTEXT, hidden_act="quick_gelu",
            projection_dim=128, bos_token_id=end - 1, eos_token_id=end, pad_token_id=end),
        vision_config=dict(
            hidden_size=160, intermediate_size=640, num_hidden_layers=6, num_attention_heads=5,
            image_size=scenes.MODEL_SIZE, patch_size=scenes.MODEL_SIZE // scenes.GRID,
            hidden_act="quick_gelu", projection_dim=128))


@torch.no_grad()
def start_spatial(model: CLIPModel) -> None:
    """2-D sinusoidal positions for the vision tower, and heads that look at neighbours.

    Head h of every block starts with its query turned by `OFFSETS[h]`: its attention is
    highest at the patch that lies there, as a convolution's tap would be.
    """
    tower = model.vision_model
    d, grid = model.config.vision_config.hidden_size, scenes.GRID
    waves = d // 4
    frequency = (math.pi / 2) * 12 ** -(torch.arange(waves) / waves)
    angle = torch.arange(grid)[:, None] * frequency
    wave = torch.cat([angle.sin(), angle.cos()], 1)  # [grid, d/2]
    both = torch.cat([wave[:, None].expand(-1, grid, -1), wave[None].expand(grid, -1, -1)], 2)
    tower.embeddings.position_embedding.weight[1:] = 0.4 * both.flatten(0, 1)
    size = d // model.config.vision_config.num_attention_heads
    used = torch.linspace(0, waves - 1, size // 4).long()  # size/4 frequencies an axis, sine and cosine of each
    for layer in tower.encoder.layers:
        q, k = layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight
        for h, offset in enumerate(OFFSETS):
            for axis, shift in enumerate(offset):  # row, column
                for i, f in enumerate(used):
                    sine, cosine = axis * d // 2 + f, axis * d // 2 + waves + f
                    at = h * size + axis * size // 2 + 2 * i
                    turn = shift * frequency[f]
                    k[at, sine] += NEARNESS
                    k[at + 1, cosine] += NEARNESS
                    q[at, sine] += NEARNESS * turn.cos()
                    q[at, cosine] += NEARNESS * turn.sin()
                    q[at + 1, cosine] += NEARNESS * turn.cos()
                    q[at + 1, sine] -= NEARNESS * turn.sin()


OFFSETS = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]  # row, column; one a head
NEARNESS = 1.7


class Scenes:
    """The rendered training set: arrays on disk, batches with a random mirror image."""

    def __init__(self, folder: str):
        load = lambda name: np.load(os.path.join(folder, name + ".npy"), mmap_mode="r")  # shared between processes
        self.images, self.factors = load("images"), load("factors")
        self.background, self.coverage = load("background"), load("coverage")

    def __len__(self) -> int:
        return len(self.background)

    def batch(self, index: np.ndarray, rng: np.random.Generator, mirror: bool = True):
        index = np.sort(index)
        images, coverage = self.images[index], self.coverage[index]
        flip = rng.random(len(index)) < (0.5 if mirror else 0.0)
        images[flip] = images[flip][:, :, ::-1]
        coverage[flip] = coverage[flip][..., ::-1]
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        pixels = (pixels - MEAN) / STD
        coverage = torch.from_numpy(coverage.reshape(len(index), scenes.OBJECTS_MAX, -1)).float() / 64
        return pixels, coverage, np.asarray(self.factors[index]), np.asarray(self.background[index])

    def as_factors(self, factors: np.ndarray, background: int) -> dict:
        """The part of a scene's factors that its captions need."""
        objects = [dict(shape=scenes.SHAPES[s], colour=scenes.COLOUR_NAMES[c], texture=scenes.TEXTURES[t],
                        size=list(scenes.SIZES)[z]) for s, c, t, z in factors if s >= 0]
        return dict(objects=objects, count=len(objects), background=scenes.BACKGROUND_NAMES[background])


def vision(model: CLIPModel, pixels: torch.Tensor, keep: torch.Tensor | None):
    """Projected class token `[B, p]`, projected patches `[B, kept, p]`, neither normalised, the patches
    before the projection `[B, kept, d]`, and those after block `HOOK`, projected and as they are."""
    tower = model.vision_model
    x = tower.embeddings(pixels)
    if keep is not None:
        index = torch.cat([torch.zeros_like(keep[:, :1]), keep + 1], 1)
        x = torch.gather(x, 1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
    states = tower.encoder(inputs_embeds=tower.pre_layrnorm(x), output_hidden_states=True).hidden_states
    before = tower.post_layernorm(states[-1])
    x = model.visual_projection(before)
    hooked = states[HOOK + 1][:, 1:]
    early = model.visual_projection(tower.post_layernorm(hooked))
    return x[:, 0], x[:, 1:], before[:, 1:], early, hooked


def text(model: CLIPModel, encoder: bpe.Encoder, texts: list[str]) -> torch.Tensor:
    ids = encoder.batch(texts)
    return F.normalize(model.get_text_features(input_ids=ids, attention_mask=torch.ones_like(ids)).float(), dim=-1)


def fill(template: str, noun: str) -> str:
    return template.replace("{a}", scenes.article(noun)).replace("{n}", noun)


def pick(rng: np.random.Generator, items: list):
    return items[int(rng.integers(len(items)))]


class Outline(torch.nn.Module):
    """From a patch of an object: the object's coverage of the `2 * REACH + 1` squared patches around."""

    REACH = 3

    def __init__(self, d: int):
        super().__init__()
        self.head = torch.nn.Linear(d, (2 * self.REACH + 1) ** 2)

    def targets(self, coverage: torch.Tensor) -> torch.Tensor:
        """`[B, objects, patches, window]` from coverage `[B, objects, patches]`."""
        b, o, p = coverage.shape
        maps = coverage.view(b * o, 1, scenes.GRID, scenes.GRID)
        return F.unfold(maps, 2 * self.REACH + 1, padding=self.REACH).view(b, o, -1, p).transpose(2, 3)


def unexplained(x: torch.Tensor, coverage: torch.Tensor, factors: np.ndarray, background: np.ndarray) -> torch.Tensor:
    """The share of the variance of patches `x` `[B, patches, d]` that the best sum of one vector a value leaves over.

    The vectors are this batch's least squares; as they are the best ones, the gradient through them is zero.
    """
    parts = []
    for k, names in enumerate(FACTOR_NAMES.values()):
        value = torch.from_numpy(factors[..., k].astype(np.int64))
        has = F.one_hot(value.clamp_min(0), len(names)) * (value >= 0).unsqueeze(-1)
        parts.append(torch.einsum("bop,bov->bpv", coverage, has.float()))
    kind = F.one_hot(torch.from_numpy(background.astype(np.int64)), len(scenes.BACKGROUND_NAMES)).float()
    parts.append((1 - coverage.sum(1)).clamp_min(0).unsqueeze(-1) * kind.unsqueeze(1))
    shares, x = torch.cat(parts, 2).flatten(0, 1), x.flatten(0, 1)
    shares, x = shares - shares.mean(0), x - x.mean(0)
    with torch.no_grad():
        vectors = torch.linalg.solve(shares.T @ shares + torch.eye(shares.shape[1]), shares.T @ x)
    return ((x - shares @ vectors) ** 2).sum() / (x**2).sum()


def losses(model, outline, encoder, batch, rng, kept: int | None, all_pairs: bool) -> dict[str, torch.Tensor]:
    pixels, coverage, factors, background = batch
    around = outline.targets(coverage)
    keep = None
    if kept is not None:
        score = torch.from_numpy(rng.random((len(pixels), coverage.shape[-1]), np.float32))
        keep = (score + (coverage.sum(1) > 0)).topk(kept, 1).indices
        coverage = torch.gather(coverage, 2, keep.unsqueeze(1).expand(-1, coverage.shape[1], -1))
        around = torch.gather(around, 2, keep[:, None, :, None].expand(-1, around.shape[1], -1, around.shape[3]))
    pooled, patches, before, early, hooked = vision(model, pixels, keep)
    image = F.normalize(pooled.float(), dim=-1)
    patches, early = patches.float(), early.float()
    scale = model.logit_scale.exp()

    # All texts of the step, encoded in two batches by length.
    store = Scenes.as_factors
    texts = [scenes.captions(store(None, f, b), rng) for f, b in zip(factors, background)]
    unique = {t: i for i, t in enumerate(dict.fromkeys(texts))}
    caption = torch.tensor([unique[t] for t in texts])
    where = np.argwhere(factors[..., 0] >= 0)
    where = where[np.sort(rng.permutation(len(where))[:REGIONS])]
    described = []
    for i, j in where:
        s, c, t, z = factors[i, j]
        described.append(f"a {list(scenes.SIZES)[z]} {scenes.COLOUR_NAMES[c]} {scenes.TEXTURES[t]} {scenes.SHAPES[s]}")
    regions = {t: i for i, t in enumerate(dict.fromkeys(described))}
    words = {k: [fill(pick(rng, scenes.ATTRIBUTE_TEMPLATES[k]), n) for n in names] for k, names in FACTOR_NAMES.items()}
    words["background"] = [pick(rng, v) for v in scenes.BACKGROUNDS.values()]
    pair = pick(rng, scenes.PAIR_TEMPLATES)
    pairs = [fill(pair, f"{c} {s}") for c in scenes.COLOUR_NAMES for s in scenes.SHAPES] if all_pairs else []
    short = list(regions) + [w for v in words.values() for w in v] + pairs
    caption_text, short_text = text(model, encoder, list(unique)), text(model, encoder, short)
    region_text, at = short_text[: len(regions)], len(regions)
    word_text = {}
    for k, v in words.items():
        word_text[k], at = short_text[at : at + len(v)], at + len(v)
    pair_text = short_text[at:]

    out = {}
    logits = scale * image @ caption_text.T
    same = torch.zeros_like(logits)
    same[torch.arange(len(texts)), caption] = 1
    to_image = -(F.log_softmax(logits.T, 1) * same.T).sum(1) / same.sum(0)
    out["caption"] = 0.5 * (F.cross_entropy(logits, caption) + to_image.mean())

    weight = coverage[where[:, 0], where[:, 1]]
    weight = torch.where(weight >= 0.4, weight, 0)
    seen = weight.sum(1) > 0
    region = torch.einsum("op,opc->oc", weight, patches[where[:, 0]])
    region = F.normalize(region[seen], dim=-1)
    target = torch.tensor([regions[t] for t in described])
    out["region"] = F.cross_entropy(scale * region @ region_text.T, target[seen])

    share, owner = coverage.max(1)
    inside = share >= 0.5
    b, p = torch.nonzero(inside, as_tuple=True)
    vectors = F.normalize(patches[b, p], dim=-1)
    owned = torch.from_numpy(factors.astype(np.int64))[b, owner[b, p]]
    out["outline"] = F.binary_cross_entropy_with_logits(outline.head(before[b, p]).float(), around[b, owner[b, p], p])
    for k, name in enumerate(FACTOR_NAMES):
        out[name] = F.cross_entropy(scale * vectors @ word_text[name].T, owned[:, k])
    out["early"] = 0
    vectors = F.normalize(early[b, p], dim=-1)
    for k, name in enumerate(FACTOR_NAMES):
        out["early"] += F.cross_entropy(scale * vectors @ word_text[name].T, owned[:, k])
    b, p = torch.nonzero(coverage.sum(1) == 0, as_tuple=True)
    vectors = F.normalize(patches[b, p], dim=-1)
    kinds = torch.from_numpy(background.astype(np.int64))[b]
    out["background"] = F.cross_entropy(scale * vectors @ word_text["background"].T, kinds)
    vectors = F.normalize(early[b, p], dim=-1)
    out["early"] += F.cross_entropy(scale * vectors @ word_text["background"].T, kinds)

    out["unexplained"] = unexplained(hooked.float(), coverage, factors, background)

    one = torch.from_numpy((factors[..., 0] >= 0).sum(1) == 1)
    f = torch.from_numpy(factors[:, 0].astype(np.int64))[one]
    if all_pairs:
        out["pair"] = F.cross_entropy(scale * image[one] @ pair_text.T, f[:, 1] * len(scenes.SHAPES) + f[:, 0])
    else:
        out["words"] = sum(F.cross_entropy(scale * image[one] @ word_text[name].T, f[:, k]) for k, name in enumerate(("shape", "colour")))
    return out


REGIONS = 64  # objects a step and process whose full descriptions are told apart
WEIGHTS = {"caption": 1.0, "region": 1.0, "shape": 1.5, "colour": 0.5, "texture": 0.5, "background": 0.3, "pair": 1.0,
           "words": 1.0, "outline": 3.0, "early": 0.5, "unexplained": 2.0}
EARLY_FROM = 1600  # first step of the term "early" in a first run


@torch.no_grad()
def accuracy(model, encoder, data: Scenes) -> dict[str, float]:
    """Zero-shot accuracy on the one-object scenes of `data`, two templates."""
    rng = np.random.default_rng(0)
    one = np.flatnonzero((np.asarray(data.factors[..., 0]) >= 0).sum(1) == 1)
    weights = 0
    for template in ("a photo of {a}.", "{a}"):
        weights = weights + text(model, encoder, [fill(template, f"{c} {s}") for c in scenes.COLOUR_NAMES for s in scenes.SHAPES])
    right = np.zeros(3)
    for start in range(0, len(one), 200):
        pixels, _, factors, _ = data.batch(one[start : start + 200], rng, mirror=False)
        pooled, *_ = vision(model, pixels, None)
        guess = (pooled.float() @ F.normalize(weights, dim=-1).T).argmax(1).numpy()
        colour, shape = guess // len(scenes.SHAPES) == factors[:, 0, 1], guess % len(scenes.SHAPES) == factors[:, 0, 0]
        right += [(colour & shape).sum(), shape.sum(), colour.sum()]
    return dict(zip(("pair", "shape", "colour"), (right / len(one)).round(4).tolist()))


def export(model: CLIPModel, folder: str) -> None:
    """model.safetensors in f16, config.json, preprocessor_config.json; written, then renamed."""
    tensors = {k: v.detach().to(torch.float16).contiguous() for k, v in model.state_dict().items()
               if not k.endswith("position_ids")}
    path = os.path.join(folder, "model.safetensors")
    save_file(tensors, path + ".part", metadata={"format": "pt"})
    os.chmod(path + ".part", 0o644)
    os.replace(path + ".part", path)
    config = copy.deepcopy(model.config)
    config.architectures = ["CLIPModel"]
    config.dtype = torch.float16
    config.save_pretrained(folder)
    size = scenes.MODEL_SIZE
    CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size}).save_pretrained(folder)


SINGLES = 800  # first steps of a first run, on one-object scenes
WARM = 150  # steps
DECAY = 500  # last steps, over which the rate falls
ADAM_RATE, MUON_RATE = 1.5e-3, 5e-3


def kept_patches(step: int, steps: int, singles: int) -> int | None:
    if step < singles:
        return 26
    return 40 if step < steps - 200 else 72 if step < steps - 60 else None


class Optimizer:
    """Muon for the blocks' matrices, AdamW for the rest; warm-up, constant, then linear to zero.

    A constant middle lets a run be told its length late: going on from a checkpoint with another
    `--steps` gives what a whole run of that length would have given.
    """

    def __init__(self, model: CLIPModel, outline: Outline, steps: int):
        named = list(model.named_parameters()) + list(outline.named_parameters())
        matrices = [p for n, p in named if p.ndim == 2 and ".layers." in n]
        hidden = {id(p) for p in matrices}
        other = [p for n, p in named if id(p) not in hidden and p.ndim >= 2]
        plain = [p for n, p in named if p.ndim < 2]
        self._steps = steps
        self._parts = [
            (MUON_RATE, torch.optim.Muon(matrices, lr=MUON_RATE, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")),
            (ADAM_RATE, torch.optim.AdamW([dict(params=other, weight_decay=0.05), dict(params=plain, weight_decay=0.0)],
                                    lr=ADAM_RATE, betas=(0.9, 0.98)))]

    def step(self, step: int) -> None:
        left = (self._steps - step) / DECAY
        for rate, part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate * min((step + 1) / WARM, left, 1.0)
            part.step()
            part.zero_grad(set_to_none=True)

    def state(self) -> list[dict]:
        return [part.state_dict() for _, part in self._parts]

    def restore(self, state: list[dict]) -> None:
        for (_, part), saved in zip(self._parts, state):
            part.load_state_dict(saved)


def average_gradients(parameters: list) -> None:
    """The mean of the processes' gradients, in one message."""
    parameters = [p for p in parameters if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in parameters])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, g in zip(parameters, flat.split([p.numel() for p in parameters])):
        p.grad.copy_(g.view_as(p))


def train(rank: int, args: argparse.Namespace) -> None:
    """One of the processes: one thread each, since threads that wait for one another at
    every product starve on a machine that others use too."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{os.path.abspath(args.out)}/.rendezvous", rank=rank, world_size=args.processes)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng([args.seed, rank])
    data, validation = Scenes(args.data), Scenes(args.validation)
    encoder = bpe.Encoder(args.out)
    if args.start:
        model = CLIPModel.from_pretrained(args.start, dtype=torch.float32)
    else:
        model = CLIPModel(configuration(encoder.end + 1))
        start_spatial(model)
    singles, early_from = (0, 0) if args.start else (SINGLES, EARLY_FROM)
    model.set_attn_implementation("sdpa_f32")
    outline = Outline(model.config.vision_config.hidden_size)
    optimizer = Optimizer(model, outline, args.steps)
    average = copy.deepcopy(model)
    if rank == 0:
        print(f"parameters {sum(p.numel() for p in model.parameters()):,}, vocabulary {encoder.end + 1}", flush=True)

    order, at, first, began, shown = np.empty(0, int), 0, 0, time.time(), {}
    checkpoint = os.path.join(args.checkpoints, f"process{rank}.pt") if args.checkpoints else None
    if checkpoint and os.path.exists(checkpoint):
        saved = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(saved["model"])
        outline.load_state_dict(saved["outline"])
        average.load_state_dict(saved["average"])
        optimizer.restore(saved["optimizer"])
        rng.bit_generator.state = saved["rng"]
        order, at, first = saved["order"], saved["at"], saved["step"]
        if first > args.steps - DECAY:
            raise SystemExit(f"the checkpoint is of step {first}, past the constant part of {args.steps} steps")
    for step in range(first, args.steps):
        if at + args.batch > len(order) or step == singles:
            mine = np.arange(rank, len(data), args.processes)
            if step < singles:
                mine = mine[data.factors[mine, 1, 0] < 0]
            order, at = rng.permutation(mine), 0
        batch = data.batch(order[at : at + args.batch], rng)
        at += args.batch
        kept = kept_patches(step, args.steps, singles)
        with torch.autocast("cpu", torch.bfloat16):
            terms = losses(model, outline, encoder, batch, rng, kept, step % 2 == 0)
        if step < early_from:
            del terms["early"]
        if not args.start:
            del terms["unexplained"]
        sum(WEIGHTS[k] * v for k, v in terms.items()).backward()
        parameters = [*model.parameters(), *outline.parameters()]
        average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step(step)
        with torch.no_grad():
            model.logit_scale.clamp_(max=math.log(100))
            share = min(0.998 if step < args.steps - DECAY else 0.98, (step + 1) / (step + 20))
            for a, p in zip(average.parameters(), model.parameters()):
                a.lerp_(p, 1 - share)
        if checkpoint and (step + 1) % 100 == 0 and step < args.steps - DECAY:
            torch.save(dict(model=model.state_dict(), outline=outline.state_dict(), average=average.state_dict(), optimizer=optimizer.state(),
                            rng=rng.bit_generator.state, order=order, at=at, step=step + 1), checkpoint + ".part")
            os.replace(checkpoint + ".part", checkpoint)
        if rank:
            continue
        for k, v in terms.items():
            shown[k] = 0.95 * shown.get(k, v.item()) + 0.05 * v.item()
        last = step == args.steps - 1
        if step % 50 == 0 or last:
            told = " ".join(f"{k} {v:.3f}" for k, v in shown.items())
            print(f"{step} {time.time() - began:.0f}s scale {model.logit_scale.exp():.1f} {told}", flush=True)
        if (step + 1) % args.export_every == 0 or last:
            print(f"  zero-shot {json.dumps(accuracy(average, encoder, validation))}", flush=True)
            export(average, args.out)
    dist.destroy_process_group()


def corpus(data: Scenes) -> list[str]:
    """What the vocabulary is learned from: captions of training scenes, and the words of all values."""
    sample = np.random.default_rng(0)
    texts = [scenes.captions(data.as_factors(data.factors[i], data.background[i]), sample)
             for i in range(min(20_000, len(data)))]
    texts += [fill(t, n) for k, names in FACTOR_NAMES.items() for t in scenes.ATTRIBUTE_TEMPLATES[k] for n in names]
    return texts + [fill(t, "red circle") for t in scenes.PAIR_TEMPLATES] * 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="training scenes, from 'scenes.py dataset'")
    parser.add_argument("--validation", required=True, help="other scenes, likewise")
    parser.add_argument("--out", required=True, help="folder for the exported model")
    parser.add_argument("--start", help="folder of a first run's model to go on from")
    parser.add_argument("--steps", type=int, help="default 2100, from a start 700")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=48, help="images a step and process")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--checkpoints", help="folder for the run's state every 100 steps; a run that finds one there goes on from it")
    parser.add_argument("--export-every", type=int, default=250)
    args = parser.parse_args()
    args.steps = args.steps or (700 if args.start else 2100)
    os.makedirs(args.out, exist_ok=True)
    if args.checkpoints:
        os.makedirs(args.checkpoints, exist_ok=True)
    if os.path.exists(os.path.join(args.out, ".rendezvous")):
        os.remove(os.path.join(args.out, ".rendezvous"))
    if args.start:
        for name in bpe.FILES:
            shutil.copy(os.path.join(args.start, name), args.out)
    else:
        bpe.write(args.out, corpus(Scenes(args.data)))
    torch.multiprocessing.spawn(train, (args,), args.processes)


if __name__ == "__main__":
    main()
