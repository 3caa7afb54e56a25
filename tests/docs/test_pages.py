"""Every command and every program of the quick start and the guides is run, in the order of its page.

A page is run in a directory of its own, against a node that it starts itself (``forebay serve ...``) or that is
started with its configuration (the ``toml`` block whose first line is ``# forebay.toml``). The hosts that the pages
name are those of ``World``; what else has to be another than what a page says is rewritten in ``Stage.rewrite`` and
set in ``Stage.environment``, and nowhere else. Consecutive ``python`` blocks are one program.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import scene
from documents import CHECKED, RUN, Block, blocks_of, guide_pages
from world import World

from forebay_lab import processes
from forebay_lab.programs import ROOT, find_program
from forebay_lab.readers import fetch

SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")
NODE_NAMES = ("localhost", "127.0.0.1", "node.example.org")  # as the pages call the node
NOBODY = "http://127.0.0.1:9"
BLOCK_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("world")
    with World(directory) as made:
        scene.furnish(made, directory)
        yield made
        assert made.strangers == [], "a page led a node to hosts that the scene does not have"


def starts_node(command: str) -> bool:
    return command.startswith("forebay serve")


class Stage:
    """One page's directory and node."""

    def __init__(self, directory: Path, world: World) -> None:
        self.directory = directory
        self.world = world
        self.data_port, self.admin_port = processes.free_port(), processes.free_port()
        self.data_url, self.admin_url = (f"http://127.0.0.1:{port}" for port in (self.data_port, self.admin_port))
        self.log = directory / "node.log"
        self.node: subprocess.Popen[bytes] | None = None
        self.rewrites = {
            **{f"{host}:8080": f"127.0.0.1:{self.data_port}" for host in NODE_NAMES},
            **{f"{host}:8081": f"127.0.0.1:{self.admin_port}" for host in NODE_NAMES},
            '"tcp://scheduler.example.org:8786"': "processes=False, dashboard_address=None",
            "/etc/forebay/": f"{directory}/etc/",
            "/var/log/forebay/": f"{directory}/log/",
        }
        for name in ("bin", "etc", "log"):
            (directory / name).mkdir()
        (directory / "bin/forebay").symlink_to(find_program("forebay"))
        scene.lay_out(directory / "etc", world)

    def rewrite(self, text: str) -> str:
        for written, real in self.rewrites.items():
            text = text.replace(written, real)
        return text

    @property
    def environment(self) -> dict[str, str]:
        listeners = ((self.data_port, "data"), (self.admin_port, "admin"))
        tables = ", ".join(f'{{address="127.0.0.1:{port}", serve=["{role}"]}}' for port, role in listeners)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FOREBAY_", "AWS_", "XDG_"))}
        return kept | {
            "PATH": f"{self.directory}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            # Programs that go past the node find nobody there.
            "http_proxy": NOBODY,
            "https_proxy": NOBODY,
            "no_proxy": "127.0.0.1,localhost",
            # What a node needs to be this page's: its ports, little memory, and the world instead of the internet.
            "FOREBAY_LISTEN": f"[{tables}]",
            "FOREBAY_NODE_MEMORY": "64MiB",
            "FOREBAY_NETWORK_PROXY": self.world.proxy_url,
            "FOREBAY_NETWORK_CA_BUNDLE": str(self.world.ca_bundle),
            # What the commands need to find it.
            "FOREBAY_URL": self.data_url,
            "FOREBAY_ADMIN": self.admin_url,
        }

    def check_toml(self, block: Block) -> None:
        path = self.directory / f"checked-{block.line}.toml"
        path.write_text(self.rewrite(block.text))
        self.run(block, ["forebay", "config", "check", path])
        if block.text.startswith("# forebay.toml\n"):
            path.rename(self.directory / "forebay.toml")

    def run_sh(self, block: Block) -> None:
        for is_serve, lines in itertools.groupby(block.text.splitlines(), starts_node):
            if is_serve:
                for line in lines:
                    self.serve(self.rewrite(line).split()[2:])
            else:
                self.run(block, ["bash", "-euo", "pipefail", "-c", self.rewrite("\n".join(lines))])

    def run_python(self, blocks: list[Block]) -> None:
        program = self.directory / f"page-{blocks[0].line}.py"
        program.write_text(self.rewrite("\n".join(block.text for block in blocks)))
        # FOREBAY_URL alone would send every program through the node, and show nothing.
        self.run(blocks[0], [sys.executable, program], without=("FOREBAY_URL",))

    def run(self, block: Block, argv: list[str | Path], without: tuple[str, ...] = ()) -> None:
        environment = {name: value for name, value in self.environment.items() if name not in without}
        # Looked up here: Popen searches the PATH of this process.
        argv = [self.directory / "bin/forebay" if argv[0] == "forebay" else argv[0], *argv[1:]]
        done = subprocess.run(
            argv, cwd=self.directory, env=environment, capture_output=True, text=True, timeout=BLOCK_TIMEOUT_S
        )
        if done.returncode != 0:
            told = [f"{block.where}: exit {done.returncode}", done.stdout, done.stderr, processes.tail(self.log)]
            pytest.fail("\n".join(told), pytrace=False)

    def serve(self, arguments: list[str]) -> None:
        argv = [self.directory / "bin/forebay", "serve", *arguments]
        self.node = processes.start(argv, log=self.log, env=self.environment, cwd=self.directory)
        processes.wait_until("the node of the page is ready", self._is_ready)

    def _is_ready(self) -> bool:
        assert self.node is not None
        assert self.node.poll() is None, processes.tail(self.log)
        try:
            return fetch(self.admin_url + "/readyz", timeout_s=5).status == 200
        except OSError:
            return False

    def ensure_node(self) -> None:
        if self.node is None:
            (self.directory / "forebay.toml").touch()
            self.serve(["--config", "forebay.toml"])

    def close(self) -> str:
        """Ends the node; what is wrong with how it ended."""
        if self.node is None:
            return ""
        status = processes.stop(self.node, patience_s=40)
        log = self.log.read_text(errors="replace")
        return log if status != 0 or any(mark in log for mark in SANITIZER_MARKS) else ""


@pytest.mark.parametrize("page", guide_pages(ROOT))
def test_what_a_page_tells_to_type_works(page: str, world: World, tmp_path: Path) -> None:
    stage = Stage(tmp_path, world)
    blocks = [block for block in blocks_of(ROOT, page) if block.excuse is None and block.language in RUN + CHECKED]
    try:
        for language, group in itertools.groupby(blocks, lambda block: block.language):
            together = list(group)
            if language == "toml":
                for block in together:
                    stage.check_toml(block)
                continue
            if not starts_node(together[0].text):
                stage.ensure_node()
            if language == "python":
                stage.run_python(together)
            else:
                for block in together:
                    stage.run_sh(block)
    finally:
        complaint = stage.close()
    assert not complaint, complaint
