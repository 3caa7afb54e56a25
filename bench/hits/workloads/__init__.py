"""What is asked of the servers, a file each. A file has `WORKLOAD`: what is asked, of whom, and what is measured.

`measure(stage)` is called once for each round, protocol and server, on an empty cache, and gives a figure for each name
in `measures` that it could take; NaN stands for one that does not count. It raises `RefusedError` where the server did
not do what is measured: an answer that is wrong, or that the origin had to help with.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from ..lab import Cores, RefusedError, running, wait_for_port
from ..load import Load, Told, ask, ask_h2load
from ..objects import Objects
from ..origin import Origin
from ..servers import Scene
from ..session import Session

#: Of its core: a server that takes less is not what limits a run.
SATURATED_SHARE = 0.9
GIB = 1 << 30


@dataclass(frozen=True)
class Measure:
    unit: str
    better: str  # "low" or "high"
    meaning: str  # a sentence for the reader of the table


@dataclass(frozen=True)
class Asked:
    """What the command line says."""

    seconds: float = 4
    rate: float = 0  # at which percentiles are taken; 0: found out


@dataclass
class Stage:
    """One server's turn at one workload."""

    server: ModuleType
    scene: Scene
    protocol: str
    objects: Objects
    origin: Origin
    asked: Asked
    cores: Cores
    directory: Path  # of the run: `files`, and what the generators are given
    rate: float = 0  # that all servers were seen to sustain; 0: not known yet

    @property
    def direct(self) -> bool:
        return getattr(self.server, "DIRECT", False)

    def running(self, scene: Scene | None = None) -> AbstractContextManager[Session]:
        """The server; started again, it finds what it left in its directory."""
        return running(self.server, scene or self.scene, self.cores.server)

    def ask(self, load: Load, port: int | None = None) -> Told:
        """Over HTTP/1.1, cleartext."""
        told = ask(load, port or self.scene.port, self.directory, self.cores.load)
        if load.compare and not told.compared:
            raise RefusedError("no answer was compared: the run is too short")
        return told

    def ask_by_protocol(self, load: Load) -> Told:
        if self.protocol == "h1":
            return self.ask(load)
        return ask_h2load(load, self.scene, self.protocol, self.directory, self.cores.load)

    def ready(self, session: Session) -> None:
        """Every listener that the protocol needs takes connections."""
        port = self.scene.h2c_port if self.protocol == "h2c" else self.scene.tls_port
        if self.protocol != "h1":
            wait_for_port(self.server.NAME, session, port)


@dataclass(frozen=True)
class Workload:
    name: str
    what: str  # a sentence for the reader of the table
    objects: int
    object_bytes: int
    measures: dict[str, Measure]
    measure: Callable[[Stage], dict[str, float]]
    protocols: tuple[str, ...] = ("h1",)
    memory_bytes: int = 2 * GIB
    disk_bytes: int = 0
    answer_bytes: int = 0  # 0: whole objects
    takes: Callable[[ModuleType], bool] = field(default=lambda _: True)
    rate_from: str = ""  # the measure whose least value, halved, all sustain


def caches_or_direct(server: ModuleType) -> bool:
    return server.CACHES or getattr(server, "DIRECT", False)


def all_workloads() -> list[Workload]:
    """Those of the files here whose names do not begin with an underscore."""
    names = [each.name for each in pkgutil.iter_modules(__path__) if not each.name.startswith("_")]
    return [importlib.import_module(f"{__name__}.{name}").WORKLOAD for name in names]
