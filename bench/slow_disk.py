"""Hits in memory while others read from a disk that takes 20 ms for each read: do they keep their latency?

    FOREBAY_TEST_NODE_BINARY=build/release/forebay PYTHONPATH=tests/lab .venv/bin/python bench/slow_disk.py

One node; one reader on one connection who reads what is in memory; and, in every other round, a process of many
readers whose bytes lie on disk alone. Rounds alternate, so that both see the same machine; the percentiles are over all
of them.
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
COLD_READERS = 32
ROUNDS = 5
HITS_PER_ROUND = 4000


def read_cold(port: int) -> None:
    """Random ranges of the cold objects, for ever, by many readers."""

    def run(number: int) -> None:
        rng = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            first = rng.randrange(COLD_BYTES // HIT_BYTES) * HIT_BYTES
            headers = {"Range": f"bytes={first}-{first + HIT_BYTES - 1}"}
            connection.request("GET", f"/o/cold{rng.randrange(COLD_OBJECTS)}", headers=headers)
            connection.getresponse().read()

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(COLD_READERS)]
    for each in threads:
        each.start()
    threads[0].join()


def time_hits(port: int) -> list[float]:
    """Seconds from each request to its last byte."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    seconds = []
    for turn in range(HITS_PER_ROUND):
        began = time.perf_counter()
        connection.request("GET", f"/o/hot{turn % 4}")
        assert len(connection.getresponse().read()) == HIT_BYTES
        seconds.append(time.perf_counter() - began)
    connection.close()
    return seconds


def tell(name: str, seconds: list[float]) -> tuple[float, float]:
    ordered = sorted(seconds)
    median, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    print(f"{name:28} {len(ordered)} hits, median {median * 1e6:.0f} µs, p99 {p99 * 1e6:.0f} µs")
    return median, p99


def wait_for_reads(fault: DiskFault) -> None:
    before = fault.counted("read").calls
    processes.wait_until("others read from disk", lambda: fault.counted("read").calls > before + COLD_READERS)


def measure(node: Node, fault: DiskFault) -> None:
    quiet: list[float] = []
    slow: list[float] = []
    fault.slow("read", DISK_READ_S)
    time_hits(node.port)
    origin_bytes = node.metric("forebay_origin_bytes_total")
    for _ in range(ROUNDS):
        quiet += time_hits(node.port)
        others = processes.start([sys.executable, __file__, "--cold", str(node.port)], log=node.directory / "cold.log")
        wait_for_reads(fault)
        began, calls = time.perf_counter(), fault.counted("read").calls
        slow += time_hits(node.port)
        rate = (fault.counted("read").calls - calls) / (time.perf_counter() - began)
        processes.stop(others)
        print(f"  meanwhile {rate:.0f} reads of the disk a second, {DISK_READ_S * 1e3:.0f} ms each")
    assert node.metric("forebay_origin_bytes_total") == origin_bytes, "everything came from memory or disk"
    median, p99 = tell("alone", quiet)
    slow_median, slow_p99 = tell("while others read from disk", slow)
    print(f"ratio: median {slow_median / median:.2f}, p99 {slow_p99 / p99:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cold", type=int, help=argparse.SUPPRESS)
    port = parser.parse_args().cold
    if port is not None:
        read_cold(port)
        return
    store = processes.make_directory("forebay-slow-disk-")
    with HostileOrigin() as origin, DiskFault(store / "store") as fault:
        rng = random.Random(1)
        sizes = {f"/cold{number}": COLD_BYTES for number in range(COLD_OBJECTS)}
        sizes |= {f"/hot{number}": HIT_BYTES for number in range(4)}
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
