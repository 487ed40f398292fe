"""Torch archives and safetensors, good and bad, for Tests/CheckpointsTests.

    python tools/reference/checkpoints.py [OUT]      (OUT: Tests/CheckpointsTests/Golden)

Good files are written by torch and safetensors themselves; `expected.json` holds what they read back.
Bad torch archives are the same zip with another pickle. Every value is fixed: no random numbers.
"""
import argparse
import collections
import dataclasses
import enum
import io
import json
import os
import pathlib
import pickle
import struct
import sys
import types
import zipfile

import numpy as np
import safetensors.torch
import torch

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "Tests/CheckpointsTests/Golden")


class Kind(enum.Enum):
    VANILLA = "vanilla"


@dataclasses.dataclass
class Config:
    d_in: int = 3
    d_sae: int = 4
    block_layer: int = -2
    module_name: str = "resid"
    model_name: str = "openai/clip-vit-base-patch16"
    class_token: bool = True
    lr: float = 4e-4
    device: torch.device = torch.device("cpu")
    dtype: torch.dtype = torch.float32
    kind: Kind = Kind.VANILLA
    folder: pathlib.PurePosixPath = pathlib.PurePosixPath("/data/images")
    sizes: tuple = (1, 2)
    nothing: None = None


class Slots:
    __slots__ = ("width",)


class Node(dict):
    """A dictionary-like configuration, as yacs has."""


Config.__module__ = Kind.__module__ = Slots.__module__ = Node.__module__ = "sae_training.config"
module = types.ModuleType("sae_training.config")
for cls in (Config, Kind, Slots, Node):
    setattr(module, cls.__name__, cls)
package = types.ModuleType("sae_training")
package.config = module
sys.modules["sae_training"], sys.modules["sae_training.config"] = package, module


def ramp(*shape, dtype=torch.float32):
    """-1, -0.9, ...: not exact in f16 and bf16, so that rounding shows."""
    return (torch.arange(int(np.prod(shape)), dtype=torch.float64) * 0.1 - 1).reshape(shape).to(dtype)


def sae():
    return collections.OrderedDict(W_enc=ramp(3, 4), b_enc=ramp(4), W_dec=ramp(4, 3), b_dec=ramp(3))


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Filled(dict):
    """A dictionary that is made by a call and filled afterwards."""

    def __reduce__(self):
        return dataclasses.replace, (1,), {"state": 1}, None, iter(self.items())


