"""Measures saed beside its peers, one after the other in interleaved rounds. Started by tools/bench/compare.

Each engine is a process that loads its model once and runs one task at a time while all others wait. A round runs
every engine once; figures are medians over rounds, so that a disturbance hits all alike. The answers are compared
with PyTorch's beside the times: nobody wins by doing less.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
NAMES = {"saed": "saed", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime", "pytorch": "PyTorch"}


class Engine:
    def __init__(self, name, command, threads):
        self.name = name
        environment = os.environ | {
            "OMP_NUM_THREADS": str(threads),
            # Large freed blocks stay with malloc: PyTorch would else fault 310 MB in at every call.
            "MALLOC_TRIM_THRESHOLD_": str(8 << 30), "MALLOC_MMAP_THRESHOLD_": str(8 << 30)}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"compare: {self.name} ended at '{line}' with status {self.process.wait()}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def difference(root, engine, task, batch):
    """Relative to the reference's norm; of latents, also how many are active on one side only."""
    import numpy as np

    own, reference = (np.fromfile(root / f"answer.{name}", np.float32).astype(np.float64) for name in (engine, "pytorch"))
    if own.shape != reference.shape:
        sys.exit(f"compare: {engine} answers {task} with {own.size} values, pytorch with {reference.size}")
    result = {"relative_error": float(np.linalg.norm(own - reference) / np.linalg.norm(reference))}
    if task == "sae":
        result["active"] = int((own > 0).sum())
        result["active_on_one_side_only"] = int(((own > 0) != (reference > 0)).sum())
    return result


def measure(engines, limiter, tasks, rounds, clock, pause, root, workload):
    results = {}
    for task, batch, density in tasks:
        key = f"{task} {batch}" + (f" {density}" if density else "")
        if density:
            for engine in engines:
                engine.ask(f"sae {density}")
        times = {engine.name: [] for engine in engines}
        rates = {"peak": [], "products": []}
        operations = {"tower": workload["towerOperations"], "hook": workload["hookOperations"]}.get(
            task, workload["hookOperations"] + workload["saeOperations"])
        for round_ in range(rounds + 1):  # the first prepares and warms up, and gives the answers
            for engine in engines:
                line = f"run {task} {batch}" + (f" {root}/answer.{engine.name}" if round_ == 0 else "")
                answer = engine.ask(line)
                if round_ > 0:
                    times[engine.name].append(answer[clock])
                time.sleep(pause)  # until the last one's threads sleep
            for limit in rates:
                answer = limiter.ask(f"run {limit} {batch}")
                rates[limit].append(answer["operations"] / answer[clock])
        entry = {name: {"seconds": values, "images_per_second": batch / statistics.median(values)} for name, values in times.items()}
        if len(engines) > 1:
            for engine in engines:
                entry[engine.name] |= difference(root, engine.name, task, batch)
        entry |= limits(rates, operations)
        for engine in engines:
            (root / f"answer.{engine.name}").unlink(missing_ok=True)
        results[key] = entry
        print(key + ": " + ", ".join(f"{NAMES[n]} {v['images_per_second']:.2f}" for n, v in entry.items() if n in NAMES), file=sys.stderr)
    return results


def limits(rates, operations):
    """Images per second at the register-only peak (a limit is the best that was seen) and at oneDNN's bare products."""
    rate = {"peak": max(rates["peak"]), "products": statistics.median(rates["products"])}
    return {name: {"operations_per_second": value, "images_per_second": value / operations} for name, value in rate.items()}


def ratio(entry, peer):
    """How much faster saed is: the median over rounds of both times in the same round, so that what slows a whole
    round says nothing."""
    return statistics.median(t / o for t, o in zip(entry[peer]["seconds"], entry["saed"]["seconds"]))


