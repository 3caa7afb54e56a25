"""The soak on the real program: everything at once, and not one wrong byte. See README.md."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from soak_run import Settings, Soak
from trouble import summed

SECONDS = float(os.environ.get("FOREBAY_SOAK_SECONDS", "600"))
SEED = os.environ.get("FOREBAY_SOAK_SEED") or str(random.SystemRandom().randrange(10**6))
#: A run of this length must have seen everything at least once.
LONG_S = 300


def run(settings: Settings, directory: Path) -> Soak:
    soak = Soak(settings, directory)
    try:
        complaints = soak.run()
        print(f"\n{soak.report()}")
        shutil.copy(soak.node.log, directory / "node.log")
    finally:
        soak.close()
    if complaints:
        pytest.fail("\n".join([*complaints[:5], f"({len(complaints)} complaints; {directory}/node.log)"]))
    return soak


def test_seconds_of_everything(tmp_path: Path) -> None:
    """The same, short and small: no eviction, but kills, purges and faults, also of a build with sanitizers."""
    soak = run(Settings(12, SEED, data_bytes=1 << 29, readers=6, life_s=(1.5, 3), quiet_reads=30), tmp_path)
    assert soak.checked.wrong_bytes == 0
    assert soak.checked.answers > 0
    assert soak.stage.counts["killed"] + soak.stage.counts["stopped"] > 0


@pytest.mark.soak
@pytest.mark.timeout(SECONDS + 600)
def test_ten_minutes_of_everything(tmp_path: Path) -> None:
    soak = run(Settings(SECONDS, SEED), tmp_path)
    assert soak.checked.wrong_bytes == 0
    assert soak.checked.answers > 20 * SECONDS, "no pressure: this proves nothing"
    if SECONDS >= LONG_S:
        metrics, counts = soak.lives.metrics, soak.stage.counts
        assert summed(metrics, "forebay_disk_evicted_segments_total") > 50
        assert counts["killed"] > 3
        assert counts["stopped"] > 3
        assert soak.lives.kept_shares
        assert all(soak.disk.counted(one).injected for one in ("read", "write", "create"))
