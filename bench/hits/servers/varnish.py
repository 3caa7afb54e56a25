"""Varnish: one pool of threads that are there from the beginning, objects in memory; without TLS, which it leaves to a
proxy before it. Bodies stream to readers while they are fetched, as by default. It keeps nothing over a restart.
"""

from __future__ import annotations

from . import Scene

NAME = "Varnish"
PACKAGES = ("varnish",)
SPEAKS = ("h1", "h2c")
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
        *("varnishd", "-F", "-j", "none", "-n", str(scene.directory / "work"), "-f", str(config)),
        *("-a", f"127.0.0.1:{scene.port},HTTP", "-a", f"127.0.0.1:{scene.h2c_port},HTTP"),
        *("-s", f"malloc,{scene.memory_bytes >> 20}m", "-p", "feature=+http2"),
        *("-p", "thread_pools=1", "-p", "thread_pool_min=200", "-p", "timeout_idle=60"),
    ]
