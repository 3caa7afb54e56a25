"""Hits in memory while others read from a disk that takes 20 ms for each read: do they keep their latency?

    FOREBAY_TEST_NODE_BINARY=build/release/forebay PYTHONPATH=tests/lab .venv/bin/python bench/slow_disk.py

One node, and one reader on one connection who reads what is in memory: alone; beside a process of many readers whose
bytes are in memory too, at the pace of that disk; and beside the same whose bytes lie on disk alone. The difference of
the last two is the disk's. Rounds alternate, so that all see the same machine; the percentiles are over all of them.
"""

from __future__ import annotations

import argparse
import http.client
import random
import sys
import threading
import time
from pathlib import Path

from forebay_lab import processes
from forebay_lab.disk_fault import DiskFault
from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin

KIB, MIB = 1 << 10, 1 << 20
HIT_BYTES = 64 * KIB
COLD_BYTES = 4 * MIB
COLD_OBJECTS = 128  # half a gibibyte on disk, eight times the memory
DISK_READ_S = 0.020
HOT_OBJECTS = 4
READERS = 32
#: Eight threads of the node read from a directory: each reader of READERS gets a turn so often.
PAUSE_S = DISK_READ_S * READERS / 8
ROUNDS = 5
HITS_PER_ROUND = 4000


def read_beside(port: int, from_disk: bool) -> None:
    """Random ranges, for ever, by many readers."""

    def run(number: int) -> None:
        rng = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            first = rng.randrange(COLD_BYTES // HIT_BYTES) * HIT_BYTES
            headers = {"Range": f"bytes={first}-{first + HIT_BYTES - 1}"} if from_disk else {}
            name = f"cold{rng.randrange(COLD_OBJECTS)}" if from_disk else f"hot{rng.randrange(HOT_OBJECTS)}"
            connection.request("GET", f"/o/{name}", headers=headers)
            connection.getresponse().read()
            if not from_disk:
                time.sleep(PAUSE_S)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(READERS)]
    for each in threads:
        each.start()
    threads[0].join()


def time_hits(port: int) -> list[float]:
    """Seconds from each request to its last byte."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    seconds = []
    for turn in range(HITS_PER_ROUND):
        began = time.perf_counter()
        connection.request("GET", f"/o/hot{turn % HOT_OBJECTS}")
        assert len(connection.getresponse().read()) == HIT_BYTES
        seconds.append(time.perf_counter() - began)
    connection.close()
    return seconds


def tell(name: str, seconds: list[float]) -> tuple[float, float]:
    ordered = sorted(seconds)
    median, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    print(f"{name:28} {len(ordered)} hits, median {median * 1e6:.0f} µs, p99 {p99 * 1e6:.0f} µs")
    return median, p99


def measure(node: Node, fault: DiskFault) -> None:
    seconds: dict[str, list[float]] = {"alone": [], "others read from memory": [], "others read from disk": []}
    fault.slow("read", DISK_READ_S)
    time_hits(node.port)
    origin_bytes = node.metric("forebay_origin_bytes_total")
    for _ in range(ROUNDS):
        for name, times in seconds.items():
            others = None
            if name != "alone":
                wanted = str(int(name.endswith("disk")))
                argv = [sys.executable, __file__, "--beside", str(node.port), wanted]
                before = node.metric("forebay_requests_total")
                others = processes.start(argv, log=node.directory / "others.log")
                wait_for_requests(node, before + 2 * READERS)
            began, calls = time.perf_counter(), fault.counted("read").calls
            times += time_hits(node.port)
            rate = (fault.counted("read").calls - calls) / (time.perf_counter() - began)
            if others is not None:
                processes.stop(others)
            print(f"  {name}: {rate:.0f} reads of the disk a second")
    assert node.metric("forebay_origin_bytes_total") == origin_bytes, "everything came from memory or disk"
    (_, alone), (_, beside), (_, slow) = (tell(name, times) for name, times in seconds.items())
    print(
        f"p99 of alone: {beside / alone:.2f} beside memory, {slow / alone:.2f} beside disk; ratio {slow / beside:.2f}"
    )


def wait_for_requests(node: Node, count: float) -> None:
    processes.wait_until("the others read", lambda: node.metric("forebay_requests_total") >= count)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--beside", type=int, nargs=2, help=argparse.SUPPRESS)
    beside = parser.parse_args().beside
    if beside is not None:
        read_beside(beside[0], bool(beside[1]))
        return
    store = processes.make_directory("forebay-slow-disk-")
    with HostileOrigin() as origin, DiskFault(store / "store") as fault:
        rng = random.Random(1)
        sizes = {f"/cold{number}": COLD_BYTES for number in range(COLD_OBJECTS)}
        sizes |= {f"/hot{number}": HIT_BYTES for number in range(HOT_OBJECTS)}
        for path, length in sizes.items():
            origin.put(path, rng.randbytes(length))
        node = Node(
            [namespace("/o", origin.url, freshness={"ttl": "1h"})],
            memory="64MiB",
            settings={
                "node": {"disk": [{"path": str(Path(store) / "store"), "size": "1GiB"}]},
                "limits": {"disk_read_timeout": "1m"},
            },
            environment=fault.environment(),
        )
        with node:
            written = 0
            for path, length in sizes.items():
                assert node.get(f"/o{path}").status == 200
                written += length
                node.wait_on_disk(written)
            measure(node, fault)
    processes.remove_directory(store)


if __name__ == "__main__":
    main()
