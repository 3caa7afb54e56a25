"""The soak: a node with a disk, everything that can go wrong with it, and every byte checked. See README.md."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model import Checked
from soak_objects import GIB, MIB, World
from soak_readers import Reader, Stage, Wish, ask
from trouble import OPERATIONS, DiskTrouble, Lives, fail_origin_always, overwrite_always, purge_always, summed

from forebay_lab.disk_fault import DiskFault
from forebay_lab.node import Node
from forebay_lab.origin import HostileOrigin
from forebay_lab.programs import find_program

#: An origin that failed is left alone for 5 s (limits.breaker_open).
QUIET_PATIENCE_S = 15.0


@dataclass(frozen=True)
class Settings:
    """How long, how much, and which sequence of events."""

    seconds: float
    seed: str
    data_bytes: int = 10 * GIB
    disk: str = "1GiB"
    memory: str = "64MiB"
    readers: int = 12
    overwrites_per_second: float = 20
    life_s: tuple[float, float] = (8, 20)  #: from a start of the node to its end
    quiet_reads: int = 300  #: objects that are read when everything is well again


class Soak:
    """One run. ``run()`` returns the complaints; ``report()`` says what was done."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings = settings
        self.origin = HostileOrigin()
        self.world = World(self.origin, settings.seed, settings.data_bytes)
        self.checked = Checked()
        self.disk = DiskFault(directory / "store")
        self.store = directory / "store"
        self.node = Node(
            self.world.namespaces(),
            memory=settings.memory,
            settings={
                "node": {"disk": [{"path": str(self.store), "size": settings.disk}], "drain_timeout": "5s"},
                "limits": {"breaker_open": "1s", "breaker_failures": 50},
            },
            environment=self.disk.environment(),
        )
        self.stage = Stage(self.world, self.checked, self.node.url, settings.seed)
        trouble = DiskTrouble(self.stage, self.disk)
        self.lives = Lives(self.stage, self.node, trouble, settings.life_s)
        self._trouble = trouble

    def run(self) -> list[str]:
        settings = self.settings
        self.lives.begin()
        tasks: list[tuple[str, Callable[..., None], tuple[object, ...]]] = [
            ("overwrites", overwrite_always, (self.stage, settings.overwrites_per_second)),
            ("purges", purge_always, (self.stage, self.node.admin_url)),
            ("origin faults", fail_origin_always, (self.stage,)),
            ("disk faults", self._trouble.run, ()),
            ("lives", self.lives.run, ()),
        ]
        threads = [
            threading.Thread(target=self._guarded, args=(name, act, arguments), name=name, daemon=True)
            for name, act, arguments in tasks
        ]
        threads += [Reader(self.stage, number) for number in range(settings.readers)]
        for each in threads:
            each.start()
        until = time.monotonic() + settings.seconds
        while time.monotonic() < until and not self.checked.complaints:
            time.sleep(0.2)
        self.stage.stop.set()
        for each in threads:
            self.stage.up.set()  # lets go who waits for a node that is being started
            each.join(120)
            if each.is_alive():
                self.checked.complain(f"{each.name} does not end")
        if not self.checked.complaints:
            self._end_quietly()
        return self.checked.complaints

    def _guarded(self, name: str, act: Callable[..., None], arguments: tuple[object, ...]) -> None:
        try:
            act(*arguments)
        except Exception as error:
            self.checked.complain(f"{name} ended: {error!r}")
            self.stage.stop.set()

    def _end_quietly(self) -> None:
        """All faults are over: after a restart everything can be read, and the store is whole."""
        self.disk.behave()
        for thing in self.world.things:
            self.origin.behave(thing.path)
        self.stage.stop.clear()
        self.lives.end(kill=False)
        self.lives.begin()
        for thing in self.world.things[: self.settings.quiet_reads]:
            until = time.monotonic() + QUIET_PATIENCE_S
            wanted = (0, 256 * 1024) if thing.puts[0].length > MIB else None
            before = self.checked.by_status[200] + self.checked.by_status[206] - self.checked.torn
            while self.checked.by_status[200] + self.checked.by_status[206] - self.checked.torn == before:
                ask(self.stage, Wish(thing, wanted), None)
                if time.monotonic() > until:
                    self.checked.complain(f"{thing.path} cannot be read though nothing fails any more")
                    return
        self.lives.end(kill=False)
        check = subprocess.run([find_program("forebay"), "store", "check", self.store], capture_output=True, text=True)
        print(f"store check: {check.returncode}\n{check.stdout}{check.stderr}")

    def close(self) -> None:
        self.stage.stop.set()
        self.stage.up.set()
        self.node.close()
        self.disk.close()
        self.origin.close()

    def report(self) -> str:
        checked, metrics, counts = self.checked, self.lives.metrics, self.stage.counts
        lines = [
            f"seed {self.settings.seed}, {self.settings.seconds:.0f} s, {len(self.world.things)} objects, "
            f"data {self.settings.data_bytes >> 20} MiB, disk {self.settings.disk}, memory {self.settings.memory}",
            f"answers: {checked.answers}, {checked.bytes >> 20} MiB, torn off {checked.torn}",
            f"statuses: {dict(sorted(checked.by_status.items()))}",
            f"from memory, disk, origin: "
            f"{[summed(metrics, 'forebay_served_bytes_total', tier=one) >> 20 for one in ('memory', 'disk', 'origin')]}"
            " MiB",
        ]
        names = ("evicted_segments", "evicted_bytes", "survived_bytes", "damaged_blocks", "torn_blocks", "read_errors",
                 "write_errors", "dropped_writes")  # fmt: skip
        lines.append("disk: " + ", ".join(f"{one} {summed(metrics, f'forebay_disk_{one}_total')}" for one in names))
        injected = {one: self.disk.counted(one).injected for one in OPERATIONS}
        lines.append(f"calls that met a fault: {injected}")
        lines += [f"{what}: {number}" for what, number in sorted(counts.items())]
        shares = [f"{share:.1%}" for share in self.lives.kept_shares]
        lines.append(f"found again after a kill: {', '.join(shares) or 'not measured'}")
        lines.append(f"wrong bytes: {checked.wrong_bytes}")
        return "\n".join(lines)
