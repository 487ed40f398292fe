"""Trains the adapters that ship beside the embedded model and saves them as the public trainers do.

    train_adapters.py NAME --model MODELS/scenes --classes MODELS/classes/scenes.txt --out MODELS/adapters

NAME is one of RUNS below. The CLIP is frozen; prompts, or LoRA's matrices, learn by cross-entropy
over the 100 classes.

maple, vpt, vpt-2 (another seed), coop: on shifted scenes, class token alone. The result is NAME.pth.tar, a Dassl checkpoint:
{"state_dict", "epoch", "optimizer", "scheduler", "val_result"} by torch.save, the scheduler's state with
its successor as an object in it, so that torch.load needs weights_only=False, as it does for the public
ones. What those hold and ours don't are the CLIP's own weights. Ours differ from the published settings
(SGD, batch 4, 16 scenes a class, random crops) in what was cheaper: AdamW, batch 32, 40 scenes a class,
mirror images, bf16 products.

shape, colour, shape-control: LoRA in PEFT's layout (folder NAME) on the blocks up to the SAE's hook, on
original one-object scenes. For shape the label keeps the scene's shape and draws a colour at random each
time, so that colour says nothing; for colour it is the other way round; shape-control learns the true
labels in equally many steps on the same scenes (there is little to learn: the CLIP knows them).
The class token and, at the hook, the object's own patches learn the label: what the class token alone
learns could come about after the hook.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F
from transformers import CLIPModel, CLIPTokenizer

import lora
import prompts
import scenes
import shifted
from train_clip import HOOK, MEAN, STD

VALIDATION_SEED = 220_000
BATCH = 32
WARM_EPOCHS, WARM_RATE = 1, 1e-3


@dataclass
class Run:
    """What is trained, on which scenes."""

    method: str
    style: str  # of the scenes: "shifted" or "original"
    count: int  # prompt tokens; LoRA's rank
    depth: int  # blocks that have prompts of their own
    rate: float
    epochs: int
    scenes: int = 4000
    patches: bool = False  # the object's patches at the hook learn its class too
    shuffled: str | None = None  # the half of the labels, "colour" or "shape", that is drawn anew each time
    seed: int = 1


RUNS = {
    "maple": Run("maple", "shifted", count=2, depth=6, rate=0.01, epochs=5),
    "vpt": Run("vpt", "shifted", count=8, depth=6, rate=0.02, epochs=5),
    "vpt-2": Run("vpt", "shifted", count=8, depth=6, rate=0.02, epochs=5, seed=2),
    "coop": Run("coop", "shifted", count=4, depth=1, rate=0.01, epochs=5),
    "shape": Run("lora", "original", count=8, depth=5, rate=2e-3, epochs=4, scenes=2400, patches=True, shuffled="colour"),
    "colour": Run("lora", "original", count=8, depth=5, rate=2e-3, epochs=4, scenes=2400, patches=True, shuffled="shape"),
    "shape-control": Run("lora", "original", count=8, depth=5, rate=2e-3, epochs=4, scenes=2400, patches=True),
}


class ConstantWarmup(torch.optim.lr_scheduler.LRScheduler):
    """One rate for the first epochs, then the successor's, and a state as Dassl's scheduler of that kind has it."""

    def __init__(self, optimizer: torch.optim.Optimizer, successor, warmup_epoch: int, cons_lr: float):
        self.successor, self.warmup_epoch, self.cons_lr = successor, warmup_epoch, cons_lr
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        return self.successor.get_last_lr() if self.last_epoch >= self.warmup_epoch else [self.cons_lr] * len(self.base_lrs)

    def step(self, epoch=None) -> None:
        if self.last_epoch >= self.warmup_epoch:
            self.successor.step(epoch)
            self._last_lr = self.successor.get_last_lr()
        else:
            super().step(epoch)


def as_pixels(images: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


@torch.no_grad()
def predictions(prompted: prompts.Prompted, images: np.ndarray) -> np.ndarray:
    """The class of each image, f32 throughout."""
    head = prompted.classes()
    return torch.cat([prompted.logits(as_pixels(part), head).argmax(1) for part in np.array_split(images, max(1, len(images) // 100))]).numpy()


def class_loss(prompted: prompts.Prompted, head: torch.Tensor | None, pixels: torch.Tensor, target: torch.Tensor,
               covered: torch.Tensor | None) -> torch.Tensor:
    """Cross-entropy of the class token; with `covered` also that of the object's patches at the hook."""
    with torch.autocast("cpu", torch.bfloat16):
        if covered is None:
            return F.cross_entropy(prompted.logits(pixels, head).float(), target)
        scale = prompted.model.logit_scale.exp()
        hook = prompted.run(prompted.start(pixels), range(HOOK + 1))
        last = prompted.project(prompted.run(hook, range(HOOK + 1, prompted.depth))[:, 0])
        image, patch = covered.nonzero(as_tuple=True)
        early = prompted.project(hook[image, 1 + patch])
        return F.cross_entropy((scale * last @ head.T).float(), target) + F.cross_entropy((scale * early @ head.T).float(), target[image])


