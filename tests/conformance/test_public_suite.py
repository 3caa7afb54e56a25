"""The suite of cache-tests.fyi against a node: no required case fails but those that RFC 9111 has turned round.

``tools/http-suite`` installs it, at one version, and runs this.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from forebay_lab import processes
from forebay_lab.node import Node, namespace

HOME = Path(__file__).parents[2] / "build" / "http-suite" / "node_modules" / "http-cache-tests"
JUDGE = Path(__file__).with_name("public_suite.mjs")
PATIENCE_S = 600
#: Version 0.4.5 asks here for what RFC 7234 had, takes a 504 for a stale answer, or a 304 with another tag
#: for a failure (docs/conformance/http.md).
RFC_9111_SAYS_OTHERWISE = {
    *(f"age-parse-{name}" for name in ("nonnumeric", "negative", "float", "parameter", "numeric-parameter")),
    *(f"age-parse-{name}" for name in ("prefix-twoline", "dup-0", "dup-0-twoline", "dup-old")),
    *(f"stale-close-{name}" for name in ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=2")),
    "304-etag-update-response-Content-MD5",
    "304-etag-update-response-ETag",
}
#: At least so many cases are there: fewer, and they were not run.
CASES = 200


@pytest.fixture(scope="module")
def suite_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if not HOME.is_dir():
        pytest.fail("the suite is not installed: run tools/http-suite")
    port = processes.free_port("127.0.0.1")
    place = tmp_path_factory.mktemp("suite")
    settings = {"protocol": "http", "port": str(port), "pidfile": str(place / "server.pid")}
    env = {f"npm_config_{name}": value for name, value in settings.items()}
    server = processes.start(["node", "server/server.mjs"], log=place / "server.log", env=env, cwd=HOME)
    try:
        processes.wait_until("the suite's server listens", lambda: _answers(port))
        yield port
    finally:
        processes.stop(server)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/").status_code > 0
    except httpx.TransportError:
        return False


@pytest.mark.public_suite
def test_the_public_suite_passes(suite_port: int, tmp_path: Path) -> None:
    # As docs/conformance/http.md says; cases of a failing origin run beside the others.
    settings = {"limits": {"breaker_failures": 100_000}}
    spaces = [namespace("/", f"http://127.0.0.1:{suite_port}", semantics="http", write=True, public_write=True)]
    results = tmp_path / "results.json"
    with Node(spaces, settings=settings) as node, results.open("wb") as out:
        env = {**os.environ, "npm_config_base": node.url, "npm_package_config_id": ""}
        command = ["node", "--no-warnings", "cli.mjs"]
        subprocess.run(command, cwd=HOME, env=env, stdout=out, timeout=PATIENCE_S, check=True)
    judged = subprocess.run(["node", JUDGE, HOME, results], capture_output=True, text=True, check=True)
    found = json.loads(judged.stdout)
    assert found["cases"] >= CASES
    for each in found["failed"]:
        print(f"{each['kind']}: {each['id']}: {each['why']}")
    required = {each["id"] for each in found["failed"] if each["kind"] == "required"}
    assert required == RFC_9111_SAYS_OTHERWISE
