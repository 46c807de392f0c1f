"""The eCAL account beside a bill: never in it, never of another kind, on other grids, and hour by hour."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError, DataGap, MixedKinds, ModelError
from gramwise.core.footprint import Factor
from gramwise.fleet.scenario import Scenario
from gramwise.footprint.scaling.intensity import Intensity, of_zone
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.ecalaccount import ecal, mean_day, one_kind
from gramwise.runtime.lifecycle import footprint

SCENARIO = """
schema = 1
name = "told twice"
baseline_node = "a"
[models.digits]
reference = "fp32"
variants.fp32.file = "package:digits-fp32.onnx"
[[costs]]
model = "digits"
variant = "fp32"
device = "n100"
latency_s = 0.1
energy_j = 0.5
source = "made up"
[nodes]
a = { zone = "DE", device = "n100", cpu_share = 1.0, memory = "1 GiB" }
b = { zone = "lab", device = "n100", cpu_share = 1.0, memory = "1 GiB", OWN }
[footprint]
inferences = 1.0e6
draws = 200
"""
OWN = 'intensity_g_per_kwh = 20.0, intensity_source = "roof"'
ECAL = """
[footprint.ecal]
data = { samples = 50, values_per_sample = 100, bits_per_value = 8, result_bits = 32 }
model = { kind = "onnx", file = "package:digits-fp32.onnx" }
preprocessing = { kind = "none", development_machine = "board", inference_machine = "board" }
training = { machine = "board", epochs = 2, batch = 25, optimiser = "adam" }
inference = { machine = "board", count = 1000 }
[footprint.ecal.locations]
field = { intensity_g_per_kwh = 100.0, pue = 1.0 KIND }
[footprint.ecal.machines.board]
location = "field"
peak_flop_per_s = 7.7e10
utilisation_frac = { value = 0.3, low = 0.1, high = 0.6, source = "made up" }
busy_w = 12.0
"""
Read = Callable[..., Scenario]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def make(text: str = ECAL, kind: str = "") -> Scenario:
        file = tmp_path / "s.toml"
        file.write_text(SCENARIO.replace("OWN", OWN) + text.replace("KIND", kind))
        return read_scenario(file)

    return make


def test_none_without_its_table(read: Read) -> None:
    assert ecal(read(""), {}) is None
    assert footprint(read(""))["ecal"] is None


def test_it_stands_beside_the_bill_and_not_in_it(read: Read) -> None:
    plain, told = footprint(read("")), footprint(read())
    assert told["total"] == plain["total"]
    assert told["items"] == plain["items"]
    assert told["ecal"]["carbon_g"] > 0.0
    assert told["ecal"]["bill"]["total"]["value"] == pytest.approx(told["ecal"]["carbon_g"], rel=1e-12)


def test_the_life_on_other_grids_is_the_same_joules(read: Read) -> None:
    scenario = read()
    document = footprint(scenario, zones=["SE"])["ecal"]
    grams = {row["name"]: row["carbon_g"] for row in document["countries"]}
    assert set(grams) == {"DE", "lab (b)", "SE"}
    de = of_zone("DE").rate
    assert isinstance(de, Factor)
    assert grams["DE"] / grams["lab (b)"] == pytest.approx(de.value / 20.0)
    assert grams["DE"] == pytest.approx(document["carbon_g"] * de.value / 100.0)


def test_another_kind_than_the_zones_is_refused_and_both_are_named(read: Read) -> None:
    scenario = read(kind=', signal = "marginal", basis = "direct"')
    alone = ecal(scenario, {})
    assert alone is not None
    assert alone["countries"] == []
    with pytest.raises(MixedKinds, match=r"locations\.field.*marginal/direct.*zone DE.*average/lifecycle"):
        ecal(scenario, {"DE": of_zone("DE")})


def test_one_kind_names_the_first_two_that_differ() -> None:
    one_kind([])
    one_kind([("x", "average/direct"), ("y", "average/direct")])
    with pytest.raises(MixedKinds, match=r"'x'.*average/direct.*'z'.*marginal/direct"):
        one_kind([("x", "average/direct"), ("y", "average/direct"), ("z", "marginal/direct")])


def test_faults_name_file_and_key(read: Read) -> None:
    with pytest.raises(ConfigError, match=r"s\.toml.*samplez"):
        ecal(read(ECAL.replace("samples =", "samplez =")), {})
    with pytest.raises(ModelError, match=r"footprint\.ecal\.model\.file.*none\.onnx"):
        ecal(read(ECAL.replace("package:digits-fp32.onnx", "none.onnx")), {})


def test_it_is_json_without_nan(read: Read) -> None:
    elsewhere: dict[str, Intensity] = {"DE": of_zone("DE")}
    first, second = (json.dumps(ecal(read(), elsewhere), allow_nan=False) for _ in range(2))
    assert first == second


def trace(folder: Path, year: int, hours: int, missing: int | None = None) -> Path:
    start = datetime(year, 1, 1, tzinfo=UTC)
    lines = ["time_utc,lifecycle_g_per_kwh"]
    for i in range(hours):
        value = "" if i % 24 == missing else str(100.0 + i % 24 + (10.0 if i >= 24 else 0.0))
        lines.append(f"{(start + timedelta(hours=i)).isoformat()},{value}")
    (folder / f"DE_{year}.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_mean_day_is_the_mean_of_each_hour(tmp_path: Path) -> None:
    day = mean_day(trace(tmp_path, 2022, 48), "DE")
    assert day.values == pytest.approx([105.0 + hour for hour in range(24)])
    assert day.end_s is not None
    assert day.end_s - day.times_s[0] == 86_400.0
    assert "2022" in day.source


def test_an_hour_that_no_day_knows_is_a_gap_and_not_a_nan(tmp_path: Path) -> None:
    with pytest.raises(DataGap, match="2022"):
        mean_day(trace(tmp_path, 2022, 48, missing=5), "DE")
    with pytest.raises(ConfigError, match="FR"):
        mean_day(tmp_path, "FR")