def train(name: str, run: Run, prompted: prompts.Prompted) -> dict:
    """Trains the method of `prompted` in place; its checkpoint as Dassl saves it."""
    rng = np.random.default_rng(run.seed)
    images, labels, covered = shifted.labelled(run.style, shifted.TRAIN_SEED, run.scenes)
    held_images, held_labels, _ = shifted.labelled(run.style, VALIDATION_SEED, 300)
    method = prompted.method
    head = None if method.text_prompts() else prompted.classes().detach()
    optimizer = torch.optim.AdamW(method.parameters(), lr=run.rate, weight_decay=5e-4)
    scheduler = ConstantWarmup(optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, float(run.epochs)), WARM_EPOCHS, WARM_RATE)
    shapes, colours = len(scenes.SHAPES), len(scenes.COLOUR_NAMES)
    began, result = time.time(), None
    for epoch in range(run.epochs):
        total, order = 0.0, rng.permutation(len(images))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            index = order[start : start + BATCH]
            x, target, inside = as_pixels(images[index]), labels[index], torch.from_numpy(covered[index])
            if rng.random() < 0.5:
                x, inside = x.flip(3), inside.view(-1, scenes.GRID, scenes.GRID).flip(2).flatten(1)
            colour, shape = target // shapes, target % shapes
            if run.shuffled == "colour":
                colour = rng.integers(colours, size=len(target))
            elif run.shuffled == "shape":
                shape = rng.integers(shapes, size=len(target))
            target = colour * shapes + shape
            loss = class_loss(prompted, head, x, torch.from_numpy(target), inside if run.patches else None)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            total += loss.item()
        scheduler.step()
        guess = predictions(prompted, held_images)
        result = 100 * float((guess == held_labels).mean())
        print(f"{name} epoch {epoch + 1}/{run.epochs} {time.time() - began:.0f}s loss {total / (len(order) // BATCH):.3f} "
              f"held out {result:.1f} %, shape {100 * (guess % shapes == held_labels % shapes).mean():.1f} %", flush=True)
    return {"state_dict": method.state_dict(), "epoch": run.epochs, "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(), "val_result": result}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=list(RUNS))
    parser.add_argument("--model", required=True, help="folder of the frozen CLIP")
    parser.add_argument("--classes", required=True, help="the class names, one a line")
    parser.add_argument("--out", required=True, help="folder for NAME.pth.tar")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = CLIPModel.from_pretrained(args.model, dtype=torch.float32).eval().requires_grad_(False)
    model.set_attn_implementation("eager")  # its backward pass costs half of the fused one's here
    names = [line for line in open(args.classes).read().splitlines() if line]
    words = prompts.Words(model, CLIPTokenizer.from_pretrained(args.model), names)
    run = RUNS[args.name]
    torch.manual_seed(run.seed)
    method = lora.LoRA(model, run.count, run.depth) if run.method == "lora" else prompts.METHODS[run.method](model, words, run.count, run.depth)
    checkpoint = train(args.name, run, prompts.Prompted(model, words, method))
    os.makedirs(args.out, exist_ok=True)
    if run.method == "lora":
        method.save(os.path.join(args.out, args.name))
    else:
        torch.save(checkpoint, os.path.join(args.out, args.name + ".pth.tar"))


if __name__ == "__main__":
    main()
