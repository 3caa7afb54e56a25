from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from forebay.health import NodeHealth
from forebay.identity import is_same_object
from forebay.policy import why_direct, why_url_direct
from forebay.version import Version


@pytest.mark.parametrize(
    ("store", "options"),
    [
        ("s3", {}),
        ("s3", {"anon": True}),
        ("s3", {"anon": False, "asynchronous": True, "default_block_size": 2**20, "requester_pays": False}),
        ("s3", {"client_kwargs": {"region_name": "us-west-2"}}),
        ("s3", {"endpoint_url": "https://s3.eu-central-1.amazonaws.com"}),
        ("s3", {"client_kwargs": {}, "config_kwargs": {"read_timeout": 5}}),
        ("gs", {"token": "anon"}),
        ("gs", {"token": None, "project": "p", "access": "read_only"}),
        ("az", {"account_name": "a", "anon": True}),
        ("web", {"block_size": 1000, "simple_links": False, "client_kwargs": {}}),
    ],
)
def test_public_reads_are_for_the_node(store: str, options: dict[str, Any]) -> None:
    assert why_direct(store, options) is None


@pytest.mark.parametrize(
    ("store", "options"),
    [
        ("s3", {"key": "AKIA", "secret": "hush"}),
        ("s3", {"token": "hush"}),
        ("s3", {"profile": "mine"}),
        ("s3", {"session": object()}),
        ("s3", {"endpoint_url": "http://minio:9000"}),
        ("s3", {"endpoint_url": "https://s3.evil.org.amazonaws.com"}),
        ("s3", {"client_kwargs": {"endpoint_url": "http://minio:9000"}}),
        ("s3", {"client_kwargs": {"aws_access_key_id": "hush"}}),
        ("s3", {"config_kwargs": {"signature_version": "s3v4"}}),
        ("s3", {"requester_pays": True}),
        ("s3", {"version_aware": True}),
        ("s3", {"s3_additional_kwargs": {"SSECustomerKey": "hush"}}),
        ("s3", {"an_option_of_next_year": 1}),
        ("gs", {"token": "cloud"}),
        ("gs", {"token": {"private_key": "hush"}}),
        ("gs", {"endpoint_url": "http://fake"}),
        ("gs", {"requester_pays": "project"}),
        ("az", {"account_name": "a", "account_key": "hush"}),
        ("az", {"account_name": "a", "sas_token": "hush"}),
        ("az", {"connection_string": "hush"}),
        ("web", {"client_kwargs": {"auth": "hush"}}),
        ("web", {"headers": {"Authorization": "hush"}}),
        ("web", {"get_client": object()}),
    ],
)
def test_credentials_and_endpoints_are_the_origins_business(store: str, options: dict[str, Any]) -> None:
    reason = why_direct(store, options)
    assert reason
    assert "hush" not in reason


def test_endpoints_in_the_environment_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    assert "AWS_ENDPOINT_URL" in (why_direct("s3", {"anon": True}) or "")


@pytest.mark.parametrize(
    ("url", "node", "near"),
    [
        ("https://host/x", "http://node:8080", True),
        ("s3://b/k", "http://node:8080", True),
        ("https://host/x?sig=1", "http://node:8080", False),
        ("https://node.example/x", "https://node.example", False),
        ("https://node.example/x", "https://node.example:8443", True),
        ("http://localhost:8888/x", "http://node:8080", False),
        ("http://127.0.0.1:8888/x", "http://node:8080", False),
        ("http://127.0.0.1:8888/x", "http://127.0.0.1:8080", True),
        ("http://localhost:8080/x", "http://localhost:8080", False),
    ],
)
def test_urls_that_mean_something_else_at_the_node_stay_away(url: str, node: str, near: bool) -> None:
    assert (why_url_direct(url, node) is None) is near


NOW = dt.datetime(2024, 5, 1, 12, 0, 0, tzinfo=dt.UTC)
HTTP_NOW = "Wed, 01 May 2024 12:00:00 GMT"


@pytest.mark.parametrize(
    ("version", "info", "same"),
    [
        (Version('"abc"', None, 5), {"ETag": '"abc"', "size": 5}, True),
        (Version('"abc"', None, 5), {"ETag": "abc", "size": 5}, True),
        (Version('"abc"', None, 5), {"ETag": '"abd"', "size": 5}, False),
        (Version('"abc"', None, 5), {"ETag": '"abc"', "size": 6}, False),
        (Version('"abc"', None, None), {"ETag": '"abc"', "size": 5}, False),
        (Version('"00ff"', None, 5), {"etag": "CPj/x=", "md5Hash": "AP8=", "size": 5}, True),
        (Version(None, HTTP_NOW, 5), {"LastModified": NOW.replace(microsecond=5), "size": 5}, True),
        (Version(None, HTTP_NOW, 5), {"LastModified": NOW + dt.timedelta(seconds=2), "size": 5}, False),
        (Version('"abc"', HTTP_NOW, 5), {"last_modified": NOW, "size": 5}, True),
        (Version('"abc"', None, 5), {"size": 5}, False),
        (Version(None, None, 5), {"size": 5}, False),
    ],
)
def test_only_a_validator_proves_the_same_version(version: Version, info: dict[str, Any], same: bool) -> None:
    assert is_same_object(version, info) is same


def test_an_outage_warns_once_and_ends() -> None:
    now = [0.0]
    health = NodeHealth(clock=lambda: now[0], retry_node_s=30)
    assert health.may_try("n")
    with pytest.warns(RuntimeWarning) as caught:
        health.note_down("n", OSError("gone"))
        health.note_down("n", OSError("gone"))
        assert not health.may_try("n")
        assert health.may_try("other")
        now[0] = 31
        assert health.may_try("n")
        assert not health.may_try("n"), "one reader asks, the others go on"
        health.note_down("n", OSError("still gone"))
    assert len(caught) == 1
    now[0] = 62
    assert health.may_try("n")
    health.note_up("n")
    assert health.may_try("n")
    with pytest.warns(RuntimeWarning):
        health.note_down("n", OSError("gone again"))
