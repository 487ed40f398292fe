#!/usr/bin/env python3
"""A whole client of saed's protocol (../SPEC.md). Needs protoc and the protobuf package (requirements.txt).

    saed_client.py /run/saed/saed.sock '{"show": {"image": {"text": "zebra.jpg"}, "top": 5}}'
    saed_client.py SOCKET '{"heatmap": {"image": {"text": "zebra.jpg"}, "latent": 17}}' --save png=zebra.png
    saed_client.py --vectors ../vectors
"""
import argparse, hashlib, json, pathlib, socket, struct, subprocess, sys, tempfile
from google.protobuf import json_format

here = pathlib.Path(__file__).resolve().parent
with tempfile.TemporaryDirectory() as folder:  # the messages' Python, made from the very saed.proto beside this file
    subprocess.run(["protoc", f"-I{here.parent}", f"--python_out={folder}", "saed.proto"], check=True)
    sys.path.insert(0, folder)
    import saed_pb2 as pb

KINDS = [None, "hello", "welcome", "request", "cancel", "part", "progress", "array", "end", "error", "ping", "pong"]
MOST = {"hello": 4096, "welcome": 4096, "request": 1 << 20, "cancel": 0, "end": 0, "ping": 64, "pong": 64}
SENT_TO = {"daemon": {"hello", "request", "cancel", "ping", "pong"}, "client": set(KINDS[1:]) - {"hello", "request", "cancel"}}

class FrameError(Exception):
    """args: the name of its error code, what is wrong"""

def frame(kind, request=0, payload=b""):
    return struct.pack("<4sBBHII", b"SAED", 1, KINDS.index(kind), 0, request, len(payload)) + payload

def frames(read, receiver="client"):
    """Yields (kind, request, payload) until the stream ends; read(n) gives n bytes, fewer only at the end."""
    while header := read(16):
        if header[:4] != b"SAED"[: len(header)]: raise FrameError("invalid_argument", "magic")
        if len(header) < 16: raise FrameError("invalid_argument", "ended inside a header")
        _, version, number, flags, request, length = struct.unpack("<4sBBHII", header)
        if version != 1: raise FrameError("unsupported", f"version {version}")
        if flags & 0xFF: raise FrameError("unsupported", f"flags {flags}")
        kind = KINDS[number] if number < len(KINDS) else None
        if kind is None and number < 0x80: raise FrameError("unsupported", f"kind {number}")
        if kind and kind not in SENT_TO[receiver]: raise FrameError("invalid_argument", f"a {kind} frame from the wrong side")
        if length > MOST.get(kind, 1 << 20 if receiver == "daemon" else 4 << 20): raise FrameError("too_large", f"{length} bytes")
        if kind and kind != "error" and (request == 0) != (kind in ("hello", "welcome", "ping", "pong")):
            raise FrameError("invalid_argument", f"request id {request} in a {kind} frame")
        payload = read(length) if length else b""
        if len(payload) < length: raise FrameError("invalid_argument", "ended inside a payload")
        if kind: yield kind, request, payload

def ask(path, request, save):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        hello = pb.Hello(minor=2, client="saed_client.py")
        connection.sendall(frame("hello", 0, hello.SerializeToString()) + frame("request", 1, request.SerializeToString()))
        arrays = {}
        for kind, _, payload in frames(connection.makefile("rb").read):
            if kind == "part":
                reply = pb.Reply.FromString(payload)
                if reply.HasField("array"): arrays[reply.array.number] = open(save.get(reply.array.name, "/dev/null"), "wb")
                print(json_format.MessageToJson(reply, preserving_proto_field_name=True, indent=None), flush=True)
            elif kind == "progress": print(pb.Progress.FromString(payload).what, file=sys.stderr)
            elif kind == "array": arrays[struct.unpack("<I", payload[:4])[0]].write(payload[8:])
            elif kind == "ping": connection.sendall(frame("pong", 0, payload))
            elif kind == "error": sys.exit(f"{(e := pb.Error.FromString(payload)).message}: {e.remedy}")
            elif kind == "end": return [file.close() for file in arrays.values()]
    sys.exit("the daemon ended the connection")

def check(folder):
    for vector in (vectors := json.loads((folder / "vectors.json").read_text())):
        got, error = [], None
        with open(folder / vector["file"], "rb") as stream:
            try: got.extend({"kind": k, "request": r, "sha256": hashlib.sha256(p).hexdigest()} for k, r, p in frames(stream.read, vector["receiver"]))
            except FrameError as failure: error = failure.args[0]
        expected = [{key: each[key] for key in ("kind", "request", "sha256")} for each in vector["frames"]]
        assert (got, error) == (expected, vector["error"]), f"{vector['file']}: {got}, {error}; expected {expected}, {vector['error']}"
    print(f"{len(vectors)} vectors agree")

parser = argparse.ArgumentParser()
parser.add_argument("socket", nargs="?"), parser.add_argument("request", nargs="?", default='{"status": {}}')
parser.add_argument("--save", action="append", default=[], metavar="ARRAY=FILE"), parser.add_argument("--vectors", type=pathlib.Path)
options = parser.parse_args()
if options.vectors: check(options.vectors)
elif options.socket: ask(options.socket, json_format.Parse(options.request, pb.Request()), dict(each.split("=", 1) for each in options.save))
else: parser.error("name a socket, or --vectors FOLDER")
