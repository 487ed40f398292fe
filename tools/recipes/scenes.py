"""Renders the scenes that the embedded model learns from, and tells what is in them.

A scene is a background of one kind, one to four objects, clutter in between and a
little camera noise. Every object has a shape, a colour, a texture and a size; where it
is, is known as polygons and as the share of each patch that it covers.

    scene = render(seed=7)              # a 192 x 192 RGB image and its factors
    scene.image                         # uint8 [192, 192, 3]
    scene.factors["objects"][0]         # {"shape": "star", "colour": "red", ...}
    captions(scene.factors, rng)        # "a large red striped star on a grassy field"

Invariants: the same seed gives the same scene; objects overlap by little (centres keep
their distance), so that a patch mostly belongs to one object or to none; `coverage` is
what is visible, later objects lie on top of earlier ones.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from dataclasses import dataclass
from multiprocessing import Pool

import numpy as np
import skia
from PIL import Image

SIZE = 192  # pixels of a rendered scene's side
GRID = 12  # patches a side, as the model's vision tower has them
MODEL_SIZE = 96  # pixels of a side after the model's preprocessing

SHAPES = ["circle", "square", "triangle", "star", "hexagon", "heart", "cross", "crescent", "ring", "arrow"]
COLOURS = {
    "red": (208, 32, 36),
    "orange": (246, 134, 22),
    "yellow": (246, 220, 40),
    "green": (36, 150, 56),
    "blue": (32, 78, 208),
    "purple": (124, 44, 172),
    "pink": (250, 140, 190),
    "brown": (112, 66, 34),
    "white": (244, 244, 240),
    "black": (26, 26, 28),
}
TEXTURES = ["solid", "striped", "dotted", "checkered", "speckled"]
BACKGROUNDS = {
    "plain": ["a plain background", "a plain surface"],
    "sunset": ["a sunset background", "a glowing sunset"],
    "grass": ["a grassy background", "green grass"],
    "sand": ["a sandy background", "sand"],
    "sky": ["a cloudy sky", "a sky background"],
    "water": ["rippling water", "a water background"],
    "brick": ["a brick wall", "a brick background"],
    "wood": ["a wooden background", "wooden planks"],
    "night": ["a starry night background", "a night sky"],
}
SIZES = {"small": (40, 54), "large": (70, 100)}  # diameter in pixels of the scene
COLOUR_NAMES = list(COLOURS)
BACKGROUND_NAMES = list(BACKGROUNDS)
OBJECTS_MAX = 4


@dataclass
class Scene:
    image: np.ndarray  # uint8 [SIZE, SIZE, 3]
    factors: dict
    coverage: np.ndarray  # float32 [objects, GRID, GRID], visible share of each patch


# --- shapes: closed rings of points within the unit circle ---


def _regular(n: int, phase: float = -math.pi / 2, radius: float = 1.0) -> np.ndarray:
    a = phase + np.arange(n) * 2 * math.pi / n
    return np.stack([np.cos(a), np.sin(a)], 1) * radius


def shape_rings(shape: str) -> list[np.ndarray]:
    """The outline of a shape: rings `[points, 2]` for an even-odd fill, y down."""
    if shape == "circle":
        return [_regular(64) * 0.94]
    if shape == "square":
        return [_regular(4, math.pi / 4) * 1.08]
    if shape == "triangle":
        return [_regular(3) * 1.12 + [0, 0.16]]
    if shape == "star":
        points = _regular(10)
        points[1::2] *= 0.42
        return [points * 1.12]
    if shape == "hexagon":
        return [_regular(6, 0.0) * np.array([1.06, 0.98])]
    if shape == "heart":
        t = np.linspace(0, 2 * math.pi, 64, endpoint=False)
        x = 16 * np.sin(t) ** 3
        y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
        return [np.stack([x, y - 2.0], 1) / 16.0]
    if shape == "cross":
        w, l = 0.34, 1.02
        return [np.array([[-w, -l], [w, -l], [w, -w], [l, -w], [l, w], [w, w],
                          [w, l], [-w, l], [-w, w], [-l, w], [-l, -w], [-w, -w]])]
    if shape == "crescent":
        # The outer arc of one circle and back along another, shifted to the right.
        offset, radius = 0.52, 0.84
        x = (1 - radius**2 + offset**2) / (2 * offset)
        tip = math.acos(x)
        outer = np.linspace(tip, 2 * math.pi - tip, 48)
        inner_tip = math.acos((x - offset) / radius)
        inner = np.linspace(2 * math.pi - inner_tip, inner_tip, 40)
        a = np.stack([np.cos(outer), np.sin(outer)], 1)
        b = np.stack([np.cos(inner) * radius + offset, np.sin(inner) * radius], 1)
        return [np.concatenate([a, b[1:-1]]) * 1.06 + [0.16, 0]]
    if shape == "ring":
        return [_regular(64), _regular(64) * 0.52]
    if shape == "arrow":
        return [np.array([[-1.05, -0.30], [0.05, -0.30], [0.05, -0.82], [1.08, 0.0],
                          [0.05, 0.82], [0.05, 0.30], [-1.05, 0.30]])]
    raise ValueError(f"unknown shape '{shape}'")


_RINGS = {shape: shape_rings(shape) for shape in SHAPES}


def closed_path(rings: list[np.ndarray]) -> skia.Path:
    path = skia.Path()
    path.setFillType(skia.PathFillType.kEvenOdd)
    for ring in rings:
        path.addPoly([skia.Point(float(x), float(y)) for x, y in ring], True)
    return path


# --- backgrounds: a few large tiles of each kind, made once, cropped for each scene ---

_TILE = 320
_TILES_OF_A_KIND = 10


def _noise(rng: np.random.Generator, size: int, power: float, stretch=(1.0, 1.0)) -> np.ndarray:
    """Periodic noise of spectrum `f^-power` with mean 0 and deviation 1."""
    fy = np.fft.fftfreq(size)[:, None] * stretch[0]
    fx = np.fft.rfftfreq(size)[None, :] * stretch[1]
    f = np.sqrt(fx * fx + fy * fy)
    f[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * f**-power
    spectrum[0, 0] = 0
    out = np.fft.irfft2(spectrum, (size, size))
    return out / out.std()


def _mix(a, b, t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0, 1)[..., None]
    return np.asarray(a, float) * (1 - t) + np.asarray(b, float) * t


def _tile(kind: str, rng: np.random.Generator) -> np.ndarray:
    """One background tile, uint8 `[_TILE, _TILE, 3]`."""
    n = _TILE
    y, x = np.mgrid[0:n, 0:n] / n
    if kind == "plain":
        grey = rng.uniform(120, 225)
        tint = rng.uniform(-22, 22, 3)
        img = np.ones((n, n, 3)) * (grey + tint) + _noise(rng, n, 1.0)[..., None] * 1.5
    elif kind == "sunset":
        t = y * rng.uniform(1.0, 1.4) + rng.uniform(-0.2, 0.1)
        top = np.array([84, 62, 128]) + rng.uniform(-15, 15, 3)
        low = np.array([244, 168, 120]) + rng.uniform(-15, 10, 3)
        img = _mix(top, low, t + 0.03 * _noise(rng, n, 1.8, (3.0, 0.6)))
    elif kind == "grass":
        surface = skia.Surface(n, n)
        canvas = surface.getCanvas()
        canvas.clear(skia.Color(70, 104, 52))
        paint = skia.Paint(AntiAlias=True, Style=skia.Paint.kStroke_Style, StrokeCap=skia.Paint.kRound_Cap)
        for _ in range(6500):
            px, py = rng.uniform(0, n, 2)
            length, lean = rng.uniform(7, 18), rng.uniform(-4, 4)
            shade = rng.uniform(0.6, 1.3)
            paint.setColor(skia.Color(*(int(min(255, c * shade)) for c in (84, 120, 56))))
            paint.setStrokeWidth(float(rng.uniform(0.9, 2.0)))
            canvas.drawLine(float(px), float(py), float(px + lean), float(py - length), paint)
        img = surface.toarray()[..., 2::-1].astype(float) + _noise(rng, n, 1.5)[..., None] * 5
    elif kind == "sand":
        ripple = np.sin(2 * math.pi * (y * rng.integers(9, 16) + 0.04 * _noise(rng, n, 2.0)))
        img = _mix([196, 168, 124], [226, 202, 160], 0.5 + 0.22 * ripple + 0.12 * _noise(rng, n, 0.4))
    elif kind == "sky":
        cloud = _noise(rng, n, 1.75, (1.4, 0.8))
        img = _mix([122, 168, 214], [236, 240, 244], 0.5 + 0.55 * (cloud - rng.uniform(0.1, 0.7)))
    elif kind == "water":
        wave = np.sin(2 * math.pi * (y * rng.integers(13, 20) + 0.06 * _noise(rng, n, 1.7, (1.0, 0.8))))
        img = _mix([38, 98, 118], [112, 176, 186], 0.42 + 0.34 * wave * np.abs(wave) + 0.10 * _noise(rng, n, 1.2, (2.5, 0.7)))
    elif kind == "brick":
        img = np.ones((n, n, 3)) * np.array([182, 174, 166])
        high, wide = 20, 40
        base = np.array([152, 86, 70]) + rng.uniform(-12, 12, 3)
        for row in range(n // high):
            for column in range(-1, n // wide + 1):
                x0 = column * wide + (wide // 2 if row % 2 else 0)
                brick = base * rng.uniform(0.82, 1.14)
                img[row * high + 2 : (row + 1) * high, max(0, x0 + 2) : max(0, x0 + wide)] = brick
        img += _noise(rng, n, 0.6)[..., None] * 7
    elif kind == "wood":
        grain = _noise(rng, n, 1.3, (0.12, 1.6))
        rings = np.sin(14 * math.pi * x + 2.2 * grain)
        img = _mix([150, 112, 76], [188, 150, 108], 0.5 + 0.3 * rings + 0.14 * grain)
        for k in range(4):
            at = int((k + 0.5) * n / 4 + rng.uniform(-8, 8))
            img[:, at : at + 3] *= 0.5
            img[:, at + 3 : at + n // 4] *= rng.uniform(0.9, 1.08)
    elif kind == "night":
        img = _mix([14, 18, 46], [50, 48, 96], 0.4 + 0.25 * _noise(rng, n, 1.9))
        for _ in range(420):
            py, px = rng.integers(1, n - 1, 2)
            glow = rng.uniform(90, 255) * (1 if rng.random() < 0.7 else 0.6)
            img[py, px] = np.maximum(img[py, px], glow)
            if rng.random() < 0.45:
                img[py : py + 2, px : px + 2] = np.maximum(img[py : py + 2, px : px + 2], glow * 0.85)
    else:
        raise ValueError(f"unknown background '{kind}'")
    return np.clip(img, 0, 255).astype(np.uint8)


_tiles: dict[str, list[skia.Image]] = {}


def _tiles_of(kind: str) -> list[skia.Image]:
    if kind not in _tiles:
        rng = np.random.default_rng([20, BACKGROUND_NAMES.index(kind)])
        made = []
        for _ in range(_TILES_OF_A_KIND):
            rgba = np.full((_TILE, _TILE, 4), 255, np.uint8)
            rgba[..., :3] = _tile(kind, rng)
            made.append(skia.Image.fromarray(rgba, colorType=skia.kRGBA_8888_ColorType))
        _tiles[kind] = made
    return _tiles[kind]


def _draw_background(canvas: skia.Canvas, kind: str, rng: np.random.Generator) -> None:
    image = _tiles_of(kind)[int(rng.integers(_TILES_OF_A_KIND))]
    side = rng.uniform(0.46, 0.78) * _TILE if kind != "sunset" else rng.uniform(0.85, 1.0) * _TILE
    x, y = rng.uniform(0, _TILE - side, 2)
    canvas.save()
    if rng.random() < 0.5:
        canvas.translate(SIZE, 0)
        canvas.scale(-1, 1)
    canvas.drawImageRect(
        image, skia.Rect.MakeXYWH(float(x), float(y), float(side), float(side)), skia.Rect(0, 0, SIZE, SIZE),
        skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kNone))
    canvas.restore()
    light = rng.uniform(-0.14, 0.14)
    colour = skia.Color(255, 255, 255, int(255 * light)) if light > 0 else skia.Color(0, 0, 0, int(-255 * light))
    canvas.drawColor(colour)


# --- objects ---


def _grey(colour) -> float:
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]


def _skia_colour(colour, alpha: float = 1.0) -> int:
    return skia.Color(*(int(min(255, max(0, c))) for c in colour), int(255 * alpha))


def _second_tone(colour) -> np.ndarray:
    """The tone of stripes, dots and checks: a tint of dark colours, a shade of light ones."""
    colour = np.asarray(colour, float)
    return colour * 0.52 if _grey(colour) > 165 else colour * 0.36 + 255 * 0.64 * np.array([1, 1, 0.97])


def _draw_texture(canvas: skia.Canvas, texture: str, colour, diameter: float, rng: np.random.Generator) -> None:
    """Over a clip around the origin."""
    if texture == "solid":
        return
    reach = diameter * 0.75
    tone = _second_tone(colour)
    paint = skia.Paint(AntiAlias=True, Color=_skia_colour(tone))
    canvas.save()
    if texture == "speckled":
        dark = skia.Paint(AntiAlias=True, Color=_skia_colour(np.asarray(colour) * (0.55 if _grey(colour) > 60 else 3.6)))
        for px, py, r in zip(*rng.uniform([[-reach], [-reach], [0.9]], [[reach], [reach], [2.0]], (3, int(reach * reach / 11)))):
            canvas.drawCircle(float(px), float(py), float(r), dark if rng.random() < 0.5 else paint)
        canvas.restore()
        return
    canvas.rotate(float(rng.uniform(0, 180) if texture == "striped" else rng.uniform(-25, 25)))
    period = float(rng.uniform(12, 16))
    steps = int(reach / period) + 1
    for i in range(-steps, steps + 1):
        at = i * period
        if texture == "striped":
            canvas.drawRect(skia.Rect.MakeXYWH(at, -reach, period * 0.46, 2 * reach), paint)
            continue
        for j in range(-steps, steps + 1):
            if texture == "dotted":
                shift = period / 2 if i % 2 else 0.0
                canvas.drawCircle(at * 0.9, j * period + shift, period * 0.27, paint)
            elif (i + j) % 2:
                canvas.drawRect(skia.Rect.MakeXYWH(at, j * period, period, period), paint)
    canvas.restore()


def _draw_object(canvas: skia.Canvas, item: dict, rings: list[np.ndarray], dark: bool, rng: np.random.Generator) -> None:
    x, y, diameter = item["x"], item["y"], item["diameter"]
    jitter = rng.uniform(0.93, 1.06) + rng.uniform(-0.03, 0.03, 3)
    colour = np.clip(np.asarray(COLOURS[item["colour"]], float) * jitter, 0, 255)
    path = closed_path(rings)
    drop = float(diameter * rng.uniform(0.04, 0.08))
    shadow = skia.Paint(AntiAlias=True, Color=skia.Color(0, 0, 0, int(rng.uniform(80, 130))),
                        MaskFilter=skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, float(diameter * 0.05)))
    canvas.save()
    canvas.translate(drop * 0.7, drop)
    canvas.drawPath(path, shadow)
    canvas.restore()

    canvas.drawPath(path, skia.Paint(AntiAlias=True, Color=_skia_colour(colour)))
    canvas.save()
    canvas.clipPath(path, doAntiAlias=True)
    canvas.translate(float(x), float(y))
    _draw_texture(canvas, item["texture"], colour, diameter, rng)
    r = diameter / 2
    shade = skia.GradientShader.MakeLinear(
        points=[skia.Point(-r, -r), skia.Point(r, r)],
        colors=[skia.Color(255, 255, 255, 56), skia.Color(255, 255, 255, 0), skia.Color(0, 0, 0, 58)],
        positions=[0.0, 0.45, 1.0])
    canvas.drawRect(skia.Rect(-2 * r, -2 * r, 2 * r, 2 * r), skia.Paint(Shader=shade))
    gloss = skia.GradientShader.MakeRadial(
        center=skia.Point(-0.4 * r, -0.45 * r), radius=0.6 * r,
        colors=[skia.Color(255, 255, 255, 70), skia.Color(255, 255, 255, 0)])
    canvas.drawRect(skia.Rect(-r, -r, r, r), skia.Paint(Shader=gloss))
    canvas.restore()

    # A thin rim keeps a black shape visible at night and a white one in clouds.
    rim = colour * 0.5 + 255 * 0.35 if dark and _grey(colour) < 110 else colour * 0.55
    canvas.drawPath(path, skia.Paint(AntiAlias=True, Style=skia.Paint.kStroke_Style, StrokeWidth=1.6,
                                     Color=_skia_colour(rim, 0.85)))


def _draw_clutter(canvas: skia.Canvas, rng: np.random.Generator, count: int) -> None:
    """Thin lines and small muted blobs: things that no caption speaks of."""
    for _ in range(count):
        grey = rng.uniform(50, 210)
        colour = _skia_colour(grey + rng.uniform(-30, 30, 3), float(rng.uniform(0.35, 0.8)))
        x, y = (float(v) for v in rng.uniform(0, SIZE, 2))
        if rng.random() < 0.6:
            dx, dy = (float(v) for v in rng.uniform(-55, 55, 2))
            path = skia.Path()
            path.moveTo(x, y)
            path.quadTo(x + dx * 0.5 + float(rng.uniform(-14, 14)), y + dy * 0.5 + float(rng.uniform(-14, 14)), x + dx, y + dy)
            canvas.drawPath(path, skia.Paint(AntiAlias=True, Style=skia.Paint.kStroke_Style, Color=colour,
                                             StrokeWidth=float(rng.uniform(0.8, 2.2))))
        else:
            w, h = (float(v) for v in rng.uniform(2.5, 8, 2))
            canvas.drawOval(skia.Rect.MakeXYWH(x, y, w, h), skia.Paint(AntiAlias=True, Color=colour))


# --- a scene ---


def _place(rng: np.random.Generator, diameters: list[float]) -> list[tuple[float, float]] | None:
    """Centres that keep the objects inside and apart; nothing where 60 tries fail."""
    placed: list[tuple[float, float]] = []
    for i, d in enumerate(diameters):
        for _ in range(60):
            m = d * 0.53
            x, y = rng.uniform(m, SIZE - m, 2)
            if all(math.hypot(x - px, y - py) > 0.5 * (d + diameters[j]) for j, (px, py) in enumerate(placed)):
                placed.append((float(x), float(y)))
                break
        else:
            return None
    return placed


def coverage_of(all_rings: list[list[np.ndarray]]) -> np.ndarray:
    """Visible share of each patch for each object, float32 `[objects, GRID, GRID]`."""
    side = GRID * 8
    surface = skia.Surface(side, side)
    canvas = surface.getCanvas()
    canvas.clear(skia.Color(0, 0, 0))
    canvas.scale(side / SIZE, side / SIZE)
    for i, rings in enumerate(all_rings):
        canvas.drawPath(closed_path(rings), skia.Paint(AntiAlias=False, Color=skia.Color(i + 1, 0, 0)))
    ids = surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., 0]
    hits = np.stack([ids == i + 1 for i in range(len(all_rings))])
    return hits.reshape(len(all_rings), GRID, 8, GRID, 8).mean((2, 4), dtype=np.float32)


def outline_factors(objects: list[dict], all_rings: list[list[np.ndarray]], coverage: np.ndarray) -> None:
    """Adds to each object where it is: box, polygon, patches; rounds its place."""
    for item, rings, share in zip(objects, all_rings, coverage):
        points = np.concatenate(rings)
        low, high = points.min(0), points.max(0)
        item["bbox"] = [round(float(v), 1) for v in (*low, *high)]
        item["polygon"] = [[[round(float(px), 1), round(float(py), 1)] for px, py in ring] for ring in rings]
        item["patches"] = [[int(r), int(c), round(float(share[r, c]), 2)] for r, c in np.argwhere(share > 0)]
        for key in ("x", "y", "diameter"):
            item[key] = round(item[key], 1)


def render(seed: int, single: bool | None = None, force: dict | None = None) -> Scene:
    """The scene of a seed.

    `single` asks for one object (True) or several (False); `force` fixes factors of the
    first object or the background, for balanced test sets.
    """
    rng = np.random.default_rng([seed, 1])
    force = force or {}
    one = rng.random() < 0.4 if single is None else single
    background = force.get("background") or BACKGROUND_NAMES[int(rng.integers(len(BACKGROUND_NAMES)))]
    count = 1 if one else int(rng.integers(2, OBJECTS_MAX + 1))
    objects: list[dict] = []
    for i in range(count):
        if objects and rng.random() < 0.12:
            # The same thing again, so that "two red stars" occurs.
            objects.append({k: objects[-1][k] for k in ("shape", "colour", "texture", "size")})
            continue
        item = {
            "shape": SHAPES[int(rng.integers(len(SHAPES)))],
            "colour": COLOUR_NAMES[int(rng.integers(len(COLOUR_NAMES)))],
            "texture": "solid" if rng.random() < 0.16 else TEXTURES[int(rng.integers(len(TEXTURES)))],
            "size": "large" if rng.random() < (0.5 if count < 4 else 0.3) else "small",
        }
        if i == 0:
            item.update({k: v for k, v in force.items() if k in item})
        objects.append(item)
    while True:
        diameters = [float(rng.uniform(*SIZES[o["size"]])) for o in objects]
        centres = _place(rng, diameters)
        if centres is not None:
            break
        next(o for o in objects if o["size"] == "large")["size"] = "small"

    surface = skia.Surface(SIZE, SIZE)
    canvas = surface.getCanvas()
    _draw_background(canvas, background, rng)
    _draw_clutter(canvas, rng, int(rng.integers(0, 8)))
    dark = background in ("night", "water")
    all_rings = []
    for item, diameter, (x, y) in zip(objects, diameters, centres):
        item.update(diameter=diameter, x=x, y=y)
        angle = math.radians(rng.uniform(-32, 32) + (180 if item["shape"] == "arrow" and rng.random() < 0.5 else 0))
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        stretch = np.array([rng.uniform(0.93, 1.07), rng.uniform(0.93, 1.07)])
        rings = [(ring * stretch * diameter / 2) @ turn + [x, y] for ring in _RINGS[item["shape"]]]
        _draw_object(canvas, item, rings, dark, rng)
        all_rings.append(rings)
    _draw_clutter(canvas, rng, int(rng.integers(0, 3)))

    image = surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3].astype(np.float32)
    image = (image - 128) * rng.uniform(0.92, 1.08) + 128 + rng.uniform(-8, 8)
    image += rng.standard_normal((SIZE, SIZE, 1), np.float32) * rng.uniform(0.5, 5.0)
    image = np.clip(image + 0.5, 0, 255).astype(np.uint8)

    coverage = coverage_of(all_rings)
    outline_factors(objects, all_rings, coverage)
    factors = {"seed": seed, "width": SIZE, "height": SIZE, "grid": GRID, "background": background,
               "count": count, "objects": objects}
    return Scene(image, factors, coverage)


# --- captions ---

OPENINGS = ["a picture of ", "an image of ", "a bad photo of ", "a close-up photo of ", "a bright photo of ",
            "a blurry photo of ", "a cropped photo of ", "a good photo of ", "a drawing of ", "a rendering of ",
            "art of ", "there is ", "this is ", "a scene with ", "look at "]
NUMBERS = ["zero", "one", "two", "three", "four"]


def plural(shape: str) -> str:
    return shape + ("es" if shape == "cross" else "s")


def article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def describe(item: dict, rng: np.random.Generator, full: bool = False) -> str:
    """An object without its article: "large red striped circle", parts left out at random."""
    words = []
    if full or rng.random() < 0.45:
        words.append(item["size"])
    colour_texture = [item["colour"]]
    if full or rng.random() < 0.55:
        colour_texture.insert(int(rng.integers(0, 2)), item["texture"])
    return " ".join(words + colour_texture + [item["shape"]])


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def captions(factors: dict, rng: np.random.Generator) -> str:
    """One of a scene's many captions."""
    groups: list[tuple[dict, int]] = []
    for item in factors["objects"]:
        same = next((i for i, (g, _) in enumerate(groups)
                     if all(g[k] == item[k] for k in ("shape", "colour", "texture"))), None)
        if same is None:
            groups.append((item, 1))
        else:
            groups[same] = (groups[same][0], groups[same][1] + 1)
    order = rng.permutation(len(groups))
    parts = []
    for i in order:
        item, n = groups[i]
        words = describe(item, rng)
        if n > 1:
            words = words.replace("small ", "").replace("large ", "")
            parts.append(f"{NUMBERS[n]} {words[: -len(item['shape'])]}{plural(item['shape'])}")
        else:
            parts.append(article(words))
    text = _listed(parts)
    if factors["count"] > 1 and rng.random() < 0.25:
        text = f"{NUMBERS[factors['count']]} objects: {text}"
    if rng.random() < 0.5:
        kinds = BACKGROUNDS[factors["background"]]
        text += (" on " if rng.random() < 0.6 else " in front of ") + kinds[int(rng.integers(len(kinds)))]
    start = rng.random()
    if start < 0.35:
        text = "a photo of " + text
    elif start < 0.6:
        text = OPENINGS[int(rng.integers(len(OPENINGS)))] + text
    return text + ("." if rng.random() < 0.4 else "")


