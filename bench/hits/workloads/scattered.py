"""A reader who jumps about in a large object that nobody has yet: what the jumps make the origin send."""

from __future__ import annotations

import statistics

from ..load import Load
from ..objects import scattered
from . import GIB, Measure, Stage, Workload, caches_or_direct

RANGES = 200
RANGE_BYTES = 64 << 10
SEED = 2

MEASURES = {
    "origin_share": Measure("x", "low", "bytes that the origin sent, of those that the reader asked for"),
    "origin_requests": Measure("", "low", "requests that the origin saw"),
    "mean_ms": Measure("ms", "low", "mean time of an answer"),
    "again_origin_share": Measure("x", "low", "bytes that the origin sent for the same ranges once more"),
    "again_mean_ms": Measure("ms", "low", "mean time of an answer of that second pass"),
}


def measure(stage: Stage) -> dict[str, float]:
    if stage.direct:
        return _pass(stage, "")
    with stage.running():
        return {**_pass(stage, ""), **_pass(stage, "again_")}


def _pass(stage: Stage, which: str) -> dict[str, float]:
    requests, sent = stage.origin.requests, stage.origin.bytes
    load = Load(scattered(stage.objects, RANGES, RANGE_BYTES, SEED), 1, compare=1)
    told = stage.ask(load, stage.origin.port if stage.direct else None)
    stage.origin.settle()
    figures = {
        "origin_share": (stage.origin.bytes - sent) / (RANGES * RANGE_BYTES),
        "origin_requests": float(stage.origin.requests - requests),
        "mean_ms": statistics.mean(whole for _, whole in told.times_ms),
    }
    return {which + name: value for name, value in figures.items() if which + name in MEASURES}


WORKLOAD = Workload(
    name="scattered",
    what=f"{RANGES} ranges of 64 KiB at random places of one object of 1 GiB that no cache holds, one after the other",
    objects=1,
    object_bytes=GIB,
    answer_bytes=RANGE_BYTES,
    memory_bytes=3 * GIB,
    disk_bytes=4 * GIB,
    measures=MEASURES,
    takes=caches_or_direct,
    measure=measure,
)
