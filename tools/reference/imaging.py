#!/usr/bin/env python3
"""Writes Tests/ImagingTests/Golden: small image files of every kind that saed decodes, and what Pillow and
transformers' CLIPImageProcessor make of them.

    python tools/reference/imaging.py        # needs requirements.txt, a C compiler and libjpeg's headers

imaging.json holds, for each file, the size and CRC-32 of
  rgb       Image.open(f).convert("RGB")
  oriented  ImageOps.exif_transpose(Image.open(f)).convert("RGB")
  crops     the processor's uint8 result for each configuration, from `oriented`
  tensors   the processor's pixel_values (f32, channels first)
and, of a pattern that the test makes for itself,
  resizes   Image.resize, for many shapes
  masks     the mask that PatchSAE's published code draws over a square image
and, for small files, the pixels themselves (zlib, base64), so that a failing test can say where. Files under `bad` are
those that Pillow refuses, with the error that saed answers.

Everything is seeded: the same versions write the same bytes.
"""
import base64
import io
import json
import pathlib
import struct
import subprocess
import tempfile
import zlib

import numpy as np
import PIL
import torch
import transformers
from PIL import Image, ImageOps
from transformers import CLIPImageProcessor

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent.parent / "Tests" / "ImagingTests" / "Golden"

CONFIGS = {
    "clip224": {},
    "clip336": {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}},
    "scenes96": {"size": 96, "crop_size": 96},
    "odd": {"size": {"shortest_edge": 37}, "crop_size": {"height": 31, "width": 29}},
    "exact": {"size": {"height": 50, "width": 33}, "do_center_crop": False},
    "padded": {"size": {"shortest_edge": 20}, "crop_size": {"height": 33, "width": 40}},
    "padded_one_way": {"size": {"height": 60, "width": 19}, "crop_size": {"height": 31, "width": 32}},
    "unresized": {"do_resize": False, "crop_size": {"height": 24, "width": 25}},
    "bilinear": {"size": {"shortest_edge": 64}, "crop_size": 64, "resample": 2},
    "lanczos": {"size": {"shortest_edge": 64}, "crop_size": 64, "resample": 1},
}
TENSOR_CONFIGS = {
    "clip224": {},
    "siglip": {"size": {"height": 32, "width": 32}, "do_center_crop": False, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
    "unscaled": {"size": 16, "crop_size": 16, "do_rescale": False, "image_mean": [127.5] * 3, "image_std": [60.0, 61.5, 62.25]},
    "bare": {"size": 16, "crop_size": 16, "do_normalize": False, "rescale_factor": 0.00392156862745098},
}


def scene(width, height, seed):
    """Gradients, a checkerboard, a disc with a sharp edge, and noise: `[height, width, 3]` u8."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    image = np.stack(
        [x / max(width - 1, 1) * 255, y / max(height - 1, 1) * 255, ((x // 5 + y // 4) % 2) * 180 + 30], -1)
    image += random.normal(0, 12, image.shape)
    inside = (x - 0.6 * width) ** 2 + (y - 0.4 * height) ** 2 < (0.25 * min(width, height)) ** 2
    image[inside] = [230, 40, 60]
    return np.clip(image, 0, 255).astype(np.uint8)


def pattern(width, height):
    """An image that the test makes for itself: `[height, width, 3]` u8."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return ((x * 7 + y * 13 + c * 29 + (x * y) % 251 * 3 + (x // 3 + y // 2) % 2 * 90) % 256).astype(np.uint8)


def resizes():
    """[width, height, new width, new height, filter, CRC-32] of Pillow's Image.resize, for many shapes."""
    random = np.random.default_rng(60)
    for case in range(240):
        limit = [9, 60, 300][case % 3]
        width, height, new_width, new_height = (int(n) for n in random.integers(1, limit, 4))
        if case % 8 == 0:
            new_width = width
        if case % 8 == 1:
            new_height = height
        filter_ = [3, 3, 2, 1][case // 3 % 4]
        resized = Image.fromarray(pattern(width, height)).resize((new_width, new_height), filter_)
        yield [width, height, new_width, new_height, filter_, crc(np.array(resized))]


def masks():
    """[side, grid side, seed-made values, CRC-32] of PatchSAE's published mask of a square `pattern`."""
    random = np.random.default_rng(61)
    for side, grid in [(224, 14), (96, 12), (61, 7), (300, 14), (10, 14), (336, 24)]:
        values = np.round(random.uniform(0, 4, (grid, grid)) * (random.random((grid, grid)) < 0.3), 2)
        stretched = torch.nn.functional.interpolate(torch.tensor(values, dtype=torch.float32)[None, None], (side, side))
        mask = stretched[0, 0].numpy()
        mask = (mask - mask.min()) / (mask.max() - mask.min() + 1e-10)
        image = pattern(side, side)
        darkened = (image * (30 / 255)).astype(np.uint8)
        image[mask == 0] = darkened[mask == 0]
        yield {"side": side, "grid": grid, "values": values.reshape(-1).tolist(), "crc": crc(image)}


def crc(array):
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


# ---- JPEG ------------------------------------------------------------------------------------------------------------


class JpegWriter:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.program = pathlib.Path(self.folder.name) / "imaging_jpeg"
        subprocess.run(["cc", "-O1", "-o", self.program, HERE / "imaging_jpeg.c", "-ljpeg"], check=True)

    def __call__(self, raw, space, h=1, v=1, quality=80, flags="-"):
        height, width, components = raw.shape
        arguments = [width, height, components, space, h, v, quality, flags]
        return subprocess.run(
            [self.program, *map(str, arguments)], input=raw.tobytes(), stdout=subprocess.PIPE, check=True).stdout


def with_segments(jpeg, *segments):
    """`jpeg` with APP1 segments behind its start marker."""
    packed = b"".join(b"\xff\xe1" + struct.pack(">H", len(s) + 2) + s for s in segments)
    return jpeg[:2] + packed + jpeg[2:]


def exif(orientation, order="<", kind=3, count=1, prefix=b"Exif\0\0", before=()):
    """A TIFF structure with an Orientation tag of TIFF type `kind`, behind other tags `before`."""
    formats = {1: "B3x", 3: "H2x", 4: "L", 9: "l", 8: "h2x"}
    entries = [*before, (0x0112, kind, count, struct.pack(order + formats[kind], orientation))]
    body = struct.pack(order + "H", len(entries))
    for tag, type_, n, value in entries:
        body += struct.pack(order + "HHL", tag, type_, n) + value
    magic = b"II\x2a\0" if order == "<" else b"MM\0\x2a"
    return prefix + magic + struct.pack(order + "L", 8) + body + b"\0\0\0\0"


def xmp(text):
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description ' + text + b"/></x:xmpmeta>"


XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"


def jpegs():
    write = JpegWriter()
    for name, (h, v) in {
        "444": (1, 1), "422": (2, 1), "420": (2, 2), "440": (1, 2), "411": (4, 1), "410": (4, 2), "24": (2, 4), "31": (3, 1),
    }.items():
        yield f"jpeg_{name}.jpg", write(scene(61, 47, 1), "ycc", h, v)
        yield f"jpeg_{name}_progressive.jpg", write(scene(35, 50, 2), "ycc", h, v, flags="p")
    for width, height in [(1, 1), (1, 37), (37, 1), (2, 2), (3, 3), (8, 8), (16, 16), (17, 15), (15, 17), (33, 2)]:
        yield f"jpeg_420_{width}x{height}.jpg", write(scene(width, height, width), "ycc", 2, 2)
        yield f"jpeg_422_{width}x{height}.jpg", write(scene(width, height, height), "ycc", 2, 1)
    yield "jpeg_large.jpg", write(scene(300, 200, 3), "ycc", 2, 2, 60)
    yield "jpeg_large_progressive.jpg", write(scene(200, 300, 4), "ycc", 2, 2, 60, "p")
    yield "jpeg_wide.jpg", write(scene(1500, 1, 5), "ycc", 2, 2)
    yield "jpeg_wide_three_high.jpg", write(scene(500, 3, 5), "ycc", 1, 1)
    yield "jpeg_tall.jpg", write(scene(2, 700, 6), "ycc", 2, 2)
    # Pillow 13 resizes rows before columns where many more rows than columns are lost.
    yield "jpeg_portrait.jpg", write(scene(100, 290, 6), "ycc", 2, 2)
    yield "jpeg_coarse.jpg", write(scene(61, 47, 7), "ycc", 2, 2, 1)
    yield "jpeg_fine.jpg", write(scene(40, 30, 8), "ycc", 1, 1, 100)
    yield "jpeg_restarts.jpg", write(scene(61, 47, 9), "ycc", 2, 2, flags="r")
    yield "jpeg_arithmetic.jpg", write(scene(61, 47, 10), "ycc", 2, 2, flags="a")
    yield "jpeg_arithmetic_progressive.jpg", write(scene(61, 47, 10), "ycc", 2, 2, flags="ap")
    grey = scene(61, 47, 11)[:, :, :1]
    yield "jpeg_grey.jpg", write(np.ascontiguousarray(grey), "grey")
    yield "jpeg_grey_progressive.jpg", write(np.ascontiguousarray(grey), "grey", flags="p")
    yield "jpeg_grey_sampled_2x2.jpg", write(np.ascontiguousarray(grey), "grey", 2, 2)
    yield "jpeg_rgb.jpg", write(scene(61, 47, 12), "rgb")
    yield "jpeg_rgb_unmarked.jpg", write(scene(61, 47, 12), "rgb", flags="n")
    yield "jpeg_ycc_unmarked.jpg", write(scene(61, 47, 12), "ycc", 2, 2, flags="n")
    cmyk = np.concatenate([scene(61, 47, 13), scene(61, 47, 14)[:, :, :1]], 2)
    yield "jpeg_cmyk_adobe.jpg", write(cmyk, "cmyk")
    yield "jpeg_cmyk_unmarked.jpg", write(cmyk, "cmyk", flags="n")
    yield "jpeg_ycck.jpg", write(cmyk, "ycck", 2, 2)
    yield "jpeg_ycck_progressive.jpg", write(cmyk, "ycck", 2, 1, flags="p")

    upright = write(scene(23, 14, 15), "ycc", 2, 2)
    for orientation in range(10):
        yield f"exif_{orientation}.jpg", with_segments(upright, exif(orientation))
    yield "exif_big_endian.jpg", with_segments(upright, exif(6, ">"))
    yield "exif_long.jpg", with_segments(upright, exif(8, kind=4))
    yield "exif_signed.jpg", with_segments(upright, exif(5, ">", kind=9))
    yield "exif_byte.jpg", with_segments(upright, exif(6, kind=1))
    yield "exif_array.jpg", with_segments(upright, exif(6, count=2))
    yield "exif_prefix_twice.jpg", with_segments(upright, exif(7, prefix=b"Exif\0\0Exif\0\0"))
    other = (0x0100, 4, 1, struct.pack("<L", 99))
    yield "exif_second_tag.jpg", with_segments(upright, exif(3, before=[other]))
    yield "exif_first_of_two_tags.jpg", with_segments(upright, exif(3, before=[(0x0112, 3, 1, struct.pack("<H2x", 6))]))
    whole = exif(6)
    yield "exif_in_two_segments.jpg", with_segments(upright, whole[:20], b"Exif\0\0" + whole[20:])
    yield "exif_cut_off.jpg", with_segments(upright, whole[:18])
    yield "exif_before_xmp.jpg", with_segments(upright, exif(6), XMP_PREFIX + xmp(b'tiff:Orientation="3"'))
    yield "xmp_attribute.jpg", with_segments(upright, XMP_PREFIX + xmp(b'tiff:Orientation="8"'))
    yield "xmp_element.jpg", with_segments(
        upright, XMP_PREFIX + b"<rdf:Description><tiff:Orientation>5</tiff:Orientation></rdf:Description>")
    yield "xmp_two.jpg", with_segments(
        upright, XMP_PREFIX + xmp(b'tiff:Orientation="8"'), XMP_PREFIX + xmp(b'tiff:Orientation="3"'))
    yield "jpeg_trailing_bytes.jpg", upright + b"trailing bytes \xff\xd8\xff" * 3
    yield "jpeg_two_images.jpg", upright + write(scene(9, 9, 0), "ycc")
    # A damaged scan is a warning to libjpeg: grey blocks, no error.
    damaged = bytearray(write(scene(61, 47, 1), "ycc", 2, 2))
    damaged[-200:-190] = bytes(range(10, 20))
    yield "jpeg_damaged_scan.jpg", bytes(damaged)


# ---- PNG -------------------------------------------------------------------------------------------------------------


def png_chunk(name, data):
    return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))


