"""Namespaces whose origin decides: readers bring tokens of their own, and share the bytes that they may read."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import botocore
import botocore.config
import botocore.exceptions
import pytest

from forebay_lab import processes
from forebay_lab.node import Node, namespace
from forebay_lab.origin import EVERY_TIME, Fault, Gate, HostileOrigin, SeenRequest
from forebay_lab.programs import find_program
from forebay_lab.readers import Reply

MakeNode = Callable[..., Node]

BODY = bytes(range(256)) * 4096  # 1 MiB
CHALLENGE = 'Bearer realm="archive", scope="read", error="invalid_token"'
#: Tokens are long and of one spelling, so that they are found wherever they were left.
ALICE, BOB, CAROL = ("alice-NeverWriteThisDown.1", "bob-NeverWriteThisDown.2", "carol-NeverWriteThisDown.3")
NODE_TOKEN = "node-NeverWriteThisDown.4"


class Archive:
    """An origin that lets tokens read below paths, and tells apart who is unknown and who may not."""

    def __init__(self, origin: HostileOrigin) -> None:
        self.origin = origin
        self.url = origin.url
        self.readers: dict[str, tuple[str, ...]] = {ALICE: ("/",), BOB: (), CAROL: ("/",)}
        for path in ("/era5/a/0", "/era5/a/1", "/era5/b/0", "/cmip/x"):
            origin.put(path, BODY + path.encode(), headers=(("Cache-Control", "private, max-age=60"),))
        origin.guard = self._refusal

    def _refusal(self, request: SeenRequest) -> Fault | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.readers:
            return Fault(status=401, headers=(("WWW-Authenticate", CHALLENGE),))
        allowed = any(request.path.startswith(prefix) for prefix in self.readers[token])
        return None if allowed else Fault(status=403, body=json.dumps({"message": f"no right: {token}"}).encode())

    def checks(self, path: str | None = None) -> int:
        return len(self.origin.requests(path, method="HEAD"))

    def reads(self, path: str | None = None) -> int:
        return len(self.origin.requests(path, method="GET"))


@pytest.fixture
def archive(origin: HostileOrigin) -> Archive:
    return Archive(origin)


def shared(archive: Archive, *, path: str = "/d", **settings: Any) -> dict[str, Any]:
    return namespace(path, archive.url, access="origin", **settings)


def as_reader(node: Node, token: str | None, path: str, **options: Any) -> Reply:
    headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
    return node.get(path, headers=headers, **options)


def test_who_may_read_shares_the_bytes_and_who_may_not_gets_none(make_node: MakeNode, archive: Archive) -> None:
    node = make_node([shared(archive)])
    for _ in range(3):
        assert as_reader(node, BOB, "/d/era5/a/0").status == 403
    for token in (ALICE, CAROL, ALICE):
        assert as_reader(node, token, "/d/era5/a/0").body == BODY + b"/era5/a/0"
    refused = as_reader(node, BOB, "/d/era5/a/0")  # now that its bytes are held
    assert (refused.status, BODY[:64] in refused.body) == (403, False)
    assert archive.origin.bytes_sent("/era5/a/0") == len(BODY) + len("/era5/a/0") + refusals(archive)
    assert archive.reads("/era5/a/0") == 1
    assert node.metric("forebay_access_checks_total", answer="allowed") == 2


def refusals(archive: Archive) -> int:
    """Bytes of the words with which the origin refused."""
    return sum(one.bytes_sent for one in archive.origin.requests() if one.status == 403)


def test_401_403_and_404_are_told_apart_with_the_origins_challenge(make_node: MakeNode, archive: Archive) -> None:
    node = make_node([shared(archive)])
    for token in (None, "unknown.token"):
        refused = as_reader(node, token, "/d/era5/a/0")
        assert (refused.status, refused.headers["www-authenticate"]) == (401, CHALLENGE)
    assert "www-authenticate" not in as_reader(node, BOB, "/d/era5/a/0").headers
    assert as_reader(node, BOB, "/d/era5/a/0").status == 403
    assert as_reader(node, ALICE, "/d/era5/none").status == 404
    assert as_reader(node, ALICE, "/d/era5/a/0").status == 200
    for scheme, status in (("Basic dTpw", 401), ("Bearer", 400), ("Bearer a b", 400)):
        assert node.get("/d/era5/a/0", headers={"Authorization": scheme}).status == status, scheme


def test_an_origin_without_a_challenge_gets_the_nodes(make_node: MakeNode, archive: Archive) -> None:
    archive.origin.guard = lambda _: Fault(status=401)
    node = make_node([shared(archive)])
    assert as_reader(node, ALICE, "/d/x").headers["www-authenticate"].startswith("Bearer ")


def test_a_storm_of_one_reader_is_one_question_and_one_transfer(make_node: MakeNode, archive: Archive) -> None:
    node, gate = make_node([shared(archive, access_prefix_depth=1)]), Gate()
    archive.origin.fail("/era5/a/0", Fault(stall_at=-1, gate=gate))
    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(as_reader, node, ALICE, "/d/era5/a/0") for _ in range(40)]
        gate.wait_reached()
        processes.wait_until(
            "all wait", lambda: node.metric("forebay_access_decisions_total", result="collapsed") == 39
        )
        gate.open()
        assert {one.result().status for one in asked} == {200}
    assert (archive.checks(), archive.reads()) == (1, 1)


def test_a_right_is_one_to_its_prefix_and_to_no_other(make_node: MakeNode, archive: Archive) -> None:
    archive.readers[ALICE] = ("/era5/a",)
    node = make_node([shared(archive, access_prefix_depth=2)])
    assert as_reader(node, ALICE, "/d/era5/a/0").status == 200
    assert as_reader(node, ALICE, "/d/era5/a/1").status == 200
    assert archive.checks() == 1
    assert as_reader(node, ALICE, "/d/era5/b/0").status == 403
    assert as_reader(node, ALICE, "/d/cmip/x").status == 403
    assert archive.checks() == 3


def test_by_default_each_object_is_asked_for(make_node: MakeNode, archive: Archive) -> None:
    archive.readers[ALICE] = ("/era5/a/0",)
    node = make_node([shared(archive)])
    as_reader(node, CAROL, "/d/era5/a/1")
    assert as_reader(node, ALICE, "/d/era5/a/0").status == 200
    assert as_reader(node, ALICE, "/d/era5/a/1").status == 403


def test_a_right_that_was_taken_ends_with_the_answers_time(make_node: MakeNode, archive: Archive) -> None:
    node = make_node([shared(archive, access_ttl="1s"), shared(archive, path="/now", access_ttl="0s")])
    assert as_reader(node, ALICE, "/d/era5/a/0").status == 200
    assert as_reader(node, ALICE, "/now/era5/a/0").status == 200
    archive.readers[ALICE] = ()
    assert as_reader(node, ALICE, "/now/era5/a/0").status == 403
    processes.wait_until("the answer ends", lambda: as_reader(node, ALICE, "/d/era5/a/0").status == 403)
    assert archive.reads("/era5/a/0") == 1  # one identity for both, and never asked for in vain


def jwt(**claims: Any) -> str:
    parts = ({"alg": "none"}, claims)
    coded = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in parts]
    return ".".join([*coded, "c2lnbmF0dXJl"])


def test_an_answer_does_not_outlive_its_token(make_node: MakeNode, archive: Archive) -> None:
    ended, lasting = jwt(sub="e", exp=int(time.time()) - 10), jwt(sub="l", exp=int(time.time()) + 3600)
    archive.readers |= {ended: ("/",), lasting: ("/",)}  # an origin that is late to notice
    node = make_node([shared(archive, access_ttl="1h")])
    for _ in range(3):
        assert as_reader(node, lasting, "/d/era5/a/0").status == 200
    assert archive.checks() == 1
    for _ in range(3):
        assert as_reader(node, ended, "/d/era5/a/0").status == 200
    assert archive.checks() == 4


def test_heads_ranges_and_conditions_are_those_of_any_object(make_node: MakeNode, archive: Archive) -> None:
    node = make_node([shared(archive)])
    whole = as_reader(node, ALICE, "/d/era5/a/0")
    head = as_reader(node, ALICE, "/d/era5/a/0", method="HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(whole.body)), b"")
    part = as_reader(node, CAROL, "/d/era5/a/0", headers={"Range": "bytes=1000-1999"})
    assert (part.status, part.body) == (206, whole.body[1000:2000])
    tag = whole.headers["etag"]
    assert as_reader(node, ALICE, "/d/era5/a/0", headers={"If-None-Match": tag}).status == 304
    assert as_reader(node, BOB, "/d/era5/a/0", headers={"If-None-Match": tag}).status == 403
    assert as_reader(node, BOB, "/d/era5/a/0", method="HEAD").status == 403
    assert archive.reads() == 1


def test_caches_downstream_keep_it_for_nobody_else(make_node: MakeNode, archive: Archive) -> None:
    archive.origin.put("/pub", b"x" * 100, headers=(("Cache-Control", "public, max-age=60, s-maxage=600"),))
    node = make_node([shared(archive)])
    answer = as_reader(node, ALICE, "/d/pub")
    assert answer.headers["cache-control"] == "private, max-age=60"
    assert answer.headers["vary"] == "Authorization"
    assert as_reader(node, BOB, "/d/pub").headers["cache-control"] == "no-store"


def test_what_tokens_fetched_is_not_for_a_public_namespace_of_the_same_origin(
    make_node: MakeNode, archive: Archive
) -> None:
    node = make_node([shared(archive), namespace("/open", archive.url)])
    assert as_reader(node, ALICE, "/d/era5/a/0").status == 200
    assert as_reader(node, ALICE, "/open/era5/a/0").status == 401  # no token is shown for a public one


def test_bytes_come_with_the_nodes_own_credentials_where_it_has_some(make_node: MakeNode, archive: Archive) -> None:
    archive.readers[NODE_TOKEN] = ("/",)
    settings = {"credentials": [{"name": "mine", "bearer_token": NODE_TOKEN}]}
    node = make_node(
        [namespace("/d", f"{archive.url}?credentials=mine", access="origin", access_prefix_depth=1)],
        settings=settings,
    )
    assert as_reader(node, ALICE, "/d/era5/a/0").status == 200
    assert as_reader(node, BOB, "/d/era5/a/0").status == 403
    shown = {one.method: one.headers["authorization"] for one in archive.origin.requests() if one.status == 200}
    assert shown == {"HEAD": f"Bearer {ALICE}", "GET": f"Bearer {NODE_TOKEN}"}


def test_a_token_goes_to_no_other_host(make_node: MakeNode, archive: Archive) -> None:
    with HostileOrigin() as elsewhere:
        elsewhere.put("/signed", BODY)
        away = (("Location", f"{elsewhere.url}/signed"),)
        archive.origin.put("/era5/a/away", b"")
        archive.origin.fail("/era5/a/away", Fault(status=302, headers=away), times=EVERY_TIME)
        node = make_node([shared(archive, access_prefix_depth=1)])
        # To be sent away is no yes: a page to sign in would be one for everybody.
        refused = as_reader(node, ALICE, "/d/era5/a/away")
        assert (refused.status, b"?login=" in refused.body) == (403, True)
        assert elsewhere.requests() == []
        processes.wait_until("the no ends", lambda: as_reader(node, ALICE, "/d/era5/a/0").status == 200)
        assert as_reader(node, ALICE, "/d/era5/a/away").body == BODY
        assert [one.headers.get("authorization") for one in elsewhere.requests()] == [None]


def test_a_signed_url_counts_where_the_login_host_is_known(make_node: MakeNode, archive: Archive) -> None:
    """As NASA's data centres have it: a good token is sent to a signed URL, a bad one to the login."""
    with HostileOrigin() as store, HostileOrigin() as login:
        store.put("/signed", BODY)
        login.put("/oauth", b"<form>please sign in</form>", headers=(("Content-Type", "text/html"),))

        def send_on(request: SeenRequest) -> Fault:
            known = request.headers.get("authorization") == f"Bearer {ALICE}"
            target = f"{store.url}/signed?X-Signature=s" if known else f"{login.url}/oauth"
            return Fault(status=302, headers=(("Location", target),))

        archive.origin.guard = send_on
        host = login.url.removeprefix("http://")
        node = make_node([namespace("/d", f"{archive.url}?login={host}", access="origin")])
        assert as_reader(node, ALICE, "/d/era5/a/0").body == BODY
        assert as_reader(node, BOB, "/d/era5/a/0").status == 401
        assert login.requests() == []
        assert all("authorization" not in one.headers for one in store.requests())
        assert sum(one.bytes_sent for one in store.requests()) == len(BODY) + 1  # the question was one byte


