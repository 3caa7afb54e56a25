"""What a hit costs, beside the servers an operator would pick instead: one run, in turns, bodies compared.

    .venv/bin/python -m bench.hits [--workload small] [--protocol h1] [--rounds 5] [--seconds 4] [--servers NAME ...]
                                   [--csv FILE]

One worker on one core (`--core`, 0), h2load on the other. Each server first serves every object once or twice and each
body is compared; then, in `rounds` turns, h2load asks for all objects round and round. What counts: requests per
second, processor time of the server per hit and per GiB (the figure to compare when the load generator is the
bottleneck), and the 99th percentile of the time of an answer at a rate that all sustain (half of the slowest). A run in
which the origin saw a request, or an answer was no 200, is an error. Servers that are not installed are named and left
out. Prints medians with the spread, and ratios to the floor and to the best of the others.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from .load import Load, run_load
from .origin import REQUESTS, Objects, serve
from .servers import PROTOCOLS, Scene, all_servers
from .session import Session

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 30.0
SETTLE_S = 1.0  # after the first requests: what a cache does late is done


@dataclass(frozen=True)
class Workload:
    object_bytes: int
    objects: int
    connections: int
    memory_bytes: int = 2 << 30


WORKLOADS = {
    "small": Workload(4096, 1000, 32),
    "large": Workload(1 << 20, 256, 8),
}


@dataclass
class Measured:
    name: str
    caches: bool
    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)  # per hit
    gib_ms: list[float] = field(default_factory=list)  # processor time per GiB
    p99_ms: list[float] = field(default_factory=list)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def make_certificate(directory: Path) -> tuple[Path, Path]:
    certificate, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    certificate.chmod(0o644)
    key.chmod(0o644)  # servers that give their rights up read it; it is worth nothing
    return certificate, key


def installed(server: ModuleType) -> bool:
    for package in server.PACKAGES:
        told = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True)
        if "install ok installed" not in told.stdout:
            return False
    return True


def url_base(scene: Scene, protocol: str) -> str:
    return f"http://127.0.0.1:{scene.port}" if protocol == "h1" else f"https://localhost:{scene.tls_port}"


@contextmanager
def running(server: ModuleType, scene: Scene, core: int) -> Iterator[Session]:
    session = Session(["taskset", "-c", str(core), *server.command(scene)], scene.directory / "log")
    try:
        until = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", scene.port), timeout=1).close()
                break
            except OSError:
                if session.ended() or time.monotonic() > until:
                    log = (scene.directory / "log").read_text(errors="replace")[-2000:]
                    raise SystemExit(f"{server.NAME} does not start:\n{log}") from None
                time.sleep(0.05)
        yield session
    finally:
        session.end()


def warm(server: ModuleType, scene: Scene, objects: Objects) -> None:
    """Twice, since some take an object in with its second request; each body is compared."""
    if getattr(server, "SAME_BYTES", False):
        return
    for _ in range(2 if server.CACHES else 1):
        for number in range(objects.count):
            objects.compare(server.NAME, scene.port, number)
    time.sleep(SETTLE_S)


def measure(server: ModuleType, load: Load, session: Session) -> tuple[float, float]:
    """Answers per second, and processor time per answer in seconds."""
    seen, cpu = REQUESTS.value, session.cpu_s()
    told = run_load(load)
    cpu = session.cpu_s() - cpu
    if REQUESTS.value != seen:
        raise SystemExit(f"{server.NAME}: the origin saw {REQUESTS.value - seen} requests: these were no hits")
    return told.per_second, cpu / told.requests


def run(asked: argparse.Namespace, directory: Path) -> list[Measured]:
    workload = WORKLOADS[asked.workload]
    objects = Objects(workload.objects, workload.object_bytes)
    objects.write(directory / "files" / "o")
    origin = serve(objects)
    certificate, key = make_certificate(directory)
    servers = [each for each in all_servers() if not asked.servers or each.NAME in asked.servers]
    rows: list[tuple[ModuleType, Scene, Measured]] = []
    for each in servers:
        if asked.protocol not in each.SPEAKS or not installed(each):
            print(
                f"{each.NAME}: left out ({'not installed' if asked.protocol in each.SPEAKS else 'does not speak it'})"
            )
            continue
        own = directory / each.__name__.rsplit(".", 1)[1]
        own.mkdir()
        scene = Scene(
            ROOT, own, free_port(), free_port(), origin, directory / "files", certificate, key, workload.object_bytes,
            workload.memory_bytes,
        )  # fmt: skip
        rows.append((each, scene, Measured(each.NAME, each.CACHES)))
    directory.chmod(0o755)
    for turn in range(asked.rounds):
        for server, scene, measured in rows:
            if turn > 0:  # what the last turn left would be found again, or in the way
                shutil.rmtree(scene.directory)
                scene.directory.mkdir()
            with running(server, scene, asked.core) as session:
                warm(server, scene, objects)
                load = Load(
                    url_base(scene, asked.protocol), asked.protocol, workload.objects, workload.connections,
                    asked.seconds, asked.load_core, directory / "load",
                )  # fmt: skip
                per_second, cpu_s = measure(server, load, session)
                measured.per_second.append(per_second)
                measured.cpu_us.append(cpu_s * 1e6)
                measured.gib_ms.append(cpu_s * 1e3 * (1 << 30) / workload.object_bytes)
                if asked.rate:
                    measured.p99_ms.append(run_load(load.at_rate(asked.rate)).p99_ms)
            print(f"{turn + 1}: {server.NAME:15} {per_second:10.0f}/s {cpu_s * 1e6:8.1f} us", flush=True)
    return [measured for _, _, measured in rows]


def spread(values: list[float]) -> str:
    if not values:
        return "-"
    middle = statistics.median(values)
    return f"{middle:.4g} ({min(values):.4g} to {max(values):.4g})"


def report(rows: list[Measured]) -> None:
    floor = next((statistics.median(each.cpu_us) for each in rows if each.name == "floor"), None)
    print("\n| server | hits per second | processor time of a hit, us | of a GiB, ms | to the floor | p99, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for each in sorted(rows, key=lambda row: statistics.median(row.cpu_us)):
        ratio = f"{statistics.median(each.cpu_us) / floor:.2f}" if floor else "-"
        print(
            f"| {each.name} | {spread(each.per_second)} | {spread(each.cpu_us)} | {spread(each.gib_ms)} | {ratio} | "
            f"{spread(each.p99_ms)} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=WORKLOADS, default="small")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="h1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rate", type=int, default=0, help="requests per second at which the percentile is taken")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--servers", nargs="*", default=[])
    parser.add_argument("--csv", type=Path, default=None)
    asked = parser.parse_args()
    if shutil.which("h2load") is None:
        raise SystemExit("h2load is missing: tools/setup bench installs it")
    with tempfile.TemporaryDirectory(prefix="hits-bench-") as directory:
        rows = run(asked, Path(directory))
    report(rows)
    if asked.csv is not None:
        with asked.csv.open("a", newline="") as into:
            out = csv.writer(into)
            for each in rows:
                for at, per_second in enumerate(each.per_second):
                    out.writerow([asked.workload, asked.protocol, each.name, per_second, each.cpu_us[at]])


if __name__ == "__main__":
    sys.exit(main())
