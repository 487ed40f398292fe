"""Writes Tests/SAETests/Golden: SAEs as their own projects save them, and what they answer in f64.

  patchsae.pt                 as PatchSAE saves it: a torch archive {cfg: object of its class, state_dict}
  saelens6, saelens6_plain    written by sae_lens itself, with and without apply_b_dec_to_input
  saelens5                    the flat keys of sae_lens before 6, f16 weights
  gated, jumprelu, topk       written by sae_lens: to be refused
  expected.json               latents, reconstructions, variance explained, for the above and for seeded SAEs
Weights and inputs come from seeded.py. Needs requirements-sae.txt.
"""
import json
import pathlib
import shutil
import sys
import types

import numpy as np
import torch
from safetensors.torch import save_file
from sae_lens import (
    GatedSAE, GatedSAEConfig, JumpReLUSAE, JumpReLUSAEConfig, StandardSAE, StandardSAEConfig, TopKSAE, TopKSAEConfig)
from sae_lens.saes.sae import SAEMetadata

import seeded

SEED = 17
OUT = pathlib.Path(__file__).resolve().parents[2] / "Tests/SAETests/Golden"
D, N, ROWS = 7, 53, 9


def weights(prefix, d, n, bias=0.0):
    """Of an SAE whose pre-activations have about unit scale; `bias` is the mean of b_enc."""
    def make(name, shape, scale, offset=0.0):
        return seeded.values(SEED, f"{prefix}.{name}", shape, scale, offset)
    return {"W_enc": make("W_enc", (d, n), 3.0 / d**0.5), "b_enc": make("b_enc", (n,), 0.1, bias),
            "W_dec": make("W_dec", (n, d), 1.0 / d**0.5), "b_dec": make("b_dec", (d,), 0.5)}


def inputs(prefix, rows, d):
    return seeded.values(SEED, f"{prefix}.x", (rows, d), 1.0, 0.25)


def number(value):
    return float(f"{float(value):.9g}")


def encode(w, x, subtract=True):
    x, w = x.astype(np.float64), {k: v.astype(np.float64) for k, v in w.items()}
    return (x - w["b_dec"] if subtract else x) @ w["W_enc"] + w["b_enc"]


def sparse(pre):
    indptr, indices, data = [0], [], []
    for row in pre:
        found = np.flatnonzero(row > 0)
        indices += found.tolist()
        data += [number(v) for v in row[found]]
        indptr.append(len(indices))
    # What an active set may differ by is measured against the pre-activations' own scale.
    return {"indptr": indptr, "indices": indices, "data": data, "scale": number(np.sqrt((pre**2).mean()))}


def answer(w, x, subtract=True):
    pre = encode(w, x, subtract)
    z = np.maximum(pre, 0)
    x_hat = z @ w["W_dec"].astype(np.float64) + w["b_dec"].astype(np.float64)
    x = x.astype(np.float64)
    error = ((x_hat - x) ** 2).sum()
    return sparse(pre) | {
        "reconstruction": [number(v) for v in x_hat.flatten()],
        "explained_variance": number(1 - error / ((x - x.mean(0)) ** 2).sum()),
        "explained_variance_about_zero": number(1 - error / (x**2).sum()),
    }


def state(w):
    return {k: torch.from_numpy(v) for k, v in w.items()}


def write_patchsae(path, w, **fields):
    module = types.ModuleType("sae_training.config")
    config = type("Config", (), {"__module__": "sae_training.config"})
    module.Config = config
    sys.modules |= {"sae_training": types.ModuleType("sae_training"), "sae_training.config": module}
    cfg = config()
    cfg.__dict__.update(
        d_in=w["W_enc"].shape[0], d_sae=w["W_enc"].shape[1], block_layer=-2, module_name="resid", class_token=False,
        model_name="openai/clip-vit-base-patch16", device=torch.device("cpu"), dtype=torch.float32, **fields)
    torch.save({"cfg": cfg, "state_dict": state(w)}, path)


def write_saelens(folder, sae, w):
    sae.load_state_dict(state(w), strict=False)
    sae.save_model(folder)


def check_against_saelens(w, x, sae):
    """Our f64 formula is what sae_lens computes."""
    z = sae.encode(torch.from_numpy(x)).detach().numpy()
    pre = encode(w, x, sae.cfg.apply_b_dec_to_input)
    assert np.abs(z - np.maximum(pre, 0)).max() < 1e-5


def files():
    meta = dict(model_name="scenes", hook_name="blocks.3.hook_resid_post")
    expected = {}
    x = inputs("small", ROWS, D)
    w = weights("patchsae", D, N)
    write_patchsae(OUT / "patchsae.pt", w)
    expected["patchsae.pt"] = answer(w, x)
    for name, subtract in [("saelens6", True), ("saelens6_plain", False)]:
        w = weights(name, D, N)
        sae = StandardSAE(StandardSAEConfig(
            d_in=D, d_sae=N, apply_b_dec_to_input=subtract, metadata=SAEMetadata(**meta)))
        write_saelens(OUT / name, sae, w)
        check_against_saelens(w, x, sae)
        expected[name] = answer(w, x, subtract)
    w = {k: v.astype(np.float16) for k, v in weights("saelens5", D, N).items()}
    (OUT / "saelens5").mkdir()
    save_file(state(w) | {"scaling_factor": torch.ones(N, dtype=torch.float16)}, OUT / "saelens5/sae_weights.safetensors")
    (OUT / "saelens5/cfg.json").write_text(json.dumps({
        "architecture": "standard", "d_in": D, "d_sae": N, "activation_fn_str": "relu", "apply_b_dec_to_input": True,
        "finetuning_scaling_factor": False, "normalize_activations": "none", "context_size": 128,
        "model_name": "scenes", "hook_point": "blocks.2.hook_resid_post", "hook_point_layer": 2, "hook_head_index": None,
        "prepend_bos": True, "dtype": "float16"}))
    expected["saelens5"] = answer(w, x)
    for name, kind, config in [
        ("gated", GatedSAE, GatedSAEConfig), ("jumprelu", JumpReLUSAE, JumpReLUSAEConfig), ("topk", TopKSAE, TopKSAEConfig)]:
        write_saelens(OUT / name, kind(config(d_in=D, d_sae=N, metadata=SAEMetadata(**meta))), weights(name, D, N))
    return expected


def seeded_cases():
    # Odd sizes around the tiles of 8 rows and 48 latents; the last is full size and some 0.5 % active.
    for rows, d, n, bias in [
        (1, 1, 1, 0.5), (3, 5, 47, 0.0), (8, 16, 48, 0.0), (17, 33, 49, -1.0), (9, 64, 100, 0.0), (25, 97, 1000, -2.0),
        (3, 768, 49152, -3.06),
    ]:
        prefix = f"{rows}x{d}x{n}"
        yield {"rows": rows, "width": d, "latents": n, "bias": bias} | sparse(
            encode(weights(prefix, d, n, bias), inputs(prefix, rows, d)))


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    expected = {"seed": SEED, "files": files(), "seeded": list(seeded_cases())}
    for case in expected["seeded"]:
        print(case["width"], case["latents"], len(case["indices"]) / (case["rows"] * case["latents"]))
    (OUT / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")
