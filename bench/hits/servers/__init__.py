"""Servers to compare, a file each: what an operator would run, configured as one who knows it well would.

A file has a sentence or two on how it is configured, `NAME`, `PACKAGES` (Debian's), `SPEAKS` (of PROTOCOLS), `CACHES`
(False: it serves the files themselves), and `command(scene)`, which writes the configuration into `scene.directory` and
gives the command that runs one worker in the foreground: over cleartext on `scene.port` and, where it speaks them, over
TLS on `scene.tls_port` and HTTP/2 without TLS on `scene.h2c_port`. It may have

- `WITHOUT`: workloads that it cannot do, each with the reason;
- `ONLY`: the workloads that it is for, where it is a variant of another;
- `SAME_BYTES`: its bodies are no objects, and compared with nothing;
- `DIRECT`: it stands for the origin itself;
- `environment(scene)`: variables of the process.
"""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

#: HTTP/1.1 over cleartext and over TLS 1.2 and 1.3; HTTP/2 over TLS 1.3 and over cleartext.
PROTOCOLS = ("h1", "tls12", "tls13", "h2", "h2c")
TLS = ("tls12", "tls13", "h2")


@dataclass(frozen=True)
class Scene:
    root: Path  # of the repository
    directory: Path  # the server's own
    port: int
    tls_port: int
    h2c_port: int
    origin: str  # HOST:PORT; the path of an object is /o/NUMBER
    files: Path  # the same objects: files/o/NUMBER
    certificate: Path
    key: Path
    object_bytes: int
    answer_bytes: int  # of a range, where ranges are asked for
    memory_bytes: int  # that the cache may use
    disk_bytes: int  # that the cache may use below `directory`, where it can; 0: memory alone, where it can


def all_servers() -> list[ModuleType]:
    return [importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]


def installed(server: ModuleType) -> bool:
    for package in server.PACKAGES:
        told = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True)
        if "install ok installed" not in told.stdout:
            return False
    return True


def why_not(server: ModuleType, workload: str, protocol: str) -> str | None:
    """Why it takes no part; None when it does."""
    if protocol not in server.SPEAKS:
        return "does not speak it"
    without: dict[str, str] = getattr(server, "WITHOUT", {})
    if workload in without:
        return without[workload]
    return None if installed(server) else "not installed: tools/setup bench"
