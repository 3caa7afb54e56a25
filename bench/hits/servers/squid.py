"""Squid as an accelerator, memory alone."""

from __future__ import annotations

from . import Scene

NAME = "Squid"
PACKAGES = ("squid",)
SPEAKS = ("h1",)
CACHES = True


def command(scene: Scene) -> list[str]:
    host, port = scene.origin.split(":")
    home = scene.directory
    home.chmod(0o777)  # it gives its rights up
    config = home / "squid.conf"
    config.write_text(
        f"""
http_port 127.0.0.1:{scene.port} accel defaultsite=bench no-vhost
cache_peer {host} parent {port} 0 no-query originserver
http_access allow all
cache_mem {scene.memory_bytes >> 20} MB
maximum_object_size_in_memory {max(scene.object_bytes * 2, 65536)} bytes
cache_dir null /tmp
access_log none
cache_log {home}/cache.log
cache_store_log none
pid_filename {home}/pid
coredump_dir {home}
client_persistent_connections on
pinger_enable off
""".replace("cache_dir null /tmp\n", "")
    )
    return ["squid", "-N", "-f", str(config)]