def png_rows(samples, depth, row_filter):
    """The filtered bytes of `[height, width, channels]` samples; `row_filter` is 0 to 4 or None for all in turn."""
    height, width, channels = samples.shape
    pixel_bytes = max(1, depth * channels // 8)
    out, above = b"", None
    for y in range(height):
        flat = samples[y].reshape(-1)
        if depth == 16:
            row = flat.astype(">u2").view(np.uint8).astype(int)
        elif depth == 8:
            row = flat.astype(int)
        else:
            bits = ((flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8).reshape(-1)
            row = np.packbits(bits).astype(int)
        up = np.zeros_like(row) if above is None else above
        left = np.concatenate([np.zeros(pixel_bytes, int), row])[: len(row)]
        corner = np.concatenate([np.zeros(pixel_bytes, int), up])[: len(row)]
        kind = y % 5 if row_filter is None else row_filter
        estimate = left + up - corner
        distances = np.abs(np.stack([estimate - left, estimate - up, estimate - corner]))
        paeth = np.choose(distances.argmin(0), [left, up, corner])
        prediction = [np.zeros_like(row), left, up, (left + up) // 2, paeth][kind]
        out += bytes([kind]) + ((row - prediction) % 256).astype(np.uint8).tobytes()
        above = row
    return out


def png(samples, depth, colour, interlaced=False, row_filter=None, before=(), after=(), pieces=1):
    height, width, _ = samples.shape
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        grids = [samples[y::dy, x::dx] for x, y, dx, dy in passes]
        data = b"".join(png_rows(g, depth, row_filter) for g in grids if g.size)
    else:
        data = png_rows(samples, depth, row_filter)
    data = zlib.compress(data, 9)
    cuts = [len(data) * i // pieces for i in range(pieces + 1)]
    header = struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, interlaced)
    chunks = [png_chunk(b"IHDR", header), *before]
    for begin, end in zip(cuts, cuts[1:]):
        chunks.append(png_chunk(b"IDAT", data[begin:end]))
        if pieces > 1:
            chunks.append(png_chunk(b"IDAT", b""))  # empty ones are allowed
    return b"\x89PNG\r\n\x1a\n" + b"".join([*chunks, *after, png_chunk(b"IEND", b"")])


def pngs():
    random = np.random.default_rng(20)
    palette = png_chunk(b"PLTE", random.integers(0, 256, 768, dtype=np.uint8).tobytes())
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    for colour, depths in {0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]}.items():
        for depth in depths:
            samples = random.integers(0, 1 << depth, (11, 13, channels[colour]))
            if colour == 0 and depth == 16:
                samples[::2] %= 400  # Pillow clamps 16-bit grey at 255: both sides of it
            before = [png_chunk(b"PLTE", palette[8:][: 3 << depth])] if colour == 3 else []
            for interlaced in [False, True]:
                name = f"png_{colour}_{depth}{'_interlaced' if interlaced else ''}.png"
                yield name, png(samples, depth, colour, interlaced, before=before)
    for row_filter in range(5):
        samples = scene(20, 12, row_filter)
        yield f"png_filter_{row_filter}.png", png(samples, 8, 2, row_filter=row_filter)
    for width, height in [(1, 1), (2, 1), (1, 5), (3, 3), (5, 1), (8, 8), (9, 9)]:
        yield f"png_interlaced_{width}x{height}.png", png(scene(width, height, 1), 8, 2, True)
        yield f"png_interlaced_bits_{width}x{height}.png", png(scene(width, height, 1)[:, :, :1] // 128, 1, 0, True)
    indices = random.integers(0, 256, (11, 13, 1))
    yield "png_palette_transparent.png", png(
        indices, 8, 3, before=[palette, png_chunk(b"tRNS", bytes(range(0, 256, 2)))])
    yield "png_palette_one_transparent.png", png(indices, 8, 3, before=[palette, png_chunk(b"tRNS", b"\xff\xff\0")])
    yield "png_palette_short.png", png(indices, 8, 3, before=[png_chunk(b"PLTE", palette[8:8 + 99])])
    yield "png_palette_ragged.png", png(indices, 8, 3, before=[png_chunk(b"PLTE", palette[8:8 + 100])])
    yield "png_palette_missing.png", png(indices, 8, 3)
    yield "png_grey_transparent.png", png(indices, 8, 0, before=[png_chunk(b"tRNS", b"\0\x20")])
    yield "png_grey_16_transparent.png", png(indices * 3, 16, 0, before=[png_chunk(b"tRNS", b"\0\x20")])
    yield "png_rgb_transparent.png", png(scene(9, 7, 1), 8, 2, before=[png_chunk(b"tRNS", b"\0\x20\0\x30\0\x40")])
    yield "png_rgb_suggested_palette.png", png(scene(9, 7, 1), 8, 2, before=[palette])
    yield "png_pieces.png", png(scene(40, 30, 2), 8, 2, pieces=7)
    yield "png_gamma_and_text.png", png(
        scene(9, 7, 1), 8, 2,
        before=[png_chunk(b"gAMA", struct.pack(">L", 45455)), png_chunk(b"tEXt", b"Comment\0a text"),
                png_chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"x" * 99))])
    yield "png_large.png", png(scene(120, 90, 3) // 8 * 8, 8, 2)
    upright = scene(13, 7, 4)
    yield "png_exif.png", png(upright, 8, 2, before=[png_chunk(b"eXIf", exif(6, prefix=b""))])
    yield "png_exif_after.png", png(upright, 8, 2, after=[png_chunk(b"eXIf", exif(8, ">", prefix=b""))])
    yield "png_xmp.png", png(
        upright, 8, 2, before=[png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(b'tiff:Orientation="7"'))])
    yield "png_xmp_compressed_after.png", png(
        upright, 8, 2,
        after=[png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp(b'tiff:Orientation="2"')))])
    dump = exif(5)
    text = f"\nexif\n{len(dump):8}\n{dump.hex()[:36]}\n{dump.hex()[36:]}\n".encode()
    yield "png_exif_hex.png", png(upright, 8, 2, before=[png_chunk(b"tEXt", b"Raw profile type exif\0" + text)])
    yield "png_exif_hex_compressed.png", png(
        upright, 8, 2, before=[png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))])
    frames = [Image.fromarray(scene(20, 15, i)) for i in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:], duration=50)
    yield "png_animated.png", buffer.getvalue()
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:], duration=50, default_image=True)
    yield "png_animated_other_default.png", buffer.getvalue()
    whole = png(upright, 8, 2)
    yield "png_no_end.png", whole[:-12]
    yield "png_no_end_nor_checksum.png", whole[:-16]
    broken = bytearray(whole)
    broken[-13] ^= 255
    yield "png_wrong_data_checksum.png", bytes(broken)


