#!/usr/bin/env python3
"""Restarts beside nginx: how soon after its start a cache that was killed serves what it held.

    bench/restart.py [--objects 100000] [--repeats 5] [--directory DIR]       (needs nginx-light; about 12 GB of disk)

Puts the same objects of 50 kB through `forebay` (release build) and through nginx's proxy_cache, from one origin on
this machine. Then, in turns: kill -9, start, and ask for objects in rounds of 100, each round others, until the rounds
are through; once as after a crash, and once with the page cache dropped in between (as root), as after a boot. A hit is
an answer that calls itself one (Cache-Status, X-Cache), whose body is right, and for which the origin saw no request.
Prints each run and the medians; exit code 1 for a wrong body.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OBJECT_BYTES = 50_000
ROUND_OBJECTS = 100
ROUNDS = 20
LOADERS = 16
WHOLE_SHARE = 0.99  # of former hits: the restart is over
CRASH, BOOT = "crash", "boot"
START_TIMEOUT_S = 60.0
SETTLE_S = 2.0  # after the last object: what a cache writes late is written
READ_BYTES = 1 << 16
REQUESTS = multiprocessing.Value("q", 0)  # that the origin has seen


def body_of(number: int) -> bytes:
    """Different for every object, and at every place of it."""
    return random.Random(number).randbytes(64) * (OBJECT_BYTES // 64) + b"=" * (OBJECT_BYTES % 64)


class Origin(asyncio.Protocol):
    """Serves /NUMBER, fresh for a day; counts."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.waiting = b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            line = self.waiting[: self.waiting.find(b"\r\n")].decode()
            self.waiting = self.waiting[end + 4 :]
            with REQUESTS.get_lock():
                REQUESTS.value += 1
            number = int(line.split(" ")[1].rsplit("/", 1)[1])
            head = (
                f'HTTP/1.1 200 OK\r\nContent-Length: {OBJECT_BYTES}\r\nETag: "{number}"\r\n'
                "Cache-Control: max-age=86400\r\nContent-Type: application/octet-stream\r\n\r\n"
            ).encode()
            self.transport.write(head if line.startswith("HEAD ") else head + body_of(number))


def serve_origin(listening: socket.socket) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Origin, sock=listening)
        await server.serve_forever()

    asyncio.run(run())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Reader:
    """One connection that is kept."""

    def __init__(self, port: int, prefix: str = "/d/") -> None:
        self.port = port
        self.prefix = prefix
        self.connected: socket.socket | None = None

    def get(self, number: int) -> tuple[str, bytes]:
        """Header block, in small letters, and body."""
        if self.connected is None:
            self.connected = socket.create_connection(("127.0.0.1", self.port), timeout=START_TIMEOUT_S)
            self.connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connected.sendall(f"GET {self.prefix}{number} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        seen = bytearray()
        while (end := seen.find(b"\r\n\r\n")) < 0:
            self._more(seen)
        head = seen[:end].decode().lower()
        length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:"))
        while len(seen) < end + 4 + length:
            self._more(seen)
        return head, bytes(seen[end + 4 :])

    def _more(self, seen: bytearray) -> None:
        assert self.connected is not None
        part = self.connected.recv(READ_BYTES)
        if not part:
            raise ConnectionResetError("the connection ended in the middle of an answer")
        seen += part


def load(port: int, numbers: range) -> None:
    reader = Reader(port)
    for number in numbers:
        assert reader.get(number)[1] == body_of(number), f"wrong bytes of {number}"


@dataclass
class Cache:
    name: str
    command: list[str]
    port: int
    is_hit: Callable[[str], bool]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    first_ms: dict[str, list[float]] = field(default_factory=lambda: {CRASH: [], BOOT: []})
    whole_ms: dict[str, list[float]] = field(default_factory=lambda: {CRASH: [], BOOT: []})
    hit_share: list[float] = field(default_factory=list)

    def start(self) -> float:
        with self.log.open("ab") as log:
            begun = time.monotonic()
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)
        return begun

    def kill(self) -> None:
        if self.process is None:
            return
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def listening(self) -> Reader:
        """A connection, as soon as it takes one."""
        until = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                reader = Reader(self.port)
                reader.connected = socket.create_connection(("127.0.0.1", self.port))
                return reader
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.001)

    def hits(self, reader: Reader, number: int) -> bool:
        before = REQUESTS.value
        head, body = reader.get(number)
        if body != body_of(number):
            raise SystemExit(f"{self.name}: wrong bytes of {number}")
        return self.is_hit(head) and REQUESTS.value == before

    def restart(self, after: str, sample: list[int]) -> None:
        """One run: rounds from the start on, until the sample is used up."""
        self.kill()
        subprocess.run(["sync"], check=True)
        if after == BOOT:
            try:
                Path("/proc/sys/vm/drop_caches").write_text("3")
            except OSError:
                print("restart: the page cache stays warm (not root)", file=sys.stderr)
        begun = self.start()
        reader = self.listening()
        first = whole = float("nan")
        hits = 0
        for at in range(0, len(sample), ROUND_OBJECTS):
            round_begun, of_round = time.monotonic(), 0
            for number in sample[at : at + ROUND_OBJECTS]:
                if self.hits(reader, number):
                    of_round += 1
                    if first != first:
                        first = (time.monotonic() - begun) * 1e3
            if whole != whole and of_round >= WHOLE_SHARE * ROUND_OBJECTS:
                whole = max((round_begun - begun) * 1e3, first)
            hits += of_round
        self.first_ms[after].append(first)
        self.whole_ms[after].append(whole)
        self.hit_share.append(hits / len(sample))


