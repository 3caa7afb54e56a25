"""What asks: `load.cc` over HTTP/1.1 in cleartext, h2load (of nghttp2) over TLS and HTTP/2."""

from __future__ import annotations

import json
import math
import os
import re
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .lab import RefusedError, pinned
from .objects import Objects, Request
from .programs import find_program
from .servers import Scene

HOST = "bench"  # as in load.cc
STREAMS = 4  # requests at once on a connection of HTTP/2
PATIENCE_S = 300.0
CIPHER, CIPHER_13 = "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"  # the same for all servers
# OpenSSL's own switch, since h2load has none: TLS 1.2 alone.
TLS_12_ALONE = """openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = ours
[ours]
Protocol = -TLSv1.3
"""


@dataclass(frozen=True)
class Load:
    requests: list[Request]
    connections: int
    seconds: float = 0  # 0: each request once
    rate: float = 0  # 0: as many as it gets
    compare: int = 0  # each so many-th body; 0: none


@dataclass(frozen=True)
class Told:
    answers: int
    seconds: float
    cpu_s: float  # of the generator
    compared: int
    p99_ms: float
    times_ms: list[tuple[float, float]]  # first byte, whole; where each request is asked for once

    @property
    def busy(self) -> float:
        """Of its core."""
        return self.cpu_s / self.seconds


def ask(load: Load, port: int, directory: Path, core: int) -> Told:
    """Over HTTP/1.1, cleartext; every answer's status and length is checked."""
    asked = directory / "requests"
    asked.write_text("".join(each.line() for each in load.requests))
    command = [
        *(str(find_program("forebay_hits_load")), str(port), str(load.connections), str(load.seconds), str(load.rate)),
        *(str(asked), str(directory / "files" / "pattern"), str(load.compare)),
    ]
    done = subprocess.run(pinned(core, command), capture_output=True, text=True, timeout=load.seconds + PATIENCE_S)
    if done.returncode != 0:
        raise RefusedError(done.stderr.strip()[-2000:])
    told = json.loads(done.stdout)
    if told["overdue"] > load.connections:
        raise RefusedError(f"{load.rate:.0f} requests a second are more than it sustains")
    return Told(
        told["answers"],
        told["seconds"],
        told["cpu_s"],
        told["compared"],
        told["p99_us"] / 1e3,
        [(first / 1e3, whole / 1e3) for first, whole in told["times_us"]],
    )


def _count(pattern: str, told: str) -> tuple[int, ...]:
    found = re.search(pattern, told)
    if found is None:
        raise RefusedError(f"h2load said what cannot be read:\n{told[-2000:]}")
    return tuple(int(each) for each in found.groups())


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ask_h2load(load: Load, scene: Scene, protocol: str, directory: Path, core: int) -> Told:
    """Whole objects over TLS or HTTP/2, round and round or each once; no 200, or a short body, is an error."""
    cpu_s = _children_cpu_s()
    told = _run_h2load(load, scene, protocol, directory, core)
    cpu_s = _children_cpu_s() - cpu_s
    _check_protocol(protocol, told)
    succeeded, failed = _count(r"(\d+) succeeded, (\d+) failed", told)
    good, *others = _count(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", told)
    (body_bytes,) = _count(r"\((\d+)\) data", told)
    if any(others) or failed or not succeeded or good < succeeded:
        raise RefusedError(f"h2load met answers that are no hits:\n{told[-2000:]}")
    if body_bytes < succeeded * load.requests[0].length:
        raise RefusedError(f"h2load got {body_bytes} bytes in {succeeded} answers: bodies are cut short")
    seconds = max(round(load.seconds), 1) if load.seconds else math.nan
    return Told(succeeded, seconds, cpu_s, 0, math.nan, [])


def _run_h2load(load: Load, scene: Scene, protocol: str, directory: Path, core: int) -> str:
    """The same host in all protocols, since it belongs to the name under which a cache keeps an object."""
    scheme, port = ("http", scene.h2c_port) if protocol == "h2c" else ("https", scene.tls_port)
    addresses = directory / "addresses"
    addresses.write_text("".join(f"{scheme}://{HOST}/o/{each.number}\n" for each in load.requests))
    http2 = protocol in ("h2", "h2c")
    connections = max(load.connections // STREAMS, 1) if http2 else load.connections
    if not load.seconds:
        connections = 1  # each of them begins at the first address
    command = [
        *("h2load", "-t1", f"-c{connections}", f"-m{STREAMS if http2 else 1}", f"--connect-to=127.0.0.1:{port}"),
        *((f"-D{max(round(load.seconds), 1)}",) if load.seconds else (f"-n{len(load.requests)}",)),
        *("-i", str(addresses), f"--ciphers={CIPHER}", f"--tls13-ciphers={CIPHER_13}"),
        *(() if http2 else ("--h1",)),
    ]
    variables = dict(os.environ)
    if protocol == "tls12":
        configuration = directory / "openssl.cnf"
        configuration.write_text(TLS_12_ALONE)
        variables["OPENSSL_CONF"] = str(configuration)
    return subprocess.run(
        pinned(core, command), capture_output=True, text=True, timeout=load.seconds + PATIENCE_S, env=variables
    ).stdout


def _check_protocol(protocol: str, told: str) -> None:
    if protocol != "h2c":
        version, cipher = ("TLSv1.2", CIPHER) if protocol == "tls12" else ("TLSv1.3", CIPHER_13)
        if f"TLS Protocol: {version}" not in told or f"Cipher: {cipher}" not in told:
            raise RefusedError(f"does not speak {version} with the cipher of all:\n{told[-2000:]}")
    if protocol in ("h2", "h2c") and "Application protocol: h2" not in told:
        raise RefusedError(f"does not speak HTTP/2:\n{told[-2000:]}")


def compare_with_curl(objects: Objects, number: int, scene: Scene, protocol: str) -> None:
    """One body over the very protocol, since h2load looks at lengths alone."""
    scheme, port = ("http", scene.h2c_port) if protocol == "h2c" else ("https", scene.tls_port)
    how = {"tls12": ["--http1.1", "--tls-max", "1.2"], "tls13": ["--http1.1"], "h2": ["--http2"]}
    command = [
        *("curl", "--silent", "--show-error", "--insecure", *how.get(protocol, ["--http2-prior-knowledge"])),
        *("--connect-to", f"::127.0.0.1:{port}", f"{scheme}://{HOST}/o/{number}"),
    ]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S)
    if done.returncode != 0 or done.stdout != objects.body(number):
        said = done.stderr.decode(errors="replace").strip()
        raise RefusedError(f"/o/{number} over {protocol}: {len(done.stdout)} bytes, not the object's {said}")
