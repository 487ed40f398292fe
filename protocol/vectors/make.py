#!/usr/bin/env python3
"""Writes the test vectors of ../SPEC.md: one .bin a vector, and vectors.json that says what a receiver makes of it.

    pip install -r ../examples/requirements.txt
    ./make.py            # writes
    ./make.py --check    # fails where a file differs from what would be written

Frames are packed here by hand, so that the vectors depend on neither the daemon's code nor the client's.
An entry of vectors.json:
  file      the bytes of one direction of a connection, from its beginning to its end
  receiver  who reads them: "daemon" or "client"
  about     what it shows
  frames    those that are delivered: kind, request, length and sha256 of the payload; for protobuf payloads also
            message (its type) and json (proto3's JSON mapping, original field names)
  error     null, or the name of the code with which the receiver gives up after those frames
"""
import argparse, hashlib, json, pathlib, struct, subprocess, sys, tempfile

from google.protobuf import json_format

here = pathlib.Path(__file__).resolve().parent
with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["protoc", f"-I{here.parent}", f"--python_out={folder}", "saed.proto"], check=True)
    sys.path.insert(0, folder)
    import saed_pb2 as pb

HELLO, WELCOME, REQUEST, CANCEL, PART, PROGRESS, ARRAY, END, ERROR, PING, PONG = range(1, 12)
NAMES = "- hello welcome request cancel part progress array end error ping pong".split()


def pack(kind, request=0, payload=b"", magic=b"SAED", version=1, flags=0, length=None):
    length = len(payload) if length is None else length
    return magic + struct.pack("<BBHII", version, kind, flags, request, length) + payload


def chunk(number, values):
    return struct.pack("<II", number, 0) + values


