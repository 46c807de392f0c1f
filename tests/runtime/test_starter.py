"""``gramwise init`` writes a scenario that can be read as it stands, and never overwrites."""

from __future__ import annotations

from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError
from gramwise.runtime.assembly import read_scenario, resolve_variants
from gramwise.runtime.starter import write_starter


def test_what_it_writes_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    facts = write_starter(file, zone="us-ca", force=False)
    scenario = read_scenario(file)
    assert {node.zone for node in scenario.nodes.values()} == {facts["zone"]} == {"US-CA"}
    assert sum(node.cpu_share for node in scenario.nodes.values()) <= facts["cores"] + 1e-9
    assert [v.name for v in resolve_variants(scenario)] == ["fp32", "int8", "small"]
    assert facts["schema"] == "gramwise.init/1"
    assert facts["path"] == str(file)
    assert "#" in file.read_text("utf-8")


def test_a_zone_that_nobody_gave_is_marked_as_a_placeholder(tmp_path: Path) -> None:
    assert write_starter(tmp_path / "mine.toml", zone=None, force=False)["zone"] is None
    assert "PLACEHOLDER" in (tmp_path / "mine.toml").read_text("utf-8")


def test_a_file_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("precious")
    with pytest.raises(ConfigError, match=r"mine\.toml: is already there .*--force"):
        write_starter(file, zone="FR", force=False)
    assert file.read_text() == "precious"
    write_starter(file, zone="FR", force=True)
    assert read_scenario(file).name == "my-fleet"


def test_an_unknown_zone_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="XQ"):
        write_starter(tmp_path / "mine.toml", zone="XQ", force=False)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml: cannot be written: No such file or directory"):
        write_starter(tmp_path / "absent" / "mine.toml", zone="FR", force=False)