# ---- WebP ------------------------------------------------------------------------------------------------------------


def webp(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", **options)
    return buffer.getvalue()


def webps():
    for width, height in [(1, 1), (1, 19), (19, 1), (2, 2), (16, 16), (17, 15), (61, 47)]:
        image = Image.fromarray(scene(width, height, width + height))
        yield f"webp_lossy_{width}x{height}.webp", webp(image, quality=75)
        yield f"webp_lossless_{width}x{height}.webp", webp(image, lossless=True)
    image = Image.fromarray(scene(61, 47, 30))
    yield "webp_coarse.webp", webp(image, quality=1)
    yield "webp_fine.webp", webp(image, quality=100, method=6)
    yield "webp_large.webp", webp(Image.fromarray(scene(200, 150, 31)), quality=40)
    clear = image.copy()
    clear.putalpha(Image.fromarray(scene(61, 47, 32)[:, :, 2]))
    yield "webp_alpha_lossy.webp", webp(clear, quality=60)
    yield "webp_alpha_lossless.webp", webp(clear, lossless=True)
    yield "webp_alpha_exact.webp", webp(clear, lossless=True, exact=True)
    yield "webp_palette.webp", webp(image.quantize(7).convert("RGB"), lossless=True)
    yield "webp_exif.webp", webp(image.resize((13, 8)), quality=80, exif=exif(6))
    yield "webp_xmp.webp", webp(image.resize((13, 8)), quality=80, xmp=xmp(b'tiff:Orientation="4"'))
    frames = [Image.fromarray(scene(24, 18, 40 + i)) for i in range(3)]
    yield "webp_animated.webp", webp(frames[0], save_all=True, append_images=frames[1:], duration=40)
    # One frame of 10 x 8 at (4, 6) on a canvas of 24 x 18: what it leaves open is transparent black.
    frame = webp(Image.fromarray(scene(10, 8, 50)), quality=80)[12:]
    body = b"VP8X" + struct.pack("<L", 10) + b"\x02\0\0\0" + (23).to_bytes(3, "little") + (17).to_bytes(3, "little")
    body += b"ANIM" + struct.pack("<L", 6) + b"\xff\xff\xff\xff\0\0"
    place = b"".join(n.to_bytes(3, "little") for n in [2, 3, 9, 7, 40]) + b"\0"
    body += b"ANMF" + struct.pack("<L", len(place) + len(frame)) + place + frame
    yield "webp_small_frame.webp", b"RIFF" + struct.pack("<L", len(body) + 4) + b"WEBP" + body


# ---- files that must be refused --------------------------------------------------------------------------------------


def bad(good):
    """(name, bytes, the case of ImagingError)."""
    yield "empty.jpg", b"", "empty"
    yield "text.jpg", b"not an image at all\n", "unrecognized"
    yield "zeros.png", bytes(100), "unrecognized"
    gif = io.BytesIO()
    Image.new("P", (2, 2)).save(gif, "GIF")
    yield "gif_named.png", gif.getvalue(), "unrecognized"
    jpeg, progressive = good["jpeg_420.jpg"], good["jpeg_420_progressive.jpg"]
    yield "jpeg_signature_only.jpg", jpeg[:3], "truncated"
    yield "jpeg_header_cut.jpg", jpeg[:100], "truncated"
    yield "jpeg_scan_cut.jpg", jpeg[: len(jpeg) * 2 // 3], "truncated"
    yield "jpeg_progressive_cut.jpg", progressive[:-40], "truncated"
    yield "jpeg_end_marker_cut.jpg", jpeg[:-2], "truncated"
    yield "jpeg_start_for_end_marker.jpg", jpeg[:-1] + b"\xd8", "corrupt"
    two = bytearray(jpeg)
    sof = jpeg.index(b"\xff\xc0")
    two[sof + 9] = 2
    yield "jpeg_garbled_header.jpg", bytes(two), "corrupt"
    deep = bytearray(jpeg)
    deep[sof + 4] = 12
    yield "jpeg_12_bit.jpg", bytes(deep), "unsupported"
    hierarchical = bytearray(jpeg)
    hierarchical[sof + 1] = 0xC5
    yield "jpeg_hierarchical.jpg", bytes(hierarchical), "unsupported"
    huge = bytearray(jpeg)
    huge[sof + 5 : sof + 9] = b"\xff\xdc\xff\xdc"
    yield "jpeg_bomb.jpg", bytes(huge), "tooLarge"
    png_file = good["png_pieces.png"]
    yield "png_signature_only.png", png_file[:8], "truncated"
    yield "png_header_cut.png", png_file[:20], "truncated"
    yield "png_data_cut.png", png_file[: len(png_file) // 2], "truncated"
    broken = bytearray(png_file)
    broken[30] ^= 1
    yield "png_header_checksum.png", bytes(broken), "corrupt"
    text = bytearray(good["png_gamma_and_text.png"])
    text[text.index(b"Comment")] ^= 1
    yield "png_text_checksum.png", bytes(text), "corrupt"
    rotten = bytearray(good["png_large.png"])
    rotten[len(rotten) // 2 : len(rotten) // 2 + 40] = bytes(40)
    yield "png_data_damaged.png", bytes(rotten), "corrupt"
    yield "png_no_data.png", png_file[:33] + png_chunk(b"IEND", b""), "corrupt"
    header = struct.pack(">LLBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    yield "png_bomb.png", png_file[:8] + png_chunk(b"IHDR", header) + png_file[33:], "tooLarge"
    header = struct.pack(">LLBBBBB", 4, 4, 3, 2, 0, 0, 0)
    yield "png_depth_3.png", png_file[:8] + png_chunk(b"IHDR", header) + png_file[33:], "corrupt"
    header = struct.pack(">LLBBBBB", 0, 4, 8, 2, 0, 0, 0)
    yield "png_no_width.png", png_file[:8] + png_chunk(b"IHDR", header) + png_file[33:], "corrupt"
    samples = png_rows(scene(40, 30, 2), 8, 9 % 5)
    wrong = bytearray(samples)
    wrong[0] = 9
    header = png_file[8:33]
    yield "png_filter_9.png", png_file[:8] + header + png_chunk(b"IDAT", zlib.compress(bytes(wrong))), "corrupt"
    colours = png_chunk(b"PLTE", bytes(3 * 300))
    yield "png_palette_long.png", png(np.zeros((2, 2, 1), int), 8, 3, before=[colours]), "corrupt"
    lossy, lossless = good["webp_lossy_61x47.webp"], good["webp_lossless_61x47.webp"]
    yield "webp_cut.webp", lossy[: len(lossy) // 2], "truncated"
    yield "webp_lossless_cut.webp", lossless[:40], "truncated"
    yield "webp_header_only.webp", lossy[:16], "truncated"
    rotten = bytearray(lossless)
    rotten[25:60] = bytes(35)
    yield "webp_damaged.webp", bytes(rotten), "corrupt"
    canvas = bytearray(good["webp_small_frame.webp"])
    canvas[24:30] = b"\xff\xff\0\xff\xff\0"
    yield "webp_bomb.webp", bytes(canvas), "tooLarge"


# ----------------------------------------------------------------------------------------------------------------------


def described(array, full):
    height, width, _ = array.shape
    entry = {"width": width, "height": height, "crc": crc(array)}
    if full and array.size <= 2700:
        entry["pixels"] = base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()
    return entry


def processed(rgb, options):
    """The processor's uint8 image before rescaling. The channel order is told: for an image 1 or 3 pixels high
    transformers' own guess is wrong."""
    processor = CLIPImageProcessor(**{**options, "do_rescale": False, "do_normalize": False})
    values = processor(rgb, input_data_format="channels_last", data_format="channels_last", return_tensors="np")
    return values["pixel_values"][0]


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for old in GOLDEN.iterdir():
        old.unlink()
    good = {name: data for source in [jpegs, pngs, webps] for name, data in source()}
    images = {}
    for name, data in good.items():
        (GOLDEN / name).write_bytes(data)
        try:
            rgb = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
        except Exception as exception:
            raise SystemExit(f"Pillow refuses {name}: {exception!r}")
        oriented = Image.open(io.BytesIO(data))
        try:
            oriented = ImageOps.exif_transpose(oriented)
        except Exception:  # a broken EXIF record stops Pillow here; saed takes the image as it is
            oriented = Image.open(io.BytesIO(data))
        oriented = np.array(oriented.convert("RGB"))
        entry = {"rgb": described(rgb, True), "oriented": described(oriented, False), "crops": {}, "tensors": {}}
        for config, options in CONFIGS.items():
            crop = processed(oriented, options)
            assert crop.dtype == np.uint8
            entry["crops"][config] = described(crop, False)
        if name in ["jpeg_large.jpg", "png_2_8.png", "jpeg_420.jpg"]:
            for config, options in TENSOR_CONFIGS.items():
                values = CLIPImageProcessor(**options)(
                    oriented, input_data_format="channels_last", return_tensors="np")["pixel_values"][0]
                values = values.astype(np.float32)
                entry["tensors"][config] = {"shape": values.shape, "crc": crc(values)}
        images[name] = entry

    refused = {}
    for name, data, error in bad(good):
        (GOLDEN / f"bad_{name}").write_bytes(data)
        try:
            Image.open(io.BytesIO(data)).convert("RGB")
            answer = "accepted"
        except Exception as exception:
            answer = f"{type(exception).__name__}: {exception}"
        if "gif" not in name and answer == "accepted":
            raise SystemExit(f"Pillow accepts {name}")
        refused[f"bad_{name}"] = {"error": error}

    record = {
        "versions": {
            "pillow": PIL.__version__,
            "libjpeg-turbo": PIL.features.version("libjpeg_turbo"),
            "webp": PIL.features.version("webp"),
            "transformers": transformers.__version__,
        },
        "configs": CONFIGS,
        "tensor_configs": TENSOR_CONFIGS,
        "resizes": list(resizes()),
        "masks": list(masks()),
        "images": images,
        "bad": refused,
    }
    (GOLDEN / "imaging.json").write_text(json.dumps(record, indent=0, separators=(",", ":"), sort_keys=True) + "\n")
    size = sum(path.stat().st_size for path in GOLDEN.iterdir())
    print(f"{len(images)} images, {len(refused)} refused files, {size:,} bytes in {GOLDEN}")


if __name__ == "__main__":
    import PIL.features  # noqa: F401  (versions)

    main()
