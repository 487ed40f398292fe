"""A peer of tools/bench/compare: PyTorch eager, OpenVINO or ONNX Runtime on the workload that saed-bench wrote.

    python peers.py ENGINE FOLDER THREADS

Reads the same lines as `saed-bench serve` and answers the same JSON: `sae DENSITY`, `run TASK BATCH [FILE]`, `memory`.
All are f32. The latents stay dense, as each engine leaves them: nobody else makes them sparse.
"""
import gc
import json
import os
import pathlib
import resource
import sys
import time
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from transformers import CLIPConfig, CLIPModel

ENGINE, ROOT, THREADS = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
WORKLOAD = json.loads((ROOT / "workload.json").read_text())
warnings.filterwarnings("ignore")  # of tracing and of the older exporter
torch.set_num_threads(THREADS)
torch.set_grad_enabled(False)


class Tower(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.vision, self.project = model.vision_model, model.visual_projection

    def forward(self, pixels):
        return self.project(self.vision(pixel_values=pixels).pooler_output)


class Hook(torch.nn.Module):
    """The residual stream after the hook's block: only the blocks up to it."""

    def __init__(self, model):
        super().__init__()
        vision = model.vision_model
        self.embeddings, self.norm = vision.embeddings, vision.pre_layrnorm
        self.blocks = vision.encoder.layers[: WORKLOAD["hookBlock"] + 1]

    def forward(self, pixels):
        x = self.norm(self.embeddings(pixels))
        for block in self.blocks:
            x = block(x, None, None)
            x = x[0] if isinstance(x, tuple) else x
        return x


class HookSAE(torch.nn.Module):
    def __init__(self, model, sae):
        super().__init__()
        self.hook = Hook(model)
        # F.linear wants [n, d]: transposed once, here, not at every call.
        self.weight = torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(sae["W_enc"].T)))
        self.b_enc = torch.nn.Parameter(torch.from_numpy(sae["b_enc"]))
        self.b_dec = torch.nn.Parameter(torch.from_numpy(sae["b_dec"]))

    def forward(self, pixels):
        return F.linear(self.hook(pixels) - self.b_dec, self.weight, self.b_enc).relu_()


def load_model():
    model = CLIPModel(CLIPConfig.from_pretrained(ROOT / "model", attn_implementation="sdpa"))
    state = {name: torch.from_numpy(value) for name, value in load_file(ROOT / "model/model.safetensors").items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all("position_ids" in name for name in missing), (missing, unexpected)
    return model.eval().float()


class PyTorch:
    def make(self, module, name):
        return lambda pixels: module(torch.from_numpy(pixels)).numpy()


class OpenVINO:
    def __init__(self):
        import openvino

        self.openvino, self.core = openvino, openvino.Core()

    def make(self, module, name):
        compiled = {}

        def run(pixels):
            if pixels.shape[0] not in compiled:
                # A shape of its own for each batch: what OpenVINO can plan best. Traced with one image, to save memory.
                compiled.clear()
                model = self.openvino.convert_model(module, example_input=torch.from_numpy(pixels[:1]), input=[pixels.shape])
                # f32 must be asked for: its default is bf16 where the processor has it.
                config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
                compiled[pixels.shape[0]] = self.core.compile_model(model, "CPU", config).create_infer_request()
            request = compiled[pixels.shape[0]]
            # The answer stays in the engine's own memory: a copy of 310 MB would not be its work.
            return request.infer([pixels], share_inputs=True, share_outputs=True)[0]

        return run


class ONNXRuntime:
    def __init__(self):
        import onnxruntime

        self.runtime = onnxruntime

    def make(self, module, name):
        path = ROOT / f"{name}.onnx"
        size = WORKLOAD["imageSize"]
        torch.onnx.export(
            module, (torch.zeros(2, 3, size, size),), str(path), dynamo=False, opset_version=17, input_names=["pixels"],
            output_names=["answer"], dynamic_axes={"pixels": {0: "batch"}})
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
        session = self.runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        path.unlink()
        return lambda pixels: session.run(None, {"pixels": pixels})[0]


def main():
    engine = {"pytorch": PyTorch, "openvino": OpenVINO, "onnxruntime": ONNXRuntime}[ENGINE]()
    model = load_model()
    size = WORKLOAD["imageSize"]
    pixels = np.fromfile(ROOT / "pixels.f32", np.float32).reshape(-1, 3, size, size)
    held, run, density = None, None, None  # one task at a time: all of them together would need 10 GB
    for line in sys.stdin:
        words = line.split()
        if words[0] == "sae":
            density, held, run, answer = words[1], None, None, {}
        elif words[0] == "memory":
            answer = {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
        else:
            if held != words[1]:
                held, run = words[1], None
                gc.collect()
                module = {"tower": lambda: Tower(model), "hook": lambda: Hook(model),
                          "sae": lambda: HookSAE(model, load_file(ROOT / f"sae-{density}/sae_weights.safetensors"))}[held]()
                run = engine.make(module, held)
            batch = pixels[: int(words[2])]
            start = time.perf_counter(), time.process_time()
            out = run(batch)
            answer = {"seconds": time.perf_counter() - start[0], "cpu_seconds": time.process_time() - start[1]}
            if len(words) > 3:
                np.ascontiguousarray(out, np.float32).tofile(words[3])
            del out
        protocol.write(json.dumps(answer) + "\n")
        protocol.flush()


if __name__ == "__main__":
    # What the libraries print must not mix with the answers.
    protocol = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main()
