"""Weights of any size from a seed, the same as Sources/Basics/SeededWeights.swift makes (see there)."""
import numpy as np

STEP = np.uint64(0x9E3779B97F4A7C15)


def fnv1a64(text: str) -> np.uint64:
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return np.uint64(value)


def mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def values(seed: int, name: str, shape, scale: float, offset: float = 0.0) -> np.ndarray:
    """f32 array of `shape`, uniform in [offset - scale, offset + scale)."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        key = fnv1a64(name) ^ (np.uint64(seed) * STEP)
        z = mix(key + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * STEP)
    u = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return (np.float32(offset) + (np.float32(2) * u - np.float32(1)) * np.float32(scale)).reshape(shape)


if __name__ == "__main__":  # the values that Tests/BasicsTests expects
    print([float(v) for v in values(7, "visual.conv1.weight", (5,), 0.25)])
