#!/usr/bin/env python3
"""Reads a saed store (../STORE.md) without saed, also while a daemon writes to it. Needs requirements.txt.

    saed_store.py STORE                 its views and images
    saed_store.py STORE VIEW            statistics of every active latent, recomputed from the snapshots
    saed_store.py STORE VIEW IMAGE      an image's strongest latents, by token kind; IMAGE is its path or the end of it"""
import pathlib, sqlite3, struct, sys, types
import numpy, xxhash, zstandard

VERSION, TAU = 1, 0.2
COUNTED = {"active": "<u4", "over_tau": "<u4", "sum": "<f8", "max": "<f4"}  # of each latent, over the tokens of one kind
class StoreError(Exception): """What is wrong, and where."""
def checksum(data): return int.to_bytes(xxhash.xxh64_intdigest(data), 8, "little")

def layout(view):  # tokens of each kind that an image has, in their order
    return {"class": 1, "patch": view["rows"] * view["columns"], **({"prompt": view["prompts"]} if view["prompts"] else {})}

def opened(path, magic):  # a segment or an index, and its checked header
    file = open(path, "rb")
    head = file.read(128)
    if head[:8] != magic: raise StoreError(f"'{path}': begins with {head[:8]}, not with {magic}")
    if (version := int.from_bytes(head[8:12], "little")) > VERSION: raise StoreError(f"'{path}': version {version}, known is {VERSION}")
    if checksum(head[:120]) != head[120:]: raise StoreError(f"'{path}': the header's checksum is wrong")
    return file, head

class Frame:  # its payload, taken from the front field by field; the file is left where the next frame begins
    def __init__(self, file, offset, kind):
        self.where = f"'{file.name}', frame at byte {file.seek(offset)}"
        head = file.read(32)
        if checksum(head[:24]) != head[24:]: raise StoreError(f"{self.where}: the header's checksum is wrong")
        magic, found, codec, _, stored, raw, of_stored, _ = struct.unpack("<4sBBHII8s8s", head)
        if (magic, found) != (b"SFRM", kind) or codec > 1 or raw > 1 << 30: raise StoreError(f"{self.where}: no frame of kind {kind}")
        data = file.read(stored)
        if checksum(data) != of_stored: raise StoreError(f"{self.where}: the payload's checksum is wrong")
        if codec == 1: data = zstandard.ZstdDecompressor().decompress(data, max_output_size=raw)
        if len(data) != raw: raise StoreError(f"{self.where}: the payload has not the {raw} bytes it promises")
        self.rest = memoryview(data)

    def take(self, count):
        field, self.rest = self.rest[:count], self.rest[count:]
        if len(field) < count: raise StoreError(f"{self.where}: the payload ends inside a field")
        return field

    def column(self, dtype, count):  # in byte planes: all lowest bytes, then all second bytes, and so on
        size = numpy.dtype(dtype).itemsize
        return numpy.frombuffer(self.take(size * count), numpy.uint8).reshape(size, count).T.copy().view(dtype)[:, 0]

    def section(self, tokens, index, value):  # the active latents of one kind's tokens: arrays of token, latent and value
        counts = self.column("<u4", tokens).astype(int)
        gaps, values = self.column(index, counts.sum()).astype(int), self.column(value, counts.sum()).astype("<f4")
        latents = [(gaps[end - count:end] + 1).cumsum() - 1 for count, end in zip(counts, counts.cumsum())]
        return numpy.repeat(numpy.arange(tokens), counts), numpy.concatenate(latents), values

