"""Prompt learning on a frozen CLIP: MaPLe, VPT and CoOp, by their papers' definitions.

Each method is a module whose `state_dict` has the keys of the public trainers, and one
forward pass, shared by all: `Prompted` runs transformers' own layers and puts tokens in.

    vision  [batch, 1 + patches + n, d]: prompts come after the last patch, past the position
            embeddings and before `pre_layrnorm`; before block i the last n tokens are replaced
            by the block's own prompts; blocks without any carry the tokens on.
    text    [classes, tokens, d]: tokens 1 ..< 1 + n are replaced before the position embeddings;
            before block i again, where the method has prompts for it.

A prompt reads "a photo of a {name}." first; with n = 2 "a photo" is learned and "of a" stays.
The number of vision and text blocks may differ: compound prompt i belongs to block i + 1 of
both towers, and a tower with fewer blocks leaves the rest unused.

The model's own weights never change. Text runs on as many tokens as the longest prompt has:
attention is causal, so that what follows the end of text changes nothing.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from transformers import CLIPModel, CLIPTokenizer

DEVIATION = 0.02  # of prompts that do not start as words
WORDS = "a photo of a"


def _random(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) * DEVIATION)


class Words:
    """The class prompts "a photo of a {name}." as tokens and embeddings."""

    def __init__(self, model: CLIPModel, tokenizer: CLIPTokenizer, names: list[str]):
        self.ids = tokenizer([f"{WORDS} {n.replace('_', ' ')}." for n in names], padding="max_length", return_tensors="pt")["input_ids"]
        self.ends = self.ids.eq(model.config.text_config.eos_token_id).int().argmax(1)
        with torch.no_grad():
            self.embeddings = model.text_model.embeddings.token_embedding(self.ids)


class Learner(nn.Module):
    """What a text-side learner stores beside its prompts: the words around them, as the trainers do (f16, as their models are).

    The suffix ends with the longest prompt; the trainers go on to the context's end, with the same filling in every row.
    """

    def __init__(self, words: Words, count: int):
        super().__init__()
        self.ctx = nn.Parameter(words.embeddings[0, 1 : 1 + count].clone())
        self.register_buffer("token_prefix", words.embeddings[:, :1].half())
        self.register_buffer("token_suffix", words.embeddings[:, 1 + count : int(words.ends.max()) + 1].half())


class MaPLe(nn.Module):
    """Text prompts learned, vision prompts projected from them, in the first `depth` blocks."""

    def __init__(self, model: CLIPModel, words: Words, count: int, depth: int):
        super().__init__()
        text, vision = model.config.text_config.hidden_size, model.config.vision_config.hidden_size
        self.prompt_learner = Learner(words, count)
        self.prompt_learner.proj = nn.Linear(text, vision)
        self.prompt_learner.compound_prompts_text = nn.ParameterList(_random(count, text) for _ in range(depth - 1))
        self.prompt_learner.compound_prompt_projections = nn.ModuleList(nn.Linear(text, vision) for _ in range(depth - 1))

    def vision_prompts(self) -> list[torch.Tensor]:
        p = self.prompt_learner
        deep = [project(c) for project, c in zip(p.compound_prompt_projections, p.compound_prompts_text)]
        return [p.proj(p.ctx), *deep]

    def text_prompts(self) -> list[torch.Tensor]:
        return [self.prompt_learner.ctx, *self.prompt_learner.compound_prompts_text]


class VPT(nn.Module):
    """Vision prompts alone; a depth of 1 is VPT shallow. Text is "a photo of a {name}."."""

    def __init__(self, model: CLIPModel, words: Words, count: int, depth: int):
        super().__init__()
        width = model.config.vision_config.hidden_size
        self.image_encoder = nn.Module()
        self.image_encoder.VPT = _random(count, width)
        self.image_encoder.transformer = nn.Module()
        self.image_encoder.transformer.resblocks = nn.ModuleDict({str(i): nn.Module() for i in range(1, depth)})
        for block in self.image_encoder.transformer.resblocks.values():
            block.VPT_shallow = _random(count, width)

    def vision_prompts(self) -> list[torch.Tensor]:
        deep = [block.VPT_shallow for block in self.image_encoder.transformer.resblocks.values()]
        return [self.image_encoder.VPT, *deep]

    def text_prompts(self) -> list[torch.Tensor]:
        return []


class CoOp(Learner):
    """One learned context for all classes, text alone; the class name at the end."""

    def __init__(self, model: CLIPModel, words: Words, count: int, depth: int = 1):
        super().__init__(words, count)

    def vision_prompts(self) -> list[torch.Tensor]:
        return []

    def text_prompts(self) -> list[torch.Tensor]:
        return [self.ctx]


METHODS = {"maple": MaPLe, "vpt": VPT, "coop": CoOp}


class Prompted:
    """A frozen CLIP with a method's prompts in it; without a method the CLIP itself."""

    def __init__(self, model: CLIPModel, words: Words, method: nn.Module | None = None):
        self.model, self.words, self.method = model, words, method
        self.depth = model.config.vision_config.num_hidden_layers

    @property
    def prompts(self) -> list[torch.Tensor]:
        return self.method.vision_prompts() if self.method else []

    def start(self, pixels: torch.Tensor) -> torch.Tensor:
        """The stream before block 0, `[batch, 1 + patches + n, d]`."""
        x = self.model.vision_model.embeddings(pixels)
        if self.prompts:
            x = torch.cat([x, self.prompts[0].expand(len(x), -1, -1)], 1)
        return self.model.vision_model.pre_layrnorm(x)

    def run(self, x: torch.Tensor, blocks: range) -> torch.Tensor:
        """The stream after the last of `blocks`, which follow on what `x` has been through."""
        prompts = self.prompts
        for i in blocks:
            if 0 < i < len(prompts):
                x = torch.cat([x[:, : -len(prompts[i])], prompts[i].expand(len(x), -1, -1)], 1)
            x = self.model.vision_model.encoder.layers[i](x, None, None)[0]
        return x

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens after the last block as embeddings of length 1."""
        return F.normalize(self.model.visual_projection(self.model.vision_model.post_layernorm(x)), dim=-1)

    def images(self, pixels: torch.Tensor) -> torch.Tensor:
        """Image embeddings `[batch, p]`, of length 1."""
        return self.project(self.run(self.start(pixels), range(self.depth))[:, 0])

    def classes(self) -> torch.Tensor:
        """The head `[classes, p]`, each row of length 1."""
        tower = self.model.text_model
        prompts = self.method.text_prompts() if self.method else []
        x = self.words.embeddings[:, : int(self.words.ends.max()) + 1]
        replace = lambda x, p: torch.cat([x[:, :1], p.expand(len(x), -1, -1), x[:, 1 + p.shape[0] :]], 1)
        later = torch.full((x.shape[1], x.shape[1]), -torch.inf).triu(1)[None, None]
        for i, layer in enumerate(tower.encoder.layers):
            if i < len(prompts):
                x = replace(x, prompts[i])
            if i == 0:
                x = x + tower.embeddings.position_embedding.weight[: x.shape[1]]
            x = layer(x, None, later)[0]
        x = tower.final_layer_norm(x)[torch.arange(len(x)), self.words.ends]
        return F.normalize(self.model.text_projection(x), dim=-1)

    def logits(self, pixels: torch.Tensor, head: torch.Tensor | None = None) -> torch.Tensor:
        """`exp(logit_scale)` times the cosines `[batch, classes]`; `head` where it is known already."""
        return self.model.logit_scale.exp() * self.images(pixels) @ (self.classes() if head is None else head).T
