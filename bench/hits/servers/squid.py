"""Squid as an accelerator, one process: memory large enough for every object, no logs, no digest of its contents (which
it rebuilds every hour), concurrent misses collapsed, ranges fetched as the whole object so that they can be kept; where
a disk is given, its store of files (aufs) on it. TLS by GnuTLS, as Debian builds it.
"""

from __future__ import annotations

from . import Scene

NAME = "Squid"
PACKAGES = ("squid",)
SPEAKS = ("h1", "tls12", "tls13")
CACHES = True


def command(scene: Scene) -> list[str]:
    host, port = scene.origin.split(":")
    home = scene.directory
    home.chmod(0o777)  # it gives its rights up
    disk = f"cache_dir aufs {home}/store {scene.disk_bytes >> 20} 16 256" if scene.disk_bytes else ""
    config = home / "squid.conf"
    config.write_text(
        f"""
http_port 127.0.0.1:{scene.port} accel defaultsite=bench no-vhost
https_port 127.0.0.1:{scene.tls_port} accel defaultsite=bench no-vhost tls-cert={scene.certificate} tls-key={scene.key}
cache_peer {host} parent {port} 0 no-query no-digest originserver
http_access allow all
cache_mem {scene.memory_bytes >> 20} MB
maximum_object_size_in_memory {max(scene.object_bytes * 2, 65536)} bytes
maximum_object_size {max(scene.object_bytes * 2, 65536)} bytes
{disk}
memory_cache_mode always
collapsed_forwarding on
range_offset_limit none
quick_abort_min -1 KB
digest_generation off
access_log none
cache_log {home}/cache.log
cache_store_log none
pid_filename {home}/pid
coredump_dir {home}
client_persistent_connections on
server_persistent_connections on
pinger_enable off
shutdown_lifetime 1 seconds
via off
"""
    )
    start = f"squid -N -f {config}"
    return ["sh", "-c", f"squid -z -N -f {config} && exec {start}" if disk else f"exec {start}"]
