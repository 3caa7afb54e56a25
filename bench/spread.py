#!/usr/bin/env python3
"""How evenly the cores of a node are used: the processor time of its two event loops under connections that each ask
for as much as the others.

    bench/spread.py [--rounds 7] [--seconds 2] [--node build/release/forebay]

Each round makes its connections anew, since it is at their beginning that they get their core. Told is the busier
loop's time as a multiple of the other's: the median of the rounds and the worst.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/lab"))

from forebay_lab.node import Node, namespace  # noqa: E402
from forebay_lab.origin import HostileOrigin  # noqa: E402

#: Connections, bytes of an object, requests a second; 0: as many as come. (With small objects the generator is the
#: busiest of the three threads, and the loop that shares its core would have fewer questions.)
CASES = ((2, 1 << 20, 0), (4, 1 << 20, 0), (8, 1 << 20, 0), (32, 4096, 40_000), (1000, 4096, 40_000))


def thread_ticks(node: Node) -> dict[str, int]:
    assert node.process
    used = {}
    for task in Path(f"/proc/{node.process.pid}/task").iterdir():
        fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
        used[task.name] = int(fields[11]) + int(fields[12])
    return used


def one_round(node: Node, directory: Path, case: tuple[int, int, int], seconds: int) -> float:
    connections, length, rate = case
    requests, pattern = directory / "requests", directory / "pattern"
    requests.write_text(f"{length} -1 {length}\n")
    pattern.write_bytes(b"x")
    generator = ROOT / "build/release/bench/forebay_hits_load"
    words = [generator, node.port, connections, seconds, rate, requests, pattern, 0]
    before = thread_ticks(node)
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
    used = sorted(now - before.get(thread, 0) for thread, now in thread_ticks(node).items())
    return used[-1] / max(used[-2], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--node", default=str(ROOT / "build/release/forebay"))
    asked = parser.parse_args()
    os.environ["FOREBAY_TEST_NODE_BINARY"] = asked.node
    with tempfile.TemporaryDirectory() as directory, HostileOrigin() as origin:
        for length in {case[1] for case in CASES}:
            origin.put(f"/{length}", b"x" * length, headers=(("Cache-Control", "max-age=86400"),))
        limits = {"requests_per_client": 0, "queue_delay": "0s"}
        node = Node([namespace("/o", origin.url)], settings={"limits": limits, "node": {"threads": 2}})
        node.start()
        for case in CASES:
            one_round(node, Path(directory), case, 1)
            ratios = [one_round(node, Path(directory), case, asked.seconds) for _ in range(asked.rounds)]
            print(
                f"{case[0]} connections, {case[1]} bytes: "
                f"median {statistics.median(ratios):.2f}, worst {max(ratios):.2f}"
            )
        node.close()


if __name__ == "__main__":
    main()
