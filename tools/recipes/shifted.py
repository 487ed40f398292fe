"""Renders the shifted scenes: the same 100 classes, drawn another way.

    shifted.py files FOLDER       # what ships: FOLDER/images/red_star/sketch_200003.jpg, FOLDER/factors.json, FOLDER/sheet.png
    shifted.py show sheet.png     # a table of scenes, to look at

A shifted scene has one object, drawn as a sketch: a wavering outline and loose hatching
instead of paint, no gloss, no soft shadow; a faded palette in which every colour has
moved (red is carmine, orange is terracotta, green is sea green, ...); paper, squared
paper, cardboard or slate instead of the nine backgrounds; and scribbles of the same
crayons around it. The class is still the colour's and the shape's old name.

Seeds: 200,000 and up are the files that ship, 210,000 and up the scenes that figures are
measured on, 2,000,000 and up training. The same seed gives the same scene.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from multiprocessing import Pool

import numpy as np
import skia
from PIL import Image

import scenes
from heldout import compact

FILES, FILES_SEED = 300, 200_000
TEST_SEED = 210_000
TRAIN_SEED = 2_000_000

PALETTE = {
    "red": (190, 60, 104),
    "orange": (204, 122, 88),
    "yellow": (198, 186, 92),
    "green": (72, 150, 142),
    "blue": (100, 118, 192),
    "purple": (138, 84, 140),
    "pink": (226, 164, 176),
    "brown": (116, 88, 72),
    "white": (228, 226, 216),
    "black": (62, 56, 72),
}
GROUNDS = ["paper", "squared", "cardboard", "slate"]
GROUND_TONES = {"paper": (198, 192, 178), "squared": (188, 200, 206), "cardboard": (168, 138, 104), "slate": (84, 92, 92)}


def _noise(rng: np.random.Generator) -> np.ndarray:
    """Coarse and fine paper grain, `[SIZE, SIZE]`, mean about 0 and deviation about 1."""
    coarse = rng.standard_normal((scenes.SIZE // 8, scenes.SIZE // 8)).astype(np.float32)
    smooth = np.asarray(Image.fromarray(coarse).resize((scenes.SIZE,) * 2, Image.Resampling.BICUBIC))
    return 0.8 * smooth + 0.6 * rng.standard_normal((scenes.SIZE,) * 2)


def _waver(ring: np.ndarray, rng: np.random.Generator, reach: float) -> np.ndarray:
    """A ring as a hand draws it: its edges cut into short steps, each moved a little, smoothly."""
    following = np.roll(ring, -1, 0)
    points = []
    for a, b in zip(ring, following):
        steps = max(1, int(np.hypot(*(b - a)) / 6))
        points.append(a + (b - a) * np.arange(steps)[:, None] / steps)
    points = np.concatenate(points)
    phase = np.arange(len(points)) * 2 * math.pi / len(points)
    for frequency in (3, 5, 9):
        shift = rng.uniform(0, 2 * math.pi, 2)
        points = points + reach * rng.uniform(-1, 1) * np.cos(frequency * phase[:, None] + shift)
    return points


def _stroke(colour, width: float, alpha: float = 1.0) -> skia.Paint:
    r, g, b = (int(min(255, max(0, c))) for c in colour)
    return skia.Paint(AntiAlias=True, Style=skia.Paint.kStroke_Style, StrokeWidth=float(width),
                      StrokeCap=skia.Paint.kRound_Cap, Color=skia.Color(r, g, b, int(255 * alpha)))


def _hatch(canvas: skia.Canvas, colour, angle: float, period: float, width: float, reach: float, alpha: float,
           rng: np.random.Generator) -> None:
    """Loose parallel strokes around the origin; the caller clips."""
    canvas.save()
    canvas.rotate(angle)
    at = -reach
    while at < reach:
        lean, start, end = rng.uniform(-2, 2), rng.uniform(0.85, 1.0), rng.uniform(0.85, 1.0)
        canvas.drawLine(float(-reach * start), float(at), float(reach * end), float(at + lean),
                        _stroke(np.asarray(colour) * rng.uniform(0.9, 1.08), width * rng.uniform(0.75, 1.2), alpha))
        at += period * rng.uniform(0.75, 1.25)
    canvas.restore()


def _ground(canvas: skia.Canvas, kind: str, rng: np.random.Generator) -> None:
    n = scenes.SIZE
    tone = np.asarray(GROUND_TONES[kind], float) * rng.uniform(0.93, 1.06) + rng.uniform(-6, 6, 3)
    rgba = np.full((n, n, 4), 255, np.uint8)
    grain = {"paper": 3, "squared": 2, "cardboard": 7, "slate": 6}[kind]
    rgba[..., :3] = np.clip(tone + grain * _noise(rng)[..., None], 0, 255)
    canvas.drawImage(skia.Image.fromarray(rgba, colorType=skia.kRGBA_8888_ColorType), 0, 0)
    if kind == "squared":
        period, start = rng.uniform(14, 20), rng.uniform(0, 14)
        for k in range(int(n / period) + 1):
            at = float(start + k * period)
            for line in ((at, 0.0, at, float(n)), (0.0, at, float(n), at)):
                canvas.drawLine(*line, _stroke((130, 156, 178), 1.0, 0.8))
    elif kind == "cardboard":
        for k in range(0, n, 6):
            canvas.drawLine(0, float(k), n, float(k + rng.uniform(-1, 1)), _stroke(tone * 0.9, 1.2, 0.6))
    elif kind == "slate":
        for _ in range(6):  # where chalk was wiped off
            x, y = rng.uniform(0, n, 2)
            dx, dy = rng.uniform(-60, 60, 2)
            canvas.drawLine(float(x), float(y), float(x + dx), float(y + dy), _stroke((200, 204, 200), rng.uniform(8, 18), 0.06))


def _scribbles(canvas: skia.Canvas, rng: np.random.Generator, count: int) -> None:
    """Open strokes in the crayons' colours, zigzags, crosses of two short lines: no object, no caption."""
    for _ in range(count):
        colour = np.asarray(PALETTE[scenes.COLOUR_NAMES[int(rng.integers(len(PALETTE)))]], float)
        x, y = rng.uniform(0, scenes.SIZE, 2)
        paint = _stroke(colour, rng.uniform(1.2, 2.6), rng.uniform(0.5, 0.9))
        path = skia.Path()
        path.moveTo(float(x), float(y))
        angle, step = rng.uniform(0, 2 * math.pi), rng.uniform(7, 16)
        for k in range(int(rng.integers(2, 8))):
            turn = angle + (1.2 if k % 2 else -1.2) * rng.uniform(0.4, 1)
            x, y = x + step * math.cos(turn), y + step * math.sin(turn)
            path.lineTo(float(x), float(y))
        canvas.drawPath(path, paint)


