"""Reads a store folder by protocol/STORE.md alone, checks every checksum, and compares each sealed segment's postings
and aggregates, and each class table, with a recomputation from its frames.

    python tools/reference/store.py FOLDER        # exits 1 at the first contradiction

Written from the document, not from the Swift code: where the two differ, one of them is wrong.
"""

import pathlib
import sqlite3
import struct
import sys

import numpy as np
import xxhash
import zstandard

TAU = np.float32(0.2)


def check(condition, text):
    if not condition:
        sys.exit(f"store.py: {text}")


def xxh(data):
    return xxhash.xxh64_intdigest(data, seed=0)


def joined(data, dtype):
    """Byte planes to values."""
    width = np.dtype(dtype).itemsize
    return np.frombuffer(data, "u1").reshape(width, -1).T.copy().view(dtype).ravel()


def frame(data, offset, kind):
    """Payload, and the offset after the frame."""
    magic, found, codec, zero, stored, raw, checksum, own = struct.unpack_from("<4sBBHIIQQ", data, offset)
    check(magic == b"SFRM" and own == xxh(data[offset:offset + 24]) and zero == 0, f"frame header at {offset}")
    check(found == kind, f"frame at {offset} is of kind {found}, not {kind}")
    payload = data[offset + 32:offset + 32 + stored]
    check(len(payload) == stored and xxh(payload) == checksum, f"frame content at {offset}")
    if codec == 1:
        payload = zstandard.ZstdDecompressor().decompress(payload, max_output_size=raw)
    check(len(payload) == raw, f"frame at {offset}: {len(payload)} bytes, {raw} announced")
    return payload, offset + 32 + stored


class Segment:
    def __init__(self, path, length):
        data = path.read_bytes()[:length]
        check(len(data) == length, f"{path} is short")
        magic, version, size, self.n, self.rows, self.columns, self.prompts, self.embedding, self.width = struct.unpack_from(
            "<8s8I", data)
        check(magic == b"SAEDSEG\0" and version == 1 and size == 128, f"{path}: header")
        check(struct.unpack_from("<Q", data, 120)[0] == xxh(data[:120]), f"{path}: header checksum")
        self.recipe, self.path, self.data = data[40:72].hex(), path, data
        self.patches = self.rows * self.columns
        self.tokens = 1 + self.patches + self.prompts

    def snapshot(self, offset, head, length):
        """(hash, {(token, latent): value}), or latents None in the dense form."""
        payload, end = frame(self.data, offset, 1)
        check(end - offset == head, f"{self.path}: head of {end - offset} bytes at {offset}, the catalog says {head}")
        dense, wide, index, flags, embedding = struct.unpack_from("<BBBBI", payload, 32)
        check(embedding == self.embedding and index == (2 if self.n <= 65536 else 4), "shapes")
        if flags & 1:
            activations, end = frame(self.data, end, 2)
            check(len(activations) == 4 * self.tokens * self.width, "activations")
        check(end - offset == length, f"{self.path}: {end - offset} bytes at {offset}, the catalog says {length}")
        at, first, latents = 40 + 4 * embedding, 0, {}
        if dense:
            return payload[:32].hex(), None
        for tokens in (1, self.patches, self.prompts):
            counts = joined(payload[at:at + 4 * tokens], "<u4")
            at += 4 * tokens
            total = int(counts.sum())
            gaps = joined(payload[at:at + index * total], f"<u{index}").astype("i8")
            at += index * total
            values = joined(payload[at:at + (4 if wide else 2) * total], "<f4" if wide else "<f2").astype("f4")
            at += (4 if wide else 2) * total
            start = 0
            for token, count in enumerate(counts, first):
                for latent, value in zip(np.cumsum(gaps[start:start + count] + 1) - 1, values[start:start + count]):
                    check(latent < self.n and value > 0, "entry")
                    latents[token, int(latent)] = value
                start += int(count)
            first += tokens
        check(at == len(payload), "payload is too long")
        return payload[:32].hex(), latents

    def postings(self, slot, latents):
        """What the index must say of one image: latent to posting."""
        out = {}
        for (token, latent), value in latents.items():
            p = out.setdefault(latent, dict(slot=slot, sum=0.0, active=0, peak=np.float32(0), patch=0, over=0, cls=np.float32(0),
                                            psum=np.float32(0), ppeak=np.float32(0), pactive=0, pover=0))
            if token == 0:
                p["cls"] = value
            elif token <= self.patches:
                p["sum"] += float(value)
                p["active"] += 1
                p["over"] += int(value > TAU)
                if value > p["peak"]:
                    p["peak"], p["patch"] = value, token - 1
            else:
                p["psum"] += value
                p["ppeak"] = max(p["ppeak"], value)
                p["pactive"] += 1
                p["pover"] += int(value > TAU)
        for p in out.values():
            p["mean"] = np.float32(p.pop("sum") / self.patches)
        return out


