"""An origin that is away for a minute under load, and comes back: with the limits as shipped, and by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from forebay_lab import processes
from forebay_lab.node import Node, namespace
from forebay_lab.origin import HostileOrigin

MakeNode = Callable[..., Node]

READERS = 12
NAMES = 64
AWAY_S = 60.0
BACK_WITHIN_S = 5.0
#: The rate is that of seconds: of the last whole ones before the outage, and of the best one after it.
MEASURED_S = 5.0
#: Of the rate before: two cores are shared with the readers and the origin.
AS_BEFORE = 0.5
#: Every read is a miss.
UNKEPT = (("Cache-Control", "no-store"),)


class Load:
    """Readers that never stop; when each answer came, and its status."""

    def __init__(self, node: Node) -> None:
        self.answers: list[tuple[float, int]] = []
        self._node = node
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(number,)) for number in range(READERS)]

    def __enter__(self) -> Load:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join()

    def _read(self, number: int) -> None:
        while not self._over.is_set():
            number += 1
            status = self._node.get(f"/o/{number % NAMES}").status
            self.answers.append((time.monotonic(), status))

    def good(self, since: float, until: float) -> int:
        return sum(status == 200 and since <= at < until for at, status in self.answers)

    def statuses(self, since: float, until: float) -> set[int]:
        return {status for at, status in self.answers if since <= at < until}


def fill(origin: HostileOrigin) -> None:
    for number in range(NAMES):
        origin.put(f"/{number}", b"sound", headers=UNKEPT)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_an_outage_of_a_minute_under_load(make_node: MakeNode) -> None:
    with HostileOrigin() as origin:
        port = origin.port
        fill(origin)
        node = make_node([namespace("/o", f"http://127.0.0.1:{port}")])
        load = Load(node)
        with load:
            processes.wait_until("it is read", lambda: len(load.answers) > 100)
            began = time.monotonic()
            time.sleep(MEASURED_S)
            before = load.good(began, began + MEASURED_S) / MEASURED_S
            origin.close()
            away = time.monotonic()
            time.sleep(AWAY_S)
            assert load.good(away + BACK_WITHIN_S, away + AWAY_S) == 0
            assert load.statuses(away + BACK_WITHIN_S, away + AWAY_S) <= {502, 503, 504}
            with HostileOrigin(port=port) as again:
                fill(again)
                back = time.monotonic()
                time.sleep(BACK_WITHIN_S + MEASURED_S)
                first = min((at for at, status in list(load.answers) if at >= back and status == 200), default=None)
                assert first is not None
                print(f"first 200 after {first - back:.2f} s; before {before:.0f}/s")
                assert first - back < BACK_WITHIN_S
                after = load.good(back + BACK_WITHIN_S, back + BACK_WITHIN_S + MEASURED_S) / MEASURED_S
                print(f"after {after:.0f}/s")
                assert after >= before * AS_BEFORE
                assert load.statuses(back + BACK_WITHIN_S, back + BACK_WITHIN_S + MEASURED_S) == {200}