def rewrite(source, target, pickle_bytes=None, change=None, method=zipfile.ZIP_STORED, prefix=b""):
    """The same archive with another data.pkl, or with entries changed by `change(name, data)`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(OUT / source) as old, zipfile.ZipFile(buffer, "w", method) as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.endswith("/data.pkl") and pickle_bytes is not None:
                data = pickle_bytes
            if change:
                data = change(info.filename, data)
            if data is not None:
                new.writestr(zipfile.ZipInfo(info.filename), data, method)
    (OUT / target).write_bytes(prefix + buffer.getvalue())


def expectation(tensors):
    return {
        name: {"shape": list(t.shape), "values": [float(v) for v in t.detach().to(torch.float32).reshape(-1)]}
        for name, t in tensors.items()
    }


def storage_pickle(shape, strides, offset=0, count=12):
    """One tensor over storage 0, with any shape and strides, in protocol 2 opcodes written by hand."""
    def number(v):
        return b"\x8a" + bytes([8]) + v.to_bytes(8, "little") if v >= 2**31 else b"J" + struct.pack("<i", v)

    def tup(values):
        return b"(" + b"".join(number(v) for v in values) + b"t"

    def text(t):
        return b"X" + struct.pack("<I", len(t)) + t.encode()

    return (
        b"\x80\x02}" + text("W") + b"ctorch._utils\n_rebuild_tensor_v2\n(("
        + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(count) + b"tQ"
        + number(offset) + tup(shape) + tup(strides) + b"\x89ccollections\nOrderedDict\n)RtRs."
    )


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    expected = {}

    def save(name, value, tensors, **options):
        torch.save(value, OUT / name, **options)
        expected[name] = expectation(tensors)

    save("patchsae.pt", {"cfg": Config(), "state_dict": sae()}, sae())
    save("patchsae_protocol5.pt", {"config": Config(), "state_dict": sae()}, sae(), pickle_protocol=5)
    types_ = {
        "half": ramp(2, 3, dtype=torch.float16), "brain": ramp(2, 3, dtype=torch.bfloat16),
        "double": ramp(2, 3, dtype=torch.float64), "single": ramp(2, 3),
        "subnormal": torch.tensor([2.0**-24, -(2.0**-15), 6e-8, 65504.0, -0.0], dtype=torch.float16),
    }
    save("dtypes.pt", {**types_, "steps": torch.tensor([1, 2, 3])}, types_)
    whole = ramp(4, 6)
    views = {"whole": whole, "transposed": whole.T, "sliced": whole[1:3, ::2], "row": whole[2], "scalar": whole[1, 1],
             "turned": ramp(2, 3, 4).permute(2, 0, 1), "empty": whole[:0]}
    save("views.pt", views, views)
    model = torch.nn.Linear(3, 2)
    with torch.no_grad():
        model.weight.copy_(ramp(2, 3)), model.bias.copy_(ramp(2))
    save("parameters.pt", {"model": {"fc": dict(model.named_parameters())}, "epoch": 3},
         {"fc.weight": model.weight, "fc.bias": model.bias})
    # As trainers leave it: a call that nobody makes beside the state, numpy's scalars, a tensor at the top.
    save("trainer.pt", {
        "state_dict": sae(), "epoch": 3, "val_result": np.float64(0.5), "options": Call(dataclasses.replace, 1),
        "filled": Filled(a=1), "best": torch.tensor(0.5), "optimizer": {"state": {0: {"momentum_buffer": ramp(3)}}}}, sae())
    slots = Slots()
    slots.width = 7
    node = Node(depth=9)
    node.extra = "attribute"
    space = argparse.Namespace(lr=0.5)
    save("objects.pt", {
        "slots": slots, "node": node, "namespace": space, "simple": types.SimpleNamespace(k=2),
        "default": collections.defaultdict(int, a=1), "set": {3}, "bytes": b"\x00\xff", "big": 2**100, "negative": -(2**40),
        "W": ramp(2)}, {"W": ramp(2)})
    with open(OUT / "header.pt", "wb") as f:  # as saev writes: a JSON line, then the zip
        f.write(b'{"schema": 1, "d_model": 3}\n')
        torch.save(sae(), f)
    expected["header.pt"] = expectation(sae())

    # Bad pickles: what is called must be named.
    bad = {
        "calls_system": {"W_enc": Call(os.system, "touch owned")},
        "calls_eval": {"W_enc": Call(eval, "1 + 1")},
        "calls_popen": {"cfg": Call(__import__("subprocess").Popen, "true")},
        "calls_getattr": {"cfg": Call(getattr, Config, "d_in")},
        "calls_unknown": {"cfg": Call(dataclasses.replace, 1)},
    }
    for name, value in bad.items():
        # Protocol 2 renames modules for Python 2 (subprocess becomes commands); both spellings occur.
        rewrite("patchsae.pt", f"{name}.pt", pickle.dumps(value, protocol=4 if name == "calls_popen" else 2))
    rewrite("patchsae.pt", "stack_underflow.pt", b"\x80\x02R.")
    rewrite("patchsae.pt", "ends_early.pt", b"\x80\x02}X\xff\xff\xff\x7fab")
    rewrite("patchsae.pt", "no_memo.pt", b"\x80\x02h\x07.")
    rewrite("patchsae.pt", "not_tensors.pt", pickle.dumps({"W": [1, 2]}, protocol=2))
    rewrite("patchsae.pt", "opcode_inst.pt", b"\x80\x02(ios\nsystem\n.")
    rewrite("patchsae.pt", "outside.pt", storage_pickle([3, 4], [4, 1], offset=1))
    rewrite("patchsae.pt", "expanded.pt", storage_pickle([1 << 20, 1 << 20], [0, 0]))
    rewrite("patchsae.pt", "overflow.pt", storage_pickle([2, 2], [2**62, 2**62]))
    rewrite("patchsae.pt", "short_storage.pt", change=lambda n, d: d[:-4] if n.endswith("/data/0") else d)
    rewrite("patchsae.pt", "no_storage.pt", change=lambda n, d: None if n.endswith("/data/0") else d)
    rewrite("patchsae.pt", "big_endian.pt", change=lambda n, d: b"big" if n.endswith("/byteorder") else d)
    rewrite("patchsae.pt", "compressed.pt", method=zipfile.ZIP_DEFLATED)
    (OUT / "truncated.pt").write_bytes((OUT / "patchsae.pt").read_bytes()[:-200])
    torch.save(sae(), OUT / "legacy.pt", _use_new_zipfile_serialization=False)
    # Lists of lists of lists: 2^200 elements if somebody expanded them; and 20,000 levels.
    billion = []
    for _ in range(200):
        billion = [billion, billion]
    deep = b"\x80\x02}X\x01\x00\x00\x00a" + b"]" * 20_000 + b"a" * 19_999 + b"s."
    rewrite("patchsae.pt", "billion.pt", pickle.dumps({"x": billion}, protocol=2))
    rewrite("patchsae.pt", "deep.pt", deep)
    cyclic = {}
    cyclic["self"] = cyclic
    rewrite("patchsae.pt", "cyclic.pt", pickle.dumps(cyclic, protocol=2))

    tensors = {"W_enc": ramp(3, 4), "half": ramp(5, dtype=torch.float16), "brain": ramp(5, dtype=torch.bfloat16),
               "double": ramp(2, dtype=torch.float64), "scalar": torch.tensor(0.3)}
    ints = {"ids": torch.arange(4)}
    safetensors.torch.save_file({**tensors, **ints}, OUT / "mixed.safetensors", metadata={"format": "pt"})
    (OUT / "mixed.safetensors").chmod(0o644)
    expected["mixed.safetensors"] = expectation(tensors)
    (OUT / "expected.json").write_text(json.dumps(expected, indent=0) + "\n")


if __name__ == "__main__":
    main()
