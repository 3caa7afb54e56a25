"""nginx with the files themselves, their descriptors kept open: as quick as a server of files gets."""

from __future__ import annotations

from . import Scene
from .nginx_cache import frame

NAME = "nginx static"
PACKAGES = ("nginx-light",)
SPEAKS = ("h1", "tls12", "tls13", "h2", "h2c")
CACHES = False


def command(scene: Scene) -> list[str]:
    return frame(scene, "default_type application/octet-stream;", f"root {scene.files}; etag on;")
