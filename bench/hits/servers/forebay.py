"""A node with one event loop, as it is shipped: no access log, and shedding as by default. `limits.requests_per_client`
alone is lifted, since everything is asked for from one address here.
"""

from __future__ import annotations

from ..programs import find_program
from . import Scene

NAME = "forebay"
PACKAGES: tuple[str, ...] = ()
SPEAKS = ("h1", "tls12", "tls13", "h2", "h2c")
CACHES = True


def command(scene: Scene) -> list[str]:
    return configured(scene, "")


def configured(scene: Scene, limits: str) -> list[str]:
    config = scene.directory / "forebay.toml"
    size = scene.disk_bytes
    disk = f'disk = [{{ path = "{scene.directory}/disk", size = "{size}" }}]' if size else "disk = []"
    config.write_text(
        f"""
[[listen]]
address = "127.0.0.1:{scene.port}"
serve = ["data"]
[[listen]]
address = "127.0.0.1:{scene.h2c_port}"
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
{disk}
[limits]
requests_per_client = 0
{limits}
[network]
allow_private = ["127.0.0.0/8"]
[[namespace]]
path = "/o"
origins = ["http://{scene.origin}/o"]
"""
    )
    return [str(find_program("forebay")), "serve", "--config", str(config)]
