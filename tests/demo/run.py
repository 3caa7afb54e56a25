"""The main job, shown: far scientific data read by xarray and Dask, directly and through a node near the readers.

    make demo

1. ``direct``: the analysis reads the far object store.
2. ``cold node``: the same through a node that holds nothing yet.
3. ``second pass``: the same again.
4. ``two users``: again, while a second user with a cluster of their own does the same.

Prints what each phase cost, checks the promises, saves two pictures. Exits 1 if a promise was broken, 2 if the
laboratory could not be built. Leaves nothing running.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lab"))

import make_data  # noqa: E402
import report  # noqa: E402

from forebay_lab import namespaces, processes  # noqa: E402
from forebay_lab.link import FarLink, LinkConditions  # noqa: E402
from forebay_lab.node import Node, namespace, s3_origin, sum_metric  # noqa: E402
from forebay_lab.programs import NODE_VARIABLE  # noqa: E402
from forebay_lab.swift import LoggedRequest, Swift  # noqa: E402

BUCKET = "climate"
FAR = LinkConditions(rtt_ms=40, rate_mbit=200)
#: The node's memory: all of the data fits, so that what is read twice is a promise and not luck.
NODE_MEMORY = "1GiB"
#: Longer than the demonstration: the store says nothing about freshness, so the operator does.
NODE_TTL = "1h"
#: One analysis over the far link takes about a minute.
PHASE_TIMEOUT_S = 180.0


@dataclass
class Phase:
    """What one run of the analysis (or two at once) cost."""

    name: str
    seconds: float
    far_bytes: int  #: IP bytes that came over the far link
    requests: list[LoggedRequest]  #: at the store
    hit_rate: float | None  #: requests answered without the origin; None where there is no node
    digests: list[dict[str, str]]  #: of the answers, one for each user
    steps: dict[str, float] = field(default_factory=dict)

    @property
    def store_bytes(self) -> int:
        """Bytes of bodies that the store sent."""
        return sum(request.bytes_sent for request in self.requests)


class Demonstration:
    """The laboratory with everything running, and the phases that were run in it."""

    def __init__(self, link: FarLink, swift: Swift, node: Node, results: Path) -> None:
        self._link = link
        self._swift = swift
        self._node = node
        self._results = results
        host, port = link.reach(swift.port)
        self.direct_url = f"http://{host}:{port}/{BUCKET}"
        self.node_url = f"{node.url}/{BUCKET}"
        self.phases: list[Phase] = []

    def run_phase(self, name: str, base_url: str, *, users: int = 1) -> Phase:
        """Runs the analysis as so many users at the same time."""
        print(f"  {name} ...", end="", flush=True)
        through_node = base_url == self.node_url
        mark = self._swift.mark()
        link_before, metrics_before = self._link.counters(), self._node.metrics()
        targets = [self._results / f"{name.replace(' ', '-')}-{user}" for user in range(users)]
        runs = [self._start_analysis(base_url, target) for target in targets]
        for run, target in zip(runs, targets, strict=True):
            self._wait(run, target)
        requests = self._swift.requests(mark)
        reports = [json.loads((target / "report.json").read_text()) for target in targets]
        phase = Phase(
            name,
            seconds=max(sum(one["seconds"].values()) for one in reports),
            far_bytes=(self._link.counters() - link_before).far_to_near.bytes,
            requests=requests,
            hit_rate=_hit_rate(metrics_before, self._node.metrics()) if through_node else None,
            digests=[one["digests"] for one in reports],
            steps=reports[0]["seconds"],
        )
        print(f" {phase.seconds:.1f} s")
        self.phases.append(phase)
        return phase

    def _start_analysis(self, base_url: str, target: Path) -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("analysis.py")
        target.mkdir(parents=True)
        return self._link.near.start([sys.executable, script, base_url, target], log=target / "log")

    def _wait(self, run: subprocess.Popen[bytes], target: Path) -> None:
        try:
            status = run.wait(PHASE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            status = None
        processes.stop(run)
        if status != 0:
            raise processes.LabError(f"the analysis failed ({status}):\n{processes.tail(target / 'log', 40)}")


def _hit_rate(before: dict[str, float], after: dict[str, float]) -> float:
    def grown(**labels: str) -> float:
        name = "forebay_requests_total"
        return sum_metric(after, name, **labels) - sum_metric(before, name, **labels)

    asked = grown()
    answered = grown(outcome="hit") + grown(outcome="negative_hit")
    return answered / asked if asked else 0.0


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Where the analyses leave their answers and what they need meanwhile."""
    directory = processes.make_directory("forebay-demo-")
    try:
        yield directory
    finally:
        processes.remove_directory(directory)


def show(arguments: argparse.Namespace) -> int:
    """The whole demonstration; returns the exit status."""
    began = time.monotonic()
    output = arguments.output.resolve()
    print("Data: real climatologies, and a store in the shape of ARCO-ERA5")
    objects = make_data.make_all(output / "data")
    print(f"  {len(objects)} objects, {sum(objects.values()) / 1e6:.0f} MB, kept in {output / 'data'}")
    with (
        scratch_directory() as results,
        FarLink(FAR, relay=True if arguments.relay else None) as link,
        Swift(link.far, link.far_address) as swift,
    ):
        print(f"Far link: {link.describe()}")
        print(f"Store: OpenStack Swift, S3 API at {swift.endpoint}, on the far side; filling it from there")
        swift.make_bucket(BUCKET, public=True)
        for name in objects:
            swift.put(BUCKET, name, (output / "data" / name).read_bytes())
        host, port = link.reach(swift.port)
        origin = s3_origin(BUCKET, f"http://{host}:{port}")
        spaces = [namespace(f"/{BUCKET}", origin, freshness={"ttl": NODE_TTL, "negative_ttl": NODE_TTL})]
        with Node(spaces, place=link.near, address=link.near_address, memory=NODE_MEMORY) as node:
            print(f"Node: {node.url}/{BUCKET}, on the near side, in front of {origin}")
            print("Analysis: climatology, anomalies, time series, map; xarray, and Dask with 2 workers per user")
            shown = Demonstration(link, swift, node, results)
            shown.run_phase("direct", shown.direct_url)
            shown.run_phase("cold node", shown.node_url)
            shown.run_phase("second pass", shown.node_url)
            shown.run_phase("two users", shown.node_url, users=2)
        with report.load_answers(results / "second-pass-0") as answers:
            pictures = report.draw(answers, shown.phases, output)
    print(report.table(shown.phases))
    for picture in pictures:
        print(f"Picture: {picture}")
    promises = report.check_promises(shown.phases, objects, BUCKET)
    for promise in promises:
        print(f"  {'kept  ' if promise.kept else 'BROKEN'}  {promise.text}")
    left = processes.left_running()
    print(f"{time.monotonic() - began:.0f} s in all; left running: {', '.join(left) or 'nothing'}")
    return 0 if not left and all(promise.kept for promise in promises) else 1


def _end_on_signal(number: int, _frame: Any) -> None:
    raise SystemExit(128 + number)  # unwinds, so that everything is torn down


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "demo", help="where data and pictures are kept")
    parser.add_argument("--relay", action="store_true", help="a TCP relay as the far link, also where not needed")
    arguments = parser.parse_args()
    os.environ.setdefault(NODE_VARIABLE, str(ROOT / "build" / "release" / "forebay"))
    namespaces.become_permitted()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_on_signal)
    try:
        return show(arguments)
    except processes.LabError as error:
        print(f"\nThe demonstration could not run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