PAIR_TEMPLATES = ["a photo of {a}.", "a photo of {a}", "{a}", "{n}", "a picture of {a}.", "an image of {a}.", "there is {a} here.", "a photo of the {n}.",
                  "a close-up photo of {a}.", "a rendering of {a}."]

ATTRIBUTE_TEMPLATES = {
    "shape": ["{a}", "a photo of {a}.", "{n}", "the shape of {a}", "something shaped like {a}"],
    "colour": ["{n}", "something {n}", "a {n} thing", "the colour {n}", "a photo of something {n}."],
    "texture": ["{n}", "something {n}", "a {n} texture", "a {n} thing", "a photo of something {n}."],
}


# --- data sets ---


def model_view(image: np.ndarray) -> np.ndarray:
    """The scene as the model sees it: CLIP's bicubic resize to `MODEL_SIZE`."""
    return np.asarray(Image.fromarray(image).resize((MODEL_SIZE, MODEL_SIZE), Image.Resampling.BICUBIC))


def _render_block(job: tuple[int, int]) -> dict[str, np.ndarray]:
    first, count = job
    out = {
        "images": np.zeros((count, MODEL_SIZE, MODEL_SIZE, 3), np.uint8),
        "factors": np.full((count, OBJECTS_MAX, 4), -1, np.int8),  # shape, colour, texture, size
        "background": np.zeros(count, np.int8),
        "coverage": np.zeros((count, OBJECTS_MAX, GRID, GRID), np.uint8),  # of 64
    }
    for i in range(count):
        scene = render(first + i)
        out["images"][i] = model_view(scene.image)
        out["background"][i] = BACKGROUND_NAMES.index(scene.factors["background"])
        out["coverage"][i, : len(scene.coverage)] = np.rint(scene.coverage * 64)
        for j, item in enumerate(scene.factors["objects"]):
            out["factors"][i, j] = (SHAPES.index(item["shape"]), COLOUR_NAMES.index(item["colour"]),
                                    TEXTURES.index(item["texture"]), list(SIZES).index(item["size"]))
    return out


