"""The clock that is wrong on command, seen by a small program instead of a node."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from forebay_lab.clock_shift import ClockShift

#: Tells both clocks at each line that it is sent.
PROGRAM = """
import sys, time
for line in sys.stdin:
    print(time.time(), time.monotonic(), flush=True)
"""
DAY_S = 86_400.0
PATIENCE_S = 3_600.0  # between our look at the clock and its: far less than a shift


def test_the_wall_clock_is_shifted_while_the_program_runs_and_the_steady_one_is_not() -> None:
    with ClockShift() as clock:
        environment = dict(os.environ, **clock.environment(), ASAN_OPTIONS="detect_leaks=0")
        command = [sys.executable, "-S", "-c", PROGRAM]
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as program:
            assert program.stdin is not None
            assert program.stdout is not None
            for shift in (0.0, DAY_S, -400 * DAY_S, 0.0):
                clock.set(shift)
                program.stdin.write("\n")
                program.stdin.flush()
                wall, steady = (float(word) for word in program.stdout.readline().split())
                assert abs(wall - time.time() - shift) < PATIENCE_S
                assert abs(steady - time.monotonic()) < PATIENCE_S
            program.stdin.close()
