"""Writes Tests/KernelsTests/Golden/kernels.json: what PyTorch answers, in f64, on seeded inputs.

Inputs come from seeded.py under SEED, so that only names, sizes and outputs are stored. Large outputs are
sampled: every `step`-th element of the flattened array, with the sum of squares of the whole.
"""
import json
import pathlib

import torch
import torch.nn.functional as F

import seeded

SEED = 31
OUT = pathlib.Path(__file__).resolve().parents[2] / "Tests/KernelsTests/Golden/kernels.json"
SAMPLES_MAX = 120


def tensor(name, shape, scale, offset=0.0):
    return torch.from_numpy(seeded.values(SEED, name, shape, scale, offset)).double()


def output(value):
    flat = value.flatten()
    step = max(1, -(-flat.numel() // SAMPLES_MAX))
    return {
        "step": step,
        "values": [float(f"{v:.9g}") for v in flat[::step].tolist()],
        "norm": float(f"{flat.norm().item():.12g}"),
    }


def softmax():
    for rows, columns, scale in [(3, 1, 1.0), (4, 7, 3.0), (5, 16, 10.0), (3, 17, 60.0), (2, 197, 8.0), (2, 1000, 30.0)]:
        x = tensor(f"softmax.{rows}x{columns}", (rows, columns), scale)
        yield {"rows": rows, "columns": columns, "scale": scale, "output": output(torch.softmax(x, -1))}


def layer_norm():
    # Offsets far from zero: a variance by E[x^2] - mean^2 would be lost there.
    for rows, width, scale, offset, eps in [
        (3, 1, 1.0, 0.0, 1e-5), (2, 5, 1.0, 0.0, 1e-5), (3, 33, 2.0, 5.0, 1e-6), (2, 64, 0.01, 1.0, 1e-5),
        (3, 768, 1.0, 30.0, 1e-5), (70, 48, 1.0, 0.0, 1e-5),
    ]:
        name = f"norm.{rows}x{width}"
        x = tensor(name, (rows, width), scale, offset)
        w, b = tensor(name + ".weight", (width,), 0.5, 1.0), tensor(name + ".bias", (width,), 0.5)
        yield {"rows": rows, "width": width, "scale": scale, "offset": offset, "epsilon": eps,
               "output": output(F.layer_norm(x, (width,), w, b, eps))}


def linear():
    activations = {
        "none": lambda t: t, "relu": torch.relu, "gelu": F.gelu, "quick_gelu": lambda t: t * torch.sigmoid(1.702 * t)}
    cases = [
        (1, 1, 1, "none", False, True), (1, 7, 5, "relu", False, True), (3, 33, 17, "gelu", True, True),
        (5, 64, 48, "quick_gelu", False, True), (8, 768, 512, "none", False, False), (50, 32, 96, "quick_gelu", True, False),
        (197, 768, 100, "gelu", False, True), (197, 100, 768, "none", True, True), (13, 3072, 60, "none", True, True),
    ]
    for rows, k, n, activation, accumulate, bias in cases:
        name = f"linear.{rows}x{k}x{n}"
        x, w = tensor(name + ".x", (rows, k), 2.0), tensor(name + ".weight", (n, k), 1.0 / k**0.5)
        b = tensor(name + ".bias", (n,), 1.0) if bias else None
        y = activations[activation](F.linear(x, w, b))
        if accumulate:
            y = y + tensor(name + ".y", (rows, n), 3.0)
        yield {"rows": rows, "inputs": k, "outputs": n, "activation": activation, "accumulate": accumulate,
               "bias": bias, "output": output(y)}


def attention():
    for batch, tokens, heads, dim, causal, scale in [
        (1, 1, 1, 4, False, 1.0), (2, 7, 3, 5, False, 2.0), (2, 7, 3, 5, True, 2.0), (1, 50, 2, 64, False, 3.0),
        (3, 17, 2, 32, True, 3.0), (1, 197, 1, 64, False, 4.0), (2, 77, 2, 64, True, 2.0), (1, 33, 1, 80, False, 2.0),
    ]:
        qkv = tensor(f"attention.{batch}x{tokens}x{heads}x{dim}", (batch, tokens, 3, heads, dim), scale)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2)
        yield {"batch": batch, "tokens": tokens, "heads": heads, "dim": dim, "causal": causal, "scale": scale,
               "output": output(y)}


if __name__ == "__main__":
    golden = {"seed": SEED, "softmax": list(softmax()), "layer_norm": list(layer_norm()), "linear": list(linear()),
              "attention": list(attention())}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(OUT.stat().st_size, "bytes")
