"""What this process reads straight from its origin although a node is there."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

logger: Final = logging.getLogger("forebay")


class Scopes:
    """Buckets and hosts that this process reads straight from their origins. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until_s: dict[str, float] = {}
        self._said: set[str] = set()

    def is_direct(self, scope: str) -> bool:
        """Whether a bucket or host is read straight from its origin now."""
        until_s = self._until_s.get(scope)
        return until_s is not None and time.monotonic() < until_s

    def make_direct(self, scope: str, reason: str, seconds: float = float("inf")) -> None:
        """Read a bucket or host straight from its origin for a while, and say so."""
        with self._lock:
            self._until_s[scope] = time.monotonic() + seconds
        self.say_once(f"{scope} is read straight from its origin: {reason}")

    def say_once(self, message: str) -> None:
        """Log a message, unless this process has said it before."""
        with self._lock:
            if message in self._said:
                return
            self._said.add(message)
        logger.warning(message)

    def forget(self) -> None:
        """Start afresh, as a new process would."""
        with self._lock:
            self._until_s.clear()
            self._said.clear()


scopes: Final = Scopes()
