"""One node and one origin for all cases: each case has a path of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from http_cases import ScriptedOrigin

from forebay_lab.node import Node, namespace

SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")


@pytest.fixture(scope="session")
def http_origin() -> Iterator[ScriptedOrigin]:
    with ScriptedOrigin() as one:
        yield one


@pytest.fixture(scope="session")
def http_node(http_origin: ScriptedOrigin) -> Iterator[Node]:
    """A node that is a shared cache to the letter of ``http_origin``."""
    spaces = [
        namespace("/", http_origin.url, semantics="http", write=True),
        namespace("/read-only", http_origin.url, semantics="http"),
    ]
    settings = {"limits": {"breaker_failures": 1000, "variants_per_message": 4}}
    with Node(spaces, memory="64MiB", settings=settings) as one:
        yield one
        assert one.stop() == 0
        log = one.log.read_text(errors="replace")
        assert not any(mark in log for mark in SANITIZER_MARKS), log
