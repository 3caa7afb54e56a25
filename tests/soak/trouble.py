"""What goes wrong all the time: objects change, are purged, origins and disks fail, the node is ended and started."""

from __future__ import annotations

import errno
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from model import COLLAPSED_S, Answer, Purge, Thing
from soak_objects import KIB
from soak_readers import Stage, Wish, ask

from forebay_lab.disk_fault import DiskFault
from forebay_lab.node import Node, sum_metric
from forebay_lab.origin import Fault, Gate
from forebay_lab.readers import fetch

#: A stall of the origin ends well within the time that the model grants to a collapsed request.
STALL_MOST_S = COLLAPSED_S / 2
#: What was stored longer ago than this must outlive a kill; and how much of it.
SETTLED_S = 1.0
KEPT_SHARE = 0.95
PROBE_S = 3.0
PROBE_BYTES = 128 * KIB
#: Between two of its reads: they all fit into the small queue, a twentieth of the disk.
PROBE_PAUSE_S = 0.02

#: Of a disk, in one life of the node: what to do, and its name.
MILD: list[tuple[str, Callable[[DiskFault], None]]] = [
    ("reads fail", lambda disk: disk.fail("read", errno.EIO, every=9, times=2)),
    ("writes fail", lambda disk: disk.fail("write", errno.EIO, every=5, times=1)),
    ("disk full on write", lambda disk: disk.fail("write", errno.ENOSPC, times=1)),
    ("disk full on create", lambda disk: disk.fail("create", errno.ENOSPC, times=1)),
    ("sync fails", lambda disk: disk.fail("sync", errno.EIO, times=1)),
    ("remove fails", lambda disk: disk.fail("remove", errno.EIO, times=1)),
    ("bits flip", lambda disk: disk.flip(every=5, times=2)),
    ("short reads", lambda disk: disk.shorten("read", every=2)),
    ("short writes", lambda disk: disk.shorten("write", every=2)),
    ("slow reads", lambda disk: disk.slow("read", 0.02)),
    ("slow writes", lambda disk: disk.slow("write", 0.1)),
]
#: After these the directory is not used, or not written to, until the node is started again.
HARSH: list[tuple[str, Callable[[DiskFault], None]]] = [
    ("all reads fail", lambda disk: disk.fail("read", errno.EIO)),
    ("all writes fail", lambda disk: disk.fail("write", errno.EIO)),
    ("disk stays full", lambda disk: disk.fail("create", errno.ENOSPC)),
    ("read-only", lambda disk: disk.fail("write", errno.EROFS)),
    ("purges cannot be written", lambda disk: disk.fail("append", errno.EIO)),
    ("bits flip all the time", lambda disk: disk.flip()),
    ("reads hang", lambda disk: disk.slow("read", 4)),
]
OPERATIONS = ("read", "write", "sync", "create", "remove", "append")


def overwrite_always(stage: Stage, per_second: float) -> None:
    rng = random.Random(f"{stage.seed} overwrites")
    while not stage.rest(rng.expovariate(per_second)):
        stage.world.overwrite(stage.world.pick(rng), rng)
        stage.count("overwritten")


def purge_always(stage: Stage, admin_url: str) -> None:
    """Half of them right after a change: the next answer must be of the new version, whatever the time to live."""
    rng = random.Random(f"{stage.seed} purges")
    while not stage.rest(rng.uniform(0.05, 0.6)):
        thing, is_prefix, changes = stage.world.pick(rng), rng.random() < 0.15, rng.random() < 0.5
        stage.up.wait()
        if changes:
            stage.world.overwrite(thing, rng)
            stage.count("overwritten")
        path = thing.path.rpartition("/")[0] + "/" if is_prefix else thing.path
        if purge(stage, admin_url, path, is_prefix):
            ask(stage, Wish(thing, (0, 64 * KIB)), None)


def purge(stage: Stage, admin_url: str, path: str, is_prefix: bool) -> bool:
    """True when it was acknowledged."""
    began = time.monotonic()
    words = json.dumps({"prefix" if is_prefix else "path": path}).encode()
    try:
        reply = fetch(f"{admin_url}/purge", method="POST", body=words, headers={"Content-Type": "application/json"})
    except (OSError, http.client.HTTPException):
        stage.count("purges without an answer")
        return False
    if reply.status != 200 or reply.broken:
        stage.count("purges refused")
        return False
    stage.world.purged(path, is_prefix, Purge(began, time.monotonic()))
    stage.count("purged prefixes" if is_prefix else "purged objects")
    return True


def fail_origin_always(stage: Stage) -> None:
    rng = random.Random(f"{stage.seed} origin faults")
    while not stage.rest(rng.uniform(0.02, 0.4)):
        thing = stage.world.pick(rng)
        at, times, seconds = rng.randrange(thing.puts[0].length), rng.randint(1, 3), rng.uniform(0.1, STALL_MOST_S)
        kind = rng.choice(
            ["503", "500", "reset", "reset before the head", "truncated", "stall", "stall before the head"]
        )
        fault = {
            "503": Fault(status=503), "500": Fault(status=500), "reset": Fault(reset_at=at),
            "reset before the head": Fault(reset_at=-1), "truncated": Fault(truncate_at=at),
        }.get(kind)  # fmt: skip
        if fault is None:
            gate = Gate()
            fault, times = Fault(stall_at=-1 if kind.endswith("head") else at, gate=gate), 1
            threading.Thread(target=_open_later, args=(gate, seconds), daemon=True).start()
        stage.world.origin.fail(thing.path, fault, times=times)
        stage.count(f"origin: {kind}", times)


def _open_later(gate: Gate, seconds: float) -> None:
    """Once somebody waits at it."""
    try:
        gate.wait_reached()
    except TimeoutError:
        pass
    else:
        time.sleep(seconds)
    gate.open()


