from __future__ import annotations

import asyncio
import logging
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.http import HTTPFileSystem
from fsspec.implementations.memory import MemoryFile
from fsspec.registry import _registry

import forebay
from fake_node import FakeNode, answer_with, fail, unknown_namespace
from forebay.health import health
from forebay.routed import RoutedFileSystem
from forebay.stores import ROUTED_CLASSES, RoutedS3FileSystem

DATA = bytes(range(256)) * 4000


class FakeS3(AsyncFileSystem):
    """Stands for s3fs: an origin in memory that counts what it is asked."""

    protocol = ("s3", "s3a")
    objects: dict[str, bytes] = {}
    etags: dict[str, str] = {}
    calls: list[tuple[str, Any]] = []

    def __init__(self, key: str | None = None, **options: Any) -> None:
        super().__init__(**{k: v for k, v in options.items() if k in ("asynchronous", "loop")})
        self.options = {"key": key, **options}

    async def _cat_file(self, path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
        path = self._strip_protocol(path)
        self.calls.append(("cat", path))
        if path not in self.objects:
            raise FileNotFoundError(path)
        if path.startswith("secret"):
            raise PermissionError(path)
        return self.objects[path][start:end]

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        self.calls.append(("info", path))
        if path not in self.objects:
            raise FileNotFoundError(path)
        etag = self.etags.get(path, '"1"')
        return {"name": path, "size": len(self.objects[path]), "type": "file", "ETag": etag}

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        path = self._strip_protocol(path)
        self.calls.append(("ls", path))
        infos = [await self._info(name) for name in self.objects if name.startswith(path + "/")]
        return infos if detail else [info["name"] for info in infos]

    async def _get_file(self, rpath: str, lpath: str, **kwargs: Any) -> None:
        Path(lpath).write_bytes(await self._cat_file(rpath))

    async def _pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        self.calls.append(("pipe", path))
        self.objects[self._strip_protocol(path)] = value

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        self.objects.pop(self._strip_protocol(path))

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        self.calls.append(("open", mode))
        return MemoryFile(data=self.objects.get(path, b""))

    def flavour(self) -> str:
        return "only the origin has this"


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


def down() -> str:
    return "http://127.0.0.1:1"


# --- Through the node ---------------------------------------------------------------------------------


def test_s3_urls_go_through_the_node_unchanged(node: FakeNode, s3: type[FakeS3]) -> None:
    node.put("s3/bucket/a b", DATA)
    assert forebay.install(node.url) == node.url
    with fsspec.open("s3://bucket/a b", anon=True) as file:
        assert file.read() == DATA
    fs, path = fsspec.url_to_fs("s3://bucket/a b", anon=True)
    assert path == "bucket/a b"
    assert isinstance(fs, RoutedFileSystem)
    assert fs.cat_file(path, 5, 10) == DATA[5:10]
    assert fs.cat_file("s3://bucket/a b") == DATA
    assert fs.cat_ranges([path, path], [0, 100], [10, 110]) == [DATA[:10], DATA[100:110]]
    assert fs.info(path)["size"] == len(DATA)
    assert fs.ls("bucket", detail=False) == fs.find("bucket") == fs.glob("bucket/a*") == ["bucket/a b"]
    assert fs.exists(path)
    assert fs.isfile(path)
    assert fs.isdir("s3://bucket")
    assert fs.modified(path).timestamp() == 1_700_000_000
    assert s3.calls == []
    with pytest.raises(FileNotFoundError):
        fs.cat_file("bucket/none")


def test_s3_needs_no_s3fs_while_the_node_answers(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(cls: object) -> Any:
        raise ImportError("Install s3fs")

    monkeypatch.setattr(RoutedS3FileSystem, "origin_class", classmethod(missing))
    RoutedS3FileSystem.clear_instance_cache()
    node.put("s3/bucket/a", DATA)
    node.always("s3/bucket/b", fail(403))
    forebay.install(node.url)
    with fsspec.open("s3://bucket/a") as file:
        assert file.read(10) == DATA[:10]
    fs = fsspec.filesystem("s3")
    with pytest.raises(PermissionError):
        fs.cat_file("bucket/b")
    assert not hasattr(fs, "flavour")


def test_an_asynchronous_filesystem_goes_through_the_node(node: FakeNode, s3: type[FakeS3]) -> None:
    node.put("s3/bucket/a", DATA)
    forebay.install(node.url)

    async def read() -> bytes:
        fs = fsspec.filesystem("s3", asynchronous=True, anon=True)
        assert fs.asynchronous
        return await fs._cat_file("bucket/a")

    assert asyncio.run(read()) == DATA


def test_web_urls_go_through_the_node(node: FakeNode, origin: FakeNode) -> None:
    forebay.install(node.url, protocols=["http"])
    host = f"127.0.0.1:{origin.port}"
    node.put(f"http/{host}/d/x?q=1", DATA)
    node.put(f"http/{host}/d/y", DATA)
    with fsspec.open(f"http://{host}/d/x?q=1") as file:
        assert file.read() == DATA
    fs = fsspec.filesystem("http")
    assert fs.ls(f"http://{host}/d", detail=False)[-1] == f"http://{host}/d/y"
    assert origin.count() == 0


def test_a_kerchunk_style_path_with_protocol_is_understood(node: FakeNode, s3: type[FakeS3]) -> None:
    node.put("s3/bucket/a", DATA)
    forebay.install(node.url)
    fs = fsspec.filesystem("reference", fo={"k": ["s3://bucket/a", 10, 5]}, remote_protocol="s3")
    assert fs.cat_file("k") == DATA[10:15]
    assert node.seen("GET")[0].range == "bytes=10-14"


# --- Straight to the origin ---------------------------------------------------------------------------


def test_credentials_make_the_origins_own_filesystem(
    node: FakeNode, s3: type[FakeS3], caplog: pytest.LogCaptureFixture
) -> None:
    forebay.install(node.url)
    with caplog.at_level(logging.WARNING, "forebay"):
        for _ in range(3):
            fs = fsspec.filesystem("s3", key="AKIA", secret="hush")
            assert type(fs) is FakeS3
    assert [record.message for record in caplog.records] == [
        "a filesystem of s3fs.S3FileSystem does not use the node: the option 'key' is for the origin"
    ]
    assert fs.options["key"] == "AKIA"
    assert node.count() == 0


def test_writes_go_to_the_origin_and_are_read_from_there(node: FakeNode, s3: type[FakeS3]) -> None:
    node.put("s3/bucket/a", b"old")
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    assert fs.cat_file("bucket/a") == b"old"
    fs.pipe_file("bucket/a", b"new")
    assert s3.objects["bucket/a"] == b"new"
    assert fs.cat_file("bucket/a") == b"new"
    fs.rm_file("bucket/a")
    with pytest.raises(FileNotFoundError):
        fs.cat_file("bucket/a")
    with fs.open("bucket/b", "wb"):
        pass
    assert ("open", "wb") in s3.calls
    assert fs.flavour() == "only the origin has this"
    node.put("s3/other/a", b"still near")
    assert fs.cat_file("other/a") == b"still near"


def test_a_refusal_of_the_node_is_not_the_last_word(
    node: FakeNode, s3: type[FakeS3], caplog: pytest.LogCaptureFixture
) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["private/a"] = b"mine"
    node.always("s3/private/a", fail(403, detail="not on the allow-list"))
    with caplog.at_level(logging.WARNING, "forebay"):
        assert fs.cat_file("private/a") == b"mine"
        assert fs.cat_file("private/a") == b"mine"
    assert node.count("GET", "s3/private/a") == 1, "remembered"
    assert len(caplog.records) == 1
    assert "not on the allow-list" in caplog.text


def test_a_refusal_that_the_origin_shares_is_not_remembered(node: FakeNode, s3: type[FakeS3]) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["secret/a"] = b""
    node.always("s3/secret/a", fail(403))
    node.put("s3/secret/open", b"1")
    for _ in range(2):
        with pytest.raises(PermissionError):
            fs.cat_file("secret/a")
    assert node.count("GET", "s3/secret/a") == 2
    assert fs.cat_file("secret/open") == b"1"


def test_a_node_without_open_stores_is_passed_by(node: FakeNode, s3: type[FakeS3]) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["bucket/a"] = b"1"
    node.always("s3/bucket/a", unknown_namespace())
    assert fs.cat_ranges(["bucket/a"], [0], [1]) == [b"1"]
    assert fs.cat_file("bucket/a") == b"1"
    assert node.count() == 1


def test_a_failing_origin_is_an_error_not_a_reason_to_ask_it_again(
    node: FakeNode, s3: type[FakeS3], quick_retries: None
) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["bucket/a"] = b"1"
    node.always("s3/bucket/a", fail(503, detail="SlowDown"))
    with pytest.raises(forebay.ThrottledError, match="SlowDown"):
        fs.cat_file("bucket/a")
    assert s3.calls == []


def test_listings_that_the_node_cannot_give_come_from_the_origin(node: FakeNode, s3: type[FakeS3]) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["bucket/a"] = b"1"
    node.listing = False
    assert fs.ls("bucket", detail=False) == ["bucket/a"]


def test_a_refused_listing_says_nothing_about_the_objects(node: FakeNode, s3: type[FakeS3]) -> None:
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    s3.objects["bucket/a"] = b"far"
    node.put("s3/bucket/a", b"near")
    node.always("s3/bucket", fail(403))
    assert fs.ls("bucket", detail=False) == ["bucket/a"]
    assert fs.cat_file("bucket/a") == b"near"


def test_what_the_web_compressed_is_decompressed_as_ever(node: FakeNode, origin: FakeNode) -> None:
    import gzip

    forebay.install(node.url, protocols=["http"])
    name, body = f"http/127.0.0.1:{origin.port}/x.json", gzip.compress(DATA)
    node.always(name, answer_with(200, body, ETag='"1"', Content_Encoding="gzip"))
    origin.always("x.json", answer_with(200, body, ETag='"1"', Content_Encoding="gzip"))
    fs = fsspec.filesystem("http")
    url = f"{origin.url}/x.json"
    assert fs.cat_file(url) == DATA
    assert fs.cat_ranges([url], [0], [None]) == [DATA]
    with fs.open(url, block_size=0) as file:
        assert file.read() == DATA
    node.put("coded", body)
    node.always("coded", answer_with(200, body, ETag='"1"', Content_Encoding="gzip"))
    assert fsspec.filesystem("forebay", node=node.url).cat_file("coded") == body


def test_a_proxy_before_a_dead_node_counts_as_down(s3: type[FakeS3], quick_retries: None) -> None:
    s3.objects["bucket/a"] = DATA
    with FakeNode(signature=False) as proxy:
        proxy.always("s3/bucket/a", fail(502))
        forebay.install(proxy.url)
        with pytest.warns(forebay.NodeDownWarning, match="502"):
            assert fsspec.filesystem("s3").cat_file("bucket/a") == DATA


def test_urls_with_a_signature_never_reach_the_node(node: FakeNode, origin: FakeNode) -> None:
    forebay.install(node.url, protocols=["http"])
    url = f"http://127.0.0.1:{origin.port}/x?sig=hush"
    origin.put("x", DATA)
    assert fsspec.filesystem("http").cat_file(url) == DATA
    assert node.count() == 0


# --- While the node is down ---------------------------------------------------------------------------


def test_a_dead_node_is_passed_by_with_one_warning(s3: type[FakeS3]) -> None:
    s3.objects["bucket/a"] = DATA
    forebay.install(down())
    fs = fsspec.filesystem("s3")
    with pytest.warns(forebay.NodeDownWarning) as caught:
        for _ in range(3):
            assert fs.cat_file("bucket/a") == DATA
            assert fs.cat_ranges(["bucket/a"] * 2, [0, 5], [5, 9]) == [DATA[:5], DATA[5:9]]
            assert fs.info("bucket/a")["size"] == len(DATA)
            assert fs.ls("bucket", detail=False) == ["bucket/a"]
        assert fsspec.filesystem("s3", anon=True).cat_file("bucket/a") == DATA
    assert len(caught) == 1
    assert "127.0.0.1:1" in str(caught[0].message)


def test_a_node_that_returns_is_used_again(
    node: FakeNode, s3: type[FakeS3], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(health, "_clock", lambda: now[0])
    s3.objects["bucket/a"] = b"far"
    node.put("s3/bucket/a", b"near")
    forebay.install(node.url)
    fs = fsspec.filesystem("s3")
    assert fs.cat_file("bucket/a") == b"near"
    with pytest.warns(forebay.NodeDownWarning):
        health.note_down(node.url, OSError("test"))
    assert fs.cat_file("bucket/a") == b"far"
    now[0] += health.retry_node_s + 1
    assert fs.cat_file("bucket/a") == b"near"
    assert fs.cat_file("bucket/a") == b"near"


def test_many_readers_of_a_dying_node_hear_of_it_once(s3: type[FakeS3]) -> None:
    s3.objects.update({f"bucket/{i}": b"%d" % i for i in range(50)})
    forebay.install(down())
    fs = fsspec.filesystem("s3")
    with pytest.warns(forebay.NodeDownWarning) as caught:
        assert fs.cat([f"bucket/{i}" for i in range(50)])["bucket/7"] == b"7"
    assert len(caught) == 1


def test_another_server_in_the_nodes_place_counts_as_down(s3: type[FakeS3]) -> None:
    s3.objects["bucket/a"] = DATA
    with FakeNode(signature=False) as stranger:
        forebay.install(stranger.url)
        with pytest.warns(forebay.NodeDownWarning, match="no Forebay node"):
            assert fsspec.filesystem("s3").cat_file("bucket/a") == DATA


@pytest.mark.parametrize("same", [True, False])
def test_an_open_file_survives_the_node_only_in_its_version(s3: type[FakeS3], same: bool) -> None:
    with FakeNode() as node:
        node.put("s3/bucket/a", DATA, etag='"v1"')
        s3.objects["bucket/a"] = DATA
        s3.etags["bucket/a"] = '"v1"' if same else '"v2"'
        forebay.install(node.url)
        file = fsspec.filesystem("s3").open("bucket/a")
        assert file.read(10) == DATA[:10]
    file.seek(900_000)
    with pytest.warns(forebay.NodeDownWarning):
        if same:
            assert file.read(10) == DATA[900_000:900_010]
        else:
            with pytest.raises(forebay.VersionChangedError, match="went away"):
                file.read(10)


def test_a_file_opened_while_the_node_is_down_is_the_origins(origin: FakeNode) -> None:
    origin.put("x", DATA)
    forebay.install(down(), protocols=["http"])
    url = f"http://127.0.0.1:{origin.port}/x"
    with pytest.warns(forebay.NodeDownWarning), fsspec.open(url) as file:
        assert file.read() == DATA
    assert type(file).__name__ == "HTTPFile"


# --- Installing, uninstalling, the environment --------------------------------------------------------


def test_uninstall_restores_everything(node: FakeNode, s3: type[FakeS3]) -> None:
    fsspec.register_implementation("s3", s3, clobber=True)
    before = {name: fsspec.get_filesystem_class(name) for name in ("s3", "https", "http")}
    s3.objects["bucket/a"] = b"far"
    node.put("s3/bucket/a", b"near")
    forebay.install(node.url)
    assert fsspec.get_filesystem_class("http") is before["http"], "plain HTTP was not asked for"
    assert fsspec.get_filesystem_class("https") is not before["https"]
    fs = fsspec.filesystem("s3")
    assert fs.cat_file("bucket/a") == b"near"
    forebay.uninstall()
    assert {name: fsspec.get_filesystem_class(name) for name in before} == before
    assert fs.cat_file("bucket/a") == b"far", "what is in use goes straight to the origin too"
    forebay.uninstall()


def test_uninstall_outranks_the_environment(
    node: FakeNode, s3: type[FakeS3], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOREBAY_URL", node.url)
    s3.objects["b/k"] = b"far"
    node.put("s3/b/k", b"near")
    monkeypatch.delitem(_registry, "s3", raising=False)
    fs = fsspec.filesystem("s3")
    assert fs.cat_file("b/k") == b"near"
    forebay.uninstall()
    assert fs.cat_file("b/k") == b"far"
    assert fsspec.get_filesystem_class("s3").__module__.startswith("s3fs")


def test_installing_twice_changes_the_node(s3: type[FakeS3]) -> None:
    with FakeNode() as one, FakeNode() as two:
        one.put("s3/b/k", b"1")
        two.put("s3/b/k", b"2")
        forebay.install(one.url)
        fs = fsspec.filesystem("s3")
        assert fs.cat_file("b/k") == b"1"
        forebay.install(two.url)
        assert fs.cat_file("b/k") == b"2"
    forebay.uninstall()
    assert not issubclass(fsspec.get_filesystem_class("s3"), RoutedFileSystem)


def test_a_filesystem_that_somebody_else_put_there_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Mine(HTTPFileSystem):
        pass

    monkeypatch.setitem(_registry, "https", Mine)
    forebay.install(down())
    assert fsspec.get_filesystem_class("https") is Mine
    assert "left alone" in caplog.text


def test_the_origins_class_by_another_name_is_no_stranger(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ExtendedGcsFileSystem(FakeS3):
        """The name that gcsfs gives its class since 2026."""

    cls = ROUTED_CLASSES["gs"]
    monkeypatch.setattr(cls, "origin_class", classmethod(lambda _: ExtendedGcsFileSystem))
    monkeypatch.setitem(_registry, "gs", ExtendedGcsFileSystem)
    forebay.install(node.url)
    assert fsspec.get_filesystem_class("gs") is cls
    forebay.uninstall()
    assert fsspec.get_filesystem_class("gs") is ExtendedGcsFileSystem


def test_bad_arguments_of_install() -> None:
    with pytest.raises(ValueError, match="ftp"):
        forebay.install(protocols=["ftp"])
    with pytest.raises(ValueError, match="URL of a node"):
        forebay.install("node:8080")
    assert forebay.install() == "http://127.0.0.1:8080"


def test_a_pickled_filesystem_finds_the_node_where_nothing_is_installed(
    node: FakeNode, s3: type[FakeS3], monkeypatch: pytest.MonkeyPatch
) -> None:
    node.put("s3/bucket/a", DATA)
    forebay.install(node.url)
    fs = fsspec.filesystem("s3", anon=True)
    file = fs.open("bucket/a")
    file.seek(5)
    packed = pickle.dumps((fs, file))
    forebay.uninstall()
    there, again = pickle.loads(packed)
    assert there.cat_file("bucket/a") == DATA
    assert again.read(5) == DATA[5:10]
    assert s3.calls == []


PROGRAM = """
import fsspec, sys
cls = fsspec.get_filesystem_class("s3"), fsspec.get_filesystem_class("https")
print(*(c.__module__.partition(".")[0] for c in cls), "forebay.routed" in sys.modules)
"""


def run(program: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_variable_alone_installs_through_the_entry_points() -> None:
    assert run(PROGRAM) == "s3fs fsspec False"
    assert run(PROGRAM, FOREBAY_URL="http://127.0.0.1:1") == "forebay forebay True"
    assert run(PROGRAM, FOREBAY_URL="http://127.0.0.1:1", FOREBAY_FSSPEC="0") == "s3fs fsspec False"
    assert run(PROGRAM, FOREBAY_URL=" ") == "s3fs fsspec False"


def test_a_missing_package_of_the_origin_is_named_as_fsspec_names_it() -> None:
    program = """
import sys, fsspec
sys.modules["s3fs"] = None
try:
    fsspec.filesystem("s3")
except ImportError as error:
    print(error)
"""
    assert run(program) == "Install s3fs to access S3"


def test_an_environment_reads_through_the_node(node: FakeNode) -> None:
    node.put("s3/bucket/a", b"near")
    program = "import fsspec; print(fsspec.open('s3://bucket/a', anon=True).open().read().decode())"
    assert run(program, FOREBAY_URL=node.url) == "near"


def test_the_command_runs_programs_through_the_node(node: FakeNode, tmp_path: Path) -> None:
    node.put("s3/bucket/a", b"near")
    script = tmp_path / "script.py"
    script.write_text(
        "import fsspec, sys, os\n"
        "text = fsspec.open('s3://bucket/a').open().read().decode()\n"
        "print(text, sys.argv[1:], os.environ['FOREBAY_URL'])\n"
    )
    command = [sys.executable, "-m", "forebay", "run", "--node", node.url]
    done = subprocess.run(
        [*command, str(script), "--flag", "x"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == f"near ['--flag', 'x'] {node.url}"
    module = subprocess.run(
        [*command, "-m", "script", "y"], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=True
    )
    assert module.stdout.strip() == f"near ['y'] {node.url}"
    shown = subprocess.run(
        [sys.executable, "-m", "forebay", "url", "--node", node.url, "s3://b/a b"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert shown.stdout.strip() == f"{node.url}/s3/b/a%20b"


# --- Azure and Google ---------------------------------------------------------------------------------


def test_azure_urls(node: FakeNode) -> None:
    node.put("az/acc/container/dir/k", DATA)
    forebay.install(node.url)
    url = "abfs://container@acc.dfs.core.windows.net/dir/k"
    with fsspec.open(url) as file:
        assert file.read() == DATA
    fs, path = fsspec.url_to_fs("az://container/dir", account_name="acc", anon=True)
    assert path == "container/dir"
    assert fs.ls(path, detail=False) == ["container/dir/k"]
    assert fs.cat_file("abfs://container/dir/k") == DATA


def test_azure_without_an_account_is_the_origins_business(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    forebay.install(node.url)
    cls: Any = fsspec.get_filesystem_class("az")
    monkeypatch.setattr(cls, "origin_class", classmethod(lambda _: FakeS3))
    assert isinstance(fsspec.filesystem("az"), FakeS3)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "env")
    node.put("az/env/container/k", DATA)
    assert fsspec.filesystem("az").cat_file("container/k") == DATA


def test_google_urls(node: FakeNode) -> None:
    node.put("gs/bucket/year=2020/k", DATA)
    forebay.install(node.url)
    for protocol in ("gs", "gcs"):
        with fsspec.open(f"{protocol}://bucket/year=2020/k", token="anon") as file:
            assert file.read() == DATA


@pytest.mark.parametrize("url", ["s3://b/k?versionId=1", "gs://b/k#123", "gs://b/k?generation=5"])
def test_versions_in_urls_are_the_origins_business(
    node: FakeNode, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forebay.install(node.url)
    cls: Any = fsspec.get_filesystem_class(url.partition(":")[0])
    monkeypatch.setattr(cls, "origin_class", classmethod(lambda _: FakeS3))
    fs, _ = fsspec.url_to_fs(url)
    assert isinstance(fs, FakeS3)


def test_no_warning_of_asyncio_or_aiohttp(node: FakeNode, s3: type[FakeS3]) -> None:
    node.put("s3/bucket/a", DATA)
    forebay.install(node.url)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fsspec.filesystem("s3").cat_file("bucket/a") == DATA
