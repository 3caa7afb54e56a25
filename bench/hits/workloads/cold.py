"""A large object that nobody has yet: how soon and how fast it comes through a server, and whether it stays."""

from __future__ import annotations

import math
import time

from ..load import Load
from ..objects import whole
from . import GIB, Measure, Stage, Workload, caches_or_direct

SETTLE_S = 3.0  # before the restart: what a cache writes late is written

MEASURES = {
    "first_byte_ms": Measure("ms", "low", "until the first byte of the answer"),
    "gb_per_s": Measure("GB/s", "high", "of the whole object"),
    "origin_requests": Measure("", "low", "requests that the origin saw for it"),
    "origin_share": Measure("x", "low", "bytes that the origin sent, of the object's"),
    "again_gb_per_s": Measure("GB/s", "high", "of the whole object once more, after a restart"),
    "again_origin_share": Measure("x", "low", "bytes that the origin sent for that, of the object's"),
}


def measure(stage: Stage) -> dict[str, float]:
    load = Load(whole(stage.objects), 1, compare=1)
    if stage.direct:
        return {**_read(stage, load, ""), "again_gb_per_s": math.nan, "again_origin_share": math.nan}
    with stage.running():
        figures = _read(stage, load, "")
        time.sleep(SETTLE_S)
    with stage.running():
        again = _read(stage, load, "again_")
    return {**figures, **{name: value for name, value in again.items() if name in MEASURES}}


def _read(stage: Stage, load: Load, which: str) -> dict[str, float]:
    requests, sent = stage.origin.requests, stage.origin.bytes
    told = stage.ask(load, stage.origin.port if stage.direct else None)
    stage.origin.settle()
    first_ms, whole_ms = told.times_ms[0]
    size = stage.objects.length_bytes
    return {
        f"{which}first_byte_ms": first_ms,
        f"{which}gb_per_s": size / 1e6 / whole_ms,
        f"{which}origin_requests": stage.origin.requests - requests,
        f"{which}origin_share": (stage.origin.bytes - sent) / size,
    }


WORKLOAD = Workload(
    name="cold",
    what="512 MiB that no cache holds, read once from an origin on this machine; again after a restart",
    objects=1,
    object_bytes=GIB // 2,
    disk_bytes=4 * GIB,
    measures=MEASURES,
    takes=caches_or_direct,
    measure=measure,
)