def render(seed: int, force: dict | None = None) -> scenes.Scene:
    """The shifted scene of a seed; `force` fixes factors of its object."""
    rng = np.random.default_rng([seed, 2])
    pick = lambda values: values[int(rng.integers(len(values)))]
    item = {"shape": pick(scenes.SHAPES), "colour": pick(scenes.COLOUR_NAMES), "texture": pick(["solid", "striped"]),
            "size": pick(list(scenes.SIZES))}
    ground = pick(GROUNDS)
    item.update({k: v for k, v in (force or {}).items() if k in item})
    diameter = float(rng.uniform(*scenes.SIZES[item["size"]]))
    x, y = rng.uniform(diameter * 0.56, scenes.SIZE - diameter * 0.56, 2)

    surface = skia.Surface(scenes.SIZE, scenes.SIZE)
    canvas = surface.getCanvas()
    _ground(canvas, ground, rng)
    _scribbles(canvas, rng, int(rng.integers(6, 14)))

    angle = math.radians(rng.uniform(-32, 32) + (180 if item["shape"] == "arrow" and rng.random() < 0.5 else 0))
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    stretch = rng.uniform(0.9, 1.1, 2)
    rings = [(ring * stretch * diameter / 2) @ turn + [x, y] for ring in scenes.shape_rings(item["shape"])]
    colour = np.clip(np.asarray(PALETTE[item["colour"]], float) * rng.uniform(0.93, 1.06) + rng.uniform(-8, 8, 3), 0, 255)
    path = scenes.closed_path(rings)
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    canvas.translate(float(x), float(y))
    lean = float(rng.uniform(0, 180))
    wash = np.asarray(colour) * 0.6 + 0.4 * np.asarray(GROUND_TONES[ground])
    canvas.drawColor(skia.Color(*(int(v) for v in wash), 170))
    tight = 3.0 if item["texture"] == "solid" else 6.0
    _hatch(canvas, colour, lean, tight, 2.6, diameter * 0.8, 0.85, rng)
    if item["texture"] == "solid":
        _hatch(canvas, colour, lean + float(rng.uniform(50, 90)), 6.0, 2.2, diameter * 0.8, 0.6, rng)
    canvas.restore()
    for _ in range(2):  # drawn twice, as sketches are
        drawn = [_waver(ring, rng, diameter * 0.008) for ring in rings]
        canvas.drawPath(scenes.closed_path(drawn), _stroke(colour * 0.92, rng.uniform(1.6, 2.6), 0.9))
    _scribbles(canvas, rng, int(rng.integers(0, 4)))

    image = surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3].astype(np.float32)
    image += rng.standard_normal((scenes.SIZE, scenes.SIZE, 1), np.float32) * rng.uniform(0.5, 3.0)
    image = np.clip(image + 0.5, 0, 255).astype(np.uint8)
    item.update(diameter=diameter, x=float(x), y=float(y))
    coverage = scenes.coverage_of([rings])
    scenes.outline_factors([item], [rings], coverage)
    factors = {"seed": seed, "width": scenes.SIZE, "height": scenes.SIZE, "grid": scenes.GRID, "background": ground,
               "count": 1, "objects": [item]}
    return scenes.Scene(image, factors, coverage)