def block(data, patches):
    """Postings of one latent, as dictionaries."""
    flags, _, c, m, k = struct.unpack_from("<BBHHH", data)
    at = 8

    def take(dtype, count):
        nonlocal at
        out = np.frombuffer(data, dtype, count, at)
        at += out.nbytes
        return out

    value, patch = ("<f4" if flags & 1 else "<f2"), ("<u2" if flags & 2 else "u1")
    slot, active = take("<u2", c), take(patch, c)
    peak, where = iter(take(value, int((active > 0).sum()))), None
    where = iter(take(patch, int((active > 0).sum())))
    mean, over = iter(take("<f4", m)), iter(take(patch, m))
    places = list(take("<u2", k)) if flags & 4 else list(range(k))
    cls = dict(zip(places, take(value, k)))
    prompts = [take(t, c) for t in ("<f4", "<f4", "<u2", "<u2")] if flags & 8 else [np.zeros(c)] * 4
    check(at == len(data), "posting block is too long")
    for i in range(c):
        p = dict(slot=int(slot[i]), active=int(active[i]), peak=np.float32(0), patch=0, over=0, mean=np.float32(0))
        if p["active"]:
            p["peak"], p["patch"] = np.float32(next(peak)), int(next(where))
            many = p["active"] > 1
            p["mean"] = next(mean) if many else np.float32(float(p["peak"]) / patches)
            p["over"] = int(next(over)) if many else int(p["peak"] > TAU)
        p["cls"] = np.float32(cls.get(i, 0))
        p["psum"], p["ppeak"], p["pactive"], p["pover"] = (column[i] for column in prompts)
        yield p


def index(segment, snapshots):
    path = segment.path.with_suffix(".idx")
    data = path.read_bytes()
    magic, version, size, rows, columns, prompts, n, slots, tau, length, directory, aggregates, checksum = struct.unpack_from(
        "<8s7IfQQQQ", data)
    check(magic == b"SAEDIDX\0" and version == 1 and size == 128 and length == len(data), f"{path}: header")
    check(struct.unpack_from("<Q", data, 120)[0] == xxh(data[:120]) and np.float32(tau) == TAU, f"{path}: header checksum")
    check((rows, columns, prompts, n) == (segment.rows, segment.columns, segment.prompts, segment.n), f"{path}: shapes")
    check(xxh(data[directory:directory + 8 * (n + 1)]) == checksum, f"{path}: directory")
    entries = np.frombuffer(data, "<u4", 2 * (n + 1), directory).reshape(-1, 2)
    expected = [segment.postings(slot, latents) for slot, latents in snapshots]
    columns_of = aggregate_columns(frame(data, aggregates, 4)[0], segment)
    for latent in range(n):
        raw = data[entries[latent, 0]:entries[latent + 1, 0]]
        check(not raw or xxh(raw) & 0xFFFFFFFF == entries[latent, 1], f"{path}: block of {latent}")
        found = list(block(raw, segment.patches)) if raw else []
        wanted = [image[latent] for image in expected if latent in image]
        check(found == wanted, f"{path}: latent {latent}: {found} is not {wanted}")
        compare_aggregates(columns_of, latent, wanted, segment, path)
    check(columns_of["images"] == len(snapshots), f"{path}: {columns_of['images']} images")
    return sum(len(image) for image in expected)


def aggregate_columns(payload, segment):
    out, at = {"images": struct.unpack_from("<I", payload)[0]}, 4

    def take(name, dtype):
        nonlocal at
        size = segment.n * np.dtype(dtype).itemsize
        out[name] = joined(payload[at:at + size], dtype)
        at += size

    for kind in ("class", "patch", "prompt")[:3 if segment.prompts else 2]:
        for name, dtype in (("active", "<u4"), ("over", "<u4"), ("sum", "<f8"), ("max", "<f4")):
            take(kind + name, dtype)
    take("patchImages", "<u4")
    take("anyImages", "<u4")
    check(at == len(payload), "aggregates are too long")
    return out


