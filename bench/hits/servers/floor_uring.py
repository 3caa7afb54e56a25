"""What the kernel charges over io_uring (bench/floor_uring.cc), in the mode that costs least; else as in `floor`."""

from __future__ import annotations

import subprocess

from ..programs import build_directory
from . import Scene

NAME = "floor, io_uring"
PACKAGES = ("liburing-dev",)
SPEAKS = ("h1",)
CACHES = False
SAME_BYTES = True


def command(scene: Scene) -> list[str]:
    return uring_command(scene.port, scene.answer_bytes, "sendfile")


def uring_command(port: int, answer_bytes: int, mode: str) -> list[str]:
    from ..lab import UnavailableError  # which needs this package itself

    program = build_directory() / "bench/forebay_floor_uring"
    if not program.is_file():
        raise UnavailableError("was built without liburing: tools/setup bench and a new build")
    if subprocess.run([program, "probe"], capture_output=True).returncode != 0:
        raise UnavailableError("the system does not permit io_uring")
    return [str(program), str(port), str(answer_bytes), mode]
