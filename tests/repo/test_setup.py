"""tools/setup, against a dpkg and an apt that only pretend: what it asks of the machine, and when."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from repo_rules import ROOT

LIST = """# A list of a tree for tests.
# [build]
alpha
beta
# [test]
gamma
"""

# Installed packages are the lines of $STATE/installed; every command writes itself to $STATE/log.
STUBS = {
    "dpkg-query": """
format=$3; shift 3
if (($# == 0)); then sort "$STATE/installed"; exit 0; fi
for package in "$@"; do grep -qx "$package" "$STATE/installed" && echo "installed $package"; done
exit 1""",
    "apt-get": """
echo "apt-get $*" >>"$STATE/log"
case " $* " in
  *" update "*) touch "$STATE/fresh" ;;
  *" install "*)
    if [[ -e $STATE/stale && ! -e $STATE/fresh ]]; then exit 100; fi
    [[ -e $STATE/broken ]] && exit 100
    for word in "$@"; do case $word in alpha | beta | gamma) echo "$word" >>"$STATE/installed" ;; esac; done ;;
esac""",
    "apt-cache": """
if [[ -e $STATE/empty && ! -e $STATE/fresh ]]; then exit 0; fi
printf '%s:\\n  Installed: (none)\\n  Candidate: 1.0\\n' "$2" """,
    "dpkg": """
shift
for package in "$@"; do printf '/lib/systemd/system/%s.service\\n/usr/share/doc/%s\\n' "$package" "$package"; done""",
    "id": 'cat "$STATE/uid"',
    "sudo": """
[[ $1 == -n ]] && { [[ -e $STATE/sudo ]]; exit; }
echo "sudo $*" >>"$STATE/log"
[[ $1 == env ]] && exec "$@"
cat >/dev/null""",
    "systemctl": ":",
    "flock": ":",
    "sleep": 'echo "sleep $*" >>"$STATE/log"',
}


@pytest.fixture
def machine(tmp_path):
    """A tree with tools/setup and a machine around it that is not root, but has sudo."""
    return Machine(tmp_path)


class Machine:
    def __init__(self, base: Path) -> None:
        self.tree, self.state, programs = base / "tree", base / "state", base / "bin"
        for folder in (self.tree / "tools", self.state, programs):
            folder.mkdir(parents=True)
        shutil.copy(ROOT / "tools/setup", self.tree / "tools/setup")
        (self.tree / "tools/debian-packages.txt").write_text(LIST)
        (self.state / "uid").write_text("1000\n")
        (self.state / "installed").touch()
        (self.state / "sudo").touch()
        for name, text in STUBS.items():
            (programs / name).write_text("#!/bin/bash\n" + text + "\n")
            (programs / name).chmod(0o755)
        self.environment = {"PATH": f"{programs}:{os.environ['PATH']}", "STATE": str(self.state)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        (self.state / "log").write_text("")
        return subprocess.run(
            [self.tree / "tools/setup", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def log(self) -> str:
        return (self.state / "log").read_text()

    def installed(self) -> list[str]:
        return sorted((self.state / "installed").read_text().split())


def test_what_is_missing_is_installed_and_named(machine):
    (machine.state / "installed").write_text("alpha\n")
    done = machine.run("build")
    assert done.returncode == 0, done.stderr
    assert "missing: beta\n" in done.stdout
    assert machine.installed() == ["alpha", "beta"]
    assert "gamma" not in machine.log()


def test_a_second_run_does_and_says_nothing(machine):
    machine.run("build", "test")
    done = machine.run("build", "test")
    assert (done.returncode, done.stdout, done.stderr, machine.log()) == (0, "", "", "")


def test_a_package_that_was_removed_since_is_seen(machine):
    machine.run("build")
    (machine.state / "installed").write_text("beta\n")
    assert machine.run("build").returncode == 0
    assert machine.installed() == ["alpha", "beta"]


def test_the_lists_are_left_alone_while_they_serve(machine):
    assert machine.run("build").returncode == 0
    assert " update" not in machine.log()


@pytest.mark.parametrize("state", ["empty", "stale"])
def test_the_lists_are_refreshed_when_they_do_not_serve(machine, state):
    (machine.state / state).touch()
    assert machine.run("build").returncode == 0
    assert machine.log().count(" update") == 2  # sudo's line and apt-get's
    assert machine.installed() == ["alpha", "beta"]


def test_without_root_it_names_the_command_to_run(machine):
    (machine.state / "sudo").unlink()
    done = machine.run("build")
    assert done.returncode == 1
    assert "apt-get update && apt-get install --no-install-recommends alpha beta" in done.stderr
    assert machine.log() == ""


def test_a_failing_registry_is_asked_again_and_then_named(machine):
    (machine.state / "broken").touch()
    done = machine.run("build")
    assert done.returncode == 1
    assert "apt-get could not install: alpha beta" in done.stderr
    assert machine.log().count("\nsleep") == 2


def test_services_are_kept_from_starting_for_as_long_as_it_installs(machine):
    if Path("/usr/sbin/policy-rc.d").exists():
        assert machine.run("build").returncode == 0
        assert "policy-rc.d" not in machine.log()  # the machine's own: left alone
    else:
        assert machine.run("build").returncode == 0
        lines = machine.log().splitlines()
        written = next(i for i, line in enumerate(lines) if "install -m 755 /dev/stdin /usr/sbin/policy-rc.d" in line)
        assert written < next(i for i, line in enumerate(lines) if line.startswith("apt-get"))


def test_the_next_boot_starts_nothing_that_it_brought(machine):
    (machine.state / "installed").write_text("alpha\n")
    assert machine.run("build").returncode == 0
    assert "sudo systemctl --quiet disable beta.service\n" in machine.log()


def test_a_dry_run_changes_nothing(machine):
    done = machine.run("--dry-run", "build")
    assert done.returncode == 0
    assert "missing: alpha beta\n" in done.stdout
    assert (machine.log(), machine.installed()) == ("", [])
    assert not (machine.tree / "build").exists()


@pytest.mark.parametrize("arguments", [(), ("nonsense",)])
def test_wrong_usage_says_what_there_is(machine, arguments):
    done = machine.run(*arguments)
    assert done.returncode == 2
    assert "(build, python, lint, test, stores, clients, bench, check)" in done.stderr