def compare_aggregates(found, latent, postings, segment, path):
    cls = [float(p["cls"]) for p in postings if p["cls"] > 0]
    wanted = {
        "classactive": len(cls), "classover": sum(np.float32(v) > TAU for v in cls), "classsum": sum(cls), "classmax": max(cls, default=0),
        "patchactive": sum(p["active"] for p in postings), "patchover": sum(p["over"] for p in postings),
        "patchsum": sum(float(p["mean"]) * segment.patches for p in postings), "patchmax": max((p["peak"] for p in postings), default=0),
        "patchImages": sum(p["active"] > 0 for p in postings), "anyImages": sum(p["active"] > 0 or p["cls"] > 0 for p in postings),
    }
    if segment.prompts:
        wanted |= {"promptactive": sum(p["pactive"] for p in postings), "promptover": sum(p["pover"] for p in postings),
                   "promptsum": sum(float(p["psum"]) for p in postings), "promptmax": max((p["ppeak"] for p in postings), default=0)}
    for name, value in wanted.items():
        check(abs(float(found[name][latent]) - value) <= 1e-12 * abs(value), f"{path}: latent {latent}: {name} {found[name][latent]}, {value}")


class Table:
    """A class table: totals by group, each {kind: {latent: (over, active, images, sum)}}."""

    def __init__(self, path, view):
        data = path.read_bytes()
        magic, version, size, self.n, rows, columns, prompts, flags, tau, self.seed, length, directory, checksum = struct.unpack_from(
            "<8s7IfQQQQ", data)
        check(magic == b"SAEDTAB\0" and version == 1 and size == 128 and length == len(data), f"{path}: header")
        check(struct.unpack_from("<Q", data, 120)[0] == xxh(data[:120]) and np.float32(tau) == TAU, f"{path}: header checksum")
        check((rows, columns, prompts, self.n) == view[:4] and data[80:112].hex() == view[4], f"{path}: another view's")
        check(xxh(data[directory:]) == checksum, f"{path}: directory")
        self.counts_only, kinds, at = bool(flags & 1), 3 if prompts else 2, directory

        def take(form):
            nonlocal at
            out = struct.unpack_from("<" + form, data, at)
            at += struct.calcsize("<" + form)
            return out

        labels, segments = take("II")
        blocks = [(take("QQQQQ"), [take("III") for _ in range(kinds)]) for _ in range(labels + 1)]
        self.names = [take(f"{take('I')[0]}s")[0].decode() for _ in range(labels)]
        self.slots = {}
        for _ in range(segments):
            number, count = take("QI")
            self.slots[number] = np.array(take(f"{count}i"))
        check(at == len(data), f"{path}: directory is too long")
        self.groups = [self.block(data, path, *block) for block in blocks]

    def block(self, data, path, place, lists):
        offset, counts, details, counts_sum, details_sum = place
        check(offset % 8 == 0 and xxh(data[offset:offset + counts]) == counts_sum, f"{path}: counts at {offset}")
        check(xxh(data[offset + counts:offset + counts + details]) == details_sum, f"{path}: details at {offset}")
        latent, at, out = "<u2" if self.n <= 65536 else "<u4", offset, []

        def take(dtype, count):
            nonlocal at
            column = np.frombuffer(data, dtype, count, at)
            at += column.nbytes
            return column.tolist()

        loud = [(take(latent, a), take(f"<i{width}", a)) for a, _, width in lists]
        at = offset + counts
        sums = [take("<f8", a + q) for a, q, _ in lists] if details else None
        for (a, q, width), (latents, over) in zip(lists, loud):
            if details:
                total = sums.pop(0)
                latents = latents + take(latent, q)
                active, images = take(f"<i{width}", a + q), take(f"<i{width}", a + q)
                out.append({j: (o, *rest) for j, o, *rest in zip(latents, over + [0] * q, active, images, total)})
            else:
                out.append({j: (o,) for j, o in zip(latents, over)})
        return out


