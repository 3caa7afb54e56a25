"""The objects of the soak: ten times what the cache holds, with the validators that stores of all kinds give."""

from __future__ import annotations

import math
import random
import threading
from email.utils import formatdate
from typing import Any

from model import Policy, Purge, Thing
from words import Body

from forebay_lab.node import namespace
from forebay_lab.origin import HostileOrigin

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

#: Namespaces: always asked about, for two seconds, as the origin says (its max-age), and until somebody purges.
POLICIES = {
    "always": Policy(0, 0),
    "brief": Policy(2, 0),
    "said": Policy(3, 3600),
    "kept": Policy(3600, 3600),
}
#: What an origin says of a version; a Last-Modified that lies is harmless only beside a strong ETag.
KINDS = (
    "strong", "strong", "strong", "constant-modified", "no-modified", "future-modified", "modified-only",
    "weak", "nothing", "weak-and-modified",
)  # fmt: skip
PREFIXES = 12
LEAST_BYTES, MOST_BYTES = 4 * KIB, 16 * MIB
_LONG_AGO = 1_400_000_000
_FAR_AHEAD = 2_100_000_000
#: How often a version comes back that was there before, where something tells it from others.
_BACK_SHARE = 0.1


class World:
    """All objects, at one origin. Thread-safe."""

    def __init__(self, origin: HostileOrigin, seed: str, data_bytes: int) -> None:
        self.origin = origin
        self.things: list[Thing] = []
        self._kinds: list[str] = []
        self._rng = random.Random(f"{seed} world")
        self._extra = 0
        self._lock = threading.Lock()
        made = 0
        while made < data_bytes:
            number = len(self.things) + 1
            space = self._rng.choice(list(POLICIES))
            path = f"/{space}/p{number % PREFIXES}/o{number}"
            thing = Thing(number, path, POLICIES[space])
            self.things.append(thing)
            self._kinds.append(self._rng.choice(KINDS))
            length = int(math.exp(self._rng.uniform(math.log(LEAST_BYTES), math.log(MOST_BYTES))))
            self._put(thing, self._kinds[-1], 1, length)
            made += length

    def namespaces(self) -> list[dict[str, Any]]:
        """For the node's configuration."""
        made = []
        for name, policy in POLICIES.items():
            freshness: dict[str, str] = {"stale_if_error": f"{policy.stale_if_error_s:.0f}s"}
            if name != "said":
                freshness["ttl"] = f"{policy.ttl_s:.0f}s"
            made.append(namespace(f"/{name}", f"{self.origin.url}/{name}", freshness=freshness))
        return made

    def pick(self, rng: random.Random) -> Thing:
        """Few are wanted often, and all sometimes."""
        if rng.random() < 0.25:
            return rng.choice(self.things)
        return self.things[int(len(self.things) * rng.random() ** 4)]

    def overwrite(self, thing: Thing, rng: random.Random) -> None:
        """A new version, of the same size or of another; or an old one that comes back."""
        kind = self._kinds[thing.number - 1]
        drawn, factor, which = rng.random(), rng.uniform(0.5, 2), rng.random()
        with self._lock:
            puts = list(thing.puts)
            newest = max(one.version for one in puts)
            # Without an ETag, If-Modified-Since would call a version that came back unchanged.
            if drawn < _BACK_SHARE and kind not in ("modified-only", "nothing"):
                old = puts[int(which * len(puts))]
                self._put(thing, kind, old.version, old.length)
                return
            same_size = drawn < 0.5
            length = puts[0].length if same_size else max(LEAST_BYTES, int(puts[0].length * factor))
            self._put(thing, kind, newest + 1, min(length, MOST_BYTES))

    def extra(self, length: int) -> Thing:
        """A new object that nobody else reads, overwrites or purges."""
        with self._lock:
            self._extra += 1
            number = 1_000_000 + self._extra
        thing = Thing(number, f"/kept/extra/o{number}", POLICIES["kept"])
        self._put(thing, "strong", 1, length)
        return thing

    def purged(self, path: str, is_prefix: bool, purge: Purge) -> None:
        """A purge that was acknowledged."""
        for thing in self.things:
            if thing.path == path or (is_prefix and thing.path.startswith(path)):
                thing.purges.append(purge)

    def _put(self, thing: Thing, kind: str, version: int, length: int) -> None:
        etag: str | None = f'"{thing.number}-{version}"'
        if kind.startswith("weak"):
            etag = f"W/{etag}"
        if kind in ("modified-only", "nothing"):
            etag = None
        modified: str | None = formatdate(_LONG_AGO + version, usegmt=True)
        if kind in ("no-modified", "weak", "nothing"):
            modified = None
        elif kind == "constant-modified":
            modified = formatdate(_LONG_AGO, usegmt=True)
        elif kind == "future-modified":
            modified = formatdate(_FAR_AHEAD + version, usegmt=True)
        said = thing.path.startswith("/said/")
        headers = (("Cache-Control", f"max-age={thing.policy.ttl_s:.0f}"),) if said else ()
        body = Body(thing.number, version, length)
        thing.put(
            version,
            length,
            etag,
            lambda: self.origin.put(thing.path, body, etag=etag, last_modified=modified, headers=headers),
        )
