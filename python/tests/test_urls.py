from __future__ import annotations

import pytest

from forebay import urls


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("s3://bucket/key", "/s3/bucket/key"),
        ("s3a://bucket/key", "/s3/bucket/key"),
        ("s3://bucket", "/s3/bucket"),
        ("s3://bucket/a b+c=d%e?f#g", "/s3/bucket/a%20b%2Bc%3Dd%25e%3Ff%23g"),
        ("s3://bucket/grüße/数.zarr", "/s3/bucket/gr%C3%BC%C3%9Fe/%E6%95%B0.zarr"),
        ("s3://bucket/a//b", "/s3/bucket/a//b"),
        ("s3://bucket//a", "/s3/bucket//a"),
        ("s3://bucket/%2F", "/s3/bucket/%252F"),
        ("s3://bucket/a:b@c!d", "/s3/bucket/a%3Ab%40c%21d"),
        ("gs://bucket/key", "/gs/bucket/key"),
        ("gcs://bucket/year=2020/x", "/gs/bucket/year%3D2020/x"),
        ("abfs://container@account.dfs.core.windows.net/a/b c", "/az/account/container/a/b%20c"),
        ("abfs://account.dfs.core.windows.net/container/a", "/az/account/container/a"),
        ("az://container@account.blob.core.windows.net/a", "/az/account/container/a"),
        ("https://host/path?query=1&x=%20", "/https/host/path?query=1&x=%20"),
        ("https://host", "/https/host/"),
        ("https://host:8443/p", "/https/host:8443/p"),
        ("https://host:443/p", "/https/host/p"),
        ("https://host/a%20b%2Fc+d", "/https/host/a%20b%2Fc+d"),
        ("https://host/a b/ü", "/https/host/a%20b/%C3%BC"),
        ("https://host/p#fragment", "/https/host/p"),
        ("https://[2001:db8::1]:8443/p", "/https/[2001:db8::1]:8443/p"),
        ("https://bücher.example/p", "/https/xn--bcher-kva.example/p"),
        ("http://host/p", "/http/host/p"),
    ],
)
def test_urls_of_the_world_have_one_place_on_a_node(url: str, target: str) -> None:
    assert urls.map_url(url) == target


def test_the_account_of_azure_is_an_option_or_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    assert urls.map_url("az://container/k", account="acc") == "/az/acc/container/k"
    with pytest.raises(ValueError, match="account"):
        urls.map_url("az://container/k")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "env")
    assert urls.map_url("az://container/k") == "/az/env/container/k"


@pytest.mark.parametrize(
    "url",
    ["s3://", "s3:///key", "file:///x", "plain/path", "https://user:pass@host/p", "abfs://c@evil.org/k"],
)
def test_what_no_node_serves_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        urls.map_url(url, account=None)


def test_keys_that_are_no_utf8_keep_their_bytes() -> None:
    raw = "caf%E9"
    key = urls.decode_key(raw)
    assert urls.encode_key(key) == raw


@pytest.mark.parametrize("key", ["a b", "100%", "a+b", "x=y", "?q", "#h", "ü/数", "a//b", "%41", "\n"])
def test_encoding_is_undone_exactly(key: str) -> None:
    encoded = urls.encode_key(key)
    assert urls.decode_key(encoded) == key
    assert not set(encoded) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/%")


def test_plain_paths_are_literal() -> None:
    assert urls.map_path("era5/a?b#c") == "/era5/a%3Fb%23c"
    assert urls.map_path("") == "/"


@pytest.mark.parametrize(
    ("given", "expected"),
    [("http://node:8080/", "http://node:8080"), (" https://node/base/ ", "https://node/base")],
)
def test_node_urls_are_normalised(given: str, expected: str) -> None:
    assert urls.normalise_node_url(given) == expected


@pytest.mark.parametrize("bad", ["node:8080", "ftp://node", "http://", "http://node?x=1", ""])
def test_bad_node_urls_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="URL of a node"):
        urls.normalise_node_url(bad)


def test_an_option_outranks_install_outranks_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert urls.current_node_url() == "http://127.0.0.1:8080"
    monkeypatch.setenv("FOREBAY_URL", "http://from-env:1/")
    assert urls.current_node_url() == "http://from-env:1"
    urls.set_installed_node("http://installed:2")
    assert urls.current_node_url() == "http://installed:2"
    assert urls.current_node_url("http://option:3") == "http://option:3"


def test_full_addresses_for_other_readers() -> None:
    assert urls.node_url_of("s3://b/k", node="http://n:1/") == "http://n:1/s3/b/k"
    assert urls.node_url_of("forebay://era5/x y", node="http://n:1") == "http://n:1/era5/x%20y"
    with pytest.raises(ValueError, match="not 'ftp://h/x'"):
        urls.node_url_of("ftp://h/x", node="http://n:1")


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://b.s3.amazonaws.com/k?X-Amz-Signature=abc", True),
        ("https://a.blob.core.windows.net/c/k?sv=1&sig=abc", True),
        ("https://user@host/k", True),
        ("https://host/k?page=2", False),
        ("https://host/sig=1", False),
    ],
)
def test_urls_that_are_secrets_are_recognised(url: str, signed: bool) -> None:
    assert urls.is_signed(url) is signed


def test_scopes_are_buckets_and_hosts() -> None:
    assert urls.scope_of("s3://bucket/a/b") == "s3://bucket"
    assert urls.scope_of("https://host:1/a?b") == "https://host:1"
    assert urls.scope_of("https://host?b") == "https://host"