def table(path, view, segments):
    """Every slot's postings go to the group that the table says it was in; the sums must be the table's."""
    found = Table(path, view)
    wanted = [[{} for _ in range(3)] for _ in range(len(found.names) + 1)]
    for number, groups in found.slots.items():
        segment, snapshots = segments[number]
        for slot, latents in snapshots:
            for group in {0, int(groups[slot])} if groups[slot] >= 0 else ():
                for j, p in segment.postings(slot, latents).items():
                    kinds = [(int(p["cls"] > TAU), int(p["cls"] > 0), float(p["cls"])),
                             (p["over"], p["active"], float(p["mean"]) * segment.patches), (p["pover"], p["pactive"], float(p["psum"]))]
                    both = int(kinds[0][1] + kinds[1][1] > 0)
                    for kind, (images, own) in enumerate(zip((both, both, 1), kinds)):
                        old = wanted[group][kind].get(j, (0, 0, 0, 0.0))
                        wanted[group][kind][j] = (old[0] + own[0], old[1] + own[1], old[2] + images, old[3] + own[2])
    entries = 0
    for group, (have, want) in enumerate(zip(found.groups, wanted)):
        for kind, (h, w) in enumerate(zip(have, want)):
            # A list has the latents that are active in its kind (over tau, where counts are all there is).
            w = {j: v for j, v in w.items() if (v[0] if found.counts_only else v[1])}
            check(set(h) >= set(w) and all(not any(h[j][:2]) for j in set(h) - set(w)), f"{path}: latents of group {group}, kind {kind}")
            for j, v in w.items():
                same = h[j][0] == v[0] if found.counts_only else h[j][:3] == v[:3] and abs(h[j][3] - v[3]) <= 1e-12 * abs(v[3])
                check(same, f"{path}: group {group}, kind {kind}, latent {j}: {h[j]} is not {v}")
            entries += len(h)
    return f"{path}: {len(found.names)} labels, {entries} entries agree"


def answers(path):
    data = path.read_bytes()
    magic, version, count = struct.unpack_from("<8sII", data)
    check(magic == b"SAEDANS\0" and version == 1 and len(data) == 64 + 16 * count, f"{path}: header")
    check(struct.unpack_from("<QQ", data, 48) == (xxh(data[64:]), xxh(data[:56])), f"{path}: checksums")
    images = [image for image, _, _ in struct.iter_unpack("<Qif", data[64:])]
    check(images == sorted(set(images)), f"{path}: order of images")
    return f"{path}: {count} answers"


def main(folder):
    folder = pathlib.Path(folder)
    header = (folder / "catalog.sqlite").read_bytes()[:100]
    check(header[68:72] == b"SAED" and struct.unpack(">I", header[60:64])[0] == 1, "catalog: not version 1 of ours")
    catalog = sqlite3.connect(f"file:{folder / 'catalog.sqlite'}?mode=ro", uri=True)
    hashes = dict(catalog.execute("SELECT id, hash FROM images"))
    recipes = dict(catalog.execute("SELECT id, recipe FROM views"))
    views = {row[0]: row[1:] for row in catalog.execute('SELECT id, "rows", columns, prompts, latents, recipe FROM views')}
    kept, without = {}, set()
    for number, view, length, sealed in catalog.execute("SELECT id, view, length, sealed FROM segments ORDER BY id").fetchall():
        segment = Segment(folder / "segments" / str(view) / f"{number}.seg", length)
        check(segment.recipe == recipes[view], f"{segment.path}: recipe")
        snapshots, dense = [], 0
        for image, slot, offset, head, size in catalog.execute(
                'SELECT image, slot, "offset", headLength, length FROM snapshots WHERE segment = ? ORDER BY slot', (number,)):
            found, latents = segment.snapshot(offset, head, size)
            check(found == hashes[image], f"{segment.path}: slot {slot} is another image")
            dense += latents is None
            snapshots.append((slot, latents))
        postings = index(segment, snapshots) if sealed and not dense else None
        kept[number] = (segment, snapshots)
        without |= {number} if dense else set()
        print(f"{segment.path}: {len(snapshots)} snapshots, {dense} dense, "
              + (f"{postings} postings and their aggregates agree" if postings is not None else "not sealed, or dense"))
    for path in sorted((folder / "tables").glob("*")):
        if path.suffix == ".ans":
            print(answers(path))
        elif path.suffix == ".tab":
            slots = Table(path, views[int(path.name.split(".")[0])]).slots
            # Made before a purge, or over activations: nothing to recompute it from.
            whole = all(number in kept and number not in without for number in slots)
            print(table(path, views[int(path.name.split(".")[0])], kept) if whole else f"{path}: not of what is there now")


if __name__ == "__main__":
    main(*sys.argv[1:])
