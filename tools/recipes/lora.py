"""LoRA on the vision tower of a CLIP, saved in PEFT's layout.

    W' = W + (alpha / rank) * B A,  A [rank, inputs] Kaiming-uniform, B [outputs, rank] zero at the start

on all linear layers of the first `depth` vision blocks. The module changes the model that it is
made on: give each its own copy.
"""

from __future__ import annotations

import json
import math
import os

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPModel

LAYERS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"]


class LowRank(nn.Module):
    """A frozen linear layer and the product that is added to it."""

    def __init__(self, base: nn.Linear, rank: int, scale: float):
        super().__init__()
        self.base, self.scale = base, scale
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + self.scale * ((x @ self.lora_A.T) @ self.lora_B.T)


class LoRA(nn.Module):
    """The adapter alone: its parameters are the A and B of each layer. It has no prompts."""

    def __init__(self, model: CLIPModel, rank: int, depth: int):
        super().__init__()
        self.rank, self.alpha = rank, 2 * rank
        self.parts: dict[str, LowRank] = {}
        for block in range(depth):
            for layer in LAYERS:
                name = f"vision_model.encoder.layers.{block}.{layer}"
                part = LowRank(model.get_submodule(name), rank, self.alpha / rank)
                model.set_submodule(name, part)
                self.parts[name] = part
        self.held = nn.ModuleList(nn.ParameterList([p.lora_A, p.lora_B]) for p in self.parts.values())

    def vision_prompts(self) -> list[torch.Tensor]:
        return []

    def text_prompts(self) -> list[torch.Tensor]:
        return []

    def load(self, folder: str) -> None:
        """Takes the values of a folder that `save` wrote."""
        weights = load_file(os.path.join(folder, "adapter_model.safetensors"))
        for name, part in self.parts.items():
            for key in ("lora_A", "lora_B"):
                getattr(part, key).data.copy_(weights[f"base_model.model.{name}.{key}.weight"])

    def save(self, folder: str) -> None:
        """`adapter_config.json` and `adapter_model.safetensors`, as PEFT's `save_pretrained` writes them."""
        os.makedirs(folder, exist_ok=True)
        tensors = {f"base_model.model.{name}.{key}.weight": getattr(part, key).detach().contiguous()
                   for name, part in self.parts.items() for key in ("lora_A", "lora_B")}
        save_file(tensors, os.path.join(folder, "adapter_model.safetensors"), metadata={"format": "pt"})
        config = {"peft_type": "LORA", "task_type": None, "base_model_name_or_path": "scenes", "r": self.rank, "lora_alpha": self.alpha,
                  "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": False, "use_rslora": False, "use_dora": False,
                  "init_lora_weights": True, "inference_mode": True, "modules_to_save": None, "rank_pattern": {}, "alpha_pattern": {},
                  "target_modules": list(self.parts)}
        with open(os.path.join(folder, "adapter_config.json"), "w") as f:
            json.dump(config, f, indent=2)
            f.write("\n")
