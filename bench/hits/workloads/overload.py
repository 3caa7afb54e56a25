"""Three times as many requests as a server can answer, which wait for nobody: what the answers cost that are given."""

from __future__ import annotations

import time

from ...overload import find_capacity, offer
from ..load import Load
from ..objects import whole
from ..programs import find_program
from ..quota import share_of_core
from . import Measure, Stage, Workload

CORE_SHARE = 0.2
TIMES = 3.0
SERVERS = ("forebay", "forebay, 5 ms", "nginx cache", "Varnish", "HAProxy cache")
WARM_PASSES = 2
SETTLE_S = 1.0

MEASURES = {
    "capacity_per_s": Measure("/s", "high", "the highest rate of which 97 % were answered 200, the slowest in 100 ms"),
    "goodput_share": Measure("x", "high", "answers of 200 a second at three times that rate, of that rate"),
    "p99_ms": Measure("ms", "low", "99th percentile of their time since their requests were due"),
    "refused_share": Measure("x", "low", "requests answered 503 or 429, of all"),
}


def measure(stage: Stage) -> dict[str, float]:
    generator, port, path = find_program("forebay_open_load"), stage.scene.port, "/o/0"
    with stage.running() as session:
        for _ in range(WARM_PASSES):
            stage.ask(Load(whole(stage.objects), 1, compare=1))
        with share_of_core(session, CORE_SHARE):
            capacity = find_capacity(generator, port, max(stage.asked.seconds / 3, 0.5), path)
            seen = offer(generator, port, capacity * TIMES, stage.asked.seconds, path)
        time.sleep(SETTLE_S)  # until nothing waits any more
        stage.ask(Load(whole(stage.objects), 1, compare=1))
    return {
        "capacity_per_s": capacity,
        "goodput_share": seen["ok_per_second"] / capacity,
        "p99_ms": seen["p99_us"] / 1e3,
        "refused_share": seen["refused"] / seen["offered"],
    }


WORKLOAD = Workload(
    name="overload",
    what="one object of 256 KiB that the caches hold, asked for at three times what a fifth of a core can",
    objects=1,
    object_bytes=256 << 10,
    measures=MEASURES,
    takes=lambda server: server.NAME in SERVERS,
    measure=measure,
)
