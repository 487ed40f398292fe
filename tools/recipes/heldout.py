"""Writes the held-out scenes that ship beside the model: JPEG files and their factors.

    FOLDER/images/red_circle/scene_0007.jpg    one object; the folder's name is the label
    FOLDER/images/scene_0211.jpg               several objects, no label
    FOLDER/factors.json                        what is in each, by its path under FOLDER

Each of the 100 colour-shape pairs occurs twice alone, once small and once large. Seeds
below 1,000 are held out: no training or validation set uses them.
"""

from __future__ import annotations

import argparse
import json
import os

from PIL import Image

import scenes

SEVERAL = 100


def compact(factors: dict) -> dict:
    """Factors with coordinates in whole pixels: the file is for people's tools, not for rendering."""
    objects = []
    for item in factors["objects"]:
        objects.append({
            **{k: item[k] for k in ("shape", "colour", "texture", "size")},
            "bbox": [round(v) for v in item["bbox"]],
            "polygon": [[[round(x), round(y)] for x, y in ring] for ring in item["polygon"]],
            "patches": item["patches"],
        })
    return {**{k: factors[k] for k in ("seed", "width", "height", "grid", "background", "count")}, "objects": objects}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    folder = parser.parse_args().folder
    known, seed = {}, 0

    def write(scene: scenes.Scene, label: str | None) -> None:
        path = os.path.join(*(["images"] + ([label] if label else []) + [f"scene_{scene.factors['seed']:04d}.jpg"]))
        os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        Image.fromarray(scene.image).save(os.path.join(folder, path), quality=88, subsampling=0)
        known[path] = compact(scene.factors)

    for size in scenes.SIZES:
        for colour in scenes.COLOUR_NAMES:
            for shape in scenes.SHAPES:
                write(scenes.render(seed, single=True, force={"size": size, "colour": colour, "shape": shape}),
                      f"{colour}_{shape}")
                seed += 1
    for _ in range(SEVERAL):
        write(scenes.render(seed, single=False), None)
        seed += 1
    with open(os.path.join(folder, "factors.json"), "w") as f:
        f.write('{"patches": "[row, column, visible share] on the grid of 12 x 12", "images": {\n')
        f.write(",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in known.items()))
        f.write("\n}}\n")


if __name__ == "__main__":
    main()
