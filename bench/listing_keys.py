#!/usr/bin/env python3
"""Walks a bucket of ten million keys through the S3 address: requests of the store, time, and memory of the node.

    bench/listing_keys.py [--keys 10000000] [--readers 1]                                   (needs the release build)

The bucket is made page by page as it is asked for (`tests/lab/forebay_lab/many_keys.py`), by another process. Every key
of every page is compared with the one that belongs there. Exit code 1 where one is wrong or missing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/lab"))
os.environ.setdefault("FOREBAY_TEST_NODE_BINARY", str(ROOT / "build/release/forebay"))

from forebay_lab.many_keys import ManyKeys, key_of, walk  # noqa: E402
from forebay_lab.node import Node, namespace  # noqa: E402

MIB = 1 << 20


def serve(keys: int, to_parent: Connection) -> None:
    """The store, in a process of its own: it must not take time from the reader."""
    with ManyKeys(keys) as store:
        to_parent.send(store.origin)
        to_parent.recv()
        to_parent.send(len(store.requests()))


def memory_bytes(node: Node, name: str) -> int:
    assert node.process is not None
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", status, re.M)[1]) * 1024  # type: ignore[index]


def count(url: str) -> int:
    """How many keys came, all of them right."""
    number = 0
    for page in walk(url):
        for key in page:
            if key != key_of(number):
                raise SystemExit(f"key {number} is {key}")
            number += 1
    return number


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--readers", type=int, default=1)
    wanted = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    store = multiprocessing.Process(target=serve, args=(wanted.keys, theirs), daemon=True)
    store.start()
    with Node([namespace("/sea", ours.recv())], s3=True, memory="64MiB") as node:
        before, begun = memory_bytes(node, "VmRSS"), time.monotonic()
        with ThreadPoolExecutor(wanted.readers) as pool:
            counts = list(pool.map(count, [node.s3_url + "/sea"] * wanted.readers))
        seconds = time.monotonic() - begun
        peak, held = memory_bytes(node, "VmHWM"), node.metric("forebay_listing_bytes")
        evicted = node.metric("forebay_listing_evictions_total")
    ours.send("done")
    requests = ours.recv()
    store.join()
    print(f"{wanted.readers} readers, {wanted.keys} keys: {seconds:.0f} s, {sum(counts) / seconds:.0f} keys/s")
    print(f"requests of the store: {requests}")
    print(f"memory of the node: {before / MIB:.0f} MiB before, {peak / MIB:.0f} MiB at most")
    print(f"pages of listings at the end: {held / MIB:.1f} MiB (limits.listing_bytes), {evicted:.0f} made room")
    return 0 if counts == [wanted.keys] * wanted.readers else 1


if __name__ == "__main__":
    sys.exit(main())