def forebay(directory: Path, origin: str) -> Cache:
    port, admin = free_port(), free_port()
    config = directory / "forebay.toml"
    config.write_text(
        f"""
[[listen]]
address = "127.0.0.1:{port}"
serve = ["data"]
[[listen]]
address = "127.0.0.1:{admin}"
serve = ["admin"]
[node]
memory = "1GiB"
[[node.disk]]
path = "{directory}/forebay"
size = "20GiB"
[network]
allow_private = ["127.0.0.0/8"]
[[namespace]]
path = "/d"
origins = ["{origin}/d"]
"""
    )
    program = ROOT / "build" / "release" / "forebay"
    command = [str(program), "serve", "--config", str(config)]
    return Cache("forebay", command, port, lambda head: "; hit" in head, directory / "forebay.log")


def nginx(directory: Path, origin: str) -> Cache:
    port = free_port()
    home = directory / "nginx"
    home.mkdir()
    config = directory / "nginx.conf"
    config.write_text(
        f"""
daemon off;
user {"root" if os.getuid() == 0 else "nobody"};
worker_processes auto;
pid {home}/pid;
error_log {home}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  proxy_cache_path {home}/cache levels=1:2 keys_zone=bench:64m max_size=20g inactive=7d use_temp_path=off;
  upstream origin {{ server {origin.removeprefix("http://")}; keepalive 32; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache bench;
      add_header X-Cache $upstream_cache_status;
    }}
  }}
}}
"""
    )
    command = ["nginx", "-c", str(config), "-p", str(home), "-e", str(home / "error.log")]
    return Cache("nginx", command, port, lambda head: "x-cache: hit" in head, directory / "nginx.log")


def fill(cache: Cache, objects: int) -> None:
    cache.start()
    cache.listening()
    share = (objects + LOADERS - 1) // LOADERS
    begun = time.monotonic()
    parts = [range(at, min(at + share, objects)) for at in range(0, objects, share)]
    with multiprocessing.Pool(4) as pool:
        pool.starmap(load, [(cache.port, part) for part in parts], chunksize=1)
    print(f"{cache.name}: {objects} objects in {time.monotonic() - begun:.0f} s", flush=True)
    time.sleep(SETTLE_S)


def report(caches: list[Cache]) -> None:
    for after in (CRASH, BOOT):
        for each in caches:
            each_first = " ".join(f"{one:.0f}" for one in each.first_ms[after])
            each_whole = " ".join(f"{one:.0f}" for one in each.whole_ms[after])
            first, whole = statistics.median(each.first_ms[after]), statistics.median(each.whole_ms[after])
            print(
                f"{each.name:8} after a {after}: first hit {first:.0f} ms ({each_first}); 99 % of hits {whole:.0f} ms "
                f"({each_whole}); of all asked {min(each.hit_share):.2%} at least"
            )
        first, whole = (
            statistics.median(ours[after]) / statistics.median(theirs[after])
            for ours, theirs in zip(*((of.first_ms, of.whole_ms) for of in caches), strict=True)
        )
        print(f"after a {after}: first hit {first:.2f} of nginx's time, 99 % of hits {whole:.2f}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--objects", type=int, default=100_000)
    asked.add_argument("--repeats", type=int, default=5)
    asked.add_argument("--directory", type=Path, default=None)
    given = asked.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="restart-bench-", dir=given.directory))
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    origin = multiprocessing.Process(target=serve_origin, args=(listening,), daemon=True)
    origin.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    caches = [forebay(directory, url), nginx(directory, url)]
    try:
        for each in caches:
            fill(each, given.objects)
        for each in caches:
            each.kill()
        runs = [(repeat, after) for repeat in range(given.repeats) for after in (CRASH, BOOT)]
        numbers = random.Random(1).sample(range(given.objects), min(given.objects, len(runs) * ROUNDS * ROUND_OBJECTS))
        size = len(numbers) // len(runs)
        for at, (repeat, after) in enumerate(runs):
            for each in caches if repeat % 2 == 0 else caches[::-1]:
                each.restart(after, numbers[at * size : (at + 1) * size])
                each.kill()
        report(caches)
    finally:
        for each in caches:
            each.kill()
        origin.terminate()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
