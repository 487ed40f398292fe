#!/usr/bin/env python3
"""The reference for saectl's .npz writer.

    npz.py                 writes Tests/SaectlTests/Golden/arrays.npz with numpy
    npz.py --check FILE    loads an export as its users do (numpy.load, scipy CSR), checks that its keys fit together,
                           and prints one JSON object about it

pip install -r requirements-npz.txt
"""
import argparse
import json
import pathlib
import zipfile

import numpy
import scipy.sparse

golden = pathlib.Path(__file__).resolve().parents[2] / "Tests/SaectlTests/Golden/arrays.npz"


def write():
    """SaectlTests/NpzTests.swift writes the same arrays and compares entry by entry, byte by byte."""
    golden.parent.mkdir(parents=True, exist_ok=True)
    numpy.savez(
        golden,
        u8=numpy.arange(5, dtype="u1"),
        i32=numpy.array([[1, -2, 3], [4, 5, -6]], dtype="<i4"),
        i64=numpy.array([0, 2**40, -1], dtype="<i8"),
        f32=numpy.array([0.5, -1.25, 3.0e38, 1.0e-45], dtype="<f4").reshape(2, 1, 2),
        f64=numpy.array([], dtype="<f8"),
        empty=numpy.zeros((0, 7), dtype="<f4"),
        texts=numpy.array(["zebra/1.jpg", "", "zèbre", "縞馬\U0001f993"]),
    )


def check(path):
    bad = zipfile.ZipFile(path).testzip()
    assert bad is None, f"checksum of {bad}"
    f = numpy.load(path, allow_pickle=False)
    images, rows = len(f["paths"]), len(f["token_kind"])
    assert len(f["image_ids"]) == len(f["labels"]) == len(f["tokens_per_image"]) == images
    assert f["tokens_per_image"].sum() == rows and f["tokens_per_image"].dtype == "i8" and f["token_kind"].dtype == "u1"
    z = scipy.sparse.csr_matrix((f["data"], f["indices"], f["indptr"]), shape=f["shape"])
    z.check_format(full_check=True)
    assert z.shape[0] == rows and z.has_sorted_indices
    if "activations" in f:
        assert f["activations"].dtype == "f4" and f["activations"].shape[:2] == (images, rows // max(images, 1))
    if "logits" in f:
        assert f["logits"].dtype == "f4" and f["logits"].shape == (images, len(f["classes"]))
    print(json.dumps({"keys": sorted(f.files), "images": images, "rows": rows, "entries": int(z.nnz), "sum": float(z.sum(dtype="f8"))}))


parser = argparse.ArgumentParser()
parser.add_argument("--check")
options = parser.parse_args()
check(options.check) if options.check else write()
