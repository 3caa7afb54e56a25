"""Runs one service of Swift, or makes its rings, from a directory of ours. Run by Debian's own Python.

    python3 swift_service.py DIRECTORY proxy-server|object-server|container-server|account-server
    python3 swift_service.py DIRECTORY rings OBJECT_PORT CONTAINER_PORT ACCOUNT_PORT

Swift's own commands read /etc/swift/swift.conf wherever the rest of the configuration is; these do not.
"""

from __future__ import annotations

import os
import sys

from swift.common import utils

# One copy on one device: a small ring is enough, and is written in no time.
RING_PART_POWER = 4
RING_REPLICAS = 1
RING_MIN_PART_HOURS = 0


def make_rings(directory: str, ports: dict[str, int]) -> None:
    from swift.common.ring import RingBuilder

    for service, port in ports.items():
        builder = RingBuilder(RING_PART_POWER, RING_REPLICAS, RING_MIN_PART_HOURS)
        builder.add_dev(
            {"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1", "weight": 1.0}
        )
        builder.rebalance(seed="1")
        builder.get_ring().save(os.path.join(directory, service + ".ring.gz"))


def main() -> int:
    directory, service = sys.argv[1:3]
    utils.set_swift_dir(directory)
    if service == "rings":
        make_rings(directory, dict(zip(["object", "container", "account"], map(int, sys.argv[3:6]), strict=True)))
        return 0
    from swift.common.wsgi import run_wsgi

    return run_wsgi(os.path.join(directory, service + ".conf"), service)


if __name__ == "__main__":
    sys.exit(main())
