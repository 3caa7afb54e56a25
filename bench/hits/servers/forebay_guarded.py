"""A node that sheds what has waited for its core for 5 ms (`limits.queue_delay`), as an operator sets it who would
rather refuse some than make all wait; the rest as in `forebay`.
"""

from __future__ import annotations

from . import Scene
from .forebay import configured

NAME = "forebay, 5 ms"
PACKAGES: tuple[str, ...] = ()
SPEAKS = ("h1",)
CACHES = True
ONLY = ("overload", "overload-chunks")


def command(scene: Scene) -> list[str]:
    return configured(scene, 'queue_delay = "5ms"')
