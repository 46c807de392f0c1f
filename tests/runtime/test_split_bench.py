"""A plan that bench executes: beside the other policies, in its books, and where no single node has the room."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from split_kit import plan_document, write_plan

from gramwise.core.errors import ConfigError
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.bench import bench
from gramwise.runtime.explain import explain
from gramwise.runtime.planfile import PlanFile, read_plan
from gramwise.runtime.rundir import read_decisions, rebuild
from gramwise.runtime.session import Session

Write = Callable[..., Path]

NODES = ["clean", "middle", "dirty"]
CUTS = [("h2",), ("h4",)]

pytestmark = pytest.mark.usefixtures("own_cache")
tidy = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def planned(folder: Path, model: Path, nodes: list[str], cuts: list[Any], **changes: Any) -> PlanFile:
    return read_plan(write_plan(folder, plan_document(model, nodes, cuts, count=40, **changes)))


def served(folder: Path, scenario: Path, plan: PlanFile | None) -> dict[str, Any]:
    return asyncio.run(bench(read_scenario(scenario), out=folder / "runs", plan=plan))


def rows(document: dict[str, Any], name: str = "outcomes.csv") -> list[dict[str, str]]:
    with (Path(document["run_dir"]) / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


LINKED = """
[[links]]
from = "clean"
to = "middle"
rtt_s = 0.01
energy_j_per_byte = 1e-7
receive_j_per_byte = 5e-8
source = "made up for tests"

[[links]]
from = "middle"
to = "dirty"
energy_j_per_byte = 2e-7
source = "made up for tests"

[[links]]
from = "client"
to = "clean"
energy_j_per_byte = 3e-7
source = "made up for tests"

[[links]]
from = "client"
to = "dirty"
energy_j_per_byte = 4e-7
source = "made up for tests"

[workload]
"""


@tidy
@pytest.mark.parametrize("kind", ["processes", "in-process"])
def test_a_plan_is_served_beside_the_policies_and_paid_node_by_node(
    tmp_path: Path, furnished: Path, write_scenario: Write, kind: str
) -> None:
    scenario = write_scenario("\n[workload]\n", LINKED, 'kind = "processes"', f'kind = "{kind}"')
    plan = planned(tmp_path, furnished / "full.onnx", NODES, CUTS)
    document = served(tmp_path, scenario, plan)
    names = [policy["name"] for policy in document["policies"]]
    assert names == ["monolithic", "round-robin", "grams", "plan"]
    split, whole = document["policies"][-1], document["policies"][:-1]
    assert split["completed"] == 20
    assert split["accuracy_frac"] == pytest.approx(0.9)  # the pieces answer as the whole does
    assert split["node_share"] == {"dirty": 0.0, "middle": 0.0, "clean": 0.0, "clean > middle > dirty": 1.0}
    assert all(sum(p["node_share"].values()) == pytest.approx(1.0) for p in whole)
    assert {row["node"] for row in rows(document) if row["policy"] == "plan"} == {"clean>middle>dirty"}
    assert split["latency_s"]["p50"] > 0.005  # half a round trip is waited out
    _check_grams(document, split)
    _check_transfer(document, split)
    assert any(
        line.startswith("Split: the plan runs its pieces on clean > middle > dirty")
        for line in document["provenance"]
    )
    _check_record(document)


def _check_grams(document: dict[str, Any], split: dict[str, Any]) -> None:
    """What each node's clock says of the plan's windows is what its requests cost, priced on each node's own grid."""
    j_per_node = dict.fromkeys(NODES, 0.0)
    for row in rows(document, "nodes.csv"):
        if row["policy"] == "plan":
            j_per_node[row["node"]] += float(row["attributed_j"])
    assert all(joules > 0 for joules in j_per_node.values())
    grids = {node["name"]: node["intensity_g_per_kwh"] for node in document["nodes"]}
    grams = sum(j_per_node[name] * grids[name] / 3.6e6 for name in NODES) / (20 * 40)
    assert split["carbon_g_per_inference"] == pytest.approx(grams, rel=1e-6)
    assert split["energy_j_per_inference"] == pytest.approx(sum(j_per_node.values()) / 800, rel=1e-6)
    assert split["carbon"]["low"] <= grams <= split["carbon"]["high"]
    assert split["b0_g_per_inference"] == document["bounds"]["b0_g_per_inference"]


def _check_transfer(document: dict[str, Any], split: dict[str, Any]) -> None:
    """Every message, sender and receiver each on its grid; the client's end on that of the node it speaks to."""
    grids = {node["name"]: node["intensity_g_per_kwh"] / 3.6e6 for node in document["nodes"]}
    image, hidden, answer = 64 * 4, 32 * 64 * 4, 4 * 4
    expected = (
        image * 3e-7 * grids["clean"]
        + hidden * (1e-7 * grids["clean"] + 5e-8 * grids["middle"])
        + hidden * 2e-7 * grids["middle"]
        + (image + answer) * 4e-7 * grids["dirty"]
    )
    assert split["transfer_g_per_inference"] == pytest.approx(expected, rel=1e-9)
    monolithic = document["policies"][0]
    assert monolithic["transfer_g_per_inference"] == pytest.approx(image * 4e-7 * grids["dirty"], rel=1e-9)
    round_robin = document["policies"][1]
    assert round_robin["transfer_g_per_inference"] is None  # the client's link to middle declares nothing


