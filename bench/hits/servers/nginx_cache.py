"""nginx as a cache: whole objects as files that the page cache holds, sendfile, open files kept open, no access log,
kept connections to the origin. Concurrent misses of one object wait for one of them (`proxy_cache_lock`). `tcp_nopush`,
which one sets on a real network, is off: on loopback, whose packets are as long as a range, it costs 40 ms an answer.
"""

from __future__ import annotations

import os

from . import Scene

NAME = "nginx cache"
PACKAGES = ("nginx-light",)
SPEAKS = ("h1", "tls12", "tls13", "h2", "h2c")
CACHES = True


def frame(scene: Scene, http: str, server: str) -> list[str]:
    """What nginx as a cache and nginx with files have in common."""
    home = scene.directory
    config = home / "nginx.conf"
    config.write_text(
        f"""
daemon off;
user {"root" if os.getuid() == 0 else "nobody"};
worker_processes 1;
pid {home}/pid;
error_log {home}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  sendfile_max_chunk 2m;
  tcp_nopush off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  open_file_cache max=10000 inactive=1h;
  open_file_cache_valid 1h;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  {http}
  server {{
    listen 127.0.0.1:{scene.port};
    listen 127.0.0.1:{scene.h2c_port} http2;
    listen 127.0.0.1:{scene.tls_port} ssl http2;
    http2_max_requests 1000000000;
    ssl_certificate {scene.certificate};
    ssl_certificate_key {scene.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:1m;
    {server}
  }}
}}
"""
    )
    return ["nginx", "-c", str(config), "-p", str(home), "-e", str(home / "error.log")]


def cache_frame(scene: Scene, location: str) -> list[str]:
    """A cache below `scene.directory`, with a zone that is large enough for every name."""
    size = scene.disk_bytes or scene.memory_bytes
    return frame(
        scene,
        f"""proxy_cache_path {scene.directory}/cache levels=1:2 keys_zone=bench:64m max_size={size} inactive=7d
    use_temp_path=off;
  upstream origin {{ server {scene.origin}; keepalive 32; }}""",
        f"""location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache bench;
      proxy_cache_lock on;
      proxy_cache_lock_timeout 60s;
      proxy_cache_lock_age 60s;
      {location}
    }}""",
    )


def command(scene: Scene) -> list[str]:
    return cache_frame(scene, "")
