"""What Forebay costs beside the servers that an operator would pick instead: one run, in turns, bodies compared.

    .venv/bin/python -m bench.hits [--workloads small cold ...] [--protocols h1 h2 ...] [--servers NAME ...]
                                   [--rounds 2] [--seconds 2] [--out build/bench]

One worker on one core (`--core`), the load and the origin on another (`--load-core`); every server gets its turn in
each round, with an empty cache. What is asked is in workloads/, a file each, who answers in servers/, a file each. The
run writes results.csv, report.md with medians, spread and ratios, and a plot of each workload. As root it happens in a
network namespace of its own, where every socket has the same congestion control (cubic or reno).

A body is compared before it counts: all of them where a cache takes them in, each 64th answer of HTTP/1.1 under load. A
hit is one of which the origin saw nothing. Exit code 1 if a server gave a wrong answer or did not do what is measured.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from . import report
from .lab import Cores
from .programs import ROOT
from .servers import PROTOCOLS, all_servers
from .turns import Plan, Results, run
from .workloads import Asked, Workload, all_workloads

RESTART_OBJECTS = 10_000
INSIDE = "FOREBAY_BENCH_NAMESPACE"
CONGESTION_CONTROL = ("cubic", "reno")  # the first that a namespace may have; without losses they are alike


def arguments() -> argparse.Namespace:
    workloads = [each.name for each in all_workloads()]
    parser = argparse.ArgumentParser(
        prog="bench.hits", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", nargs="+", choices=workloads, default=workloads)
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument("--servers", nargs="+", default=[], metavar="NAME", help="as their files call them; all")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2, help="of each load")
    parser.add_argument("--rate", type=float, default=0, help="requests per second at which percentiles are taken")
    parser.add_argument("--restart-objects", type=int, default=RESTART_OBJECTS, help="on disk, of 50 kB")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--directory", type=Path, default=None, help="where caches and files lie; the temporary one")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench")
    return parser.parse_args()


def machine() -> list[str]:
    """What a figure is worth nothing without."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    load = os.getloadavg()[0]
    congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    return [
        f"- machine: {os.cpu_count()} cores, {model}; Linux {os.uname().release}; TCP congestion control {congestion}",
        f"- load of the machine at the beginning: {load:.2f}{' (NOT QUIET: for function alone)' if load > 0.5 else ''}",
    ]


def enter_namespace(module: str = "bench.hits") -> None:
    """Starts this program, a module, again with a network and processes of its own, where that is permitted.

    Nothing else is met in that network, and whatever was started in it ends with us, however we end.
    """
    if os.environ.get(INSIDE) or os.getuid() != 0:
        return
    come_in = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
    if subprocess.run([*come_in, "true"], capture_output=True).returncode != 0:
        return
    os.environ[INSIDE] = "1"
    os.execvp(come_in[0], [*come_in, sys.executable, "-m", module, *sys.argv[1:]])


def make_ready() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that servers are ended
    if os.environ.get(INSIDE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for name in CONGESTION_CONTROL:
            with suppress(OSError):
                Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text(name)
                return


def versions(servers: list[str]) -> list[str]:
    packages = sorted({package for each in all_servers() if each.NAME in servers for package in each.PACKAGES})
    command = ["dpkg-query", "-W", "-f", "${Package} ${Version}, ", *packages]
    told = subprocess.run(command, capture_output=True, text=True).stdout if packages else "none"
    return [f"- packages: {told.rstrip(', ')}"]


def chosen(asked: argparse.Namespace) -> list[Workload]:
    all_of_them = [each for each in all_workloads() if each.name in asked.workloads]
    return [replace(each, objects=asked.restart_objects) if each.name == "restart" else each for each in all_of_them]


def main() -> int:
    asked = arguments()
    if shutil.which("h2load") is None:
        raise SystemExit("h2load is missing: tools/setup bench installs it")
    missing = {asked.core, asked.load_core} - os.sched_getaffinity(0)
    if missing or asked.core == asked.load_core:
        raise SystemExit("the server and the load need a core each (--core, --load-core) that this process may use")
    servers = [each for each in all_servers() if not asked.servers or each.NAME in asked.servers]
    unknown = set(asked.servers) - {each.NAME for each in servers}
    if unknown:
        raise SystemExit(f"no server is called {', '.join(unknown)}: {', '.join(each.NAME for each in all_servers())}")
    enter_namespace()
    make_ready()
    about = machine()
    plan = Plan(
        servers,
        tuple(asked.protocols),
        asked.rounds,
        Asked(asked.seconds, asked.rate),
        Cores(asked.core, asked.load_core),
        asked.directory,
    )
    workloads, results = chosen(asked), Results()
    for workload in workloads:
        run(workload, plan, results)
        path = report.write(results, workloads, asked.out, about)  # what is there is kept, should a later one fail
    about += versions(list({row.server for row in results.rows}))
    about += [f"- rounds: {asked.rounds}; seconds of a load: {asked.seconds:g}"]
    path = report.write(results, workloads, asked.out, about)
    print(path.read_text())
    print(f"bench: {path}, results.csv and plots beside it")
    return 1 if results.refused else 0


if __name__ == "__main__":
    sys.exit(main())
