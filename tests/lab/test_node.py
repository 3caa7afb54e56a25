"""What the laboratory writes for a node, and reads from it."""

from __future__ import annotations

import tomllib

import pytest

from forebay_lab.node import Node, namespace, parse_metrics, s3_origin, sum_metric
from forebay_lab.processes import LabError
from forebay_lab.programs import NODE_VARIABLE

METRICS = """# HELP forebay_requests_total Requests.
# TYPE forebay_requests_total counter
forebay_requests_total{outcome="hit",namespace="/a"} 3
forebay_requests_total{outcome="hit",namespace="/b"} 4
forebay_requests_total{outcome="miss",namespace="/a"} 5
forebay_requests_total_other 100
forebay_memory_bytes 1.5e+06
"""


def test_metrics_are_read_and_summed():
    samples = parse_metrics(METRICS)
    assert samples["forebay_memory_bytes"] == 1.5e6
    assert sum_metric(samples, "forebay_requests_total") == 12
    assert sum_metric(samples, "forebay_requests_total", outcome="hit") == 7
    assert sum_metric(samples, "forebay_requests_total", outcome="hit", namespace="/b") == 4
    assert sum_metric(samples, "forebay_absent") == 0


def test_the_configuration_is_toml():
    spaces = [
        namespace("/a", s3_origin("bucket", "http://127.0.0.1:1"), freshness={"ttl": "1h", "immutable": ["*/x", 'q"']}),
        namespace("/b", "http://127.0.0.1:2/", "http://127.0.0.1:3/"),
    ]
    node = Node(spaces, memory="64MiB", settings={"node": {"threads": 2}, "limits": {"on": True}})
    try:
        node.write_config()
        config = tomllib.loads(node.config_file.read_text())
    finally:
        node.close()
    assert config["node"] == {"memory": "64MiB", "disk": [], "threads": 2}
    assert config["limits"] == {"queue_delay": "0s", "on": True}
    assert config["namespace"] == [dict(space) for space in spaces]
    assert config["namespace"][0]["origins"] == [
        "s3://bucket?endpoint=http://127.0.0.1:1&region=us-east-1&anonymous=true"
    ]
    assert [one["serve"] for one in config["listen"]] == [["data"], ["admin"]]
    assert not node.directory.exists()


def test_a_node_that_does_not_start_says_why(monkeypatch):
    monkeypatch.setenv(NODE_VARIABLE, "/bin/false")
    node = Node([])
    with pytest.raises(LabError, match="exited with 1"):
        node.start()
    node.close()
    monkeypatch.setenv(NODE_VARIABLE, "/nowhere/forebay")
    with pytest.raises(LabError, match="build it first"):
        Node([]).start()
