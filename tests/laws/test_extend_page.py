"""The page on extending gramwise is true: its examples run, pass the kit and are found under their entry points."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gramwise.core import plugins

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "extend.md"
BLOCKS = dict(re.findall(r"```(?:python|toml) (\S+)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))


def load(*names: str) -> dict[str, Any]:
    """The page's blocks, run one after the other in one module."""
    module: dict[str, Any] = {"__name__": "extend_page"}
    for name in names:
        exec(compile(BLOCKS[name], f"{PAGE.name}:{name}", "exec"), module)
    return module


def test_the_policy_on_the_page_passes_its_own_test() -> None:
    module = load("policy", "policy-test")
    tests = [value for name, value in module.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_the_meter_on_the_page_passes_its_own_test(tmp_path: Path) -> None:
    load("meter", "meter-test")["test_plug_keeps_the_contract"](tmp_path)


def test_the_meter_on_the_page_says_that_it_is_absent(tmp_path: Path) -> None:
    from gramwise.core.errors import MeterAbsent

    with pytest.raises(MeterAbsent, match="does not exist"):
        load("meter")["Plug"](tmp_path / "nothing")


def test_its_entry_points_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, info = tmp_path / "my_package", tmp_path / "my_package-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("")
    (package / "joules.py").write_text(BLOCKS["policy"])
    (package / "plug.py").write_text(BLOCKS["meter"])
    groups = tomllib.loads(BLOCKS["entry-points"])["project"]["entry-points"]
    text = "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in groups.items()
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert plugins.create("policy", "joules").name == "joules"
    assert "plug" in plugins.names("meter")
    energy = tmp_path / "energy_wh"
    energy.write_text("1.0")
    assert plugins.create("meter", "plug", energy).boundary == "wall"


def test_the_table_of_kinds_is_that_of_the_code() -> None:
    page = PAGE.read_text("utf-8")
    for kind, home in plugins.HOMES.items():
        assert f"`gramwise.{kind}`" in page
        assert f"`{home.removeprefix('gramwise.').replace('.', '/')}/`" in page