class Store:
    def __init__(self, folder):
        self.folder, catalog = pathlib.Path(folder), pathlib.Path(folder, "catalog.sqlite")
        self.catalog = sqlite3.connect(catalog.resolve().as_uri() + "?mode=ro", uri=True)
        application, version = (self.catalog.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if application != 0x53414544: raise StoreError(f"'{catalog}': not a catalog of saed's")
        if version > VERSION: raise StoreError(f"'{catalog}': version {version}, known is {VERSION}")
        self.catalog.row_factory = sqlite3.Row

    def views(self): return {view["name"]: view for view in self.catalog.execute("SELECT * FROM views WHERE active")}
    def images(self): return self.catalog.execute("SELECT * FROM images WHERE NOT absent ORDER BY id").fetchall()

    def snapshots(self, view, condition="NOT absent", values=(), dense=False):
        """In the order they were written. `latents`: arrays of token, latent and value, by token kind; of dense ones {}."""
        for row in self.catalog.execute("SELECT image, hash, path, label, segment, slot, offset FROM snapshots JOIN images ON images.id = image"
                                        f" WHERE view = ? AND {condition} ORDER BY segment, slot", (view["id"], *values)).fetchall():
            file, _ = opened(self.folder / f"segments/{view['id']}/{row['segment']}.seg", b"SAEDSEG\0")
            frame = Frame(file, row["offset"], 1)
            if frame.take(32).hex() != row["hash"]: raise StoreError(f"{frame.where}: of another image than the catalog says")
            is_dense, wide, index, more, width = struct.unpack("<4BI", frame.take(8))
            if is_dense and not dense: raise StoreError(f"{frame.where}: in the dense form; only the SAE can make its latents")
            kinds, value, depth = layout(view), "<f4" if wide else "<f2", view["activationWidth"]
            yield types.SimpleNamespace(
                **row, embedding=numpy.frombuffer(frame.take(4 * width), "<f4"),
                latents={} if is_dense else {kind: frame.section(tokens, f"<u{index}", value) for kind, tokens in kinds.items()},
                activations=Frame(file, file.tell(), 2).column("<f4", sum(kinds.values()) * depth).reshape(-1, depth) if more & 1 else None)

    def aggregates(self, view, segment):
        """What an index counted, also of absent images: as `statistics`, then images with a latent on a patch, on patch or class token."""
        file, head = opened(self.folder / f"segments/{view['id']}/{segment}.idx", b"SAEDIDX\0")
        frame, n = Frame(file, int.from_bytes(head[56:64], "little"), 4), view["latents"]
        return (int.from_bytes(frame.take(4), "little"), {kind: {name: frame.column(dtype, n) for name, dtype in COUNTED.items()}
                                                          for kind in layout(view)}, frame.column("<u4", n), frame.column("<u4", n))

def statistics(view, snapshots):
    """Images, and of each latent the counts by token kind."""
    images, n = 0, view["latents"]
    counts = {kind: {name: numpy.zeros(n, dtype) for name, dtype in COUNTED.items()} for kind in layout(view)}
    for images, snapshot in enumerate(snapshots, 1):
        for kind, (_, latents, values) in snapshot.latents.items():
            numpy.add.at(counts[kind]["active"], latents, 1)
            numpy.add.at(counts[kind]["over_tau"], latents[values > TAU], 1)
            numpy.maximum.at(counts[kind]["max"], latents, values)
            counts[kind]["sum"] += numpy.bincount(latents, values, n)
    return images, counts

def main(folder, view=None, image=None):
    views = (store := Store(folder)).views()
    if view is None:
        for each in views.values(): print("view", each["name"], each["latents"], layout(each), sep="\t")
        for each in store.images(): print("image", each["path"], each["label"] or "", sep="\t")
    elif view not in views: raise StoreError(f"no view is called '{view}'")
    elif image is None:
        images, counts = statistics(views[view], store.snapshots(views[view]))
        print(f"{images} images", *(f"{kind} {name}" for kind in counts for name in COUNTED), sep="\t")
        for latent in numpy.flatnonzero(sum(each["active"] for each in counts.values())):
            print(latent, *(f"{column[latent]:g}" for each in counts.values() for column in each.values()), sep="\t")
    else:
        found = list(store.snapshots(views[view], "substr('/' || path, -length(?)) = ?", 2 * [f"/{image}"]))
        if not found: raise StoreError(f"view '{view}' has no image that is called '{image}'")
        for snapshot in found:
            for kind, (tokens, latents, values) in snapshot.latents.items():
                for at in (-values).argsort()[:10]: print(snapshot.path, f"{kind} {tokens[at]}", latents[at], f"{values[at]:g}", sep="\t")

if __name__ == "__main__":
    try: main(*sys.argv[1:]) if 2 <= len(sys.argv) <= 4 else sys.exit(__doc__)
    except (StoreError, OSError, sqlite3.Error) as error: sys.exit(f"saed_store.py {sys.argv[1]}: {error}")