def _check_record(document: dict[str, Any]) -> None:
    """What was recorded is decided again the same way, and reads as people say it."""
    run = Path(document["run_dir"])
    told = explain(run, "plan-0-0")["decisions"][0]
    assert told["agrees"]
    assert told["sentence"].startswith("plan chose clean > middle > dirty with full")
    assert told["verdicts"][-1]["node"] == "clean > middle > dirty"
    baseline = explain(run, "monolithic-0-0")["decisions"][0]
    assert baseline["agrees"]
    assert "split over clean > middle > dirty" in baseline["verdicts"][-1]["reason"]
    record, upper = next(read_decisions(run))
    _, snapshot = rebuild(record, upper)
    assert snapshot.plans.planned == 6
    assert [stage.node for stage in snapshot.plans.stages[6]] == NODES
    assert snapshot.plans.stages[6][2].inputs == ("input", "h4")
    assert upper["plans"]["split"][0]["nodes"] == "clean > middle > dirty"


def test_the_page_is_drawn_for_a_split_run(tmp_path: Path, furnished: Path, write_scenario: Write) -> None:
    from gramwise.report.html import write_html
    from gramwise.report.load import load_run

    plan = planned(tmp_path, furnished / "full.onnx", ["clean", "dirty"], [("h4",)])
    document = served(tmp_path, write_scenario('kind = "processes"', 'kind = "in-process"'), plan)
    page = write_html(load_run(document["run_dir"]), tmp_path / "page.html").read_text("utf-8")
    assert "clean &gt; dirty" in page


def _heavy(folder: Path) -> Path:
    """Two layers of 12 MiB each, and images whose labels are what the whole network answers."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.standard_normal((64, 49_152)).astype(np.float32) / 8,
        "w2": rng.standard_normal((49_152, 64)).astype(np.float32) / 200,
    }
    shape = ["n", 1, 8, 8]
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["input"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w1"], ["wide"]),
            helper.make_node("Relu", ["wide"], ["middle"]),
            helper.make_node("MatMul", ["middle", "w2"], ["logits"]),
        ],
        "heavy",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 64])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    file = folder / "heavy.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), file)
    images = rng.standard_normal((40, 1, 8, 8)).astype(np.float32)
    labels = Session(str(file)).run({"input": images})[0]["logits"].argmax(axis=1)
    np.savez(folder / "heavy.npz", images=images, labels=labels)
    return file


def _heavy_plan(folder: Path, model: Path) -> PlanFile:
    document = plan_document(model, ["clean", "middle"], [("h2",)], count=4)
    ends = ("input",), ("middle",), ("logits",)
    for stage, reads, makes in zip(document["stages"], ends, ends[1:], strict=False):
        stage |= {"inputs": list(reads), "outputs": list(makes), "memory_bytes": 3 * 12 * 2**20}
    return read_plan(write_plan(folder, document))


@tidy
def test_a_model_that_fits_on_no_node_is_served_split(tmp_path: Path, write_scenario: Write) -> None:
    model = _heavy(tmp_path)
    blind = "[models.tiny.variants.blind]"
    text = write_scenario('"full.onnx"', '"heavy.onnx"', "count = 40", "count = 4").read_text("utf-8")
    text = text.replace("512 MiB", "120 MiB").replace("images.npz", "heavy.npz")
    start, end = text.index(blind), text.index("[devices.box]")
    scenario = tmp_path / "heavy.toml"
    scenario.write_text(text[:start] + text[end:], "utf-8")
    with pytest.raises(ConfigError, match="cannot hold any variant of 'tiny'"):
        served(tmp_path, scenario, None)
    document = served(tmp_path, scenario, _heavy_plan(tmp_path, model))
    for policy in document["policies"]:
        assert policy["completed"] == 20
        assert policy["accuracy_frac"] == 1.0  # every answer is that of the whole network
        assert policy["node_share"]["clean > middle"] == 1.0
    fallback = {policy["name"]: policy["fallback"] for policy in document["policies"]}
    assert fallback == {"monolithic": 20, "round-robin": 20, "grams": 0, "plan": 0}
    assert document["bounds"]["b0_g_per_inference"] == pytest.approx(
        sum(p["carbon_g_per_inference"] for p in document["policies"]) / 4
    )


@tidy
def test_pieces_that_do_not_fit_their_node_are_refused(tmp_path: Path, write_scenario: Write) -> None:
    model = _heavy(tmp_path)
    plan = _heavy_plan(tmp_path, model)
    scenario = write_scenario(
        '"full.onnx"', '"heavy.onnx"', "512 MiB", "100 MiB", "512 MiB", "100 MiB", "512 MiB", "100 MiB"
    )
    with pytest.raises(ConfigError, match="need 116 MiB on middle, which has 100 MiB") as caught:
        served(tmp_path, scenario, plan)
    assert (caught.value.file, caught.value.key) == (scenario, "nodes.middle.memory")


@tidy
@pytest.mark.parametrize("cuts", [[], [("h4",)]])
def test_a_plan_of_one_stage_is_that_nodes_row(
    tmp_path: Path, furnished: Path, write_scenario: Write, cuts: list[Any]
) -> None:
    nodes = ["middle"] if not cuts else ["middle", "clean"]
    plan = planned(tmp_path, furnished / "full.onnx", nodes, cuts)
    document = served(tmp_path, write_scenario('kind = "processes"', 'kind = "in-process"'), plan)
    share = document["policies"][-1]["node_share"]
    assert share["middle" if not cuts else "middle > clean"] == 1.0
    assert ("split" in json.dumps(document["provenance"]).lower()) == bool(cuts)
    assert np.isfinite(document["policies"][-1]["carbon_g_per_inference"])
