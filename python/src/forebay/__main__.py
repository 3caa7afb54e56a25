"""``python -m forebay``: run a program with its reads sent through a node, or show an address.

::

    python -m forebay run [--node URL] script.py [arguments]
    python -m forebay run [--node URL] -m module [arguments]
    python -m forebay url s3://bucket/key
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from forebay.redirect import install
from forebay.urls import NODE_URL_VARIABLE, node_url_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        Exit code; 2 for a command that cannot be understood and for a program that is not there.
    """
    parser = argparse.ArgumentParser(prog="python -m forebay", description="Read through a Forebay node.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a Python program whose fsspec reads go through the node")
    run.add_argument("--node", help=f"URL of the node; default: {NODE_URL_VARIABLE}, then this machine")
    run.add_argument("-m", dest="module", action="store_true", help="the program is a module")
    run.add_argument("program", help="script, or module with -m")
    run.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments of the program")
    show = commands.add_parser("url", help="print where an object is on the node")
    show.add_argument("--node", help="URL of the node")
    show.add_argument("url", help="s3://, gs://, abfs://, https:// or forebay:// URL")
    chosen = parser.parse_args(arguments)
    if chosen.command == "url":
        try:
            print(node_url_of(chosen.url, chosen.node))
        except ValueError as error:
            parser.error(str(error))
        return 0
    # Processes that the program starts, such as workers of Dask, read the variable.
    os.environ[NODE_URL_VARIABLE] = install(chosen.node)
    sys.path.insert(0, "" if chosen.module else str(Path(chosen.program).resolve().parent))
    complaint = _complaint(chosen.program, chosen.module)
    if complaint is not None:
        parser.exit(2, f"{parser.prog} run: {complaint}\n")
    _run(chosen.program, chosen.module, chosen.arguments)
    return 0


def _complaint(program: str, is_module: bool) -> str | None:
    if is_module:
        try:
            found = importlib.util.find_spec(program) is not None
        except ModuleNotFoundError as error:
            # A package that is there and cannot be imported tells its own story.
            if error.name is None or not f"{program}.".startswith(f"{error.name}."):
                raise
            found = False
        return None if found else f"there is no module {program!r}"
    if not Path(program).exists():
        return f"there is no file {program!r}"
    return None if os.access(program, os.R_OK) else f"the file {program!r} cannot be read"


def _run(program: str, is_module: bool, arguments: list[str]) -> None:
    sys.argv = [program, *arguments]
    if is_module:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    sys.exit(main())
