"""Nothing in between: the reader asks the origin. What a cold read costs at least."""

from __future__ import annotations

from . import Scene

NAME = "direct"
PACKAGES: tuple[str, ...] = ()
SPEAKS = ("h1",)
CACHES = False
DIRECT = True


def command(scene: Scene) -> list[str]:
    raise NotImplementedError(f"nothing runs at {scene.port}: readers are sent to the origin")
