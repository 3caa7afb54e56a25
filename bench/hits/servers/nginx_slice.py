"""nginx as a cache of pieces of 1 MiB (its slice module), as its guides advise for large objects and ranges; the rest
as in `nginx_cache`.
"""

from __future__ import annotations

from . import Scene
from .nginx_cache import cache_frame

NAME = "nginx slices"
PACKAGES = ("nginx-light",)
SPEAKS = ("h1", "tls12", "tls13", "h2", "h2c")
CACHES = True
WITHOUT = {"small": "objects are one piece: see nginx cache", "large": "objects are one piece: see nginx cache"}


def command(scene: Scene) -> list[str]:
    return cache_frame(
        scene,
        """slice 1m;
      proxy_cache_key $uri$slice_range;
      proxy_set_header Range $slice_range;
      proxy_cache_valid 200 206 1d;""",
    )
