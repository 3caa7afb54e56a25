from __future__ import annotations

import asyncio
import pickle
import threading

import fsspec
import pytest

import forebay
from fake_node import (
    FakeNode,
    answer_with,
    break_off,
    close_at_once,
    fail,
    stall,
    unknown_namespace,
)
from forebay import ForebayFileSystem, client
from forebay.errors import Problem

DATA = bytes(range(256)) * 40


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, FileNotFoundError),
        (410, FileNotFoundError),
        (401, PermissionError),
        (403, PermissionError),
        (400, forebay.ForebayError),
        (500, forebay.ForebayError),
        (502, forebay.ForebayError),
        (503, forebay.ThrottledError),
        (504, forebay.ForebayError),
        (429, forebay.ThrottledError),
        (418, forebay.ForebayError),
    ],
)
def test_statuses_are_errors_of_their_kind(
    fs: ForebayFileSystem, node: FakeNode, status: int, kind: type[Exception]
) -> None:
    node.always("x", fail(status, detail="origin s3://far said no", X="1"))
    with pytest.raises(kind) as caught:
        fs.cat_file("x")
    assert isinstance(caught.value, forebay.ForebayError)
    assert isinstance(caught.value, FileNotFoundError) is (status in (404, 410))
    assert "origin s3://far said no" in str(caught.value)
    assert caught.value.status == status
    with pytest.raises(kind if status not in (404, 410) else FileNotFoundError):
        fs.info("x")


def test_a_path_that_the_node_does_not_serve_is_no_missing_chunk(
    fs: ForebayFileSystem, node: FakeNode
) -> None:
    node.always("typo/zarr.json", unknown_namespace())
    with pytest.raises(forebay.UnknownNamespaceError, match="see /") as caught:
        fs.cat_file("typo/zarr.json")
    assert not isinstance(caught.value, FileNotFoundError)


def test_errors_that_pass_are_outlived(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", DATA)
    node.script("x", fail(503, Retry_After="0"), fail(502), close_at_once())
    assert fs.cat_file("x") == DATA
    assert node.count("GET", "x") >= 4


def test_retry_after_is_honoured(
    fs: ForebayFileSystem, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    real_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await real_sleep(0)

    monkeypatch.setattr(client.asyncio, "sleep", sleep)
    node.put("x", DATA)
    node.script("x", fail(429, Retry_After="7"))
    assert fs.cat_file("x") == DATA
    assert [wait for wait in waits if wait >= 1] == [7.0]


def test_a_long_retry_after_is_reported_not_waited_for(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.always("x", fail(503, Retry_After="3600"))
    with pytest.raises(forebay.ThrottledError) as caught:
        fs.cat_file("x")
    assert caught.value.retry_after_s == 3600
    assert node.count("GET") == 1


def test_attempts_are_bounded(node: FakeNode, quick_retries: None) -> None:
    fs = fsspec.filesystem("forebay", node=node.url, attempts=3)
    node.always("x", fail(500))
    with pytest.raises(OSError, match="500"):
        fs.cat_file("x")
    assert node.count("GET") == 3


@pytest.mark.parametrize("start", [None, 100])
def test_a_short_body_is_an_error_not_short_data(
    fs: ForebayFileSystem, node: FakeNode, start: int | None
) -> None:
    node.put("x", DATA)
    node.always("x", break_off(0))
    with pytest.raises(forebay.BrokenBodyError):
        fs.cat_file("x", start=start)


def test_a_trickle_earns_no_further_attempts(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.put("x", b"1" * 5_000_000)
    node.always("x", break_off(1000))
    with pytest.raises(forebay.BrokenBodyError):
        fs.cat_file("x")
    assert node.count("GET") == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"Content_Range": "bytes 10-19/10240"},
        {"Content_Range": "bytes 0-9"},
        {},
        {"Content_Range": "bytes 0-4/10240"},
    ],
)
def test_a_wrong_content_range_is_an_error(
    fs: ForebayFileSystem, node: FakeNode, wrong: dict[str, str]
) -> None:
    node.always("x", answer_with(206, b"0123456789", ETag='"1"', **wrong))
    with pytest.raises(forebay.BrokenBodyError):
        fs.cat_file("x", 0, 10)


def test_a_whole_answer_to_a_range_is_cut(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.always("x", answer_with(200, DATA, ETag='"1"'))
    assert fs.cat_file("x", 100, 200) == DATA[100:200]
    assert fs.cat_file("x", -100) == DATA[-100:]


def test_an_unsatisfiable_answer_within_the_object_is_an_error(fs: ForebayFileSystem, node: FakeNode) -> None:
    node.always("x", answer_with(416, b"", Content_Range="bytes */10240"))
    assert fs.cat_file("x", 20_000, 30_000) == b""
    with pytest.raises(forebay.BrokenBodyError):
        fs.cat_file("x", 5, 10)


def test_a_silent_node_is_an_error_in_time(node: FakeNode) -> None:
    event = threading.Event()
    node.put("x", DATA)
    node.script("x", stall(event))
    fs = fsspec.filesystem("forebay", node=node.url, read_timeout_s=0.3)
    try:
        with pytest.raises(forebay.NodeUnreachableError, match="no answer in time"):
            fs.cat_file("x")
    finally:
        event.set()


def test_no_node_is_a_connection_error(quick_retries: None) -> None:
    fs = fsspec.filesystem("forebay", node="http://127.0.0.1:1")
    with pytest.raises(ConnectionError, match="cannot be reached") as caught:
        fs.cat_file("x")
    assert not isinstance(caught.value, FileNotFoundError)
    with pytest.raises(ConnectionError):
        fs.exists("x")
    with pytest.raises(ConnectionError):
        fs.isdir("x")


@pytest.mark.parametrize("status", [200, 404])
def test_another_server_at_the_nodes_address_is_not_believed(status: int) -> None:
    with FakeNode(signature=False) as stranger:
        stranger.always("x", answer_with(status, b"<html>"))
        fs = fsspec.filesystem("forebay", node=stranger.url)
        with pytest.raises(forebay.NodeUnreachableError, match="no Forebay node"):
            fs.cat_file("x")


def test_errors_travel_between_processes() -> None:
    error = forebay.ThrottledError(
        "wait", "http://n/x", status=503, problem=Problem(detail="slow"), retry_after_s=2.0
    )
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error) == "wait: slow [http://n/x]"
    assert (copy.status, copy.retry_after_s, copy.errno) == (503, 2.0, error.errno)
