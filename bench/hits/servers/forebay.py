"""A node with one event loop, memory tier alone."""

from __future__ import annotations

from . import Scene

NAME = "forebay"
PACKAGES: tuple[str, ...] = ()
SPEAKS = ("h1", "tls", "h2")
CACHES = True


def command(scene: Scene) -> list[str]:
    config = scene.directory / "forebay.toml"
    config.write_text(
        f"""
[[listen]]
address = "127.0.0.1:{scene.port}"
serve = ["data"]
[[listen]]
address = "127.0.0.1:{scene.tls_port}"
serve = ["data"]
tls = true
[tls]
certificates = [{{ cert = "{scene.certificate}", key = "{scene.key}" }}]
[node]
threads = 1
memory = "{scene.memory_bytes}"
disk = []
[log]
access = false
[network]
allow_private = ["127.0.0.0/8"]
[[namespace]]
path = "/o"
origins = ["http://{scene.origin}/o"]
"""
    )
    return [str(scene.root / "build/release/forebay"), "serve", "--config", str(config)]
