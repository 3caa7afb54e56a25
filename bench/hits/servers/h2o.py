"""h2o with the files themselves: one thread, TLS tickets and HTTP/2 as it has them by default."""

from __future__ import annotations

import os

from . import Scene

NAME = "h2o static"
PACKAGES = ("h2o",)
SPEAKS = ("h1", "tls12", "tls13", "h2", "h2c")
CACHES = False


def command(scene: Scene) -> list[str]:
    config = scene.directory / "h2o.conf"
    config.write_text(
        f"""
num-threads: 1
user: {"root" if os.getuid() == 0 else "nobody"}
http1-request-timeout: 60
listen:
  host: 127.0.0.1
  port: {scene.port}
listen:
  host: 127.0.0.1
  port: {scene.h2c_port}
listen:
  host: 127.0.0.1
  port: {scene.tls_port}
  ssl:
    certificate-file: {scene.certificate}
    key-file: {scene.key}
hosts:
  default:
    paths:
      /:
        file.dir: {scene.files}
error-log: {scene.directory}/error.log
"""
    )
    return ["h2o", "-m", "worker", "-c", str(config)]
