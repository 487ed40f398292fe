"""Token ids of transformers' CLIPTokenizerFast for Tests/CLIPTests/TokenizerTests.swift.

    python tools/reference/tokenizer.py                  writes Tests/CLIPTests/Golden/tokenizer*
    python tools/reference/tokenizer.py FOLDER OUT.json  the same strings under another vocabulary

The small vocabulary is trained here on a few sentences; `tokenizer-json` is the same as tokenizer.json, with the
special tokens found in the text as it came (normalized: false) and another padding token. `tokenizer-short`
lacks most bytes, so that the unknown token shows.
"""
import json
import pathlib
import shutil
import sys

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizerFast
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

OUT = pathlib.Path(__file__).parents[2] / "Tests/CLIPTests/Golden"
CONTEXT = 77

CORPUS = """
a photo of a red cube. a photo of two blue balls on a wooden floor. the quick brown fox jumps over the lazy dog
a close-up photo of the small green pyramid, a low resolution photo of the large striped cylinder
it's what they're doing; we've seen that I'm here and you'll agree he'd say they don't know
in 2024 there were 365 days and 1 more; café naïve façade coöperate Straße straße ﬁne 100% pure e-mail someone@example.org
кот сидит на окне. 猫は窓に座っている. 고양이가 창가에 앉아 있다. emoji 😀😃 and 👩‍👩‍👧 families
""" * 2

STRINGS = [
    "", " ", "a photo of a red cube.", "A Photo of TWO Blue Balls!!", "  leading,   inner \t\n and trailing   ", "red_cube", "__init__",
    "it's they're we've i'm you'll he'd don't", "'s's 'super 'tis rock'n'roll ''s '' ' 'S IT'S", "2024 and 3.14159, 1,000,000", "½ ² Ⅷ ٣ ५",
    "café", "cafe\u0301", "\u00c5ngstr\u00f6m \u212b A\u030a", "ﬁne ﬃ", "Straße STRASSE ẞ", "İstanbul I ı", "ΣΊΣΥΦΟΣ ς", "ǅ Ǆ ǆ",
    "кот сидит НА ОКНЕ", "猫は窓に座っている。", "고양이가 창가에", "हिन्दी में बिल्ली", "ไทยภาษา", "مرحبا بالعالم", "שלום",
    "😀😃", "👩‍👩‍👧 family", "🇩🇪 flag", "a😀b", "zero\u200bwidth\u200djoiner", "nbsp\u00a0here\u2003em\u3000ideographic", "tab\tnew\nline\r\nreturn\x0bvt\x0cff",
    "\x85next\u2028line\u2029para", "con\x00trol\x1f\x7f", "\ufeffbom", "<|startoftext|>", "a <|endoftext|> b", "<|STARTOFTEXT|>x<|EndOfText|>", "a<|endoftext|>b<|endoftext|>",
    "<|endoftext|", "< |endoftext|>", "<|start", "!!!???...", "!!'s", "a'b", "don’t", "“quoted” – dash — em…", "$100 €50 £20 ¥7", "#hash @at &amp; &lt;",
    "C++ C# f(x)=x^2", "http://example.org/a?b=c&d=1", "one\\two/three|four", "a" * 200, "ab " * 60, "x1y2z3", "e\u0301\u0302\u0303", "\u1e9b\u0323", "a\u0315\u0300\u05ae\u0300b",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "ÀÉÎÕÜ àéîõü", "Ⅻ ⅻ", "ªº", "㍿ ㎏", "a photo of a " + "very " * 100 + "long prompt.", "the the the", "photophotophoto", "low-resolution", "\u0130\u0307",
]


def golden(tokenizer, context=CONTEXT):
    return [
        {"text": text, "ids": tokenizer(text, padding="max_length", truncation=True, max_length=context)["input_ids"]} for text in STRINGS
    ]


def train():
    alphabet = list(bytes_to_unicode().values())
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator(CORPUS.splitlines(), trainer)
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in json.loads(tokenizer.to_str())["model"]["merges"]]
    # CLIP's own order: bytes, bytes that end a word, one token a merge, start, end.
    tokens = alphabet + [c + "</w>" for c in alphabet] + ["".join(m) for m in merges]
    return list(dict.fromkeys(tokens)) + ["<|startoftext|>", "<|endoftext|>"], merges


def write(folder, tokens, merges):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    tokens, merges = train()
    write(OUT / "tokenizer", tokens, merges)
    plain = CLIPTokenizerFast.from_pretrained(OUT / "tokenizer")

    json_folder = OUT / "tokenizer-json"
    shutil.rmtree(json_folder, ignore_errors=True)
    json_folder.mkdir()
    plain.save_pretrained(json_folder)
    settings = json.loads((json_folder / "tokenizer.json").read_text())
    for token in settings["added_tokens"]:
        token["normalized"] = False
    (json_folder / "tokenizer.json").write_text(json.dumps(settings, ensure_ascii=False))
    (json_folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "!", "tokenizer_class": "CLIPTokenizer"}))
    for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):
        (json_folder / name).unlink()

    short = [t for t in tokens if all(c in "abcdefghijklmnopqrst</w>|>ofx" for c in t)]
    known = set(short)
    write(OUT / "tokenizer-short", short, [m for m in merges if m[0] in known and m[1] in known and "".join(m) in known])

    result = {
        "tokenizer": golden(plain), "tokenizer-json": golden(CLIPTokenizerFast.from_pretrained(json_folder)),
        "tokenizer-short": golden(CLIPTokenizerFast.from_pretrained(OUT / "tokenizer-short"), 12),
    }
    (OUT / "tokenizer.json").write_text(json.dumps(result, separators=(",", ":")).replace('},{', '},\n{') + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        tokenizer = CLIPTokenizerFast.from_pretrained(sys.argv[1])
        pathlib.Path(sys.argv[2]).write_text(json.dumps({"tokenizer": golden(tokenizer)}))
    else:
        main()
