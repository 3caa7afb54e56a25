"""The arrows of src/ run one way, and the rule that says so can see one that does not."""

import re

import pytest
from repo_rules import LAYERS, ROOT, asio_complaints, layer_complaints, told


def test_includes_follow_the_layers():
    found = layer_complaints(ROOT)
    assert not found, told(found)


def test_asio_stays_in_net():
    found = asio_complaints(ROOT)
    assert not found, told(found)


def test_cmake_adds_the_folders_in_the_order_of_the_layers():
    text = (ROOT / "src/CMakeLists.txt").read_text()
    added = re.findall(r"add_subdirectory\((\w+)\)", text)
    assert added == [layer for layer in LAYERS if (ROOT / "src" / layer).is_dir()]


def test_the_architecture_document_names_the_layers_in_their_order():
    text = (ROOT / "docs/architecture.md").read_text()
    named = re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE)
    assert tuple(named) == LAYERS


@pytest.fixture
def tree(tmp_path):
    """A tree of two layers that keeps the rules."""
    files = {
        "src/base/units.h": "#pragma once\n#include <cstdint>\n",
        "src/net/loop.h": '#pragma once\n#include <boost/asio/io_context.hpp>\n#include "base/units.h"\n',
        "src/net/loop.cc": '#include "net/loop.h"\n',
        "src/cache/fill.cc": '#include "cache/fill.h"\n#include "net/loop.h"\n// an asio::awaitable underneath\n',
        "src/http/parser.cc": "auto fed = parser.put(boost::asio::const_buffer(data, size), code);\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_tree_that_keeps_the_rules_passes(tree):
    assert layer_complaints(tree) == []
    assert asio_complaints(tree) == []


@pytest.mark.parametrize(
    ("name", "line", "complaint"),
    [
        ("src/base/units.cc", '#include "net/loop.h"', "src/base/units.cc:1: base/ must not know net/ (net/loop.h)"),
        ("src/net/slice_test.cc", '  # include "app/run.h"', "src/net/slice_test.cc:1: net/ must not know app/"),
        ("src/net/a.cc", '#include "loop.h"', 'src/net/a.cc:1: write "loop.h" from src/'),
        ("src/net/a.cc", '#include "../base/units.h"', "src/net/a.cc:1: write"),
        ("src/helpers/a.h", "#pragma once", "src/helpers/a.h: src/helpers is not a layer"),
    ],
)
def test_an_arrow_that_runs_back_is_seen(tree, name, line, complaint):
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text(line + "\n")
    found = layer_complaints(tree)
    assert len(found) == 1
    assert found[0].startswith(complaint)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("src/cache/a.cc", "boost::asio::steady_timer timer;"),
        ("src/cache/a.cc", "namespace asio = boost::asio;"),
        ("src/cache/a.cc", "co_await asio::post(executor);"),
        ("src/cache/a.h", "#include <boost/asio/post.hpp>"),
        ("src/http/parser.h", "boost::asio::const_buffer rest();"),
        ("src/http/parser.cc", "boost::asio::ip::tcp::socket socket;"),
    ],
)
def test_asio_elsewhere_is_seen(tree, name, line):
    (tree / name).write_text(line + "\n")
    assert asio_complaints(tree) == [f"{name}:1: Asio is spoken in src/net/ alone"]
