"""Whether a node answers, as this process last saw it."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from forebay.errors import NodeDownWarning

# After a failure, reads go straight to their origins for this long; then one read tries the node again.
RETRY_NODE_S: Final = 30.0


@dataclass(slots=True)
class _Outage:
    retry_at_s: float


class NodeHealth:
    """Outages of nodes by their URLs. One per process; any thread may call it.

    Parameters
    ----------
    clock : callable
        Monotonic time in seconds.
    retry_node_s : float
        How long a node that failed is left alone.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, retry_node_s: float = RETRY_NODE_S
    ) -> None:
        self._clock = clock
        self.retry_node_s = retry_node_s
        self._lock = threading.Lock()
        self._outages: dict[str, _Outage] = {}

    def may_try(self, node: str) -> bool:
        """Whether a read should go to the node: it works, or this read is to find out."""
        with self._lock:
            outage = self._outages.get(node)
            if outage is None:
                return True
            if self._clock() < outage.retry_at_s:
                return False
            # One reader asks; the others do not wait for a node that may still be dead.
            outage.retry_at_s = self._clock() + self.retry_node_s
            return True

    def note_up(self, node: str) -> None:
        """Record an answer of the node."""
        if node in self._outages:
            with self._lock:
                self._outages.pop(node, None)

    def note_down(self, node: str, reason: Exception) -> None:
        """Record that the node did not answer; warn once per outage."""
        with self._lock:
            is_new = node not in self._outages
            self._outages[node] = _Outage(self._clock() + self.retry_node_s)
        if is_new:
            warnings.warn(
                f"the Forebay node {node} does not answer ({reason}); reading straight from the origins, "
                f"and trying the node again every {self.retry_node_s:g} s",
                NodeDownWarning,
                stacklevel=2,
            )

    def forget(self) -> None:
        """Start afresh, as a new process would."""
        with self._lock:
            self._outages.clear()


health: Final = NodeHealth()
