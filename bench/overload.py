#!/usr/bin/env python3
"""Overload: what the answers that are given cost when three times as many are asked for as a node can give.

    bench/overload.py [--seconds 5] [--object-bytes 262144] [--node build/release/forebay]

The node has one core to itself and one event loop; the generator (open_load.cc: arrivals that do not wait for answers)
has another. First the capacity is looked for: the highest rate at which everything is answered 200. Then, without
shedding and with `limits.queue_delay = "1ms"`: the latencies of hits at a third of it, and at three times it. Those
count from when a request was due, and so hold what the generator came late with; `served` is the server's part alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/lab"))

from forebay_lab.node import Node, namespace  # noqa: E402
from forebay_lab.origin import HostileOrigin  # noqa: E402

CONNECTIONS = 256
#: Of what is offered; below it the node is beyond its capacity.
ANSWERED_SHARE = 0.97
#: At a rate, before it is called too high: what else runs may have been in the way.
ATTEMPTS = 2


def make_generator(directory: Path) -> Path:
    """Built here and now: it needs nothing of the node's."""
    program = directory / "open_load"
    source = ROOT / "bench/open_load.cc"
    subprocess.run(["g++", "-std=c++20", "-O2", "-o", program, source], check=True)
    return program


def offer(generator: Path, port: int, rate: float, seconds: float, path: str = "/o/x") -> dict[str, Any]:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    words = [generator, str(port), path, f"{rate:.0f}", str(seconds), str(CONNECTIONS)]
    try:
        told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    finally:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    return json.loads(told)


def start(origin: HostileOrigin, settings: dict[str, Any]) -> Node:
    limits = {"requests_per_client": 0, **settings}
    node = Node([namespace("/o", origin.url)], settings={"limits": limits, "node": {"threads": 1}})
    node.start()
    assert node.process
    subprocess.run(["taskset", "-a", "-p", "-c", "0", str(node.process.pid)], check=True, capture_output=True)
    assert node.get("/o/x").status == 200
    return node


def find_capacity(generator: Path, port: int, seconds: float, path: str = "/o/x") -> float:
    """Requests a second that are all answered; doubled until they are not, then halved in between."""
    low, high = 50.0, 100.0

    def answered(rate: float) -> bool:
        for _ in range(ATTEMPTS):
            seen = offer(generator, port, rate, seconds, path)
            if seen["ok"] >= ANSWERED_SHARE * seen["offered"] and seen["p99_us"] < 100_000:
                return True
        return False

    while answered(high):
        low, high = high, high * 2
    for _ in range(4):
        middle = (low + high) / 2
        low, high = (middle, high) if answered(middle) else (low, middle)
    return low


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--object-bytes", type=int, default=256 * 1024)
    parser.add_argument("--node", default=str(ROOT / "build/release/forebay"))
    asked = parser.parse_args()
    os.environ["FOREBAY_TEST_NODE_BINARY"] = asked.node
    with tempfile.TemporaryDirectory() as directory, HostileOrigin() as origin:
        generator = make_generator(Path(directory))
        origin.put("/x", os.urandom(asked.object_bytes), headers=(("Cache-Control", "max-age=86400"),))
        plain = start(origin, {"queue_delay": "0s"})
        capacity = find_capacity(generator, plain.port, min(asked.seconds, 2))
        print(f"capacity: {capacity:.0f} requests/s of {asked.object_bytes} bytes, one core")
        shedding = start(origin, {"queue_delay": "1ms"})
        for name, node in (("without shedding", plain), ("limits.queue_delay = 1ms", shedding)):
            calm = offer(generator, node.port, capacity / 3, asked.seconds)
            storm = offer(generator, node.port, capacity * 3, asked.seconds)
            ratios = [storm[key] / max(calm[key], 1) for key in ("p99_us", "served_p99_us")]
            print(f"{name}: a third {calm}\n{name}: three times {storm}")
            print(f"{name}: p99 ratio {ratios[0]:.1f}, as served {ratios[1]:.1f}", flush=True)
            node.close()


if __name__ == "__main__":
    main()
