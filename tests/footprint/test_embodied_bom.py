"""Bills of materials: strict reading of YAML and TOML, imports, and what each method makes of the same list."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor
from gramwise.footprint.embodied import act, dies
from gramwise.footprint.embodied.bom import Bom, load, parse
from gramwise.footprint.embodied.device import of_bom
from gramwise.footprint.embodied.units import CAPACITY_GB, MASS_KG, size

TOML = """
name = "sensor"

[silicon.soc]
area = "20 mm2"
process = "28nm"
n_ics = 1

[silicon.ram]
model = "dram"
process = "lpddr4"
capacity = "512 MB"

[materials.board]
category = "pcb"
area = "12 cm2"
layers = 4
thickness = "1.6 mm"

[materials.shell]
category = "enclosure"
type = "steel"
weight = "30 g"

[materials.cell]
category = "battery"
capacity = "2 Wh"
type = "LFP"

[passives.c1]
category = "capacitor"
type = "mlcc"
weight = "10 mg"
quantity = 5

[passives.r1]
category = "resistor"
type = "0402"
quantity = 12
"""


@pytest.fixture
def sensor(tmp_path: Path) -> Bom:
    path = tmp_path / "sensor.toml"
    path.write_text(TOML)
    return load(path)


def test_toml_is_read_with_units(sensor: Bom) -> None:
    parts = {p.name: p for p in sensor.parts}
    assert list(parts) == ["soc", "ram", "board", "shell", "cell", "c1", "r1"]
    assert parts["soc"].area_cm2 == pytest.approx(0.2)
    assert parts["ram"].capacity_gb == pytest.approx(0.512)
    assert parts["cell"].capacity_kwh == pytest.approx(0.002)
    assert parts["c1"].mass_kg == pytest.approx(1e-5)
    assert parts["soc"].fab_yield is None
    assert parts["soc"].quantity is None


def test_act_by_hand(sensor: Bom) -> None:
    found = act.evaluate(sensor, method="act")
    assert found.by_type_kg["FABRICATION"] == pytest.approx(
        0.2 * 1.328229 + 0.512 * 0.048 / 0.875 + 12 * 0.043e-3 + 0.002 * 61.5, rel=1e-6
    )
    assert found.by_type_kg["PACKAGING"] == pytest.approx(0.15)
    assert found.by_type_kg["ENCLOSURE"] == pytest.approx(0.03 * 1.89)
    assert found.by_type_kg["PASSIVES"] == pytest.approx(5e-5 * 6862 / 3.6 * 0.485)
    assert found.total_kg == pytest.approx(sum(found.by_group_kg.values()))
    assert found.not_included == ("not included: r1 (resistor 0402): no factor resistor.0402",)


def test_the_forks_traps_are_only_in_its_method(sensor: Bom) -> None:
    theirs = act.evaluate(
        sensor, method="microgreen", extra={"pcb.volume": _factor("pcb.volume", 6.0, "g/cm3")}
    )
    assert "PACKAGING" not in theirs.by_type_kg
    assert theirs.by_type_kg["PCB"] == pytest.approx(12 * 0.16 * 4 * 6e-3)
    assert theirs.by_type_kg["ENCLOSURE"] == 0.0
    assert act.cpa("45nm", "world", method="microgreen") == pytest.approx(1005.4)
    assert act.cpa("45nm", "world", 99, 0.5, method="microgreen") == pytest.approx(1005.4)
    assert act.cpa("45nm", "world") == pytest.approx((301 * 0.4 + 70.1 + 500) / 0.875)
    assert act.cpa("45nm", "taiwan", method="microgreen") == pytest.approx((642 * 0.4 + 70.1 + 500) / 0.875)


def test_the_use_phase_is_power_times_hours_of_julian_years(sensor: Bom) -> None:
    found = act.evaluate(sensor, op_power_w=2.0, op_ci="usa", duty_cycle=0.25, lifetime_years=3.0)
    assert found.by_type_kg["OPERATION"] == pytest.approx(2e-3 * 0.25 * 3 * 8766 * 0.38)
    for key, wrong in [("op_power_W", {"op_power_w": -1.0}), ("duty_cycle", {"duty_cycle": 1.5})]:
        with pytest.raises(ConfigError, match=key):
            act.evaluate(sensor, **wrong)  # type: ignore[arg-type]


def test_the_own_method_prices_what_it_can_and_names_the_rest(sensor: Bom) -> None:
    found = of_bom(sensor)
    assert found.tier == "bom"
    assert any("r1 (resistor 0402)" in text for text in found.not_included)
    assert any("transport" in text for text in found.not_included)
    footprint = found.footprint(draws=1000)
    assert footprint.total.low <= footprint.total.value <= footprint.total.high
    board = next(i for i in footprint.items if i.name == "board")
    assert board.carbon.value == pytest.approx(12 * 9.3)
    fired = next(i for i in footprint.items if i.name == "c1")
    assert fired.carbon.value == pytest.approx(5e-5 * 6862 / 3.6 * 485)
    shell = next(i for i in footprint.items if i.name == "shell")
    assert shell.carbon.value == pytest.approx(56.7)


def test_own_factors_bring_the_passives_in(sensor: Bom) -> None:
    extra = {"resistor.0402": _factor("resistor.0402", 4e-5, "kg/piece")}
    more, less = of_bom(sensor, extra=extra).footprint(draws=200), of_bom(sensor).footprint(draws=200)
    assert more.total.value - less.total.value == pytest.approx(12 * 0.04)
    assert not any("r1" in text for text in more.not_included)
    assert act.evaluate(sensor, extra=extra).not_included == ()


def test_the_account_is_above_acts_where_boards_are_priced(sensor: Bom) -> None:
    assert of_bom(sensor).footprint(draws=200).total.value > 1000 * act.evaluate(sensor).total_kg


def test_parts_and_legs_complete_a_device(sensor: Bom) -> None:
    whole = parse(
        {
            "name": "whole",
            "silicon": {"soc": {"area": "20 mm2", "process": "28nm"}},
            "parts": {
                "shell": {"factor": "casing.small", "amount": 1},
                "screen": {"factor": "display.lcd", "amount": 12.5},
                "scrap": {"factor": "eol.card", "amount": 0.2},
                "mine": {"factor": "lens", "amount": 2},
            },
            "transport": {"sea": {"means": "boat", "distance": "19000 km", "weight": "300 g"}},
        }
    )
    found = of_bom(whole, extra={"lens": _factor("lens", 0.1, "kg/piece")})
    assert found.not_included == ()
    by_phase = found.footprint(draws=200).by_phase()
    assert by_phase["manufacture"] == pytest.approx(0.2 * 1328.2286 + 431 + 12.5 / 25 * 823 + 200, rel=1e-5)
    assert by_phase["end-of-life"] == pytest.approx(0.2 * 1506.2)
    assert by_phase["transport"] == pytest.approx(19000 * 0.3 * 1.33e-2)
    assert len(act.evaluate(whole).not_included) == 5
    with pytest.raises(ConfigError, match=r"casing\.tiny"):
        of_bom(parse({"parts": {"shell": {"factor": "casing.tiny", "amount": 1}}}))
    with pytest.raises(ConfigError, match=r"transport\.rail"):
        of_bom(parse({"transport": {"x": {"means": "rail", "distance": "1 km", "weight": "1 kg"}}}))


def test_truncation_and_fab_are_choices(sensor: Bom) -> None:
    plain = of_bom(sensor).footprint(draws=200).total.value
    assert of_bom(sensor, truncation=True).footprint(draws=200).total.value == pytest.approx(2 * plain)
    assert of_bom(sensor, fab=dies.Fab(grid="solar")).footprint(draws=200).total.value < plain


def test_yaml_with_imports(tmp_path: Path) -> None:
    pytest.importorskip("yaml", reason="PyYAML is optional")
    (tmp_path / "a.yaml").write_text(
        "name: a\nimports:\n  b: b.yaml\nsilicon:\n  x: {area: 1 cm2, process: 7nm}\n"
    )
    (tmp_path / "b.yaml").write_text(
        "name: b\nmaterials:\n  m: {category: enclosure, type: steel, weight: 1 kg}\n"
    )
    assert [p.name for p in load(tmp_path / "a.yaml").parts] == ["x", "m"]
    (tmp_path / "b.yaml").write_text("imports:\n  a: a.yaml\n")
    with pytest.raises(ConfigError, match="imports itself"):
        load(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match=r"c\.yaml.*cannot be read"):
        load(tmp_path / "c.yaml")
    (tmp_path / "picture.yaml").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "picture.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1\n")
    with pytest.raises(ConfigError, match="is not YAML"):
        load(tmp_path / "bad.yaml")
    (tmp_path / "octal.yaml").write_text("passives:\n  r: {category: resistor, type: 0402, quantity: 1}\n")
    with pytest.raises(ConfigError, match="quotes"):
        load(tmp_path / "octal.yaml")


def test_without_pyyaml_the_message_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\n")
    (tmp_path / "yaml.py").write_text("raise ModuleNotFoundError('no yaml here')\n")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from gramwise.core.errors import SourceUnavailable\n"
        "from gramwise.footprint.embodied.bom import load\n"
        f"try:\n    load({str(tmp_path / 'a.yaml')!r})\n"
        "except SourceUnavailable as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'gramwise[plan]'" in done.stdout


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"silicon": {"x": {"area": "1 cm2", "proces": "7nm"}}}, "silicon.x.proces"),
        ({"silicon": {"x": {"area": 1, "process": "7nm"}}}, "silicon.x.area"),
        ({"silicon": {"x": {"area": "-1 cm2", "process": "7nm"}}}, "silicon.x.area"),
        ({"silicon": {"x": {"area": "0 cm2", "process": "7nm"}}}, "silicon.x.area"),
        ({"silicon": {"x": {"area": "1 GB", "process": "7nm"}}}, "silicon.x.area"),
        ({"silicon": {"x": {"model": "tape"}}}, "silicon.x.model"),
        ({"silicon": {"x": {"area": "1 cm2", "gpa": 96}}}, "silicon.x.gpa"),
        ({"silicon": {"x": {"area": "1 cm2", "fab_yield": 0}}}, "silicon.x.fab_yield"),
        ({"silicon": {"x": {"area": "1 cm2", "n_ics": 1.5}}}, "silicon.x.n_ics"),
        ({"silicon": {"x": 3}}, "silicon.x"),
        ({"materials": {"x": {"category": "gold"}}}, "materials.x.category"),
        ({"passives": {"x": {"type": "0402"}}}, "passives.x.category"),
        ({"silicons": {}}, "silicons"),
        ({"parts": {"x": {"factor": "casing.small"}}}, "parts.x.amount"),
        ({"parts": {"x": {"factor": "casing.small", "amount": 0}}}, "parts.x.amount"),
        ({"transport": {"x": {"means": "boat", "distance": 5, "weight": "1 kg"}}}, "transport.x.distance"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_key(document: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(document, "list.toml")
    assert refused.value.key == key


@pytest.mark.parametrize("process", ["9000nm", "quartz", "1nm"])
@pytest.mark.parametrize("evaluate", [act.evaluate, of_bom])
def test_an_unknown_node_is_refused_by_every_method(evaluate: Any, process: str) -> None:
    with pytest.raises(ConfigError, match="process"):
        evaluate(parse({"silicon": {"x": {"area": "1 cm2", "process": process}}}))


def test_act_lists_its_nodes_and_the_own_method_interpolates() -> None:
    bom = parse({"silicon": {"x": {"area": "1 cm2", "process": "16nm"}}})
    with pytest.raises(ConfigError, match="process"):
        act.evaluate(bom)
    assert 1542.4 < of_bom(bom).footprint(draws=200).total.value < 1556.7


def test_a_part_that_lacks_a_size_names_it() -> None:
    with pytest.raises(ConfigError, match=r"x\.area"):
        act.evaluate(parse({"silicon": {"x": {"process": "7nm"}}}))
    with pytest.raises(ConfigError, match=r"m\.weight"):
        of_bom(parse({"materials": {"m": {"category": "enclosure", "type": "steel"}}}))
    with pytest.raises(ConfigError, match="method"):
        act.evaluate(parse({}), method="acts")  # type: ignore[arg-type]


def test_nothing_known_is_not_zero() -> None:
    with pytest.raises(ConfigError, match="nothing of it has a figure"):
        of_bom(parse({"name": "r", "passives": {"r": {"category": "resistor", "type": "0402"}}}))


def test_sizes() -> None:
    assert size("1.5e3 MB", CAPACITY_GB, "k") == pytest.approx(1.5)
    assert size("2tb", CAPACITY_GB, "k") == 2000.0
    assert size("1.00074E-05 kg", MASS_KG, "k") == pytest.approx(1.00074e-5)


def _factor(key: str, value: float, unit: str) -> Factor:
    return Factor(
        key=key, value=value, low=value, high=value, unit=unit, method="assumed", source="this test"
    )
