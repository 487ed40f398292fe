"""Writes the photographs that ship beside the model, from files that PyPI packages carry.

Each is free (public domain, CC0 or CC BY) by its package's own statement; LICENSES.md
beside them says which and whose. Written as JPEG of ordinary size.
"""

from __future__ import annotations

import argparse
import os

import skimage
import sklearn
from PIL import Image

SKIMAGE = "scikit-image {}, skimage/data/{}"
SKLEARN = "scikit-learn {}, sklearn/datasets/images/{}"
CC0 = "CC0 1.0"
CC_BY = "[CC BY 2.0](https://creativecommons.org/licenses/by/2.0/)"

# name, package, file, title, author, licence
PHOTOGRAPHS = [
    ("astronaut", SKIMAGE, "astronaut.png", "Astronaut Eileen Collins", "NASA", "public domain"),
    ("cat", SKIMAGE, "chelsea.png", "Chelsea the cat", "Stéfan van der Walt", CC0),
    ("coffee", SKIMAGE, "coffee.png", "A cup of coffee, by courtesy of Pikolo Espresso Bar", "Rachel Michetti", CC0),
    ("cameraman", SKIMAGE, "camera.png", "A man with a camera", "Lav Varshney", CC0),
    ("galaxies", SKIMAGE, "hubble_deep_field.jpg", "Hubble eXtreme Deep Field", "NASA", "public domain"),
    ("rocket", SKIMAGE, "rocket.jpg", "Launch of a Falcon 9", "SpaceX", "public domain"),
    ("bricks", SKIMAGE, "brick.png", "A brick wall", "CC0Textures", CC0),
    ("temple", SKLEARN, "china.jpg", "China (6061409035)", "danielbuechele, Flickr", CC_BY),
    ("flower", SKLEARN, "flower.jpg", "Flower (6056698931)", "vultilion, Flickr", CC_BY),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    folder = parser.parse_args().folder
    os.makedirs(folder, exist_ok=True)
    rows = []
    for name, package, file, title, author, licence in PHOTOGRAPHS:
        if package is SKIMAGE:
            path, version = os.path.join(os.path.dirname(skimage.__file__), "data", file), skimage.__version__
        else:
            path, version = os.path.join(os.path.dirname(sklearn.__file__), "datasets", "images", file), sklearn.__version__
        image = Image.open(path)
        image = image.convert("L" if image.mode == "L" else "RGB")
        image.thumbnail((640, 640), Image.Resampling.LANCZOS)
        image.save(os.path.join(folder, name + ".jpg"), quality=85)
        rows.append(f"| {name}.jpg | {title} | {author} | {licence} | {package.format(version, file)} |")
    with open(os.path.join(folder, "LICENSES.md"), "w", encoding="utf-8") as f:
        f.write("# The photographs\n\nScaled to at most 640 pixels a side and saved as JPEG; otherwise unchanged. "
                "Authors and licences are those that the packages state.\n\n"
                "| file | title | author | licence | from |\n| --- | --- | --- | --- | --- |\n" + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
