#!/usr/bin/env python3
"""Pictures that Tests/SaectlTests reads, made without saed's code: PNGs by Python's zlib, sixels read by libsixel.

    pictures.py FOLDER     # FOLDER is Tests/SaectlTests/Golden/pictures

Writes NAME.png and its pixels NAME.ppm; and rgb.six.ppm, the pixels of rgb.six (which the tests write with
SAED_WRITE_GOLDEN=1) as libsixel decodes them (Debian: libsixel-bin; its PNG is turned into pixels by ImageMagick, whose own
sixel decoder makes a black picture of everything, its own sixels too, in 6.9.11)."""

import math
import os
import random
import struct
import subprocess
import sys
import zlib


def filtered(rows: list[bytes], choose) -> bytes:
    """PNG's five filters, row by row, as its specification writes them."""
    out, above = b"", bytes(len(rows[0]))
    for y, row in enumerate(rows):
        kind = choose(y)
        line = bytearray()
        for i, value in enumerate(row):
            a = row[i - 3] if i >= 3 else 0
            b = above[i]
            c = above[i - 3] if i >= 3 else 0
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line.append((value - [0, a, b, (a + b) // 2, nearest][kind]) % 256)
        out += bytes([kind]) + bytes(line)
        above = row
    return out


def write(folder: str, name: str, width: int, height: int, pixel, compressor, pieces: int = 1) -> None:
    rows = [b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height)]
    data = filtered(rows, lambda y: y % 5)
    packed = compressor.compress(data) + compressor.flush()

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    size = -(-len(packed) // pieces)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    png += chunk(b"tEXt", b"Comment\0passed over")
    png += b"".join(chunk(b"IDAT", packed[i:i + size]) for i in range(0, len(packed), size)) + chunk(b"IEND", b"")
    with open(os.path.join(folder, name + ".png"), "wb") as file:
        file.write(png)
    with open(os.path.join(folder, name + ".ppm"), "wb") as file:
        file.write(b"P6\n%d %d\n255\n" % (width, height) + b"".join(rows))


def shades(x: int, y: int) -> tuple[int, int, int]:
    """Smooth, as a heat map over a photograph is."""
    warm = math.exp(-((x - 30) ** 2 + (y - 20) ** 2) / 200)
    grey = 110 + 70 * math.sin(x / 7) * math.cos(y / 5)
    return round(grey * (1 - warm) + 255 * warm), round(grey * (1 - warm) + 90 * warm), round(grey * (1 - warm) + (x * 3 % 60) * warm)


def main() -> None:
    folder = sys.argv[1]
    noise = random.Random(3)
    write(folder, "rgb", 64, 45, shades, zlib.compressobj(9), pieces=3)
    write(folder, "stored", 9, 7, lambda x, y: (x * 20, y * 30, 255 - x * y), zlib.compressobj(0))
    write(folder, "fixed", 31, 17, lambda x, y: (x // 3 * 20, y * 9, 7), zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_FIXED))
    write(folder, "noise", 50, 40, lambda x, y: (noise.randrange(256), noise.randrange(256), noise.randrange(4)), zlib.compressobj(6))
    sixels = os.path.join(folder, "rgb.six")
    if os.path.exists(sixels):
        with open(sixels, "rb") as file:
            png = subprocess.run(["sixel2png"], stdin=file, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["convert", "png:-", "-depth", "8", "ppm:" + sixels + ".ppm"], input=png, check=True)


main()
