"""The files for running it for good: their form, and that every command in them is one that the command line takes."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from gramwise.cli import app
from gramwise.fleet.scenario import load_scenario

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.container")])


def unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """A unit's sections; a key may stand several times."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            section.setdefault(key, []).append(value)
    return sections


def commands() -> Iterator[tuple[str, list[str]]]:
    yaml = pytest.importorskip("yaml", reason="the compose file needs pyyaml")
    for name, service in yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"].items():
        yield f"compose.yaml: {name}", service["command"]
    for path in UNITS:
        sections = unit(path)
        (line,) = (
            sections["Container"]["Exec"] if "Container" in sections else sections["Service"]["ExecStart"]
        )
        words = shlex.split(line)
        yield path.name, words[1:] if words[0].endswith("gramwise") else words


def test_every_command_is_one_that_the_command_line_takes() -> None:
    verbs = typer.main.get_command(app)
    seen = set()
    for where, (verb, *arguments) in commands():
        command = verbs.get_command(typer.Context(verbs), verb)  # type: ignore[attr-defined]
        assert command is not None, where
        context = command.make_context(verb, list(arguments))  # raises on an option that there is not
        assert not context.args, where
        seen.add(verb)
    assert seen == {"node", "serve"}


def test_caps_have_the_short_period() -> None:
    yaml = pytest.importorskip("yaml", reason="the compose file needs pyyaml")
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    assert {s["cpu_period"] for s in services.values() if "cpu_quota" in s} == {10_000}
    assert unit(DEPLOY / "gramwise-node.service")["Service"]["CPUQuotaPeriodSec"] == ["10ms"]
    assert "--cpu-period 10000" in unit(DEPLOY / "gramwise-node.container")["Container"]["PodmanArgs"][0]


def test_the_compose_file_and_its_scenario_speak_of_the_same_nodes() -> None:
    scenario = load_scenario(DEPLOY / "fleet.toml")
    addresses = {name: row.address for name, row in scenario.nodes.items()}
    listening = {
        where.split(": ")[1]: words[words.index("--listen") + 1]
        for where, words in commands()
        if where.startswith("compose") and words[0] == "node"
    }
    assert {name: str(address) for name, address in addresses.items()} == listening


def test_units_are_well_formed() -> None:
    for path in UNITS:
        parser = configparser.RawConfigParser(strict=False, interpolation=None)
        parser.read(path)
        assert {"Unit", "Install"} <= set(parser.sections())
        assert not re.search(r"[ \t]$", path.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", [u for u in UNITS if u.suffix == ".service"], ids=lambda p: p.name)
def test_systemd_has_nothing_to_remark(path: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    local = tmp_path / path.name
    program = tmp_path / "gramwise"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    local.write_text(path.read_text("utf-8").replace("/opt/gramwise/bin/gramwise", str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(local)], capture_output=True, text=True, check=False, timeout=60
    )
    assert path.name not in done.stderr + done.stdout, done.stderr
