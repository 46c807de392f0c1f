"""`gramwise plan` from scenario to document: what it holds, what it says, what it refuses, what it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError, Infeasible
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.plan import make_plan, write_plan
from gramwise.show_plan import picture, planning

SCENARIO = """
schema = 1
name = "two-sites"
baseline_node = "here"

[models.digits]
reference = "fp32"

[models.digits.variants.fp32]
file = "package:digits-fp32.onnx"

[nodes.here]
device = "box"
zone = "FR"
cpu_share = 1.0
memory = "{memory}"
speed_factor = 1.0

[nodes.there]
device = "box"
zone = "DE"
cpu_share = 1.0
memory = "{memory}"
speed_factor = 1.0

[devices.box]
name = "Box"
idle_w = 2.0
busy_w = 12.0
source = "made up for this test"
"""


def scenario_file(folder: Path, memory: str = "512 MiB", more: str = "") -> Path:
    path = folder / "two.toml"
    path.write_text(SCENARIO.format(memory=memory) + more, encoding="utf-8")
    return path


def planned(folder: Path, memory: str = "512 MiB", more: str = "", **options: Any) -> dict[str, Any]:
    return make_plan(read_scenario(scenario_file(folder, memory, more)), **options)


def test_one_node_is_best_and_the_document_says_why(tmp_path: Path) -> None:
    document = planned(tmp_path)
    assert document["schema"] == "gramwise.plan/1"
    assert document["exact"] is True
    (stage,) = document["stages"]
    assert stage["node"] == "here"  # France, and equal machines
    assert (stage["first_layer"], stage["last_layer"]) == (0, len(document["layers"]) - 1)
    assert document["reason"].startswith("No split can lower carbon: here is the cheapest")
    assert document["reasons"] == []
    assert document["costs"]["method"] in ("modelled", "assumed")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    for key in ("energy_j", "carbon_g"):
        low, high = document["cost"][f"{key}_interval"]
        assert 0 <= low < document["cost"][key] < high
    best = [single for single in document["single"] if single["best"]]
    assert [single["node"] for single in best] == ["here"]
    assert best[0]["carbon_g"] == pytest.approx(document["cost"]["carbon_g"])


def test_memory_makes_stages_that_cover_every_layer_once_and_add_up(tmp_path: Path) -> None:
    document = planned(tmp_path, memory="84 MiB")
    stages = document["stages"]
    assert len(stages) > 1
    assert document["reasons"] == ["memory"]
    covered = [i for stage in stages for i in range(stage["first_layer"], stage["last_layer"] + 1)]
    assert covered == list(range(len(document["layers"])))
    for key in ("latency_s", "energy_j", "carbon_g"):
        assert sum(stage[key] for stage in stages) == pytest.approx(document["cost"][key])
    assert stages[0]["outputs"] == stages[1]["inputs"]
    assert stages[0]["send_bytes"] == stages[1]["receive_bytes"]
    assert stages[-1]["outputs"] == ["logits"]
    (price,) = document["prices"]
    assert price["goal"] == "memory"
    assert price["carbon_g"] > 0
    assert price["splits_without"] is False


def test_no_point_of_the_front_is_dominated_and_the_plan_is_on_it(tmp_path: Path) -> None:
    document = planned(tmp_path)
    keys = ("carbon_g", "energy_j", "latency_s")
    points = [tuple(point[key] for key in keys) for point in document["pareto"]]
    assert points
    for a in points:
        assert not any(all(x <= y for x, y in zip(b, a, strict=True)) and b != a for b in points)
    assert min(point[0] for point in points) == pytest.approx(document["cost"]["carbon_g"])


@pytest.mark.parametrize("objective", ["carbon", "energy", "latency", "throughput"])
def test_every_objective_is_answered_exactly_or_with_its_proven_gap(tmp_path: Path, objective: str) -> None:
    document = planned(tmp_path, objective=objective)
    assert document["objective"] == objective
    assert document["exact"] is True or (objective == "throughput" and document["gap_frac"] <= 0.05)


def test_a_pipeline_uses_both_nodes_and_shortens_the_period(tmp_path: Path) -> None:
    alone = planned(tmp_path, objective="latency")
    full = planned(tmp_path, objective="throughput")
    assert {stage["node"] for stage in full["stages"]} == {"here", "there"}
    assert full["cost"]["period_s"] < 0.7 * alone["cost"]["period_s"]


def test_a_rate_that_one_node_cannot_sustain_is_priced(tmp_path: Path) -> None:
    alone = planned(tmp_path)
    rate = 1.3 / alone["cost"]["period_s"]
    document = planned(tmp_path, rate_per_s=rate)
    assert "throughput goal" in document["reasons"]
    assert document["cost"]["period_s"] <= 1.0 / rate * (1 + 1e-6)


@pytest.mark.parametrize("method", ["amp4ec", "equal", "neurosurgeon"])
def test_published_rules_can_be_asked_for_and_claim_nothing(tmp_path: Path, method: str) -> None:
    document = planned(tmp_path, method=method)
    assert document["method"] == method
    assert document["exact"] is False


def test_what_cannot_be_is_refused_with_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"--objective: there is no objective 'carbn'. Did you mean 'carbon'"
    ):
        planned(tmp_path, objective="carbn")
    with pytest.raises(ConfigError, match=r"--latency-limit: -1 is no limit"):
        planned(tmp_path, latency_limit_s=-1.0)
    with pytest.raises(ConfigError, match=r"no partitioner called 'mincutt'\. Did you mean 'mincut'"):
        planned(tmp_path, method="mincutt")
    with pytest.raises(ConfigError, match=r"no variant 'int9'"):
        planned(tmp_path, variant="int9")
    with pytest.raises(ConfigError, match=r"nowhere\.json"):
        planned(tmp_path, profile=tmp_path / "nowhere.json")
    with pytest.raises(Infeasible, match=r"not even split"):
        planned(tmp_path, memory="80.5 MiB")
    with pytest.raises(Infeasible, match=r"takes .* ms, limit"):
        planned(tmp_path, latency_limit_s=1e-6)


def test_a_plan_is_written_whole_and_never_over_something_else(tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    document = planned(tmp_path)
    write_plan(document, out)
    write_plan(document, out)  # a newer plan replaces an older one
    assert json.loads(out.read_text(encoding="utf-8")) == document
    other = tmp_path / "two.toml"
    before = other.read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match=r"is there and is not a plan"):
        write_plan(document, other)
    assert other.read_text(encoding="utf-8") == before
    with pytest.raises(ConfigError, match="cannot be written"):
        write_plan(document, tmp_path / "no" / "plan.json")


def test_the_terminal_shows_reason_front_and_picture(tmp_path: Path) -> None:
    from rich.console import Console

    console = Console(width=130, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    for part in planning(planned(tmp_path, memory="84 MiB")):
        console.print(part, highlight=False, markup=False)
    console.file.close()
    text = console.export_text()
    assert "Split for memory" in text
    assert "Price of each goal" in text
    assert "Pareto front" in text
    assert "Some links declare no energy" in text
    assert " MiB of 84 MiB" in text  # the runtime counts against the cap as well


def test_rules_that_cannot_be_followed_are_refused_or_told_so(tmp_path: Path) -> None:
    document = planned(tmp_path, method="equal", latency_limit_s=1e-6)
    assert document["feasible"] is False
    assert document["reasons"] == []
    (tmp_path / "apart").mkdir()
    path = tmp_path / "apart" / "two.toml"
    path.write_text("links = []\n" + SCENARIO.format(memory="512 MiB"), encoding="utf-8")
    with pytest.raises(Infeasible, match="no link leads"):
        make_plan(read_scenario(path), method="equal")


def test_idle_power_that_the_catalogue_lacks_is_asked_for_by_file_and_key(tmp_path: Path) -> None:
    path = scenario_file(tmp_path, more="\n[split]\ncharge_idle = true\n")
    text = path.read_text(encoding="utf-8").replace('device = "box"', 'device = "esp32"', 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"two\.toml: split\.charge_idle: .*not known"):
        make_plan(read_scenario(path))


def test_the_picture_marks_single_nodes_splits_and_the_plan() -> None:
    points = [
        {"latency_s": 0.1, "carbon_g": 1e-3, "stages": [["a", 3]]},
        {"latency_s": 0.2, "carbon_g": 5e-4, "stages": [["a", 1], ["b", 2]]},
        {"latency_s": 0.4, "carbon_g": 1e-4, "stages": [["b", 3]]},
    ]
    lines = picture(points, {"latency_s": 0.4, "carbon_g": 1e-4}).splitlines()
    drawn = lines[1:13]
    assert drawn[0].endswith("|o" + " " * 59)
    assert drawn[-1].endswith("X")
    assert sum(line.count("+") for line in drawn) == 1
    assert picture(points[:1], points[0]).count("X") == 2  # one point alone: drawn, and in the legend
