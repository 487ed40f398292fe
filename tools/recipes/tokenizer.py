"""A small BPE vocabulary in CLIP's file format, learned from the scenes' captions.

All 256 bytes are tokens, alone and as a word's end, so that any text can be encoded;
common words become one token. As in CLIP's own files: 256 bytes, the same with `</w>`,
one token a merge, `<|startoftext|>`, `<|endoftext|>`. The last is the largest id, so
that the rule "arg-max of the ids" and the rule "first `eos_token_id`" agree.
"""

from __future__ import annotations

import json
import os
from collections import Counter

import regex
from transformers import CLIPTokenizer, CLIPTokenizerFast
from transformers.models.clip.tokenization_clip import bytes_to_unicode

CONTEXT = 48
_WORD = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE)


def learn_merges(texts: list[str], merges_max: int) -> list[tuple[str, str]]:
    """Byte-pair merges by frequency, ties by spelling; stops when every word is one token."""
    byte = bytes_to_unicode()
    words = Counter(w for t in texts for w in _WORD.findall(t.lower()))
    split = {w: [byte[b] for b in w.encode()] for w in words}
    for parts in split.values():
        parts[-1] += "</w>"
    merges = []
    while len(merges) < merges_max:
        pairs: Counter = Counter()
        for w, parts in split.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[w]
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        for parts in split.values():
            i = 0
            while i + 1 < len(parts):
                if (parts[i], parts[i + 1]) == best:
                    parts[i : i + 2] = ["".join(best)]
                i += 1
    return merges


FILES = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def write(folder: str, texts: list[str], merges_max: int = 480) -> None:
    """Writes `FILES`."""
    os.makedirs(folder, exist_ok=True)
    merges = learn_merges(texts, merges_max)
    base = list(bytes_to_unicode().values())
    names = base + [b + "</w>" for b in base]
    for pair in merges:
        if "".join(pair) not in names:  # two ways to one word share a token
            names.append("".join(pair))
    names += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary, merges_file = os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt")
    with open(vocabulary, "w", encoding="utf-8") as f:
        json.dump({n: i for i, n in enumerate(names)}, f, ensure_ascii=False)
    with open(merges_file, "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    CLIPTokenizerFast(vocabulary, merges_file, model_max_length=CONTEXT).save_pretrained(folder)
    CLIPTokenizer(vocabulary, merges_file, model_max_length=CONTEXT).save_vocabulary(folder)


class Encoder:
    """Encodes texts word by word with a cache: captions have few distinct words."""

    def __init__(self, folder: str):
        self._tokenizer = CLIPTokenizer.from_pretrained(folder)
        self._words: dict[str, list[int]] = {}
        self.start, self.end = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id

    def ids(self, text: str) -> list[int]:
        out = [self.start]
        for word in _WORD.findall(text.lower()):
            if word not in self._words:
                self._words[word] = self._tokenizer(word, add_special_tokens=False)["input_ids"]
            out += self._words[word]
        return out[: CONTEXT - 1] + [self.end]

    def batch(self, texts: list[str]):
        """Ids int64 `[texts, longest]`, padded with the end token as CLIP does."""
        import torch

        rows = [self.ids(t) for t in texts]
        longest = max(map(len, rows))
        return torch.tensor([r + [self.end] * (longest - len(r)) for r in rows])
