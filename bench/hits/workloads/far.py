"""The same over a line of limited rate: a server should not make it slower."""

from __future__ import annotations

from dataclasses import replace

from ..lab import far_line
from ..load import Load
from ..objects import whole
from . import GIB, Measure, Stage, Workload, caches_or_direct

RTT_MS = 20.0
RATE_MBIT = 400.0

MEASURES = {
    "line_share": Measure("x", "high", "bytes of the body a second, of what the line carries"),
    "first_byte_ms": Measure("ms", "low", "until the first byte of the answer"),
    "origin_share": Measure("x", "low", "bytes that the origin sent, of the object's"),
}


def measure(stage: Stage) -> dict[str, float]:
    load = Load(whole(stage.objects), 1, compare=1)
    with far_line(stage.origin, RTT_MS, RATE_MBIT, stage.cores.load, stage.scene.directory) as address:
        sent = stage.origin.bytes
        if stage.direct:
            told = stage.ask(load, int(address.split(":")[1]))
        else:
            with stage.running(replace(stage.scene, origin=address)):
                told = stage.ask(load)
                stage.origin.settle()
        first_ms, whole_ms = told.times_ms[0]
        size = stage.objects.length_bytes
        return {
            "line_share": size * 8 / (whole_ms * 1e3) / RATE_MBIT,
            "first_byte_ms": first_ms,
            "origin_share": (stage.origin.bytes - sent) / size,
        }


WORKLOAD = Workload(
    name="far",
    what=f"512 MiB that no cache holds, from an origin {RTT_MS:.0f} ms away on a line of {RATE_MBIT:.0f} Mbit/s",
    objects=1,
    object_bytes=GIB // 2,
    disk_bytes=4 * GIB,
    measures=MEASURES,
    takes=caches_or_direct,
    measure=measure,
)
