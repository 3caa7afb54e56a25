"""The demonstration itself, as a newcomer runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from forebay_lab.programs import NODE_VARIABLE, find_program, node_binary

RUN = Path(__file__).with_name("run.py")
#: What the demonstration has, on two cores.
LIMIT_S = 300


@pytest.mark.soak
@pytest.mark.timeout(LIMIT_S + 60)
def test_it_keeps_its_promises(tmp_path):
    find_program("forebay")
    done = subprocess.run(
        [sys.executable, RUN, "--output", tmp_path],
        env=dict(os.environ, **{NODE_VARIABLE: str(node_binary())}),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BROKEN" not in done.stdout
    assert "left running: nothing" in done.stdout
    assert (tmp_path / "map.png").stat().st_size > 10_000
    assert (tmp_path / "phases.png").stat().st_size > 1_000
