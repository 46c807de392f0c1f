"""A plan file is read, or refused with the key and what to do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from split_kit import plan_document, write_plan

from gramwise.core.errors import ConfigError, GramwiseError
from gramwise.runtime.assembly import read_scenario, resolve_variants
from gramwise.runtime.pieces import pieces_of
from gramwise.runtime.planfile import check_plan, network_of, read_plan

Write = Callable[..., Path]

NODES = ["clean", "middle", "dirty"]
CUTS = [("h2",), ("h4",)]
_GONE = object()


@pytest.fixture
def document(furnished: Path) -> dict[str, Any]:
    return plan_document(furnished / "full.onnx", NODES, CUTS, count=40)


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    found = copy.deepcopy(document)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    at: Any = found
    for part in parents:
        at = at[part]
    if value is _GONE:
        del at[last]
    else:
        at[last] = value
    return found


def test_a_plan_is_read_per_inference(tmp_path: Path, document: dict[str, Any]) -> None:
    plan = read_plan(write_plan(tmp_path, document))
    assert (plan.model, plan.variant, plan.count, plan.split) == ("tiny", "full", 40, True)
    assert [stage.node for stage in plan.stages] == NODES
    assert plan.stages[0].layers == (0, 3)
    assert plan.stages[2].inputs == ("input", "h4")
    assert plan.stages[0].latency_s == pytest.approx(0.01 / 40)
    assert plan.stages[0].energy_j == pytest.approx(0.1 / 40)
    assert (plan.stages[0].send_bytes, plan.stages[0].receive_bytes) == (25, 50)
    assert plan.stages[0].memory_bytes == 2**20
    assert plan.cost.latency_s == 0.03


@pytest.mark.parametrize(
    ("path", "value", "key", "why"),
    [
        ("schema", "gramwise.plan/9", "schema", "'gramwise.plan/9'"),
        ("schema", _GONE, "schema", "says None"),
        ("model", _GONE, "model", "lacks this key"),
        ("digest", 7, "digest", "7 is not what stands there"),
        ("stages", [], "stages", "at least one stage"),
        ("stages", _GONE, "stages", "lacks this key"),
        ("count", 0, "count", "1 inference or more"),
        ("stages.1", "middle", "stages.1", "a stage is a table"),
        ("stages.1.node", _GONE, "stages.1.node", "lacks this key"),
        ("stages.1.latency_s", "fast", "stages.1.latency_s", "'fast'"),
        ("stages.1.energy_j", -1.0, "stages.1.energy_j", "0 or more"),
        ("stages.1.inputs", ["h2", 3], "stages.1.inputs", "names of tensors"),
        ("stages.1.inputs", ["logits"], "stages.1.inputs", "'logits' is made only later"),
        ("stages.1.outputs", [], "stages.1.outputs", "serves nothing"),
        ("stages.1.first_layer", 5, "stages.1.first_layer", "layer 3 comes next"),
        ("stages.1.node", "clean", "stages.1.node", "one stage"),
        ("cost.latency_s", _GONE, "cost.latency_s", "lacks this key"),
    ],
)
def test_what_is_no_plan_is_refused_with_its_key(
    tmp_path: Path, document: dict[str, Any], path: str, value: Any, key: str, why: str
) -> None:
    file = write_plan(tmp_path, changed(document, path, value))
    with pytest.raises(ConfigError) as caught:
        read_plan(file)
    assert (caught.value.file, caught.value.key) == (file, key)
    assert why in caught.value.message
    assert "gramwise plan" in str(caught.value)


def test_files_that_are_no_documents_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file.*gramwise plan"):
        read_plan(tmp_path / "none.json")
    for text in ("{", "[1]", "\udcff"):
        (tmp_path / "bad.json").write_text(text, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(ConfigError, match=r"bad\.json"):
            read_plan(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("path", "value", "key", "why"),
    [
        ("stages.2.node", "dirtty", "stages.2.node", "no node 'dirtty'.*'dirty'"),
        ("model", "other", "model", "asks for 'tiny'"),
        ("variant", "blynd", "variant", "no variant 'blynd'.*'blind'"),
        ("variant", "blind", "digest", "another model file"),
        ("digest", "0" * 64, "digest", "begins with 000000000000"),
    ],
)
def test_a_plan_for_another_scenario_is_refused(
    tmp_path: Path,
    write_scenario: Write,
    document: dict[str, Any],
    path: str,
    value: Any,
    key: str,
    why: str,
) -> None:
    plan = read_plan(write_plan(tmp_path, changed(document, path, value)))
    scenario = read_scenario(write_scenario())
    with pytest.raises(ConfigError, match=why) as caught:
        check_plan(plan, scenario, resolve_variants(scenario))
    assert (caught.value.file, caught.value.key) == (plan.path, key)


LINKS = """
[[links]]
from = "clean"
to = "middle"

[workload]
"""


def test_a_link_that_is_missing_between_two_stages_is_named(
    tmp_path: Path, write_scenario: Write, document: dict[str, Any]
) -> None:
    plan = read_plan(write_plan(tmp_path, document))
    scenario = read_scenario(write_scenario("\n[workload]\n", LINKS))
    with pytest.raises(ConfigError, match="no link leads from 'middle' to 'dirty', and the plan sends 'h4'"):
        check_plan(plan, scenario, resolve_variants(scenario))
    joined = LINKS.replace("[workload]", '[[links]]\nfrom = "middle"\nto = "dirty"\n\n[workload]')
    scenario = read_scenario(write_scenario("\n[workload]\n", joined))
    assert check_plan(plan, scenario, resolve_variants(scenario)).name == "full"
    assert ("clean", "dirty") not in network_of(scenario).links


def test_pieces_are_made_once_and_proved(
    tmp_path: Path, write_scenario: Write, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    scenario = read_scenario(write_scenario())
    plan = read_plan(write_plan(tmp_path, document))
    variant = check_plan(plan, scenario, resolve_variants(scenario))
    said: list[str] = []
    made = pieces_of(plan, variant, said.append)
    assert said == ["cutting the model into pieces", "proving that the pieces answer as the whole"]
    assert [stage.piece for stage in made.stages] == [f"tiny/full[{i}/3]" for i in (1, 2, 3)]
    assert made.folder.parent == tmp_path / "cache" / "gramwise" / "pieces"
    assert made.loads("middle") == {"tiny/full[2/3]": str(made.files[1])}
    assert made.memory_bytes("clean") == 81 * 2**20
    assert made.memory_bytes("elsewhere") == 0
    stamps = [file.stat().st_mtime_ns for file in made.files]
    again = pieces_of(plan, variant, said.append)
    assert (len(said), again.files) == (2, made.files)
    assert [file.stat().st_mtime_ns for file in again.files] == stamps
    assert [p.name for p in made.folder.parent.iterdir()] == [made.folder.name]  # no draft is left


def test_pieces_that_cannot_be_made_leave_nothing(
    tmp_path: Path, write_scenario: Write, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    scenario = read_scenario(write_scenario())
    wrong = changed(document, "stages.2.inputs", ["h4"])  # its pixels come from the input
    plan = read_plan(write_plan(tmp_path, wrong))
    variant = check_plan(plan, scenario, resolve_variants(scenario))
    with pytest.raises(GramwiseError, match="'input'"):
        pieces_of(plan, variant)
    assert list((tmp_path / "cache" / "gramwise" / "pieces").iterdir()) == []
