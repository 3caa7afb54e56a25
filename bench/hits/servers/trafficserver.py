"""Traffic Server: one event thread, its RAM cache for objects of every size in front of a file, no logs, no `Via`;
readers of one cold object follow its writer (read-while-writer), as its guides for large objects say. Its directory is
written out each second instead of each minute, and is made for objects of the size that come: without that a restart
forgets what came last.
"""

from __future__ import annotations

from . import Scene

NAME = "Traffic Server"
PACKAGES = ("trafficserver",)
SPEAKS = ("h1", "tls12", "tls13", "h2", "h2c")
CACHES = True
MODULES = "/usr/lib/trafficserver/modules"
LEAST_STORE_BYTES = 1 << 30
FRAGMENT_BYTES = 1 << 20  # its pieces of an object: each has an entry in the directory


def command(scene: Scene) -> list[str]:
    return layout(scene, "")


def layout(scene: Scene, plugin: str) -> list[str]:
    """A layout of directories of its own (run root), since Debian's lie below /etc and /var."""
    root = scene.directory / "root"
    for name in ("etc", "run", "log", "cache"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "runroot.yaml").write_text(
        f"""prefix: {root}
exec_prefix: {root}
bindir: /usr/bin
sbindir: /usr/sbin
sysconfdir: {root}/etc
datadir: {root}/cache
includedir: /usr/include
libdir: /usr/lib/trafficserver
libexecdir: {MODULES}
localstatedir: {root}/run
runtimedir: {root}/run
logdir: {root}/log
cachedir: {root}/cache
"""
    )
    etc = root / "etc"
    ports = " ".join(
        f"{port}:{kind}ip-in=127.0.0.1"
        for port, kind in ((scene.port, ""), (scene.h2c_port, "proto=http2:"), (scene.tls_port, "ssl:"))
    )
    (etc / "records.config").write_text(
        f"""
CONFIG proxy.config.http.server_ports STRING {ports}
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.accept_threads INT 0
CONFIG proxy.config.cache.ram_cache.size INT {scene.memory_bytes}
CONFIG proxy.config.cache.ram_cache_cutoff INT {scene.memory_bytes}
CONFIG proxy.config.cache.threads_per_disk INT 8
CONFIG proxy.config.cache.agg_write_backlog INT 67108864
CONFIG proxy.config.cache.enable_read_while_writer INT 1
CONFIG proxy.config.http.background_fill_active_timeout INT 0
CONFIG proxy.config.http.background_fill_completed_threshold FLOAT 0.0
CONFIG proxy.config.cache.dir.sync_frequency INT 1
CONFIG proxy.config.cache.max_doc_size INT 0
CONFIG proxy.config.cache.min_average_object_size INT {max(min(scene.object_bytes, FRAGMENT_BYTES) // 2, 8000)}
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.http.insert_request_via_str INT 0
CONFIG proxy.config.http.insert_response_via_str INT 0
CONFIG proxy.config.http.keep_alive_no_activity_timeout_in INT 60
CONFIG proxy.config.url_remap.pristine_host_hdr INT 0
CONFIG proxy.config.http.wait_for_cache INT 1
CONFIG proxy.config.ssl.server.cert.path STRING {scene.certificate.parent}
CONFIG proxy.config.ssl.server.private_key.path STRING {scene.key.parent}
CONFIG proxy.config.admin.user_id STRING #-1
"""
    )
    (etc / "remap.config").write_text(f"map / http://{scene.origin}/ {plugin}\n")
    store = max(scene.disk_bytes, scene.memory_bytes, LEAST_STORE_BYTES)
    (etc / "storage.config").write_text(f"{root}/cache {store}\n")
    (etc / "plugin.config").write_text("")
    (etc / "ip_allow.yaml").write_text(
        "ip_allow:\n  - apply: in\n    ip_addrs: 127.0.0.1\n    action: allow\n    methods: ALL\n"
    )
    (etc / "ssl_multicert.config").write_text(
        f"dest_ip=* ssl_cert_name={scene.certificate.name} ssl_key_name={scene.key.name}\n"
    )
    return ["traffic_server", f"--run-root={root / 'runroot.yaml'}"]