def test_an_origin_that_is_away_lets_nobody_in(make_node: MakeNode, archive: Archive) -> None:
    node = make_node([shared(archive, access_ttl="0s")], settings={"limits": {"attempts": 1}})
    assert as_reader(node, ALICE, "/d/era5/a/0").status == 200
    archive.origin.close()
    answer = as_reader(node, ALICE, "/d/era5/a/0")
    assert (answer.status, BODY[:64] in answer.body) == (502, False)


def test_a_reader_is_not_refused_because_another_one_was(make_node: MakeNode, archive: Archive) -> None:
    """Two readers wait for one exchange; it was begun with the token of one whose right was taken meanwhile."""
    node, gate = make_node([shared(archive, access_prefix_depth=1)]), Gate()
    for token in (ALICE, CAROL):
        assert as_reader(node, token, "/d/era5/a/0").status == 200
    archive.readers[ALICE] = ()
    original = archive.origin.guard
    assert original is not None

    def slow(request: SeenRequest) -> Fault | None:
        if request.path == "/era5/b/0" and ALICE in request.headers.get("authorization", ""):
            gate.pass_through()
        return original(request)

    archive.origin.guard = slow
    with ThreadPoolExecutor(2) as pool:
        alice = pool.submit(as_reader, node, ALICE, "/d/era5/b/0")
        gate.wait_reached()
        carol = pool.submit(as_reader, node, CAROL, "/d/era5/b/0")
        processes.wait_until("carol waits too", lambda: node.metric("forebay_collapsed_requests_total") >= 1)
        gate.open()
        assert (alice.result().status, carol.result().status) == (403, 200)


