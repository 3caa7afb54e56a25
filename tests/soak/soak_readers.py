"""Those who read: many at once, each with a sequence of requests that its seed gives."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from model import Answer, Checked, Thing
from soak_objects import KIB, MIB, World

from forebay_lab.readers import fetch, open_stream

#: Whole objects up to this size are read whole; of larger ones, ranges.
WHOLE_BYTES = 4 * MIB
#: One that hangs longer has found a bug.
PATIENCE_S = 90.0


@dataclass
class Stage:
    """What all who take part share."""

    world: World
    checked: Checked
    url: str
    seed: str
    stop: threading.Event = field(default_factory=threading.Event)
    up: threading.Event = field(default_factory=threading.Event)  #: the node answers
    life: int = 0  #: how often it was started
    counts: Counter[str] = field(default_factory=Counter)
    counts_lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str, number: int = 1) -> None:
        with self.counts_lock:
            self.counts[what] += number

    def rest(self, seconds: float) -> bool:
        """Waits; True when all is over."""
        return self.stop.wait(seconds)


@dataclass(frozen=True)
class Wish:
    """A request as it is planned; what it depends on besides the seed is filled in when it is sent."""

    thing: Thing
    wanted: tuple[int, int | None] | None = None
    head_only: bool = False
    insists: bool = False
    match: bool = False  #: If-Match with the ETag that this reader saw last
    none_match: bool = False
    leaves: bool = False  #: after the first bytes


class Reader(threading.Thread):
    """One reader: plans, asks, and has every answer checked."""

    def __init__(self, stage: Stage, number: int) -> None:
        super().__init__(name=f"reader-{number}", daemon=True)
        self._stage = stage
        self._rng = random.Random(f"{stage.seed} reader {number}")
        self._etags: dict[int, str] = {}

    def run(self) -> None:
        while not self._stage.stop.is_set():
            for wish in plan(self._rng, self._stage.world):
                self._stage.up.wait()
                if self._stage.stop.is_set():
                    return
                self._etags |= ask(self._stage, wish, self._etags.get(wish.thing.number))


def plan(rng: random.Random, world: World) -> Iterator[Wish]:
    """The next request or few."""
    thing = world.pick(rng)
    length = thing.puts[0].length
    drawn = rng.random()
    first = rng.randrange(length)
    last = first + min(int(2 ** rng.uniform(0, 21)), length)
    if drawn < 0.15 and length <= WHOLE_BYTES:
        yield Wish(thing)
    elif drawn < 0.20:
        yield Wish(thing, head_only=True)
    elif drawn < 0.25:
        yield Wish(thing, (first, last), insists=True)
    elif drawn < 0.30:
        yield Wish(thing, (first, last), match=True)
    elif drawn < 0.34:
        yield Wish(thing, None if length <= WHOLE_BYTES else (first, last), none_match=True)
    elif drawn < 0.38:
        yield Wish(thing, leaves=True)
    elif drawn < 0.48:
        step = 2 ** rng.randrange(14, 19)
        for begin in range(first, min(length, first + 8 * step), step):
            yield Wish(thing, (begin, begin + step - 1))
    elif drawn < 0.55:
        yield Wish(thing, (max(first, length - 2 * MIB), None))
    elif drawn < 0.57:
        yield Wish(thing, (length + rng.randrange(length), None))
    else:
        yield Wish(thing, (first, last))


def ask(stage: Stage, wish: Wish, etag: str | None) -> dict[int, str]:
    """Sends one request and checks the answer; the ETag that it showed."""
    headers: dict[str, str] = {}
    if wish.wanted is not None:
        headers["Range"] = f"bytes={wish.wanted[0]}-{'' if wish.wanted[1] is None else wish.wanted[1]}"
    if wish.insists:
        headers["Cache-Control"] = "no-cache"
    if_match = etag if wish.match and etag and not etag.startswith("W/") else None
    if_none_match = etag if wish.none_match else None
    if if_match:
        headers["If-Match"] = if_match
    if if_none_match:
        headers["If-None-Match"] = if_none_match
    url, life, started = stage.url + wish.thing.path, stage.life, time.monotonic()
    try:
        if wish.leaves:
            with open_stream(url, headers=headers, timeout_s=PATIENCE_S) as stream:
                status, got, broken = stream.status, dict(stream.headers), True
                body = stream.read(48 * KIB) if status == 200 else stream.read_rest().body
        else:
            method = "HEAD" if wish.head_only else "GET"
            reply = fetch(url, method=method, headers=headers, timeout_s=PATIENCE_S)
            status, got, body, broken = reply.status, dict(reply.headers), reply.body, reply.broken
    except TimeoutError:
        stage.checked.complain(f"{wish.thing.path}: no byte within {PATIENCE_S} s, asked at {started:.3f}: {wish}")
        return {}
    except (OSError, http.client.HTTPException) as error:
        alive = stage.up.is_set() and stage.life == life
        stage.count(f"no answer ({'the node lived' if alive else 'the node was ended'}, {type(error).__name__})")
        return {}
    answer = Answer(
        wish.thing, started, time.monotonic(), status, got, body, broken, wish.wanted, wish.head_only, wish.insists,
        if_match, if_none_match,
    )  # fmt: skip
    stage.checked.take(answer)
    if wish.leaves:
        stage.count("left midway")
    return {wish.thing.number: got["etag"]} if status in (200, 206) and "etag" in got else {}