class DiskTrouble:
    """Mild faults for a while each, with pauses; told to stop before the node's end is measured."""

    def __init__(self, stage: Stage, disk: DiskFault) -> None:
        self._stage, self._disk = stage, disk
        self._rng = random.Random(f"{stage.seed} disk faults")
        self._lock = threading.Lock()  # held while a fault is in force

    def run(self) -> None:
        while not self._stage.rest(self._rng.uniform(0.5, 3)):
            name, act = self._rng.choice(MILD)
            seconds = self._rng.uniform(0.5, 2)
            with self._lock:
                self._inflict(name, act, seconds)

    def be_harsh(self, rng: random.Random) -> None:
        """Something that lasts until the node is started again. The caller starts it."""
        name, act = rng.choice(HARSH)
        with self._lock:
            self._inflict(name, act, rng.uniform(2, 4))

    @contextmanager
    def spared(self) -> Iterator[None]:
        """No faults meanwhile."""
        with self._lock:
            yield

    def _inflict(self, name: str, act: Callable[[DiskFault], None], seconds: float) -> None:
        act(self._disk)
        self._stage.rest(seconds)
        self._disk.behave()
        self._stage.count(f"disk: {name}")


class Lives:
    """The node is ended every now and then, and must find again what it had."""

    def __init__(self, stage: Stage, node: Node, disk: DiskTrouble, seconds: tuple[float, float]) -> None:
        self._stage, self._node, self._disk, self._seconds = stage, node, disk, seconds
        self._rng = random.Random(f"{stage.seed} lives")
        self.metrics: Counter[str] = Counter()
        self.kept_shares: list[float] = []

    def run(self) -> None:
        """One life after the other, until time is up."""
        while not self._stage.stop.is_set():
            if self._live(self._rng.uniform(*self._seconds)):
                return
            drawn = self._rng.random()
            if drawn < 0.3:
                self._disk.be_harsh(self._rng)
                self.end(kill=self._rng.random() < 0.5)
                self.begin()
            elif drawn < 0.55:
                self._kill_and_measure()
            elif drawn < 0.75:
                self.end(kill=True)
                self.begin()
            else:
                self.end(kill=False)
                self.begin()
            self._stage.world.origin.forget_requests()

    def begin(self, resting: bool = False) -> None:
        """``resting``: the readers are let go later, by ``up``."""
        self._node.start()
        self._stage.life += 1
        if not resting:
            self._stage.up.set()

    def end(self, kill: bool) -> None:
        for sample, value in self._node.metrics().items():
            self.metrics[sample] += value  # type: ignore[assignment]
        self._stage.up.clear()
        if kill:
            self._node.kill()
        elif (status := self._node.stop()) != 0:
            self._stage.checked.complain(f"the node ended with {status} on SIGTERM")
        self._stage.count("killed" if kill else "stopped")

    def _live(self, seconds: float) -> bool:
        """True when all is over, or the node died of itself."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._stage.rest(0.2):
                return True
            assert self._node.process is not None
            if self._node.process.poll() is not None:
                self._stage.checked.complain(f"the node died with {self._node.process.returncode}")
                self._stage.stop.set()
                return True
        return False

    def _kill_and_measure(self) -> None:
        """Objects that nobody has read before are read until the kill: how much of them is found again?

        The others rest until that is known: at their pace what was read once is evicted within a second.
        """
        with self._disk.spared():
            self._stage.up.clear()
            read: list[tuple[Thing, float]] = []
            dropped = self._node.metric("forebay_disk_dropped_writes_total")
            began = time.monotonic()
            ends = began + PROBE_S + self._rng.random()
            while time.monotonic() < ends:
                thing = self._stage.world.extra(PROBE_BYTES)
                if self._reads(thing):
                    read.append((thing, time.monotonic()))
                self._stage.rest(PROBE_PAUSE_S)
            # A segment's sync holds the writer up: where the disk takes long over it, more waits than usual.
            latest = PROBE_BYTES * sum(at > time.monotonic() - SETTLED_S for _, at in read)
            told = self._node.metrics()
            all_taken = (
                sum_metric(told, "forebay_disk_dropped_writes_total") == dropped
                and sum_metric(told, "forebay_disk_up") == 1
                and sum_metric(told, "forebay_disk_queued_bytes") <= latest / 2
            )
            killed = time.monotonic()
            self.end(kill=True)
            self.begin(resting=True)
            settled = [thing for thing, at in read if at < killed - SETTLED_S]
            right = [thing for thing in settled if self._reads(thing)]
            self._stage.up.set()
        if not all_taken or not right:
            self._stage.count("kills not measured: the disk could not keep up before")
            return
        fetched = [max(self._stage.world.origin.bytes_sent(one.path) - PROBE_BYTES, 0) for one in right]
        share = 1 - sum(fetched) / (PROBE_BYTES * len(right))
        self.kept_shares.append(share)
        if share < KEPT_SHARE:
            lost = [place for place, number in enumerate(fetched) if number > 0]
            self._stage.checked.complain(
                f"only {share:.1%} of {len(right)} objects outlived a kill at {killed:.3f}; lost: {lost}"
            )

    def _reads(self, thing: Thing) -> bool:
        started = time.monotonic()
        try:
            reply = fetch(self._stage.url + thing.path)
        except (OSError, http.client.HTTPException):
            return False
        answer = Answer(
            thing, started, time.monotonic(), reply.status, dict(reply.headers), reply.body, reply.broken
        )  # fmt: skip
        return self._stage.checked.take(answer) and reply.status == 200 and not reply.broken


def summed(metrics: Counter[str], name: str, **labels: str) -> int:
    """Of all lives of the node."""
    return round(sum_metric(metrics, name, **labels))