def test_a_refused_transfer_ends_what_is_remembered_of_its_token(make_node: MakeNode, archive: Archive) -> None:
    node = make_node([shared(archive, access_prefix_depth=1, access_ttl="1h")])
    for token in (ALICE, CAROL):
        assert as_reader(node, token, "/d/era5/a/0").status == 200
    archive.readers[ALICE] = ()
    assert as_reader(node, ALICE, "/d/era5/a/0").status == 200  # nobody has noticed
    assert as_reader(node, ALICE, "/d/era5/b/0").status == 403  # the origin refuses the transfer
    assert as_reader(node, ALICE, "/d/era5/a/0").status == 403  # which is held
    assert as_reader(node, CAROL, "/d/era5/a/0").status == 200
    assert (archive.checks(), node.metric("forebay_access_forgotten_total")) == (3, 1)


def test_listings_follow_the_same_check(make_node: MakeNode, archive: Archive) -> None:
    page = b'<title>Index of /era5/</title><a href="a/">a/</a> <a href="f.nc">f.nc</a>'
    for path in ("/era5/", "/era5/a/"):
        archive.origin.put(path, page, headers=(("Content-Type", "text/html"),))
    node = make_node([shared(archive, access_prefix_depth=2)])
    for token, depth, status in ((BOB, "1", 403), (None, "1", 401), (ALICE, "1", 207), (ALICE, "infinity", 403)):
        answer = as_reader(node, token, "/d/era5/", method="PROPFIND", headers={"Depth": depth})
        assert answer.status == status, (token, depth)
        assert (b"f.nc" in answer.body) == (status == 207)
    assert as_reader(node, CAROL, "/d/era5/", method="PROPFIND", headers={"Depth": "1"}).status == 207
    assert archive.reads("/era5/") == 1


