"""What README.md and CONTRIBUTING.md tell people to type is tested, and what can be typed here is."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from repo_rules import ROOT

# Every command of the documents, and where it is run: change one, and say here who runs the other.
COVERED = {
    "make demo": "tests/demo, by people and by tools/fresh-check",
    "make test": ".ci/run",
    "make test-unit": ".ci/run, as a part of make test",
    "make lint": ".ci/run",
    "make build": "tools/fresh-check, as a part of make demo",
    "build/release/forebay config check forebay.toml": "test_the_configuration_of_the_readme_is_valid",
    "build/release/forebay serve --config forebay.toml": "test_serve_has_the_options_of_the_readme",
}
# `make test` names the program, and then it must be there; `make lint` takes the one that was built, if any.
NAMED = os.environ.get("FOREBAY_TEST_NODE_BINARY")
PROGRAM = Path(NAMED or ROOT / "build/release/forebay")

needs_program = pytest.mark.skipif(not NAMED and not PROGRAM.is_file(), reason="the program is not built")


def fenced(name: str, language: str) -> list[str]:
    text = (ROOT / name).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_command_is_covered(name):
    commands = [line for block in fenced(name, "sh") for line in block.splitlines() if line]
    assert commands
    assert [command for command in commands if command not in COVERED] == []


def test_no_covered_command_is_forgotten():
    commands = {
        line for name in ("README.md", "CONTRIBUTING.md") for block in fenced(name, "sh") for line in block.splitlines()
    }
    assert set(COVERED) <= commands


def test_make_targets_exist():
    for command in COVERED:
        if command.startswith("make "):
            subprocess.run(["make", "-n", *command.split()[1:]], cwd=ROOT, check=True, capture_output=True)


@needs_program
def test_the_configuration_of_the_readme_is_valid(tmp_path):
    (block,) = fenced("README.md", "toml")
    assert len(block.splitlines()) <= 5
    (tmp_path / "forebay.toml").write_text(block)
    done = subprocess.run(
        [PROGRAM, "config", "check", "forebay.toml"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_program
def test_serve_has_the_options_of_the_readme():
    shown = subprocess.run([PROGRAM, "serve", "--help"], check=True, capture_output=True, text=True, timeout=60)
    assert "--config" in shown.stdout


def test_the_python_of_the_readme_compiles():
    (block,) = fenced("README.md", "python")
    compile(block, "README.md", "exec")
    import forebay

    assert callable(forebay.install)
