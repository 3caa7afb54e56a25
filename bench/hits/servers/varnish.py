"""Varnish: one pool of threads, memory; without TLS, which it leaves to others."""

from __future__ import annotations

from . import Scene

NAME = "Varnish"
PACKAGES = ("varnish",)
SPEAKS = ("h1",)
CACHES = True


def command(scene: Scene) -> list[str]:
    host, port = scene.origin.split(":")
    config = scene.directory / "bench.vcl"
    config.write_text(
        f"""vcl 4.1;
backend origin {{ .host = "{host}"; .port = "{port}"; }}
"""
    )
    return [
        *("varnishd", "-F", "-n", str(scene.directory / "work"), "-f", str(config)),
        *("-a", f"127.0.0.1:{scene.port},HTTP", "-s", f"malloc,{scene.memory_bytes >> 20}m"),
        *("-p", "thread_pools=1", "-p", "thread_pool_min=100", "-p", "timeout_idle=60"),
    ]
