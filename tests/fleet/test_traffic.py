"""Tables of traffic and simulation: what is refused, with what sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gramwise.core.errors import ConfigError
from gramwise.fleet.scenario import load_scenario
from gramwise.fleet.traffic import CostTable, SimulationTable, TrafficTable, unix_s

HERE: dict[str, Any] = {"name": "live", "model": "digits"}

TEXT = """
schema = 1
name = "case"
baseline_node = "a"
[models.digits]
reference = "fp32"
[models.digits.variants.fp32]
file = "package:digits-fp32.onnx"
[nodes.a]
device = "pi4"
zone = "FR"
cpu_share = 1.0
memory = "1 GiB"
[[traffic]]
name = "live"
model = "digits"
rate_per_s = 1.0
"""


def refused(folder: Path, *more: str, old: str = "", new: str = "") -> str:
    """What is said about the text with more behind it."""
    assert old in TEXT
    file = folder / "case.toml"
    file.write_text("\n".join([TEXT.replace(old, new) if old else TEXT, *more]), "utf-8")
    with pytest.raises(ConfigError) as fault:
        load_scenario(file)
    return str(fault.value)


def test_the_text_itself_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "case.toml"
    file.write_text(TEXT, "utf-8")
    scenario = load_scenario(file)
    assert [row.name for row in scenario.traffic] == ["live"]
    assert scenario.simulation.baseline == "fastest"
    assert scenario.simulation.forecast == "own"
    assert scenario.simulation.load_frac is None


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"rate_per_s": 1.0, "file": "a.csv"},
        {"rate_per_s": 0.0},
        {"rate_per_s": float("nan")},
        {"rate_per_s": float("inf")},
        {"rate_per_s": "many"},
        {"rate_per_s": 1.0, "swing_frac": 1.0},
        {"rate_per_s": 1.0, "noise_frac": -0.1},
        {"rate_per_s": 1.0, "weekend_frac": 0.0},
        {"rate_per_s": 1.0, "peak_hour_utc": 24.0},
        {"rate_per_s": 1.0, "count": 0},
        {"rate_per_s": 1.0, "deferrable_frac": 1.1},
        {"rate_per_s": 1.0, "deferrable_frac": 0.4},
        {"rate_per_s": 1.0, "deferrable_s": -1.0},
        {"rate_per_s": 1.0, "allowed_zones": []},
        {"rate_per_s": 1.0, "rate": 2.0},
    ],
)
def test_traffic_that_makes_no_sense(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrafficTable(**{**HERE, **more})


def test_work_that_can_wait_says_how_long() -> None:
    row = TrafficTable(**HERE, rate_per_s=1.0, deferrable_frac=0.4, deferrable_s=21600.0)
    assert (row.deferrable_frac, row.deferrable_s) == (0.4, 21600.0)
    with pytest.raises(ValidationError, match="how long these requests can wait"):
        TrafficTable(**HERE, rate_per_s=1.0, deferrable_frac=0.4)


@pytest.mark.parametrize(
    "more",
    [
        {"start": "2022-01-01"},
        {"start": "tomorrow"},
        {"load_frac": 1.0},
        {"load_frac": 0.0},
        {"horizon_hours": 0},
        {"slot_s": 60.0},
        {"forecast": "crystal ball"},
        {"basis": "marginal"},
        {"policies": []},
        {"seed": -1},
    ],
)
def test_simulation_that_makes_no_sense(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SimulationTable(**more)


def test_moments_are_the_same_in_any_offset() -> None:
    assert unix_s("1970-01-02T00:00:00Z") == 86400.0
    assert unix_s("1970-01-02T02:00:00+02:00") == 86400.0
    assert SimulationTable(start="2022-06-01T02:00:00+02:00").start == "2022-06-01T02:00:00+02:00"


def test_a_cost_holds_for_a_node_or_a_device() -> None:
    figures: dict[str, Any] = {
        "model": "digits",
        "variant": "fp32",
        "latency_s": 1.0,
        "energy_j": 2.0,
        "source": "meter",
    }
    assert CostTable(**figures, node="a").node == "a"
    both: dict[str, Any] = {"node": "a", "device": "pi4"}
    for where in ({}, both):
        with pytest.raises(ValidationError):
            CostTable(**figures, **where)


def test_names_that_are_nowhere(tmp_path: Path) -> None:
    said = refused(tmp_path, '[[traffic]]\nname = "b"\nmodel = "digit"\nrate_per_s = 1.0')
    assert "traffic.1.model" in said
    assert "digits" in said
    said = refused(tmp_path, '[[traffic]]\nname = "live"\nmodel = "digits"\nrate_per_s = 1.0')
    assert "stands there twice" in said
    said = refused(
        tmp_path, '[[traffic]]\nname = "b"\nmodel = "digits"\nrate_per_s = 1.0\nallowed_zones = ["DE"]'
    )
    assert "no node stands in DE" in said
    assert "FR" in said
    said = refused(tmp_path, '[[failures]]\nnode = "b"\nat_s = 1.0')
    assert "failures.0.node" in said
    cost = (
        '[[costs]]\nmodel = "digits"\nvariant = "{}"\n{}\nlatency_s = 1.0\nenergy_j = 1.0\nsource = "meter"'
    )
    assert "costs.0.variant" in refused(tmp_path, cost.format("int4", 'node = "a"'))
    assert "costs.0.node" in refused(tmp_path, cost.format("fp32", 'node = "c"'))
    assert "costs.0.device" in refused(tmp_path, cost.format("fp32", 'device = "pi5"'))
