"""What the kernel charges (bench/floor.cc): the same bytes for every request, which are compared with nothing."""

from __future__ import annotations

from ..programs import find_program
from . import Scene

NAME = "floor"
PACKAGES: tuple[str, ...] = ()
SPEAKS = ("h1",)
CACHES = False
SAME_BYTES = True


def command(scene: Scene) -> list[str]:
    return [str(find_program("forebay_floor")), str(scene.port), str(scene.answer_bytes)]
