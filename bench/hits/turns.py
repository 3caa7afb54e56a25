"""Rounds: in each, every server has its turn at a workload, on an empty cache; what else goes on then hits them all."""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from .lab import Cores, RefusedError, UnavailableError, free_port, make_certificate
from .objects import Objects
from .origin import Origin
from .programs import ROOT
from .servers import Scene, why_not
from .workloads import Asked, Stage, Workload


@dataclass(frozen=True)
class Row:
    """A figure of one turn."""

    workload: str
    protocol: str
    server: str
    turn: int
    measure: str
    value: float


@dataclass(frozen=True)
class Refusal:
    """A turn that gave no figures, and why."""

    workload: str
    protocol: str
    server: str
    why: str


@dataclass(frozen=True)
class Plan:
    servers: list[ModuleType]
    protocols: tuple[str, ...]
    rounds: int
    asked: Asked
    cores: Cores
    directory: Path | None = None  # of what is written; the system's temporary one otherwise


class Results:
    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.refused: list[Refusal] = []
        self.left_out: list[Refusal] = []

    def values(self, workload: str, protocol: str, server: str, measure: str) -> list[float]:
        """Those that count."""
        return [
            row.value
            for row in self.rows
            if (row.workload, row.protocol, row.server, row.measure) == (workload, protocol, server, measure)
            and not math.isnan(row.value)
        ]


def run(workload: Workload, plan: Plan, results: Results) -> None:
    """All rounds of one workload, over each protocol."""
    directory = Path(tempfile.mkdtemp(prefix="hits-bench-", dir=plan.directory))
    try:
        directory.chmod(0o755)
        objects = Objects(workload.objects, workload.object_bytes)
        objects.write(directory / "files")
        certificate = make_certificate(directory)
        origin = Origin(directory / "files", plan.cores.load)
        try:
            for protocol in (each for each in workload.protocols if each in plan.protocols):
                stages = list(_stages(workload, protocol, plan, results, objects, origin, directory, certificate))
                _rounds(workload, plan, results, stages)
        finally:
            origin.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _stages(
    workload: Workload,
    protocol: str,
    plan: Plan,
    results: Results,
    objects: Objects,
    origin: Origin,
    directory: Path,
    certificate: tuple[Path, Path],
) -> Iterable[Stage]:
    for server in plan.servers:
        if not workload.takes(server) or workload.name not in getattr(server, "ONLY", (workload.name,)):
            continue
        reason = why_not(server, workload.name, protocol)
        if reason is not None:
            results.left_out.append(Refusal(workload.name, protocol, server.NAME, reason))
            continue
        own = directory / f"{protocol}-{server.__name__.rsplit('.', 1)[-1]}"
        scene = Scene(
            root=ROOT,
            directory=own,
            port=free_port(),
            tls_port=free_port(),
            h2c_port=free_port(),
            origin=origin.address,
            files=directory / "files",
            certificate=certificate[0],
            key=certificate[1],
            object_bytes=workload.object_bytes,
            answer_bytes=workload.answer_bytes or workload.object_bytes,
            memory_bytes=workload.memory_bytes,
            disk_bytes=workload.disk_bytes,
        )
        yield Stage(server, scene, protocol, objects, origin, plan.asked, plan.cores, directory)


def _rounds(workload: Workload, plan: Plan, results: Results, stages: list[Stage]) -> None:
    slowest = plan.asked.rate * 2
    for turn in range(plan.rounds):
        rates = []
        for stage in stages:
            stage.rate = slowest / 2
            figures = _turn(workload, stage, turn, results)
            if workload.rate_from and workload.rate_from in figures:
                rates.append(figures[workload.rate_from])
        if not plan.asked.rate and rates:
            slowest = min(rates)


def _turn(workload: Workload, stage: Stage, turn: int, results: Results) -> dict[str, float]:
    name = stage.server.NAME
    stage.scene.directory.mkdir()
    try:
        figures = workload.measure(stage)
    except UnavailableError as why:
        results.left_out.append(Refusal(workload.name, stage.protocol, name, str(why)))
        return {}
    except (RefusedError, OSError, subprocess.SubprocessError) as why:
        results.refused.append(Refusal(workload.name, stage.protocol, name, str(why)))
        print(f"{workload.name} {stage.protocol} {turn + 1}: {name}: REFUSED: {why}", flush=True)
        return {}
    finally:
        shutil.rmtree(stage.scene.directory, ignore_errors=True)
        subprocess.run(["sync"], check=True)  # what one server wrote is not to disturb the next
    results.rows += [
        Row(workload.name, stage.protocol, name, turn, measure, value) for measure, value in figures.items()
    ]
    shown = "  ".join(f"{measure} {value:.4g}" for measure, value in figures.items())
    print(f"{workload.name} {stage.protocol} {turn + 1}: {name:16} {shown}", flush=True)
    return figures
