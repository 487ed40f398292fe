"""Trains the sparse autoencoder on the embedded model and exports it in SAELens' layout.

The hook is `blocks.4.resid_post`, the residual stream after the last block but one, at
all 145 tokens (class token, then patches). The definition is PatchSAE's but for the
sparsity term, which is logarithmic instead of |z| (where `knee` is infinite it is |z|):

    pre = (x - b_dec) @ W_enc + b_enc,  z = relu(pre),  x_hat = z @ W_dec + b_dec
    loss = mean((x_hat - x)^2 / ||x||) + l1 * mean over tokens of sum knee log(1 + z / knee) + ghost term

with decoder rows of unit norm, the gradient's component along each row removed, `b_dec`
started at the geometric median, and ghost gradients for latents that have not fired for
`dead_after` steps. Ours: `W_enc` starts as the decoder's transpose, scaled so that the
first reconstruction has the right size; the l1 term is warmed up; the rate falls to zero
over the last part; tokens come from a shuffled store of activations, `patches` random
patches an image and its class token `class_copies` times (else it is one of 145, and the
zero-shot head reads little else). The logarithm (Candes, Wakin and Boyd, "Enhancing sparsity
by reweighted l1 minimization", 2008) charges a latent for firing rather than for how strongly:
|z| makes one latent for "red striped star" cheaper than one for each of the three, and lets
latents fire faintly everywhere. After `prune_after` of the steps, latents that fire on fewer
than `prune_below` of the tokens are left out, and the others go on: ghost gradients keep latents
alive that explain next to nothing, and they would be half of the dictionary. Training divides
activations by one number that gives them unit mean square, and the export multiplies it back
into the biases.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import CLIPModel

from train_clip import Scenes

BLOCK = 4
HOOK = f"blocks.{BLOCK}.resid_post"


@torch.no_grad()
def to_hook(model: CLIPModel, pixels: torch.Tensor) -> torch.Tensor:
    """The residual stream after block `BLOCK`, f32 `[images, tokens, d]`."""
    tower = model.vision_model
    x = tower.pre_layrnorm(tower.embeddings(pixels))
    for layer in tower.encoder.layers[: BLOCK + 1]:
        x = layer(x, None, None)[0]
    return x


@torch.no_grad()
def collect(model: CLIPModel, data: Scenes, images: int, patches: int, class_copies: int, seed: int) -> torch.Tensor:
    """A shuffled store of activations, f16 `[tokens, d]`."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data))[:images]
    store = []
    for start in range(0, images, 100):
        x = to_hook(model, data.batch(order[start : start + 100], rng)[0])
        picked = torch.from_numpy(rng.random((len(x), x.shape[1] - 1), np.float32)).topk(patches, 1).indices + 1
        picked = torch.cat([torch.zeros(len(x), class_copies, dtype=torch.long), picked], 1)
        store.append(torch.gather(x, 1, picked.unsqueeze(-1).expand(-1, -1, x.shape[-1])).flatten(0, 1).half())
    store = torch.cat(store)
    return store[torch.from_numpy(rng.permutation(len(store)))]


def geometric_median(x: torch.Tensor, rounds: int = 100) -> torch.Tensor:
    m = x.mean(0)
    for _ in range(rounds):
        w = 1 / (x - m).norm(dim=1, keepdim=True).clamp_min(1e-6)
        m = (w * x).sum(0) / w.sum()
    return m


class Autoencoder(torch.nn.Module):
    def __init__(self, d: int, n: int, start: torch.Tensor):
        super().__init__()
        self.W_dec = torch.nn.Parameter(torch.nn.init.kaiming_uniform_(torch.empty(n, d)))
        self.unit_rows()
        self.W_enc = torch.nn.Parameter(self.W_dec.detach().T * (2 * d / n))
        self.b_enc = torch.nn.Parameter(torch.zeros(n))
        self.b_dec = torch.nn.Parameter(start.clone())

    @torch.no_grad()
    def unit_rows(self) -> None:
        self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)

    @torch.no_grad()
    def drop_parallel_gradient(self) -> None:
        g = self.W_dec.grad
        g -= (g * self.W_dec).sum(1, keepdim=True) * self.W_dec

    @torch.no_grad()
    def keep(self, latents: torch.Tensor) -> None:
        """Leaves out all latents but these; their optimizer's state has to be left too."""
        self.W_dec = torch.nn.Parameter(self.W_dec[latents])
        self.W_enc = torch.nn.Parameter(self.W_enc[:, latents])
        self.b_enc = torch.nn.Parameter(self.b_enc[latents])

    def pre(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.b_dec) @ self.W_enc + self.b_enc


def ghost_loss(sae: Autoencoder, x: torch.Tensor, x_hat: torch.Tensor, pre: torch.Tensor, dead: torch.Tensor, mse: torch.Tensor):
    """PatchSAE's term: the dead latents, through exp, fit half of what is left over."""
    residual = (x - x_hat).detach()
    ghost = pre[:, dead].exp() @ sae.W_dec[dead]
    factor = (residual.norm(dim=1, keepdim=True) / (1e-6 + 2 * ghost.norm(dim=1, keepdim=True))).detach()
    each = ((ghost * factor - residual) ** 2 / residual.norm(dim=1, keepdim=True).clamp_min(1e-6)).mean()
    return each * (mse / (each + 1e-6)).detach()


