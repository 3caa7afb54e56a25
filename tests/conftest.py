"""What the tests of the whole program share: a real object store, hostile origins, nodes and a far link.

Everything is started once it is asked for, and ended by its fixture. The program under test is the one that
``$FOREBAY_TEST_NODE_BINARY`` names (``build/dev/forebay`` otherwise).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from forebay_lab import cloud_stores, namespaces, processes
from forebay_lab.certificates import Authority
from forebay_lab.cloud_stores import Azurite, FakeGcs, Store
from forebay_lab.link import FarLink, LinkConditions
from forebay_lab.node import Node
from forebay_lab.origin import HostileOrigin
from forebay_lab.swift import Swift
from forebay_lab.versity import Versity

#: What a sanitizer writes into the log of a node that it has ended.
SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:")

_bucket_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def cache_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A node that is told nothing keeps its disk tier below the user's cache directory: not below the tester's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("CACHE_DIRECTORY", raising=False)
        yield


@pytest.fixture(scope="session")
def swift() -> Iterator[Swift]:
    """OpenStack Swift with its S3 API, on loopback."""
    with Swift() as store:
        yield store


def _skip_unless_installed(store: type[Store]) -> None:
    reason = cloud_stores.why_not_installed(store)
    if reason and os.environ.get(cloud_stores.REQUIRE_VARIABLE):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def gcs() -> Iterator[FakeGcs]:
    """A server of Google Cloud Storage's protocol, on loopback."""
    _skip_unless_installed(FakeGcs)
    with FakeGcs() as store:
        yield store


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """A server of Azure Blob's protocol, on loopback."""
    _skip_unless_installed(Azurite)
    with Azurite() as store:
        yield store


@pytest.fixture(scope="session")
def secure_azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One that speaks TLS and takes tokens."""
    _skip_unless_installed(Azurite)
    authority = Authority(tmp_path_factory.mktemp("azurite"))
    with Azurite(authority.issue(["IP:127.0.0.1"]), authority.cert) as store:
        yield store


@pytest.fixture(scope="session")
def versity() -> Iterator[Versity]:
    """A second S3 server, with versions of objects, on loopback."""
    _skip_unless_installed(Versity)
    with Versity() as store:
        yield store


@pytest.fixture(params=["swift", "versity"])
def s3_store(request: pytest.FixtureRequest) -> Swift | Versity:
    """Each of the real S3 servers in turn."""
    store = request.getfixturevalue(request.param)
    assert isinstance(store, Swift | Versity)
    return store


@pytest.fixture
def public_s3_bucket(s3_store: Swift | Versity) -> str:
    """The name of a new bucket of ``s3_store`` that everybody may read and list."""
    return s3_store.make_bucket(f"public-{next(_bucket_numbers)}", public=True)


@pytest.fixture
def private_s3_bucket(s3_store: Swift | Versity) -> str:
    """The name of a new bucket of ``s3_store`` that only its owner may read."""
    return s3_store.make_bucket(f"private-{next(_bucket_numbers)}", public=False)


@pytest.fixture
def public_bucket(swift: Swift) -> str:
    """The name of a new bucket of ``swift`` that everybody may read and list."""
    return swift.make_bucket(f"public-{next(_bucket_numbers)}", public=True)


@pytest.fixture
def private_bucket(swift: Swift) -> str:
    """The name of a new bucket of ``swift`` that only its owner may read."""
    return swift.make_bucket(f"private-{next(_bucket_numbers)}", public=False)


@pytest.fixture
def origin() -> Iterator[HostileOrigin]:
    """An HTTP origin on loopback that misbehaves on command."""
    with HostileOrigin() as one:
        yield one


@pytest.fixture
def make_node() -> Iterator[Callable[..., Node]]:
    """Starts nodes: ``make_node([namespace("/a", url)], memory="64MiB")``, with ``Node``'s arguments.

    At the end each must stop on SIGTERM with exit status 0, unless the test ended it itself, and its log must
    hold no word of a sanitizer.
    """
    nodes: list[Node] = []

    def make(*arguments: object, **options: object) -> Node:
        node = Node(*arguments, **options)  # type: ignore[arg-type]
        nodes.append(node)
        return node.start()

    yield make
    complaints = [complaint for node in nodes for complaint in _end(node)]
    if complaints:
        pytest.fail("\n".join(complaints))


def _end(node: Node) -> list[str]:
    complaints = []
    if node.process is not None and node.process.poll() is None and (status := node.stop()) != 0:
        complaints.append(f"a node ended with {status} on SIGTERM:\n{processes.tail(node.log)}")
    log = node.log.read_text(errors="replace") if node.log.exists() else ""
    if any(mark in log for mark in SANITIZER_MARKS):
        complaints.append(f"a sanitizer spoke up:\n{log}")
    node.close()
    return complaints


@pytest.fixture(scope="session")
def may_make_namespaces() -> None:
    """Skips the test where network namespaces are not permitted, and says why."""
    if reason := namespaces.why_not_permitted():
        pytest.skip(f"NETWORK NAMESPACES ARE NOT PERMITTED: {reason}")


@pytest.fixture
def make_far_link(may_make_namespaces: None) -> Iterator[Callable[..., FarLink]]:  # noqa: ARG001
    """Makes far links: ``make_far_link(rtt_ms=10, loss=0.01)``, with ``LinkConditions``' fields."""
    links: list[FarLink] = []

    def make(**conditions: float) -> FarLink:
        links.append(FarLink(LinkConditions(**conditions), relay=False))  # type: ignore[arg-type]
        return links[-1]

    yield make
    for link in links:
        link.close()


@pytest.fixture(scope="session")
def far_link(may_make_namespaces: None) -> Iterator[FarLink]:  # noqa: ARG001
    """The far link of the demonstration, 40 ms round trip and 200 Mbit/s; do not change its conditions."""
    with FarLink(relay=False) as link:
        yield link


@pytest.fixture(scope="session")
def far_swift(far_link: FarLink) -> Iterator[Swift]:
    """A store on the far side of ``far_link``. Filling it does not cross the link."""
    with Swift(far_link.far, far_link.far_address) as store:
        yield store
