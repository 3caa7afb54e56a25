"""Many readers who all want the same new object at the same time."""

from __future__ import annotations

from ..load import Load
from ..objects import Request
from . import GIB, Measure, Stage, Workload, caches_or_direct

READERS = 50
COMPARE_EACH = 5  # of the readers: to compare every byte of all would take longer than to serve them

MEASURES = {
    "wall_ms": Measure("ms", "low", "until the last reader has the whole object"),
    "last_first_byte_ms": Measure("ms", "low", "until the last reader has the first byte of its answer"),
    "origin_requests": Measure("", "low", "requests that the origin saw"),
    "origin_share": Measure("x", "low", "bytes that the origin sent, of the object's"),
}


def measure(stage: Stage) -> dict[str, float]:
    size = stage.objects.length_bytes
    load = Load([Request(0, size)] * READERS, READERS, compare=COMPARE_EACH)
    requests, sent = stage.origin.requests, stage.origin.bytes
    if stage.direct:
        told = stage.ask(load, stage.origin.port)
    else:
        with stage.running():
            told = stage.ask(load)
            stage.origin.settle()
    return {
        "wall_ms": told.seconds * 1e3,
        "last_first_byte_ms": max(first for first, _ in told.times_ms),
        "origin_requests": stage.origin.requests - requests,
        "origin_share": (stage.origin.bytes - sent) / size,
    }


WORKLOAD = Workload(
    name="readers",
    what=f"{READERS} readers ask at once for one object of 64 MiB that no cache holds",
    objects=1,
    object_bytes=64 << 20,
    disk_bytes=4 * GIB,
    measures=MEASURES,
    takes=caches_or_direct,
    measure=measure,
)
