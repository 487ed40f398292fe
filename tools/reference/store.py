"""Compares each sealed segment's postings and aggregates, and each class table, with a recomputation from its snapshots, and
checks every checksum on the way. What protocol/examples/saed_store.py reads is read by it.

    python tools/reference/store.py FOLDER        # exits 1 at the first contradiction

Written from protocol/STORE.md, not from the Swift code: where the two differ, one of them is wrong.
"""

import pathlib
import struct
import sys

import numpy as np
import xxhash

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "protocol/examples"))
import saed_store

TAU = np.float32(saed_store.TAU)


def check(condition, text):
    if not condition:
        sys.exit(f"store.py: {text}")


def xxh(data):
    return xxhash.xxh64_intdigest(data, seed=0)


class Segment:
    """`snapshots`: (slot, {(token, latent): value}), or None for the latents of the dense form."""

    def __init__(self, store, view, number, length):
        self.n, self.rows, self.columns, self.prompts = (view[name] for name in ("latents", "rows", "columns", "prompts"))
        self.patches, self.snapshots = self.rows * self.columns, []
        self.path = store.folder / f"segments/{view['id']}/{number}.seg"
        file, head = saed_store.opened(self.path, b"SAEDSEG\0")
        check(struct.unpack_from("<7I", head, 12) == (128, *(view[name] for name in (
            "latents", "rows", "columns", "prompts", "embeddingWidth", "activationWidth"))), f"{self.path}: shapes")
        check(head[40:72].hex() == view["recipe"], f"{self.path}: recipe")
        for snapshot in store.snapshots(view, "segment = ?", [number], dense=True):
            self.snapshots.append((snapshot.slot, self.entries(snapshot) if snapshot.latents else None))
        for row in store.catalog.execute("SELECT * FROM snapshots WHERE segment = ?", [number]):
            end = row["offset"] + row["headLength"]
            for kind in (1, 2)[:1 + (row["length"] > row["headLength"])]:
                saed_store.Frame(file, row["offset"] if kind == 1 else end, kind)
                check(file.tell() == (end if kind == 1 else row["offset"] + row["length"]), f"{self.path}: frames at {row['offset']}")
            check(file.tell() <= length, f"{self.path}: ends behind what is committed")

    def entries(self, snapshot):
        entries, first = {}, 0
        for kind, (tokens, latents, values) in snapshot.latents.items():
            check((values > 0).all() and (latents < self.n).all(), f"{self.path}: values of slot {snapshot.slot}")
            entries |= {(first + t, j): v for t, j, v in zip(tokens.tolist(), latents.tolist(), values)}
            first += {"class": 1, "patch": self.patches, "prompt": self.prompts}[kind]
        return entries

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


def index(segment, aggregates):
    path = segment.path.with_suffix(".idx")
    data = path.read_bytes()
    magic, version, size, rows, columns, prompts, n, slots, tau, length, directory, _, checksum = struct.unpack_from(
        "<8s7IfQQQQ", data)
    check(magic == b"SAEDIDX\0" and version == 1 and size == 128 and length == len(data), f"{path}: header")
    check(struct.unpack_from("<Q", data, 120)[0] == xxh(data[:120]) and np.float32(tau) == TAU, f"{path}: header checksum")
    check((rows, columns, prompts, n) == (segment.rows, segment.columns, segment.prompts, segment.n), f"{path}: shapes")
    check(xxh(data[directory:directory + 8 * (n + 1)]) == checksum, f"{path}: directory")
    entries = np.frombuffer(data, "<u4", 2 * (n + 1), directory).reshape(-1, 2)
    expected = [segment.postings(slot, latents) for slot, latents in segment.snapshots]
    images, counts, on_patches, anywhere = aggregates
    for latent in range(n):
        raw = data[entries[latent, 0]:entries[latent + 1, 0]]
        check(not raw or xxh(raw) & 0xFFFFFFFF == entries[latent, 1], f"{path}: block of {latent}")
        found = list(block(raw, segment.patches)) if raw else []
        wanted = [image[latent] for image in expected if latent in image]
        check(found == wanted, f"{path}: latent {latent}: {found} is not {wanted}")
        compare_aggregates(counts, latent, wanted, segment, path)
        found, wanted = (on_patches[latent], anywhere[latent]), (
            sum(p["active"] > 0 for p in wanted), sum(p["active"] > 0 or p["cls"] > 0 for p in wanted))
        check(found == wanted, f"{path}: latent {latent}: images {found}, {wanted}")
    check(images == len(segment.snapshots), f"{path}: {images} images")
    return sum(len(image) for image in expected)


def compare_aggregates(counts, latent, postings, segment, path):
    cls = [float(p["cls"]) for p in postings if p["cls"] > 0]
    wanted = {
        "class": (len(cls), sum(np.float32(v) > TAU for v in cls), sum(cls), max(cls, default=0)),
        "patch": (sum(p["active"] for p in postings), sum(p["over"] for p in postings),
                  sum(float(p["mean"]) * segment.patches for p in postings), max((p["peak"] for p in postings), default=0)),
        "prompt": (sum(p["pactive"] for p in postings), sum(p["pover"] for p in postings),
                   sum(float(p["psum"]) for p in postings), max((p["ppeak"] for p in postings), default=0)),
    }
    for kind, columns in counts.items():
        for (name, column), value in zip(columns.items(), wanted[kind]):
            check(abs(float(column[latent]) - value) <= 1e-12 * abs(value), f"{path}: latent {latent}: {kind} {name} {column[latent]}, {value}")


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
        segment = segments[number]
        for slot, latents in segment.snapshots:
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
    store = saed_store.Store(folder)
    views = {view["id"]: view for view in store.catalog.execute("SELECT * FROM views")}
    kept, without = {}, set()
    for number, view, length, sealed in store.catalog.execute("SELECT id, view, length, sealed FROM segments ORDER BY id").fetchall():
        segment = kept[number] = Segment(store, views[view], number, length)
        dense = sum(latents is None for _, latents in segment.snapshots)
        postings = index(segment, store.aggregates(views[view], number)) if sealed and not dense else None
        without |= {number} if dense else set()
        print(f"{segment.path}: {len(segment.snapshots)} snapshots, {dense} dense, "
              + (f"{postings} postings and their aggregates agree" if postings is not None else "not sealed, or dense"))
    for path in sorted((store.folder / "tables").glob("*")):
        if path.suffix == ".ans":
            print(answers(path))
        elif path.suffix == ".tab":
            view = views[int(path.name.split(".")[0])]
            view = tuple(view[name] for name in ("rows", "columns", "prompts", "latents", "recipe"))
            # Made before a purge, or over activations: nothing to recompute it from.
            whole = all(number in kept and number not in without for number in Table(path, view).slots)
            print(table(path, view, kept) if whole else f"{path}: not of what is there now")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except saed_store.StoreError as error:
        sys.exit(f"store.py: {error}")
