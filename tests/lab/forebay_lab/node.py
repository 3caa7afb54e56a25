"""A node: ``forebay serve`` with a configuration file of the test's making."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from . import processes
from .namespaces import HERE, Place
from .processes import LabError
from .programs import find_program
from .readers import Reply, fetch

#: Networks of tests and demonstrations, which a node refuses unless its configuration names them.
LAB_NETWORKS = ["10.77.0.0/16", "127.0.0.0/8", "::1/128"]
_START_TIMEOUT_S = 30.0
_STOP_PATIENCE_S = 40.0  # longer than a node's own deadline for draining

Toml = Mapping[str, Any]


def namespace(path: str, *origins: str, **settings: Any) -> dict[str, Any]:
    """One ``[[namespace]]`` of a configuration."""
    return {"path": path, "origins": list(origins), **settings}


def s3_origin(bucket: str, endpoint: str, *, anonymous: bool = True, region: str = "us-east-1") -> str:
    """The origin of a bucket at an S3 endpoint; ``anonymous=False`` signs with the credentials of the process."""
    query = f"endpoint={endpoint}&region={region}" + ("&anonymous=true" if anonymous else "")
    return f"s3://{bucket}?{query}"


class Node:
    """A running node. Use as a context manager, or ``start()`` and ``stop()``.

    Its addresses are of the place it runs in; ``get``, ``metrics`` and the rest connect from within that place.
    """

    def __init__(
        self,
        namespaces: Sequence[Toml],
        *,
        place: Place = HERE,
        address: str = "127.0.0.1",
        memory: str = "256MiB",
        settings: Toml | None = None,
        serve: Sequence[str] = ("data",),
        environment: Mapping[str, str] | None = None,
        s3: bool = False,
        listeners: Sequence[Toml] = (),
    ) -> None:
        """``s3``: with a listener for S3 clients, at ``s3_url``. ``listeners`` are further ones.

        ``settings`` are further tables of the configuration, merged over these defaults."""
        self.place = place
        self.address = address
        with place.entered():
            self.port = processes.free_port(address)
            self.admin_port = processes.free_port("127.0.0.1", but=[self.port])
            self.s3_port = processes.free_port(address, but=[self.port, self.admin_port]) if s3 else 0
        host = f"[{address}]" if ":" in address else address
        self.url = f"http://{host}:{self.port}"
        self.admin_url = f"http://127.0.0.1:{self.admin_port}"
        self.s3_url = f"http://{host}:{self.s3_port}"
        self.directory = processes.make_directory("forebay-node-")
        self.log = self.directory / "node.log"
        self.config_file = self.directory / "forebay.toml"
        self.config: dict[str, Any] = {
            "listen": [
                {"address": f"{host}:{self.port}", "serve": list(serve)},
                {"address": f"127.0.0.1:{self.admin_port}", "serve": ["admin"]},
            ],
            "node": {"memory": memory, "disk": []},
            "network": {"allow_private": LAB_NETWORKS},
            # A machine that compiles beside the tests is overloaded: no test wants to be shed for that.
            "limits": {"queue_delay": "0s"},
            "namespace": [dict(one) for one in namespaces],
        }
        if s3:
            self.config["listen"].append({"address": f"{host}:{self.s3_port}", "serve": ["s3"]})
        self.config["listen"] += [dict(one) for one in listeners]
        _merge(self.config, settings or {})
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    # --- life ------------------------------------------------------------------------------------------------

    def start(self) -> Node:
        """Writes the configuration, starts the program and returns when it says that it is ready."""
        self.write_config()
        argv = [find_program("forebay"), "serve", "--config", self.config_file]
        self.process = self.place.start(argv, log=self.log, env=self._environment)
        try:
            processes.wait_until("the node is ready", self._is_ready, timeout_s=_START_TIMEOUT_S)
        except LabError as error:
            log = processes.tail(self.log)
            self.kill()
            raise LabError(f"the node did not start: {error}\n{log}") from error
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> int:
        """SIGTERM: the node drains and ends. Returns its exit status."""
        assert self.process is not None
        return processes.stop(self.process, patience_s=_STOP_PATIENCE_S)

    def kill(self) -> None:
        """SIGKILL: the node is gone at once."""
        if self.process is not None:
            processes.stop(self.process, sign=signal.SIGKILL)

    def close(self) -> None:
        """Ends the node in whatever state it is, and removes its files."""
        if self.process is not None:
            processes.stop(self.process)
        processes.remove_directory(self.directory)

    def __enter__(self) -> Node:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def write_config(self) -> None:
        """Writes ``config`` to the file; for a test that reloads with SIGHUP."""
        self.config_file.write_text(to_toml(self.config))

    def reload(self) -> None:
        """SIGHUP; returns when the node has taken the file or refused it. Its log says which."""
        assert self.process is not None
        before = self._reloads()
        self.process.send_signal(signal.SIGHUP)
        processes.wait_until("the node has reloaded", lambda: self._reloads() > before)

    def _reloads(self) -> int:
        log = self.log.read_text(errors="replace")
        return log.count("reloaded: ") + log.count("the configuration stays as it is")

    # --- what it is asked ------------------------------------------------------------------------------------

    def get(self, path: str, **options: Any) -> Reply:
        """``readers.fetch`` of a path (percent-encoded) of the data listener."""
        return fetch(self.url + path, place=self.place, **options)

    def admin(self, path: str, **options: Any) -> Reply:
        """``readers.fetch`` of a path of the admin listener."""
        return fetch(self.admin_url + path, place=self.place, **options)

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its name with labels, as it is written there."""
        return parse_metrics(self.admin("/metrics").body.decode())

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of one metric that have these labels; 0 where there are none."""
        return sum_metric(self.metrics(), name, **labels)

    def wait_on_disk(self, bytes_at_least: int) -> None:
        """Returns when its disk tier holds so many bytes and nothing waits to be written."""

        def written() -> bool:
            samples = self.metrics()
            queued = sum_metric(samples, "forebay_disk_queued_bytes")
            return sum_metric(samples, "forebay_disk_held_bytes") >= bytes_at_least and queued == 0

        processes.wait_until(f"{bytes_at_least} bytes are on disk", written)

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise LabError(f"it exited with {self.process.returncode}")
        try:
            return self.admin("/readyz", timeout_s=5).status == 200
        except OSError:
            return False


def parse_metrics(text: str) -> dict[str, float]:
    """Samples of the Prometheus text format."""
    samples: dict[str, float] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            samples[name] = float(value)
    return samples


def sum_metric(samples: Mapping[str, float], name: str, **labels: str) -> float:
    """The sum over the samples of ``name`` that have these labels, whatever others they have."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(
        value
        for sample, value in samples.items()
        if sample.partition("{")[0] == name and all(label in sample for label in wanted)
    )


def to_toml(tables: Mapping[str, Any]) -> str:
    """TOML of a dictionary of tables and arrays of tables; what is deeper is written inline."""
    lines: list[str] = []
    for name, value in tables.items():
        for head, table in (
            [(f"[[{name}]]", one) for one in value] if isinstance(value, list) else [(f"[{name}]", value)]
        ):
            lines += [head, *(f"{key} = {_toml_value(one)}" for key, one in table.items()), ""]
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)  # strings, booleans and numbers are written alike


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
