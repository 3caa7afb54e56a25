"""The floor of a hit over epoll and over io_uring, in each of its modes: processor time of a hit (docs/decisions/0014).

    .venv/bin/python -m bench.floors [--rounds 3] [--seconds 1.5] [--kib 4 64 1024] [--core 0]
                                    [--load-core 1]

4 KiB (1,000 names) over 1, 32 and 256 connections, 64 KiB over 32, and 1 MiB over 8; the servers take turns in each
round, each in a process of its own on one core, the load on the other. As root in a network namespace of its own, as
`bench.hits`. Prints a table: medians, with the least and the most; a hit is one of `floor.cc`'s answers, whole.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

from .hits.__main__ import enter_namespace, machine, make_ready
from .hits.lab import free_port, pinned, wait_for_port
from .hits.load import Load, ask
from .hits.objects import Objects, Request
from .hits.programs import find_program
from .hits.servers.floor_uring import uring_command
from .hits.session import Session
from .hits.workloads import GIB

EPOLL = "epoll"
SMALL = (EPOLL, "table", "fds", "coop", "plain")
LARGE = (EPOLL, "sendfile", "send", "fixed", "zc")
NAMES = 1000


class Case(NamedTuple):
    answer_bytes: int
    connections: int
    modes: tuple[str, ...]


CASES = (
    Case(4 << 10, 1, SMALL),
    Case(4 << 10, 32, SMALL),
    Case(4 << 10, 256, SMALL),
    Case(64 << 10, 32, LARGE),
    Case(1 << 20, 8, LARGE),
)


class Figure(NamedTuple):
    cpu_us: float  # of a hit
    per_s: float
    busy: float  # of the server's core


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.floors", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each load")
    parser.add_argument("--kib", nargs="+", type=int, default=[4, 64, 1024], help="answers of these sizes alone")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    return parser.parse_args()


def measure(case: Case, mode: str, asked: argparse.Namespace, directory: Path) -> Figure:
    port = free_port()
    command = [str(find_program("forebay_floor")), str(port), str(case.answer_bytes)]
    if mode != EPOLL:
        command = uring_command(port, case.answer_bytes, "" if mode == "table" else mode)
    session = Session(pinned(asked.core, command), directory / "log", {})
    try:
        wait_for_port(mode, session, port)
        before_s = session.cpu_s()
        requests = [Request(number, case.answer_bytes) for number in range(NAMES)]
        told = ask(Load(requests, case.connections, asked.seconds), port, directory, asked.load_core)
        cpu_s = session.cpu_s() - before_s
    finally:
        session.end()
    return Figure(cpu_s * 1e6 / told.answers, told.answers / told.seconds, cpu_s / told.seconds)


def line(case: Case, mode: str, figures: list[Figure]) -> str:
    cpu_us = [each.cpu_us for each in figures]
    middle = statistics.median(cpu_us)
    return (
        f"| {case.answer_bytes >> 10} KiB | {case.connections} | {mode} | "
        f"{middle:.4g} ({min(cpu_us):.4g} to {max(cpu_us):.4g}) | {middle / 1e3 * GIB / case.answer_bytes:.4g} | "
        f"{statistics.median(each.per_s for each in figures):,.0f} | "
        f"{statistics.median(each.busy for each in figures):.2f} |"
    )


def main() -> None:
    asked = arguments()
    enter_namespace("bench.floors")
    make_ready()
    print("\n".join(machine()))
    print("\n| answer | connections | mode | us of processor a hit | ms a GiB | hits a second | core busy |")
    print("| --- " * 7 + "|", flush=True)
    with tempfile.TemporaryDirectory(prefix="floors-bench-") as name:
        Objects(0, 0).write(Path(name) / "files")
        for case in (each for each in CASES if each.answer_bytes >> 10 in asked.kib):
            figures: dict[str, list[Figure]] = {mode: [] for mode in case.modes}
            for turn in range(asked.rounds):
                for mode in case.modes if turn % 2 == 0 else reversed(case.modes):
                    figures[mode].append(measure(case, mode, asked, Path(name)))
            for mode in case.modes:
                print(line(case, mode, figures[mode]), flush=True)


if __name__ == "__main__":
    main()
