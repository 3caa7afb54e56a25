"""nginx as a cache: objects as files in a tmpfs-warm page cache, sendfile, no access log, kept connections."""

from __future__ import annotations

import os

from . import Scene

NAME = "nginx cache"
PACKAGES = ("nginx-light",)
SPEAKS = ("h1", "tls", "h2")
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
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  open_file_cache max=10000 inactive=1h;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  {http}
  server {{
    listen 127.0.0.1:{scene.port};
    listen 127.0.0.1:{scene.tls_port} ssl http2;
    http2_max_requests 1000000000;
    ssl_certificate {scene.certificate};
    ssl_certificate_key {scene.key};
    ssl_session_cache shared:tls:1m;
    {server}
  }}
}}
"""
    )
    return ["nginx", "-c", str(config), "-p", str(home), "-e", str(home / "error.log")]


def command(scene: Scene) -> list[str]:
    return frame(
        scene,
        f"""proxy_cache_path {scene.directory}/cache levels=1:2 keys_zone=bench:64m max_size=20g inactive=7d
    use_temp_path=off;
  upstream origin {{ server {scene.origin}; keepalive 32; }}""",
        """location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache bench;
    }""",
    )
