"""Traffic Server: one event thread, its RAM cache in front of a raw file."""

from __future__ import annotations

import subprocess

from . import Scene

NAME = "Traffic Server"
PACKAGES = ("trafficserver",)
SPEAKS = ("h1", "tls", "h2")
CACHES = True


def command(scene: Scene) -> list[str]:
    root = scene.directory / "root"
    subprocess.run(
        ["traffic_layout", "init", "--path", str(root), "--force"], check=True, capture_output=True, timeout=60
    )
    etc = root / "etc/trafficserver"
    (etc / "records.config").write_text(
        f"""
CONFIG proxy.config.http.server_ports STRING {scene.port}:ip-in=127.0.0.1 {scene.tls_port}:ssl:ip-in=127.0.0.1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.accept_threads INT 0
CONFIG proxy.config.cache.ram_cache.size INT {scene.memory_bytes}
CONFIG proxy.config.cache.ram_cache_cutoff INT 16777216
CONFIG proxy.config.cache.limits.http.max_alts INT 1
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.http.insert_response_via_str INT 0
CONFIG proxy.config.http.keep_alive_no_activity_timeout_in INT 60
CONFIG proxy.config.url_remap.pristine_host_hdr INT 0
CONFIG proxy.config.http.wait_for_cache INT 1
CONFIG proxy.config.admin.user_id STRING #-1
"""
    )
    (etc / "remap.config").write_text(f"map / http://{scene.origin}/\n")
    (etc / "storage.config").write_text(f"{root}/var 1G\n")
    (etc / "ssl_multicert.config").write_text(f"dest_ip=* ssl_cert_name={scene.certificate} ssl_key_name={scene.key}\n")
    return ["traffic_server", f"--run-root={root}"]
