"""h2load (of nghttp2): many connections that ask for the objects round and round, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import re
import statistics
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

STREAMS = 4  # requests at once on a connection of HTTP/2


@dataclass(frozen=True)
class Load:
    base: str
    protocol: str
    objects: int
    connections: int
    seconds: int
    core: int
    directory: Path
    per_second: int = 0  # 0: as many as it gets

    def at_rate(self, per_second: int) -> Load:
        return replace(self, per_second=per_second)


@dataclass(frozen=True)
class Told:
    per_second: float
    requests: int
    p99_ms: float  # of a run at a rate


def run_load(load: Load) -> Told:
    load.directory.mkdir(exist_ok=True)
    addresses = load.directory / "addresses"
    addresses.write_text("".join(f"{load.base}/o/{number}\n" for number in range(load.objects)))
    times = load.directory / "times"
    connections = load.connections if load.protocol != "h2" else max(load.connections // STREAMS, 1)
    command = [
        *("taskset", "-c", str(load.core), "h2load", "-t1", f"-c{connections}", f"-D{load.seconds}"),
        *("-m", "1" if load.protocol != "h2" else str(STREAMS), "-i", str(addresses)),
    ]
    if load.protocol != "h2":
        command.append("--h1")
    if load.per_second:
        times.unlink(missing_ok=True)
        command += [f"--rps={load.per_second / connections:.3f}", f"--log-file={times}"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=load.seconds + 60).stdout
    rate = re.search(r"finished in [\d.]+\w*, ([\d.]+) req/s", told)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", told)
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", told)
    if rate is None or counts is None or codes is None:
        raise SystemExit(f"h2load said what cannot be read:\n{told}")
    if any(int(codes.group(i)) for i in (2, 3, 4)) or int(counts.group(1)) == 0 or int(counts.group(2)):
        raise SystemExit(f"h2load met answers that are no hits:\n{told}")
    p99_ms = float("nan")
    if load.per_second:
        elapsed = [int(line.split("\t")[2]) for line in times.read_text().splitlines()]
        p99_ms = statistics.quantiles(elapsed, n=100)[98] / 1e3
    return Told(float(rate.group(1)), int(counts.group(1)), p99_ms)
