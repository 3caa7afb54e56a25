"""A node that is killed while it fills finds again what it had stored more than a second before."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from content import make_content

from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin

MakeNode = Callable[..., Node]

BYTES = 256 * 1024 + 5
#: What this much older is than the kill must be found, but for this share.
SETTLED_S = 1.0
KEPT_SHARE = 0.95


def test_what_was_stored_a_second_before_a_kill_is_found(
    make_node: MakeNode, origin: HostileOrigin, tmp_path: Path
) -> None:
    """A stream of fills without an end, and a kill at a moment that the seed says."""
    seed = os.environ.get("FOREBAY_KILL_SEED") or str(random.SystemRandom().randrange(10**6))
    seconds = random.Random(seed).uniform(2.0, 3.5)
    print(f"FOREBAY_KILL_SEED={seed}: killed after {seconds:.3f} s")
    options = {
        "memory": "512MiB",
        "settings": {"node": {"disk": [{"path": str(tmp_path / "store"), "size": "1GiB"}]}},
    }
    spaces = [namespace("/o", origin.url, freshness={"ttl": "1h"})]
    node = make_node(spaces, **options)
    stored: list[tuple[int, float]] = []

    def fill() -> None:
        for number in range(10**6):
            origin.put(f"/{number}", make_content(BYTES, number + 1))
            try:
                reply = node.get(f"/o/{number}")
            except OSError:
                return  # killed
            if not reply.broken:
                stored.append((number, time.monotonic()))

    filler = threading.Thread(target=fill)
    filler.start()
    time.sleep(seconds)  # the moment is the input of this test, not something that it waits for
    killed = time.monotonic()
    node.kill()
    filler.join()
    settled = [number for number, at in stored if at < killed - SETTLED_S]
    assert len(settled) > 10, "too few fills: this proves nothing"

    before = origin.bytes_sent()
    again = make_node(spaces, **options)
    for number in settled:
        assert again.get(f"/o/{number}").body == make_content(BYTES, number + 1), number
    refetched = origin.bytes_sent() - before
    share = 1 - refetched / (BYTES * len(settled))
    print(f"{len(settled)} objects, {share:.2%} of their bytes found again")
    assert share >= KEPT_SHARE
