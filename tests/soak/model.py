"""What was ever valid, and when: every answer of a node is checked against it.

An answer may be of any version that was current at the origin at some moment of a window: from the start of the
request, less the time for which the namespace lets an answer be used, to the answer's end; and no moment before a purge
that was acknowledged before the request started counts. Times are of ``time.monotonic``.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from words import UNKNOWN, explain, guess_version, make_bytes

#: Ages are kept in whole seconds, and rounded down in four places: of a contact's delay, of an age, and twice in what
#: is written to disk.
ROUNDING_S = 4.0
#: A request may join an exchange that began before it. None lasts longer than the longest stall of the origin.
COLLAPSED_S = 5.0


@dataclass
class Put:
    """A version at the origin, from ``began`` on; until the next one's ``ended`` at the latest."""

    version: int
    length: int
    etag: str | None
    began: float
    ended: float = math.inf  #: when the origin had it for certain


@dataclass(frozen=True)
class Policy:
    """For how long a namespace's answers may be used."""

    ttl_s: float
    stale_if_error_s: float


@dataclass(frozen=True)
class Purge:
    began: float
    acknowledged: float


class Thing:
    """An object: all its versions, and the purges that met it."""

    def __init__(self, number: int, path: str, policy: Policy) -> None:
        self.number, self.path, self.policy = number, path, policy
        self.puts: list[Put] = []
        self.purges: list[Purge] = []
        self.lock = threading.Lock()

    def put(self, version: int, length: int, etag: str | None, act: Callable[[], object]) -> None:
        """``act`` gives the version to the origin."""
        with self.lock:
            made = Put(version, length, etag, time.monotonic())
            self.puts.append(made)
            act()
            made.ended = time.monotonic()

    def valid(self, since: float, until: float) -> Iterator[Put]:
        """The versions that were current at some moment of the window, latest first."""
        puts = list(self.puts)
        superseded = math.inf
        for one in reversed(puts):
            if one.began <= until and superseded >= since:
                yield one
            superseded = one.ended


@dataclass
class Answer:
    """What a reader asked and got."""

    thing: Thing
    started: float
    ended: float
    status: int
    headers: dict[str, str]
    body: bytes
    broken: bool  #: it ended before its length
    wanted: tuple[int, int | None] | None = None  #: first and last byte of a range request; None: all
    head_only: bool = False
    insists: bool = False  #: Cache-Control: no-cache
    if_match: str | None = None
    if_none_match: str | None = None

    @property
    def window(self) -> tuple[float, float]:
        """In which a version must have been current."""
        told = self.headers.get("cache-status", "")
        ttl = 0.0 if self.insists else self.thing.policy.ttl_s
        if "detail=origin-failed" in told:
            ttl = self.thing.policy.ttl_s + self.thing.policy.stale_if_error_s + 1
        since = self.started - ttl - (ROUNDING_S if ttl > 0 else 0)
        if "collapsed" in told:
            since -= COLLAPSED_S
        for purge in list(self.thing.purges):
            if purge.acknowledged <= self.started:
                since = max(since, purge.began)
        return since, self.ended


@dataclass
class Checked:
    """What all answers came to."""

    answers: int = 0
    bytes: int = 0
    torn: int = 0
    wrong_bytes: int = 0
    by_status: Counter[int] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, answer: Answer) -> bool:
        """False, and a complaint more, when the answer is wrong."""
        wrong = find_wrong(answer)
        with self.lock:
            self.answers += 1
            self.bytes += len(answer.body)
            self.torn += answer.broken
            self.by_status[answer.status] += 1
            if wrong is not None:
                self.wrong_bytes += max(len(answer.body), 1)
                self.complaints.append(wrong)
        return wrong is None

    def complain(self, text: str) -> None:
        with self.lock:
            self.complaints.append(text)


def find_wrong(answer: Answer) -> str | None:
    """What is wrong with an answer, in words that lead to the cause; None where nothing is."""
    valid = list(answer.thing.valid(*answer.window))
    if answer.status in (200, 206):
        problem = _wrong_content(answer, valid)
    elif answer.status == 304:
        matching = any(_weakly(one.etag) == _weakly(answer.if_none_match) for one in valid)
        problem = None if answer.if_none_match and matching else "304 for a version that was not current"
    elif answer.status == 412:
        surely = all(one.etag == answer.if_match for one in valid)
        problem = "412 though the version was current all the time" if surely or not answer.if_match else None
    elif answer.status == 416:
        beyond = answer.wanted and any(answer.wanted[0] >= one.length for one in valid)
        problem = None if beyond else "416 for a range that no version lacked"
    elif answer.status >= 500:
        problem = None
    else:
        problem = f"status {answer.status}: the object was there all the time"
    return None if problem is None else _describe(answer, problem, valid)


