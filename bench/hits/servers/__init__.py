"""Servers to compare, a file each: what an operator would run, configured as one who knows it well would.

A file has `NAME`, `PACKAGES` (Debian's), `SPEAKS` (of PROTOCOLS), `CACHES` (False: it serves the files themselves),
and `command(scene)`, which writes the configuration into `scene.directory` and gives the command that runs one worker
in the foreground, over cleartext on `scene.port` and, where it speaks it, over TLS on `scene.tls_port`.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

PROTOCOLS = ("h1", "tls", "h2")  # HTTP/1.1 over cleartext, over TLS, HTTP/2 over TLS


@dataclass(frozen=True)
class Scene:
    root: Path  # of the repository
    directory: Path  # the server's own
    port: int
    tls_port: int
    origin: str  # HOST:PORT; the path of an object is /o/NUMBER
    files: Path  # the same objects: files/o/NUMBER
    certificate: Path
    key: Path
    object_bytes: int
    memory_bytes: int  # that the cache may use


def all_servers() -> list[ModuleType]:
    return [importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