def build(folder: str, first: int, count: int, processes: int = 2, block: int = 500) -> None:
    """Renders the scenes of seeds `first ..< first + count` into `folder` as .npy files."""
    os.makedirs(folder, exist_ok=True)
    jobs = [(first + start, min(block, count - start)) for start in range(0, count, block)]
    files: dict[str, np.memmap] = {}
    at = 0
    with Pool(processes) as pool:
        for part in pool.imap(_render_block, jobs):
            for name, values in part.items():
                if name not in files:
                    files[name] = np.lib.format.open_memmap(
                        os.path.join(folder, name + ".npy"), "w+", values.dtype, (count, *values.shape[1:]))
                files[name][at : at + len(values)] = values
            at += len(part["background"])
    for values in files.values():
        values.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sub = parser.add_subparsers(dest="command", required=True)
    dataset = sub.add_parser("dataset", help="a training set as .npy files at the model's size")
    dataset.add_argument("folder")
    dataset.add_argument("--first-seed", type=int, default=1_000_000)
    dataset.add_argument("--count", type=int, default=100_000)
    show = sub.add_parser("show", help="a PNG with a table of scenes, to look at")
    show.add_argument("file")
    show.add_argument("--first-seed", type=int, default=0)
    args = parser.parse_args()
    if args.command == "dataset":
        build(args.folder, args.first_seed, args.count)
    else:
        rows = [np.concatenate([render(args.first_seed + r * 6 + c).image for c in range(6)], 1) for r in range(5)]
        Image.fromarray(np.concatenate(rows)).save(args.file)
        rng = np.random.default_rng(0)
        for k in range(30):
            print(k, captions(render(args.first_seed + k).factors, rng))


if __name__ == "__main__":
    main()
