"""A language for short scenarios of clients, origins and a node: tests/scenario/README.md has its grammar."""

from .grammar import Scenario, ScenarioError, parse
from .run import run_file

__all__ = ["Scenario", "ScenarioError", "parse", "run_file"]