def train(store: torch.Tensor, args: argparse.Namespace) -> Autoencoder:
    torch.manual_seed(args.seed)
    d = store.shape[1]
    unit = store[:20000].float().square().mean().sqrt()
    sae = Autoencoder(d, args.latents, geometric_median(store[:8192].float() / unit))
    optimizer = torch.optim.Adam(sae.parameters(), lr=args.rate)
    silent = torch.zeros(args.latents, dtype=torch.long)
    fired = torch.zeros(args.latents)
    variance = (store[:20000].float() / unit).var(0, unbiased=False).sum()
    began = time.time()
    for step in range(args.steps):
        if step == int(args.prune_after * args.steps):
            with torch.no_grad():
                often = (sae.pre(store[:50000].float() / unit) > 0).float().mean(0) >= args.prune_below
            sae.keep(often)
            optimizer = torch.optim.Adam(sae.parameters(), lr=args.rate)
            silent, fired = silent[often], fired[often]
            print(f"{step} {len(silent)} of {len(often)} latents kept", flush=True)
        start = (step * args.batch) % (len(store) - args.batch)
        x = store[start : start + args.batch].float() / unit
        left = (args.steps - step) / (args.steps * args.decay)
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1.0, (step + 1) / 500, left)
        l1 = args.l1 * min(1.0, (step + 1) / args.l1_warm)
        sae.unit_rows()
        with torch.autocast("cpu", torch.bfloat16):
            pre = sae.pre(x)
            z = pre.relu()
            decoded = z @ sae.W_dec
        pre, z = pre.float(), z.float()
        x_hat = sae.b_dec + decoded
        mse = ((x_hat - x) ** 2 / x.norm(dim=1, keepdim=True)).mean()
        loss = mse + l1 * args.knee * torch.log1p(z / args.knee).sum(1).mean()
        dead = silent > args.dead_after
        ghosts = int(dead.sum())
        if ghosts and left > 1:
            loss = loss + ghost_loss(sae, x, x_hat, pre, dead, mse)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        sae.drop_parallel_gradient()
        optimizer.step()
        with torch.no_grad():
            active = z > 0
            silent = torch.where(active.any(0), 0, silent + 1)
            fired = 0.99 * fired + 0.01 * active.float().mean(0)
            if step % 200 == 0 or step == args.steps - 1:
                unexplained = ((x - x_hat) ** 2).sum(1).mean() / variance
                print(f"{step} {time.time() - began:.0f}s mse {mse:.4f} explained {1 - unexplained:.4f} "
                      f"L0 {active.float().sum(1).mean():.1f} silent {ghosts} dense {(fired > 0.1).sum()}", flush=True)
    sae.unit_rows()
    with torch.no_grad():
        sae.b_enc *= unit
        sae.b_dec *= unit
    return sae


def export(sae: Autoencoder, folder: str, model_name: str, args: argparse.Namespace, tokens: int) -> None:
    """cfg.json and sae_weights.safetensors as SAELens 6 writes a standard SAE, stored in f16."""
    os.makedirs(folder, exist_ok=True)
    tensors = {k: getattr(sae, k).detach().half().contiguous() for k in ("W_enc", "b_enc", "W_dec", "b_dec")}
    path = os.path.join(folder, "sae_weights.safetensors")
    save_file(tensors, path)
    os.chmod(path, 0o644)
    d, n = sae.W_enc.shape
    cfg = {
        "d_in": d, "d_sae": n, "dtype": "float16", "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none", "reshape_activations": "none", "architecture": "standard",
        "activation_fn": "relu",
        "metadata": {
            "sae_lens_training_version": None, "model_name": model_name, "hook_name": HOOK,
            "hook_head_index": None, "context_size": 145, "prepend_bos": False,
            "dataset_path": "tools/recipes/scenes.py", "training_tokens": tokens,
            "l1_coefficient": args.l1, "knee": args.knee, "seed": args.seed,
        },
        # Also at the top, where releases before 6 and readers of either look.
        "model_name": model_name, "hook_name": HOOK,
    }
    with open(os.path.join(folder, "cfg.json"), "w") as f:
        json.dump(cfg, f, indent=2)
        f.write("\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="folder of the exported CLIP")
    parser.add_argument("--data", required=True, help="training scenes, from 'scenes.py dataset'")
    parser.add_argument("--out", required=True, help="folder for the exported SAE")
    parser.add_argument("--name", default="scenes", help="the model's name in cfg.json")
    parser.add_argument("--latents", type=int, default=96, help="how many to begin with")
    parser.add_argument("--images", type=int, default=16_000)
    parser.add_argument("--patches", type=int, default=37, help="random patches an image")
    parser.add_argument("--class-copies", type=int, default=3)
    parser.add_argument("--knee", type=float, default=0.5, help="activation from which the sparsity term bends, in units of the root mean square")
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--prune-after", type=float, default=0.3, help="share of the steps after which rare latents are left out")
    parser.add_argument("--prune-below", type=float, default=0.01, help="share of the stored tokens below which a latent is rare")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rate", type=float, default=6e-3)
    parser.add_argument("--decay", type=float, default=0.3, help="share of the steps over which the rate falls to zero")
    parser.add_argument("--l1", type=float, default=5e-4)
    parser.add_argument("--l1-warm", type=int, default=300)
    parser.add_argument("--dead-after", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--store", help="file that keeps the collected activations for further runs")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = CLIPModel.from_pretrained(args.model, dtype=torch.float32).eval()
    if args.store and os.path.exists(args.store):
        store = torch.load(args.store)
    else:
        store = collect(model, Scenes(args.data), args.images, args.patches, args.class_copies, args.seed)
        if args.store:
            torch.save(store, args.store)
    print(f"store {tuple(store.shape)}, mean norm {store[:20000].float().norm(dim=1).mean():.2f}", flush=True)
    sae = train(store, args)
    export(sae, args.out, args.name, args, args.steps * args.batch)


if __name__ == "__main__":
    main()
