"""Traffic Server that keeps each range under a name of its own (its plugin cache_range_requests), as an operator sets
it who knows that readers ask for the same ranges again; the rest as in `trafficserver`.
"""

from __future__ import annotations

from . import Scene
from .trafficserver import layout

NAME = "Traffic Server, ranges"
PACKAGES = ("trafficserver",)
SPEAKS = ("h1",)
CACHES = True
ONLY = ("scattered",)


def command(scene: Scene) -> list[str]:
    return layout(scene, "@plugin=cache_range_requests.so")