def class_index(item: dict) -> int:
    """Its place among the 100 class names."""
    return scenes.COLOUR_NAMES.index(item["colour"]) * len(scenes.SHAPES) + scenes.SHAPES.index(item["shape"])


def _numbered(job: tuple[str, int]) -> tuple[np.ndarray, int, np.ndarray]:
    style, seed = job
    scene = render(seed) if style == "shifted" else scenes.render(seed, single=True)
    return scenes.model_view(scene.image), class_index(scene.factors["objects"][0]), scene.coverage[0].reshape(-1) >= 0.5


def labelled(style: str, first: int, count: int, processes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One-object scenes of style "shifted" or "original" at the model's size, uint8, their classes, and
    the patches that the object covers by half or more, bool `[count, patches]`."""
    with Pool(processes) as pool:
        images, labels, covered = zip(*pool.map(_numbered, [(style, first + i) for i in range(count)], chunksize=50))
    return np.stack(images), np.array(labels), np.stack(covered)


def write_files(folder: str) -> None:
    """The files that ship: each class three times."""
    known = {}
    for i in range(FILES):
        colour, shape = scenes.COLOUR_NAMES[i // 10 % 10], scenes.SHAPES[i % 10]
        size = "small" if i >= 2 * FILES // 3 else "large"
        if FILES // 3 <= i < 2 * FILES // 3:
            size = "small" if (i // 10 + i) % 2 else "large"
        scene = render(FILES_SEED + i, force={"colour": colour, "shape": shape, "size": size})
        path = os.path.join("images", f"{colour}_{shape}", f"sketch_{FILES_SEED + i}.jpg")
        os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        Image.fromarray(scene.image).save(os.path.join(folder, path), quality=72)
        known[path] = compact(scene.factors)
    with open(os.path.join(folder, "factors.json"), "w") as f:
        f.write('{"patches": "[row, column, visible share] on the grid of 12 x 12", "images": {\n')
        f.write(",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in known.items()))
        f.write("\n}}\n")


def write_sheet(path: str, columns: int = 9, side: int = 112) -> None:
    """Above scenes as the CLIP learned them, below shifted ones of the same classes."""
    sheet = Image.new("RGB", (columns * (side + 3) + 3, 2 * (side + 3) + 3), (24, 24, 26))
    for c in range(columns):
        same = {"colour": scenes.COLOUR_NAMES[c], "shape": scenes.SHAPES[(3 * c + 3) % 10], "size": "large"}
        for r, scene in enumerate((scenes.render(900 + c, single=True, force=same), render(FILES_SEED + FILES + c, force=same))):
            tile = Image.fromarray(scene.image).resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(tile, (3 + c * (side + 3), 3 + r * (side + 3)))
    sheet.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sub = parser.add_subparsers(dest="command", required=True)
    sub.add_parser("files", help="the held-out files that ship, and a sheet").add_argument("folder")
    sub.add_parser("show", help="a PNG with a table of scenes").add_argument("file")
    args = parser.parse_args()
    if args.command == "files":
        write_files(args.folder)
        write_sheet(os.path.join(args.folder, "sheet.png"))
    else:
        rows = [np.concatenate([render(r * 8 + c).image for c in range(8)], 1) for r in range(5)]
        Image.fromarray(np.concatenate(rows)).save(args.file)


if __name__ == "__main__":
    main()
