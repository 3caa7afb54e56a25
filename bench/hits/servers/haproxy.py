"""HAProxy's cache: objects in its own shared memory, one thread; buffers of 32 KiB, so that large answers take fewer
turns. It knows no ranges, and keeps nothing over a restart.
"""

from __future__ import annotations

from . import Scene

NAME = "HAProxy cache"
PACKAGES = ("haproxy",)
SPEAKS = ("h1", "tls12", "tls13", "h2", "h2c")
CACHES = True
WITHOUT = dict.fromkeys(("ranges", "scattered"), "its cache gives no ranges")
LARGEST_CACHE_MIB = 4095  # that it takes


def command(scene: Scene) -> list[str]:
    pem = scene.directory / "both.pem"
    pem.write_text(scene.certificate.read_text() + scene.key.read_text())
    config = scene.directory / "haproxy.cfg"
    total_mib = min(scene.memory_bytes >> 20, LARGEST_CACHE_MIB)
    config.write_text(
        f"""
global
  nbthread 1
  maxconn 4096
  tune.bufsize 32768
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  option http-keep-alive
cache bench
  total-max-size {total_mib}
  max-object-size {min(max(scene.object_bytes + 4096, 65536), (total_mib << 20) // 2)}
  max-age 86400
frontend in
  bind 127.0.0.1:{scene.port}
  bind 127.0.0.1:{scene.h2c_port} proto h2
  bind 127.0.0.1:{scene.tls_port} ssl crt {pem} alpn h2,http/1.1
  http-request cache-use bench
  http-response cache-store bench
  default_backend origin
backend origin
  server one {scene.origin}
"""
    )
    return ["haproxy", "-db", "-f", str(config)]