class Vector:
    """Collects frames; `send` also notes what the receiver delivers, `raw` only adds bytes."""

    def __init__(self, name, receiver, about):
        self.name, self.receiver, self.about = name, receiver, about
        self.data, self.frames, self.error = b"", [], None

    def send(self, kind, request=0, message=None, payload=b"", flags=0):
        if message is not None:
            payload = message.SerializeToString(deterministic=True)
        self.data += pack(kind, request, payload, flags=flags)
        entry = {"kind": NAMES[kind], "request": request, "length": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
        if message is not None:
            entry["message"] = message.DESCRIPTOR.name
            entry["json"] = json_format.MessageToDict(message, preserving_proto_field_name=True)
        self.frames.append(entry)
        return self

    def raw(self, data):
        self.data += data
        return self

    def fails(self, error):
        self.error = error
        return self

    @property
    def entry(self):
        return {"file": self.name + ".bin", "receiver": self.receiver, "about": self.about, "frames": self.frames, "error": self.error}


hello = pb.Hello(minor=0, client="vectors")
status = pb.Request(status=pb.StatusRequest())
show = pb.Request(
    show=pb.ShowRequest(
        image=pb.ImageReference(text="zebra/1.jpg", path="/srv/saed/drop/images/zebra/1.jpg", sha256=bytes(range(32))),
        view=pb.ViewName(model="scenes", adapter="base", sae="scenes"),
        patch=pb.Patch(row=3, column=0), top=5, max_frequency=0.25))
statistics = pb.LatentStatistics(
    latent=4321, images_active=7, frequency=0.07, mean=0.5, peak=3.5,
    kinds=[
        pb.KindStatistics(kind=pb.TOKEN_KIND_CLASS, tokens=100),
        pb.KindStatistics(kind=pb.TOKEN_KIND_PATCH, tokens=19600, active=31, frequency=31 / 19600, mean=1.25, peak=3.5, over_tau=31)],
    label_entropy=0.0, labels=[pb.LabelShare(label="zèbre", share=1.0, images_active=7, images=10, tokens_above=31)])
latents = pb.Reply(latents=pb.LatentsReply(view=pb.ViewName(model="scenes", adapter="base", sae="scenes"), latents=[statistics], total=1, dictionary=4096, dead=12, images=100))


def good():
    yield Vector("hello", "daemon", "a hello alone").send(HELLO, 0, hello)
    yield (Vector("pipelined", "daemon", "hello, three requests and a cancel without waiting for anything")
           .send(HELLO, 0, hello).send(REQUEST, 1, status).send(REQUEST, 2, show)
           .send(REQUEST, 0xFFFFFFFF, pb.Request(wait=pb.WaitRequest(timeout_ms=0))).send(CANCEL, 2))
    yield (Vector("answer", "client", "welcome, progress, one part, end")
           .send(WELCOME, 0, pb.Welcome(minor=0, server="saed 0.1.0", request_bytes_max=1 << 20, requests_open_max=16))
           .send(PROGRESS, 1, pb.Progress(done=3, total=10, failed=1, what="zebra/1.jpg", items_per_second=4.5))
           .send(PART, 1, latents).send(END, 1))
    arrays = Vector("arrays", "client", "two arrays whose chunks alternate; the second grows")
    arrays.send(PART, 7, pb.Reply(array=pb.ArrayHeader(number=0, name="logits", dtype=pb.DTYPE_F32, shape=[2, 2])))
    arrays.send(PART, 7, pb.Reply(array=pb.ArrayHeader(number=1, name="indices", dtype=pb.DTYPE_I32, shape=[0], growing=True)))
    arrays.send(ARRAY, 7, payload=chunk(1, struct.pack("<2i", 5, 4095))).send(ARRAY, 7, payload=chunk(0, struct.pack("<3f", 1, -2, 0.5)))
    arrays.send(ARRAY, 7, payload=chunk(1, struct.pack("<i", 9))).send(ARRAY, 7, payload=chunk(0, struct.pack("<f", 1e-3)))
    yield arrays.send(END, 7)
    yield (Vector("interleaved", "client", "the answers of two requests, mixed")
           .send(PART, 1, pb.Reply(failures=pb.FailuresReply(total=0))).send(PART, 2, latents).send(END, 2).send(END, 1))
    yield (Vector("refused", "client", "an error ends request 3; request 4 goes on")
           .send(ERROR, 3, pb.Error(code=pb.ERROR_CODE_AMBIGUOUS, message="'1.jpg' names 2 images", remedy="name one of them", candidates=["zebra/1.jpg", "horse/1.jpg"]))
           .send(END, 4))
    yield (Vector("adaptation", "daemon", "version 1.1: an adapter, and what it changed")
           .send(HELLO, 0, pb.Hello(minor=1, client="vectors"))
           .send(REQUEST, 1, pb.Request(adapter_add=pb.AdapterAddRequest(path="/srv/model.pth.tar-5", model="scenes", name="maple", class_position="end")))
           .send(REQUEST, 2, pb.Request(adapter_change=pb.AdapterChangeRequest(name="maple", action=pb.ADAPTER_ACTION_DEACTIVATE)))
           .send(REQUEST, 3, pb.Request(compare=pb.CompareRequest(
               base=pb.ViewName(adapter="base"), adapted=pb.ViewName(adapter="maple"), label="", dataset="shifted", ks=[1, 100, 49152], as_published=True)))
           .send(REQUEST, 4, pb.Request(remap=pb.RemapRequest(base=pb.ViewName(adapter="base"), adapted=pb.ViewName(adapter="maple"), k=50, seed=0, rounds=1000)))
           .send(REQUEST, 5, pb.Request(ablate=pb.AblateRequest(label="red star", ks=[1, 0], by="class-count", error_term=True, seed=(1 << 64) - 1)))
           .send(REQUEST, 6, pb.Request(classify=pb.ClassifyRequest(image=pb.ImageReference(text="shifted"), target="shifted", top=10)))
           .send(REQUEST, 7, pb.Request(disagree=pb.DisagreeRequest(adapted=pb.ViewName(adapter="maple"), limit=50)))
           .send(REQUEST, 8, pb.Request(sae_random=pb.SaeRandomRequest(name="random", like="scenes"))))
    yield (Vector("remap", "client", "an answer in two parts that are merged, and a share that is not there")
           .send(WELCOME, 0, pb.Welcome(minor=1, server="saed 0.1.0", request_bytes_max=1 << 20, requests_open_max=16))
           .send(PROGRESS, 4, pb.Progress(done=1, total=50, what="star"))
           .send(PART, 4, pb.Reply(remap=pb.RemapReply(
               scope="data set 'shifted'", images=50, base_accuracy=0.5, adapted_accuracy=0.5, change_interval=pb.Interval(low=-0.125, high=0.125),
               classes=[pb.ClassRemap(label="star", images=25, change=0.25, moves=[pb.LatentChange(
                   latent=4095, adapted_rank=1, adapted_count=7, kinds=[pb.KindChange(kind=pb.TOKEN_KIND_CLASS, adapted_frequency=1, adapted_mean=0)])])],
               explained=[pb.ExplainedShare(group="re-assigned", accuracy_without=0.5, latents=15)])))
           .send(PART, 4, pb.Reply(remap=pb.RemapReply(classes=[pb.ClassRemap(label="square", images=25, change=-0.25)])))
           .send(END, 4))
    yield (Vector("events", "client", "events of version 1.1, and of a later one")
           .send(PART, 9, pb.Reply(event=pb.Event(kind=pb.EVENT_KIND_ADAPTER_ADDED, time_ms=1, text="maple")))
           .send(PART, 9, pb.Reply(event=pb.Event(kind=pb.EVENT_KIND_BACKFILL, time_ms=2, view=pb.ViewName(model="scenes", adapter="maple", sae="scenes"), count=400)))
           .send(PART, 9, payload=bytes([0x8A, 0x01, 0x03, 0x08, 0xE7, 0x07])).send(END, 9))
    yield (Vector("why", "daemon", "version 1.2: why, what if, in words, and pages")
           .send(HELLO, 0, pb.Hello(minor=2, client="vectors"))
           .send(REQUEST, 1, pb.Request(explain=pb.ExplainRequest(
               image=pb.ImageReference(text="star/12.jpg"), base=pb.ViewName(adapter="base"), adapted=pb.ViewName(adapter="maple"), top=10,
               class_name="red star", seed=0, picture=True)))
           .send(REQUEST, 2, pb.Request(steer=pb.SteerRequest(image=pb.ImageReference(text="star/12.jpg"), edits=[
               pb.LatentEdit(latent=4095, scale=0), pb.LatentEdit(latent=7, patch=pb.Patch(row=0, column=0), to=-2.5),
               pb.LatentEdit(class_token=True, scale=1)], error_term=True)))
           .send(REQUEST, 3, pb.Request(find=pb.FindRequest(text="une étoile 星", top=4)))
           .send(REQUEST, 4, pb.Request(name=pb.NameRequest(latent=0, words=["red", "sky blue"])))
           .send(REQUEST, 5, pb.Request(name=pb.NameRequest(view=pb.ViewName(adapter="maple"))))
           .send(REQUEST, 6, pb.Request(similar=pb.SimilarRequest(image=pb.ImageReference(text="star/12.jpg"), patch=pb.Patch(row=2, column=3), limit=10)))
           .send(REQUEST, 7, pb.Request(report=pb.ReportRequest(adapted=pb.ViewName(adapter="maple"), dataset="shifted", seed=0, no_ablation=True)))
           .send(REQUEST, 8, pb.Request(atlas=pb.AtlasRequest(images=8))))
    name = pb.LatentName(latent=7, word="ring", score=0.125, reason="no better than chance", candidates=[pb.WordScore(word="ring", score=0.125)])
    yield (Vector("explained", "client", "an explanation with a name that is unsure and one that is not there, then its picture")
           .send(WELCOME, 0, pb.Welcome(minor=2, server="saed 0.1.0", request_bytes_max=1 << 20, requests_open_max=16))
           .send(PART, 1, pb.Reply(explain=pb.ExplainReply(
               base=pb.ViewName(adapter="base"), adapted=pb.ViewName(adapter="maple"), class_name="star", against="square", base_margin=-1.25, adapted_margin=3.5,
               change=4.75, parts=[pb.ExplainedPart(part="text side", change=1), pb.ExplainedPart(part="latents", change=3.75)], latents=[
                   pb.ExplainedLatent(latent=7, contribution=-0.5, class_token=-0.5, alone=0.25, name=name),
                   pb.ExplainedLatent(latent=4095, contribution=4.25, patches=4.25, strongest=[pb.PatchContribution(patch=pb.Patch(), contribution=4.25)])],
               set_back=[pb.SetBack(what="random", latents=2, margin=3.5, answer="star", probability=0.75)],
               layout=pb.TokenLayout(rows=1, columns=3), patch_contributions=[4.25, 0, -0.25], nodes=8)))
           .send(PART, 1, pb.Reply(array=pb.ArrayHeader(number=0, name="png", dtype=pb.DTYPE_U8, shape=[4])))
           .send(ARRAY, 1, payload=chunk(0, b"\x89P")).send(ARRAY, 1, payload=chunk(0, b"NG")).send(END, 1))
    yield (Vector("names", "client", "names in two parts that are merged: the last counts stay, and one is 0 in both")
           .send(PROGRESS, 5, pb.Progress(done=1, total=2, what="latent 7"))
           .send(PART, 5, pb.Reply(name=pb.NameReply(view=pb.ViewName(model="scenes", adapter="maple", sae="scenes"), names=[name], unsure=1, words=1900)))
           .send(PART, 5, pb.Reply(name=pb.NameReply(names=[pb.LatentName(latent=8, reason="it was active nowhere")], silent=1, images=300)))
           .send(END, 5))
    yield Vector("given-up", "client", "an error for the whole connection").send(ERROR, 0, pb.Error(code=pb.ERROR_CODE_TOO_LARGE, message="a 'request' frame of 1048577 bytes; at most 1048576 are allowed"))
    yield Vector("ping", "daemon", "a ping with a payload to be echoed").send(HELLO, 0, hello).send(PING, payload=b"\x2a\x00\x00\x00")
    yield Vector("pong", "client", "its answer").send(PONG, payload=b"\x2a\x00\x00\x00")
    yield Vector("flags-ignorable", "daemon", "flag bits 8 to 15 are ignored").send(HELLO, 0, hello, flags=0x8100)
    yield (Vector("kind-skippable", "daemon", "kinds from 128 on are passed over, payload and all")
           .send(HELLO, 0, hello).raw(pack(0x80, 5, b"of a later minor version")).raw(pack(0xFF)).send(REQUEST, 1, status))
    yield Vector("unknown-field", "daemon", "a field that this version doesn't know is no error").send(
        HELLO, 0, payload=hello.SerializeToString() + bytes([0xF8, 0x07, 0x01]))
    yield Vector("empty", "daemon", "a connection without a byte")


def bad():
    opened = lambda name, about: Vector(name, "daemon", about).send(HELLO, 0, hello)
    yield Vector("bad-http", "daemon", "another protocol").raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").fails("invalid_argument")
    yield opened("bad-magic", "the second frame begins wrongly").raw(pack(REQUEST, 1, b"", magic=b"SAEE")).fails("invalid_argument")
    yield Vector("bad-version", "daemon", "frame version 2").raw(pack(HELLO, 0, hello.SerializeToString(), version=2)).fails("unsupported")
    yield opened("bad-flag", "flag bit 0 must be understood").raw(pack(REQUEST, 1, status.SerializeToString(), flags=1)).fails("unsupported")
    yield opened("bad-kind", "kind 12 is not known and can't be skipped").raw(pack(12, 1)).fails("unsupported")
    yield opened("bad-kind-zero", "kind 0").raw(pack(0)).fails("unsupported")
    yield opened("bad-side", "a client sends a part").raw(pack(PART, 1)).fails("invalid_argument")
    yield Vector("bad-side-client", "client", "a daemon sends a request").raw(pack(REQUEST, 1, status.SerializeToString())).fails("invalid_argument")
    yield opened("bad-oversize", "a request one byte too long: refused by its header, the payload isn't awaited").raw(
        pack(REQUEST, 1, length=(1 << 20) + 1)).fails("too_large")
    yield opened("bad-oversize-4gib", "the largest length").raw(pack(REQUEST, 1, length=0xFFFFFFFF)).fails("too_large")
    yield Vector("bad-oversize-hello", "daemon", "a hello of more than 4096 bytes").raw(pack(HELLO, 0, length=4097)).fails("too_large")
    yield opened("bad-oversize-skipped", "a kind to be skipped is limited too").raw(pack(0x80, 0, length=(1 << 20) + 1)).fails("too_large")
    yield Vector("bad-oversize-part", "client", "a part one byte too long").raw(pack(PART, 1, length=(4 << 20) + 1)).fails("too_large")
    yield opened("bad-cancel", "a cancel has no payload").raw(pack(CANCEL, 1, b"x")).fails("too_large")
    yield opened("bad-request-zero", "a request without an id").raw(pack(REQUEST, 0, status.SerializeToString())).fails("invalid_argument")
    yield Vector("bad-hello-id", "daemon", "a hello with a request id").raw(pack(HELLO, 1, hello.SerializeToString())).fails("invalid_argument")
    yield opened("bad-order-of-checks", "wrong in version, flags, kind and length: the version is named").raw(
        pack(99, 0, version=9, flags=0xFFFF, length=0xFFFFFFFF)).fails("unsupported")
    yield opened("bad-truncated-header", "the connection ends inside a header").raw(pack(REQUEST, 1)[:9]).fails("invalid_argument")
    yield opened("bad-truncated-payload", "the connection ends inside a payload").raw(pack(REQUEST, 1, b"\x0a", length=2)).fails("invalid_argument")
    yield Vector("bad-one-byte", "daemon", "a first byte that begins no frame").raw(b"\x00").fails("invalid_argument")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    vectors = [*good(), *bad()]
    files = {vector.name + ".bin": vector.data for vector in vectors}
    entries = [vector.entry for vector in vectors]
    files["vectors.json"] = (json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    for name, data in files.items():
        if not check:
            (here / name).write_bytes(data)
        elif not (here / name).exists() or (here / name).read_bytes() != data:
            sys.exit(f"make.py: {name} is not what would be written: run make.py")
    stale = {path.name for path in here.glob("*.bin")} - set(files)
    if stale:
        sys.exit(f"make.py: no longer made, remove: {', '.join(sorted(stale))}")
    print(f"{len(entries)} vectors")


main()
