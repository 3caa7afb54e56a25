"""The overload of `overload`, of objects as large as chunks of an array are: to refuse one costs little beside it."""

from __future__ import annotations

from . import Workload
from .overload import MEASURES, SERVERS, measure

WORKLOAD = Workload(
    name="overload-chunks",
    what="one object of 4 MiB that the caches hold, asked for at three times what a fifth of a core can",
    objects=1,
    object_bytes=4 << 20,
    measures=MEASURES,
    takes=lambda server: server.NAME in SERVERS,
    measure=measure,
)
