"""Hits in pieces of one large object, at places that are aligned with nothing."""

from ..objects import scattered
from . import GIB, Workload
from ._hits import MEASURES, hits

CONNECTIONS = 32
RANGE_BYTES = 64 << 10
RANGES = 20_000
SEED = 1

WORKLOAD = Workload(
    name="ranges",
    what="64 KiB at random places of one object of 1 GiB that the caches hold, on 32 connections",
    objects=1,
    object_bytes=GIB,
    answer_bytes=RANGE_BYTES,
    memory_bytes=3 * GIB,
    measures=MEASURES,
    rate_from="rate",
    takes=lambda server: not getattr(server, "DIRECT", False),
    measure=hits(lambda stage: scattered(stage.objects, RANGES, RANGE_BYTES, SEED), CONNECTIONS),
)
