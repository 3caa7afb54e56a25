"""Hits on large objects: how many bytes a core sends."""

from ..objects import whole
from ..servers import PROTOCOLS
from . import Workload
from ._hits import MEASURES, hits

CONNECTIONS = 8

WORKLOAD = Workload(
    name="large",
    what="256 objects of 1 MiB that the caches hold, asked for round and round on 8 connections",
    objects=256,
    object_bytes=1 << 20,
    protocols=PROTOCOLS,
    measures=MEASURES,
    rate_from="rate",
    takes=lambda server: not getattr(server, "DIRECT", False),
    measure=hits(lambda stage: whole(stage.objects), CONNECTIONS),
)