def _wrong_content(answer: Answer, valid: list[Put]) -> str | None:
    if answer.if_match and answer.headers.get("etag") != answer.if_match:
        return f"If-Match {answer.if_match} was answered with {answer.headers.get('etag')}"
    place = _place_of(answer)
    if isinstance(place, str):
        return place
    begin, end, total = place
    guessed = guess_version(answer.body, begin)
    problem = "no version was current"
    for one in sorted(valid, key=lambda each: each.version != guessed):
        found = _differs(answer, one, begin, end, total)
        if found is None:
            return None
        problem = found if one.version == guessed or guessed is None else problem
    if guessed is not None and all(one.version != guessed for one in valid):
        problem = f"bytes of version {guessed}, which was not valid"
    return problem


def _place_of(answer: Answer) -> tuple[int, int, int | None] | str:
    """Begin, end and total length that the head announces."""
    length = answer.headers.get("content-length")
    if answer.status == 200:
        total = int(length) if length is not None else None
        return 0, len(answer.body) if total is None else total, total
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("content-range", ""))
    if found is None or answer.wanted is None:
        return f"206 with Content-Range {answer.headers.get('content-range')!r}"
    first, last, total = (int(number) for number in found.groups())
    asked_last = total - 1 if answer.wanted[1] is None else min(answer.wanted[1], total - 1)
    if (first, last) != (answer.wanted[0], asked_last):
        return f"another range than was asked: {found.group()}"
    return first, last + 1, total


def _differs(answer: Answer, one: Put, begin: int, end: int, total: int | None) -> str | None:
    """How the answer differs from this version; None: not at all."""
    if answer.headers.get("etag") != one.etag:
        return f"the head says {answer.headers.get('etag')}, version {one.version} has {one.etag}"
    if total is not None and total != one.length:
        return f"the head says {total} bytes, version {one.version} has {one.length}"
    if answer.head_only:
        return None
    if not answer.broken and len(answer.body) != end - begin:
        return f"{len(answer.body)} bytes came as the whole of {end - begin}"
    if not answer.broken and total is None and len(answer.body) != one.length:
        return f"{len(answer.body)} bytes came as the whole of {one.length}"
    if len(answer.body) > end - begin:
        return f"{len(answer.body)} bytes came of {end - begin}"
    if answer.body != make_bytes(answer.thing.number, one.version, begin, begin + len(answer.body)):
        return f"the bytes are not those of version {one.version}"
    return None


def _weakly(etag: str | None) -> str | None:
    return etag.removeprefix("W/") if etag else etag


def _describe(answer: Answer, problem: str, valid: list[Put]) -> str:
    thing, (since, until) = answer.thing, answer.window
    lines = [
        f"{thing.path} (object {thing.number}): {problem}",
        f"  asked: {'HEAD ' if answer.head_only else ''}{answer.wanted or 'all'}"
        f"{', no-cache' if answer.insists else ''}, If-Match {answer.if_match}, If-None-Match {answer.if_none_match}",
        f"  got: {answer.status}, {len(answer.body)} bytes{', broken off' if answer.broken else ''}: {answer.headers}",
        f"  from {answer.started:.3f} to {answer.ended:.3f}; the window is from {since:.3f} to {until:.3f}, "
        f"valid in it: {[one.version for one in valid]}",
    ]
    begin = 0 if answer.status == 200 or answer.wanted is None else answer.wanted[0]
    for run in explain(answer.body, begin)[:20] if answer.status in (200, 206) else []:
        owner = "of nobody" if run.thing == UNKNOWN else f"of object {run.thing}, version {run.version}"
        moved = f", {run.moved} bytes from their place" if run.moved else ""
        lines.append(f"  bytes {begin + run.begin} to {begin + run.end}: {owner}{moved}")
    # The latest ones, and those that the bytes name.
    for one in thing.puts[-6:]:
        lines.append(f"  version {one.version}: {one.length} bytes, {one.etag}, put {one.began:.3f} to {one.ended:.3f}")
    lines += [f"  purge: {one.began:.3f} to {one.acknowledged:.3f}" for one in thing.purges[-4:]]
    return "\n".join(lines)
