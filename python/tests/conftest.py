from __future__ import annotations

from collections.abc import Iterator

from installation import provide_entry_points

provide_entry_points()

import fsspec
import pytest
from fake_node import FakeNode
from fake_s3 import FakeS3
from fsspec.registry import _registry

import forebay
from forebay import client
from forebay.entry import switch_off
from forebay.health import health
from forebay.scopes import scopes
from forebay.stores import ROUTED_CLASSES, RoutedS3FileSystem
from forebay.urls import set_installed_node


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins as a new process would: nothing installed, no variables, nothing remembered."""
    for name in (
        "FOREBAY_URL",
        "FOREBAY_FSSPEC",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "STORAGE_EMULATOR_HOST",
        "AZURE_STORAGE_ACCOUNT_NAME",
    ):
        monkeypatch.delenv(name, raising=False)
    set_installed_node(None)
    switch_off(False)
    yield
    forebay.uninstall()
    health.forget()
    scopes.forget()


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the number of attempts, shorten the waits between them."""
    monkeypatch.setattr(client, "FIRST_BACKOFF_S", 0.001)


@pytest.fixture
def node() -> Iterator[FakeNode]:
    with FakeNode() as running:
        yield running


@pytest.fixture
def fs(node: FakeNode, quick_retries: None) -> forebay.ForebayFileSystem:
    return fsspec.filesystem("forebay", node=node.url)


@pytest.fixture(autouse=True)
def nothing_used_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No protocol has been used before in this process."""
    for protocol in ROUTED_CLASSES:
        monkeypatch.delitem(_registry, protocol, raising=False)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> type[FakeS3]:
    monkeypatch.setattr(RoutedS3FileSystem, "origin_class", classmethod(lambda cls: FakeS3))
    for value in (FakeS3.objects, FakeS3.etags, FakeS3.calls):
        value.clear()  # type: ignore[attr-defined]
    FakeS3.clear_instance_cache()
    RoutedS3FileSystem.clear_instance_cache()
    return FakeS3


@pytest.fixture
def origin() -> Iterator[FakeNode]:
    with FakeNode(signature=False) as running:
        yield running
