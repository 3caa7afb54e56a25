"""Hits on small objects: many short answers on kept connections, what Zarr and map readers do."""

from ..objects import whole
from ..servers import PROTOCOLS
from . import Workload
from ._hits import MEASURES, hits

CONNECTIONS = 32

WORKLOAD = Workload(
    name="small",
    what="1,000 objects of 4 KiB that the caches hold, asked for round and round on 32 connections",
    objects=1000,
    object_bytes=4096,
    protocols=PROTOCOLS,
    measures=MEASURES,
    rate_from="rate",
    takes=lambda server: not getattr(server, "DIRECT", False),
    measure=hits(lambda stage: whole(stage.objects), CONNECTIONS),
)