def table(results, engines):
    peers = [name for name in engines if name != "saed"]
    lines = ["| images/s | saed | " + "".join(f"{NAMES[p]} | saed / it | " for p in peers) + "FMA peak | bare products | worst relative error |",
             "|---|---|" + "---|---|" * len(peers) + "---|---|---|"]
    for key, entry in results.items():
        task, batch, *density = key.split()
        title = {"tower": "full tower", "hook": "to the hook", "sae": "hook + SAE"}[task]
        title += f", {density[0]} % active" if density else ""
        own = entry["saed"]["images_per_second"]
        cells = [f"{title}, batch {batch}", f"**{own:.2f}**"]
        for peer in peers:
            cells += [f"{entry[peer]['images_per_second']:.2f}", f"{ratio(entry, peer):.2f}"]
        cells += [f"{entry[limit]['images_per_second']:.2f}" for limit in ("peak", "products")]
        cells.append(f"{entry['saed']['relative_error']:.1e}" if "relative_error" in entry["saed"] else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine():
    def grep(path, key):
        try:
            return next((l.split(":", 1)[1].strip() for l in open(path) if l.startswith(key)), "")
        except OSError:
            return ""

    flags = grep("/proc/cpuinfo", "flags").split()
    notable = [f for f in ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_bf16") if f in flags]
    return {"processor": grep("/proc/cpuinfo", "model name"), "processors": os.cpu_count(), "flags": notable,
            "memory": grep("/proc/meminfo", "MemTotal"), "kernel": platform.release(), "load_at_start": os.getloadavg()}


def main():
    parser = argparse.ArgumentParser(prog="tools/bench/compare", description=__doc__.split("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="a small model and one round: for tests, its times mean nothing")
    parser.add_argument("--peers", default="openvino,onnxruntime,pytorch", help="comma-separated, or 'none'")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tasks", default="tower,hook,sae")
    parser.add_argument("--batches", default="", help="default: the full batch and 1")
    parser.add_argument("--cpu-time", action="store_true",
                        help="processor time on one thread instead of the clock: for a machine that does other things meanwhile")
    parser.add_argument("--json", type=pathlib.Path, help="where to write all figures")
    parser.add_argument("--saed-bench", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--folder", required=True, type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = "tiny" if options.tiny else "full"
    root = options.folder / size
    if not (root / "workload.json").exists():
        root.mkdir(parents=True, exist_ok=True)
        print(f"compare: writing the {size} workload to {root}", file=sys.stderr)
        subprocess.run([options.saed_bench, "prepare", root, size], check=True)
    workload = json.loads((root / "workload.json").read_text())
    threads = 1 if options.cpu_time else options.threads
    clock = "cpu_seconds" if options.cpu_time else "seconds"
    rounds, pause = (1, 0) if options.tiny else (options.rounds, 0.1)
    peers = [] if options.peers == "none" else options.peers.split(",")
    engines = [Engine("saed", [options.saed_bench, "serve", root, str(threads)], threads)]
    engines += [Engine(p, [sys.executable, HERE / "peers.py", p, root, str(threads)], threads) for p in peers]
    limiter = Engine("limits", [options.saed_bench, "serve", root, str(threads)], threads)
    batches = [int(b) for b in options.batches.split(",")] if options.batches else [workload["batch"], 1]
    tasks = [(task, batch, density) for task in options.tasks.split(",") for density in (workload["densities"] if task == "sae" else [None])
             for batch in batches]
    start = machine()
    results = measure(engines, limiter, tasks, rounds, clock, pause, root, workload)
    memory = {engine.name: engine.ask("memory")["peak_bytes"] for engine in engines}
    for engine in engines + [limiter]:
        engine.close()
    report = {"command": "tools/bench/compare " + " ".join(a for a in sys.argv[1:] if not a.startswith(("--saed-bench", "--folder"))),
              "date": datetime.date.today().isoformat(), "machine": start, "threads": threads, "clock": clock, "workload": workload,
              "rounds": rounds, "results": results, "peak_bytes": memory}
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    print(f"`{report['command']}`, {report['date']}, {threads} threads, {clock}, median of {rounds} rounds.")
    print(f"{start['processor']}, {start['processors']} processors ({' '.join(start['flags'])}), kernel {start['kernel']}, "
          f"load at start {start['load_at_start'][0]:.1f}.\n")
    print(table(results, [engine.name for engine in engines]))
    print("\nPeak memory: " + ", ".join(f"{NAMES[name]} {size / 2**20:.0f} MiB" for name, size in memory.items()) + ".")


if __name__ == "__main__":
    main()
