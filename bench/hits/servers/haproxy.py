"""HAProxy's cache: small objects in shared memory."""

from __future__ import annotations

from . import Scene

NAME = "HAProxy cache"
PACKAGES = ("haproxy",)
SPEAKS = ("h1", "tls", "h2")
CACHES = True


def command(scene: Scene) -> list[str]:
    pem = scene.directory / "both.pem"
    pem.write_text(scene.certificate.read_text() + scene.key.read_text())
    config = scene.directory / "haproxy.cfg"
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
  total-max-size {min(scene.memory_bytes >> 20, 4095)}
  max-object-size {max(scene.object_bytes + 4096, 65536)}
  max-age 86400
frontend in
  bind 127.0.0.1:{scene.port}
  bind 127.0.0.1:{scene.tls_port} ssl crt {pem} alpn h2,http/1.1
  http-request cache-use bench
  http-response cache-store bench
  default_backend origin
backend origin
  server one {scene.origin}
"""
    )
    return ["haproxy", "-db", "-f", str(config)]
