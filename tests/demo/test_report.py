"""The demonstration fails when a promise is broken, whichever it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report import check_promises, table
from run import Phase

from forebay_lab.swift import LoggedRequest

OBJECTS = {"era5/0.0.0": 1_000_000, "era5/0.1.0": 2_000_000, "never/read": 5_000_000}
ANSWERS = {"normal": "aa", "map": "bb"}


def asked(times: int) -> list[LoggedRequest]:
    return [
        LoggedRequest("GET", f"/climate/{name}?x", 200, size, "")
        for name, size in OBJECTS.items()
        for _ in range(times)
        if name.startswith("era5")
    ]


def good_phases() -> list[Phase]:
    return [
        Phase("direct", 60, 9_500_000, asked(3), None, [ANSWERS]),
        Phase("cold node", 20, 3_150_000, asked(1), 0.6, [ANSWERS]),
        Phase("second pass", 10, 0, [], 1.0, [ANSWERS]),
        Phase("two users", 15, 200, [], 1.0, [ANSWERS, ANSWERS]),
    ]


def broken(phases: list[Phase]) -> list[str]:
    return [promise.text for promise in check_promises(phases, OBJECTS, "climate") if not promise.kept]


def test_all_promises_kept():
    phases = good_phases()
    assert broken(phases) == []
    shown = table([replace(phase, steps={"climatology": 1.25}) for phase in phases])
    assert "3.1 MB" in shown
    assert shown.count("1.2") >= len(phases)


@pytest.mark.parametrize(
    ("place", "change", "text"),
    [
        (0, {"seconds": 15}, "faster than no node"),
        (1, {"digests": [{"normal": "aa", "map": "cc"}]}, "equal bit by bit"),
        (1, {"requests": asked(2)}, "every byte once"),
        (1, {"requests": []}, "every byte once"),
        (1, {"far_bytes": 3_500_000}, "crossed the far link, headers"),
        (2, {"requests": asked(1)[:1]}, "second pass: no request"),
        (2, {"far_bytes": 1_000_000}, "second pass: no request"),
        (2, {"seconds": 30}, "times as fast"),
        (3, {"far_bytes": 1_000_000}, "two users: no request"),
        (3, {"digests": [ANSWERS, {"normal": "aa"}]}, "equal bit by bit"),
    ],
)
def test_a_broken_promise_is_seen(place, change, text):
    phases = good_phases()
    phases[place] = replace(phases[place], **change)
    complaints = broken(phases)
    assert len(complaints) == 1
    assert text in complaints[0]
