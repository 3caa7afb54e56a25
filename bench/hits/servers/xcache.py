"""XCache, the cache of the Open Science Data Federation: XRootD with its file cache (XrdPfc) in front of an origin of
HTTP, asked over HTTP. Blocks of 128 KiB and no prefetching, as the federation sets it; 2 GiB of memory for blocks on
their way to the disk, where it keeps everything.
"""

from __future__ import annotations

import os

from . import Scene

NAME = "XCache"
PACKAGES = ("xrootd-server", "xrootd-server-plugins", "xrootd-client-http-plugins")
SPEAKS = ("h1",)
CACHES = True
USER = "nobody"  # it does not run as root


def environment(scene: Scene) -> dict[str, str]:
    return {"XRD_PLUGINCONFDIR": str(scene.directory / "plugins")}


def command(scene: Scene) -> list[str]:
    home = scene.directory
    home.chmod(0o777)
    (home / "plugins").mkdir(exist_ok=True)
    (home / "plugins" / "http.conf").write_text("url = http://*\nlib = libXrdClHttp-5.so\nenable = true\n")
    for name in ("cache", "admin"):
        (home / name).mkdir(exist_ok=True)
        (home / name).chmod(0o777)
    config = home / "xcache.cfg"
    config.write_text(
        f"""
all.export /o/
all.adminpath {home}/admin
all.pidpath {home}/admin
xrd.port {scene.h2c_port}
xrd.protocol XrdHttp:{scene.port} libXrdHttp.so
http.selfhttps2http no
oss.localroot {home}/cache
ofs.osslib libXrdPss.so
pss.cachelib default
pss.origin http://{scene.origin}
pfc.ram 2g
pfc.blocksize 128k
pfc.prefetch 0
pfc.diskusage 0.97 0.98
"""
    )
    user = ["-R", USER] if os.getuid() == 0 else []
    return ["xrootd", "-c", str(config), *user]
