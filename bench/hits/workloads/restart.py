"""A server that was killed: how soon after its start it serves what it held."""

from __future__ import annotations

import math
import random
import time

from ...restart import Reader
from ..lab import POLL_S, START_TIMEOUT_S, RefusedError
from ..load import Load
from ..objects import whole
from . import GIB, Measure, Stage, Workload

LOADERS = 16
ROUND_OBJECTS = 100
ROUNDS = 20
WHOLE_SHARE = 0.99  # of a round: the restart is over
SETTLE_S = 5.0  # after the last object: what a cache writes late is written
SEED = 3

MEASURES = {
    "first_hit_ms": Measure("ms", "low", "from the start of its process to the end of the first hit"),
    "all_hits_ms": Measure("ms", "low", "from the start to the first round of 100 objects with 99 hits"),
    "hit_share": Measure("x", "high", "hits, of all 2,000 objects that were asked for"),
}


def measure(stage: Stage) -> dict[str, float]:
    with stage.running() as session:
        stage.ask(Load(whole(stage.objects), LOADERS, compare=1))
        stage.origin.settle()
        time.sleep(SETTLE_S)
        session.kill()
    count = min(ROUNDS * ROUND_OBJECTS, stage.objects.count)
    sample = random.Random(SEED).sample(range(stage.objects.count), count)
    begun = time.monotonic()
    with stage.running():
        return _ask(stage, Reader(stage.scene.port, "/o/"), sample, begun)


def _ask(stage: Stage, reader: Reader, sample: list[int], begun: float) -> dict[str, float]:
    first = over = math.nan
    hits = 0
    for at in range(0, len(sample), ROUND_OBJECTS):
        round_begun, of_round = time.monotonic(), 0
        numbers = sample[at : at + ROUND_OBJECTS]
        for number in numbers:
            seen = stage.origin.requests
            reader, body = _get(stage, reader, number)
            took = time.monotonic() - begun
            if body != stage.objects.body(number):
                raise RefusedError(f"/o/{number} has wrong bytes after a restart")
            of_round += stage.origin.requests == seen
            first = took if math.isnan(first) and of_round else first
        if math.isnan(over) and of_round >= WHOLE_SHARE * len(numbers):
            over = max(round_begun - begun, first)
        hits += of_round
    return {"first_hit_ms": first * 1e3, "all_hits_ms": over * 1e3, "hit_share": hits / len(sample)}


def _get(stage: Stage, reader: Reader, number: int) -> tuple[Reader, bytes]:
    """Some take a connection before they can serve it, and let it go again (Varnish, whose manager listens first)."""
    until = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return reader, reader.get(number)[1]
        except ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(POLL_S)
            reader = Reader(stage.scene.port, "/o/")


WORKLOAD = Workload(
    name="restart",
    what="objects of 50 kB on disk; killed with SIGKILL, started again, and asked for 2,000 of them",
    objects=100_000,
    object_bytes=50_000,
    memory_bytes=GIB,
    disk_bytes=20 * GIB,
    measures=MEASURES,
    takes=lambda server: server.CACHES,
    measure=measure,
)
