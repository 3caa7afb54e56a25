"""What all workloads of hits have in common: everything is taken in and compared, then asked for round and round."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ..lab import RefusedError
from ..load import Load, Told, compare_with_curl
from ..objects import Request, whole
from ..session import Session
from . import GIB, SATURATED_SHARE, Measure, Stage

SETTLE_S = 1.0  # after the first requests: what a cache does late is done
WARM_CONNECTIONS = 4
WARM_PASSES = 5  # at most: some take an object in with its second request
COMPARED_BY_CURL = 8
COMPARE_EACH = 64  # of the answers of HTTP/1.1 under load

MEASURES = {
    "cpu_us_per_hit": Measure("us", "low", "processor time of the server for a hit"),
    "cpu_ms_per_gib": Measure("ms", "low", "processor time of the server for a GiB of bodies"),
    "hits_per_s": Measure(
        "/s", "high", "answers a second; counted when the server's core was busy to 90 %, so that it was the limit"
    ),
    "p99_ms": Measure(
        "ms", "low", "99th percentile of an answer's time at half the rate of the slowest server of the round before"
    ),
}


def hits(requests: Callable[[Stage], list[Request]], connections: int) -> Callable[[Stage], dict[str, float]]:
    """A `measure` of hits on what `requests` gives."""

    def measure(stage: Stage) -> dict[str, float]:
        asked = [Request(0, stage.scene.answer_bytes)] if _same_bytes(stage) else requests(stage)
        with stage.running() as session:
            stage.ready(session)
            warm(stage, asked)
            return measured(stage, session, asked, connections)

    return measure


def _same_bytes(stage: Stage) -> bool:
    return getattr(stage.server, "SAME_BYTES", False)


def warm(stage: Stage, asked: list[Request]) -> None:
    """All objects, whole, until a pass has met no miss; then some of the requests themselves. Each body is compared."""
    if _same_bytes(stage):
        return
    load = Load(whole(stage.objects), min(WARM_CONNECTIONS, stage.objects.count), compare=1)
    _until_no_miss(stage, lambda: stage.ask(load))
    if asked[0].first is not None:
        stage.ask(Load(asked[: len(asked) // 10 + 1], WARM_CONNECTIONS, compare=1))
    if stage.protocol != "h1":  # for some caches these are objects of another name
        for number in range(min(COMPARED_BY_CURL, stage.objects.count)):
            compare_with_curl(stage.objects, number, stage.scene, stage.protocol)
        _until_no_miss(stage, lambda: stage.ask_by_protocol(load))
    time.sleep(SETTLE_S)


def _until_no_miss(stage: Stage, ask: Callable[[], Told]) -> None:
    for _ in range(WARM_PASSES):
        seen = stage.origin.requests
        ask()
        stage.origin.settle()
        if stage.origin.requests == seen:
            return


def measured(stage: Stage, session: Session, asked: list[Request], connections: int) -> dict[str, float]:
    compare = 0 if _same_bytes(stage) else COMPARE_EACH
    seen, sent = stage.origin.requests, stage.origin.bytes
    cpu_s = session.cpu_s()
    began = time.monotonic()
    told = stage.ask_by_protocol(Load(asked, connections, stage.asked.seconds, compare=compare))
    cpu_s, took_s = session.cpu_s() - cpu_s, time.monotonic() - began
    figures = {
        "cpu_us_per_hit": cpu_s * 1e6 / told.answers,
        "cpu_ms_per_gib": cpu_s * 1e3 / (told.answers * asked[0].length / GIB),
        "hits_per_s": counted(told, cpu_s / took_s),
        # Of the run, and no figures of it: whether it can be believed.
        "rate": told.answers / told.seconds,
        "server_busy": cpu_s / took_s,
        "load_busy": told.busy,
    }
    if stage.rate and stage.protocol == "h1":
        slow = Load(asked, connections, stage.asked.seconds, rate=stage.rate, compare=compare)
        figures["p99_ms"] = stage.ask(slow).p99_ms
    asked_origin, sent = stage.origin.requests - seen, stage.origin.bytes - sent
    if sent or asked_origin > connections:  # XCache asks once for a new connection whether an object is still there
        raise RefusedError(f"the origin saw {asked_origin} requests and sent {sent} bytes: these were no hits")
    return figures


def counted(told: Told, server_busy: float) -> float:
    """Answers a second, where the server was what limited them."""
    return told.answers / told.seconds if server_busy >= SATURATED_SHARE else math.nan