def test_the_command_line_shows_a_token(make_node: MakeNode, archive: Archive, tmp_path: Path) -> None:
    for directory, members in (("/era5/", ("a/",)), ("/era5/a/", ("0", "1"))):
        links = " ".join(f'<a href="{name}">{name}</a>' for name in members).encode()
        page = b"<title>Index of " + directory.encode() + b"</title>" + links
        archive.origin.put(directory, page, headers=(("Content-Type", "text/html"),))
    node = make_node([shared(archive, access_prefix_depth=1)])
    (tmp_path / "token").write_text(ALICE + "\n")

    def run(*words: str | Path) -> int:
        argv = [find_program("forebay"), *words, "--node", node.url, "--quiet"]
        return subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False, timeout=60).returncode

    assert run("get", "/d/era5/a/0", "-o", "got") == 1
    assert run("prefetch", "/d/era5/") == 1
    assert archive.reads() == 0
    assert run("get", "/d/era5/a/0", "-o", "got", "--token-file", "token") == 0
    assert (tmp_path / "got").read_bytes() == BODY + b"/era5/a/0"
    assert run("prefetch", "/d/era5/", "--token-file", "token") == 0
    assert {path: archive.reads(path) for path in ("/era5/a/0", "/era5/a/1")} == {"/era5/a/0": 1, "/era5/a/1": 1}
    assert run("get", "/d/era5/a/0", "-o", "got", "--token-file", "none") == 2


