"""The daemon end to end at B/16 size. Started by tools/bench/daemon.

Rounds alternate: the bare hook + SAE product at batch 8 (saed-bench), then the daemon on as many JPEG files; the ratio
is of medians. Images are the photographs and scenes of models/ with bytes after their end that make each distinct.
"""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

programs, folder, count = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
ROUNDS, BATCH, DENSITY = 3, 8, "0.3"
workload = folder / "full"


def saectl(root, *arguments):
    done = subprocess.run([programs / "saectl", "--root", root, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"saectl {arguments}: {done.stderr}")
    return done.stdout


def status(root):
    return json.loads(saectl(root, "status", "--json"))


def start(root):
    log = open(root / "saed.log", "a")
    daemon = subprocess.Popen([programs / "saed", "run", "--root", root], stderr=log)
    while subprocess.run([programs / "saectl", "--root", root, "version"], capture_output=True).returncode:
        if daemon.poll() is not None:
            raise SystemExit((root / "saed.log").read_text())
        time.sleep(0.005)
    return daemon


def stop(daemon):
    daemon.terminate()
    daemon.wait()


def files(target, first, number):
    sources = sorted(pathlib.Path("models/photos").glob("*.jpg"))
    target.mkdir(parents=True, exist_ok=True)
    for n in range(first, first + number):
        source = sources[n % len(sources)]
        (target / f"{n:05}.jpg").write_bytes(source.read_bytes() + f"bench {n}".encode())


if not (workload / "vpt.safetensors").exists():
    subprocess.run([programs / "saed-bench", "prepare", workload, "full"], check=True)

root = pathlib.Path(tempfile.mkdtemp(prefix="saed-bench-", dir=folder))
try:
    # No controls: they are made while nothing else is to do, as during the bare engine's turns.
    (root / "saed.toml").write_text('[models]\nembedded = false\n[idle]\nrelease_after = "20s"\n[controls]\nimages = 0\n')
    daemon = start(root)
    at_start = status(root)["resident_bytes"]
    saectl(root, "model", "add", str(workload / "model"), "--name", "b16")
    saectl(root, "sae", "add", str(workload / f"sae-{DENSITY}"), "--model", "b16", "--name", "sae")
    stop(daemon)

    # First answer of a fresh daemon, files in the page cache: from exec to `show` of a new image.
    firsts = []
    for n in range(3):
        files(root / "first", 90_000 + n, 1)
        begin = time.perf_counter()
        daemon = start(root)
        image = root / "first" / f"{90_000 + n:05}.jpg"
        saectl(root, "add", str(image), "--wait")
        saectl(root, "show", image.name)
        firsts.append(time.perf_counter() - begin)
        stop(daemon)

    bare = subprocess.Popen(
        [programs / "saed-bench", "serve", workload, "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(line):
        bare.stdin.write(line + "\n")
        bare.stdin.flush()
        return json.loads(bare.stdout.readline())

    ask(f"sae {DENSITY}")
    ask(f"run sae {BATCH}")
    daemon = start(root)
    files(root / "warm", 80_000, BATCH)
    saectl(root, "add", str(root / "warm"), "--wait")
    bare_rates, daemon_rates = [], []
    for n in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(max(1, count // ROUNDS // BATCH)):
            ask(f"run sae {BATCH}")
        bare_rates.append(max(1, count // ROUNDS // BATCH) * BATCH / (time.perf_counter() - begin))
        number = count // ROUNDS
        files(root / f"round{n}", n * 1000, number)
        begin = time.perf_counter()
        saectl(root, "add", str(root / f"round{n}"), "--wait")
        daemon_rates.append(number / (time.perf_counter() - begin))
    # Back-fill: an adapter comes, and every image that is there gets its second snapshot; then it goes again.
    ask(f"run adapted {BATCH}")
    bare_adapted, backfills = [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(max(1, count // ROUNDS // BATCH)):
            ask(f"run adapted {BATCH}")
        bare_adapted.append((time.perf_counter() - begin) / (max(1, count // ROUNDS // BATCH) * BATCH))
        before = status(root)["store"]["snapshots"]
        begin = time.perf_counter()
        saectl(root, "adapter", "add", str(workload / "vpt.safetensors"), "--model", "b16", "--name", "vpt")
        saectl(root, "wait")
        backfills.append((time.perf_counter() - begin) / (status(root)["store"]["snapshots"] - before))
        saectl(root, "adapter", "rm", "vpt")
    after = status(root)
    weights = sum(part["bytes"] for part in after["loaded"])
    bare.stdin.close()
    bare.wait()
    time.sleep(35)  # release_after and half of it again
    rested = status(root)
    stop(daemon)
    report = {
        "images": count,
        "bare_images_per_second": statistics.median(bare_rates),
        "daemon_images_per_second": statistics.median(daemon_rates),
        "ratio": statistics.median(daemon_rates) / statistics.median(bare_rates),
        "backfill_seconds_an_image": statistics.median(backfills),
        "adapted_tower_and_sae_seconds_an_image": statistics.median(bare_adapted),
        "backfill_ratio": statistics.median(b / a for a, b in zip(bare_adapted, backfills)),
        "backfill_ratios": [b / a for a, b in zip(bare_adapted, backfills)],
        "first_answer_seconds": statistics.median(firsts),
        "weights_bytes": weights,
        "peak_bytes": after["resident_peak_bytes"],
        "peak_over_weights_bytes": after["resident_peak_bytes"] - weights,
        "start_bytes": at_start,
        "rested_bytes": rested["resident_bytes"],
        "rested_over_start_bytes": rested["resident_bytes"] - at_start,
    }
    print(json.dumps(report, indent=1))
finally:
    shutil.rmtree(root)