def s3_client(node: Node, **options: Any) -> Any:
    config = botocore.config.Config(retries={"total_max_attempts": 1}, **options)
    return boto3.client("s3", endpoint_url=node.s3_url, region_name="us-east-1", aws_access_key_id="any",
                        aws_secret_access_key="any", config=config)  # fmt: skip


def test_the_s3_front_says_that_a_signature_is_no_token(make_node: MakeNode, archive: Archive) -> None:
    node = make_node([shared(archive, path="/d")], s3=True)
    assert as_reader(node, ALICE, "/d/era5/a/0").status == 200  # held
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        s3_client(node).get_object(Bucket="d", Key="era5/a/0")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert "Bearer" in caught.value.response["Error"]["Message"]
    assert s3_client(node).list_buckets()["Buckets"] == []
    unsigned = s3_client(node, signature_version=botocore.UNSIGNED)

    def show(token: str) -> Callable[..., None]:
        return lambda request, **_: request.headers.__setitem__("Authorization", f"Bearer {token}")

    unsigned.meta.events.register("before-send.s3", show(ALICE))
    assert unsigned.get_object(Bucket="d", Key="era5/a/0")["Body"].read() == BODY + b"/era5/a/0"
    with pytest.raises(botocore.exceptions.ClientError):
        unsigned.list_objects_v2(Bucket="d", Prefix="era5/")
    unsigned.meta.events.unregister("before-send.s3")
    assert node.get("/d/era5/a/0").status == 401
    with pytest.raises(botocore.exceptions.ClientError):
        s3_client(node, signature_version=botocore.UNSIGNED).get_object(Bucket="d", Key="era5/a/0")


@pytest.fixture
def written(archive: Archive) -> Iterator[Node]:
    archive.readers[NODE_TOKEN] = ("/",)
    spaces = [shared(archive), namespace("/own", f"{archive.url}?credentials=mine", access="origin")]
    node = Node(spaces, settings={"credentials": [{"name": "mine", "bearer_token": NODE_TOKEN}]})
    node.config["node"] |= {
        "log_level": "debug",
        "access_log": str(node.directory / "access.log"),
        "disk": [{"path": str(node.directory / "disk"), "size": "1GiB"}],
    }
    try:
        yield node.start()
    finally:
        node.close()


def test_tokens_are_written_down_nowhere(written: Node, archive: Archive) -> None:
    node, said = written, []
    for path in ("/d/era5/a/0", "/own/era5/a/1", "/d/none", "/d/era5/a/0?access_token=" + ALICE):
        said += [as_reader(node, token, path) for token in (ALICE, BOB, CAROL, "unknown-NeverWriteThisDown.9")]
    archive.origin.fail("/cmip/x", Fault(status=500), times=EVERY_TIME)
    said.append(as_reader(node, ALICE, "/d/cmip/x"))
    assert {one.status for one in said} >= {200, 400, 401, 403, 404}
    node.wait_on_disk(2 * len(BODY))
    said += [node.admin(path) for path in ("/metrics", "/status")]
    assert node.stop() == 0
    for answer in said:
        assert b"NeverWriteThisDown" not in answer.body
        assert not any("NeverWriteThisDown" in value for value in answer.headers.values())
    files = [path for path in node.directory.rglob("*") if path.is_file() and path != node.config_file]
    assert sum(path.stat().st_size for path in files) > 2 * len(BODY)
    for path in files:
        assert b"NeverWriteThisDown" not in path.read_bytes(), path
