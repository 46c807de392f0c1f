"""Compat beside physical: both ends of the comparison are the two modes themselves, and the steps make up the rest."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError
from gramwise.footprint.ecal.compare import (
    EXAMPLE_INPUTS,
    ORDER,
    STAGES,
    decompose,
    document,
    physical_stages,
    side_by_side,
)
from gramwise.footprint.ecal.compat import run
from gramwise.footprint.ecal.parts import Physical
from gramwise.footprint.ecal.reading import Amount
from gramwise.footprint.ecal.translate import Choices, physical_case

ROOT = Path(__file__).resolve().parents[2]
CASES = Path(os.environ.get("GRAMWISE_CASES", ROOT / "../shared/cases")) / "ecal.json"
CHOICES = Choices(utilisation_frac=Amount(value=0.3), intensity_g_per_kwh=Amount(value=380.0))
NAMES = {
    "collect": "transmission_J",
    "preprocess": "preprocessing_J",
    "train": "training_J",
    "evaluate": "evaluation_J",
    "infer": "inference_J",
    "total": "total_J",
}

MANY: list[tuple[str, dict[str, Any]]] = [
    ("pypi", dict(EXAMPLE_INPUTS)),
    ("pypi", {**EXAMPLE_INPUTS, "preprocessing_type": "GADF", "sample_size": 40}),
    ("pypi", {"model_type": "KAN", "hardware": "generic_edge", "num_inferences": 0}),
    ("pypi", {"model_type": "CNN", "model_params": {"i_r": 28, "i_c": 28, "k_r": 5, "k_c": 5, "c_in": 3}}),
    ("pypi", {"model_type": "Transformer", "evaluation_strategy": "cross_validation", "k_folds": 3}),
    ("legacy", {"MODEL_NAME": "SimpleMLP", "INPUT_SIZE": [4, 10], "FAILURE_RATE": 0.5}),
    ("legacy", {"MODEL_NAME": "SimpleCNN", "INPUT_SIZE": [1, 1, 10], "PHYSICAL_PROTOCOLS": "BLUETOOTH"}),
    ("legacy", {"PREPROCESSING_TYPE": "min_max_scaling", "TRANSPORT_PROTOCOLS": "TCP"}),
    ("multihop", {}),
]


def check(tool: str, inputs: dict[str, Any]) -> None:
    """Both ends and the sums of one comparison."""
    rows = {r.stage: r for r in side_by_side(tool, inputs, CHOICES)}
    authors = run(tool, inputs)
    for stage, name in NAMES.items():
        assert rows[stage].compat_j == pytest.approx(authors[name], rel=1e-12, abs=1e-300), stage
    later = rows["infer"].compat_j + rows["send"].compat_j + rows["prepare"].compat_j
    assert later == pytest.approx(authors["inference_process_J"], rel=1e-12)
    account = Physical(physical_case(tool, inputs, CHOICES))
    ours = physical_stages(account)
    for stage in STAGES:
        assert rows[stage].physical_j == pytest.approx(ours[stage], rel=1e-9, abs=1e-15), stage
    assert rows["total"].physical_j == pytest.approx(account.total(account.energy_j), rel=1e-9)
    for row in rows.values():
        explained = math.fsum(row.by_defect_j.values())
        assert row.physical_j - row.compat_j == pytest.approx(explained, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("tool", "inputs"), MANY, ids=lambda v: v if isinstance(v, str) else "")
def test_the_ends_are_the_two_modes_and_the_steps_sum(tool: str, inputs: dict[str, Any]) -> None:
    check(tool, inputs)


@pytest.mark.skipif(not CASES.exists(), reason=f"no reference cases at {CASES}")
def test_every_reference_case_that_physical_mode_can_take() -> None:
    lives = json.loads(CASES.read_text("utf-8"))["lifecycle_cases"]
    checked, refused = 0, []
    for tool in ("pypi", "legacy", "multihop"):
        for one in lives[tool]:
            if "outputs" not in one:
                continue
            try:
                check(tool, one["inputs"])
                checked += 1
            except ConfigError as error:
                refused.append(str(error))
    assert checked > 10 * max(1, len(refused))
    # heads that do not divide a width (M4), networks that are only named, lives without training: nothing else
    assert all(any(word in text for word in ("heads", "names the network", "epochs")) for text in refused)


def test_another_order_shares_out_otherwise_and_ends_alike() -> None:
    _, forwards = decompose("pypi", EXAMPLE_INPUTS, CHOICES)
    _, backwards = decompose("pypi", EXAMPLE_INPUTS, CHOICES, order=tuple(ORDER)[::-1])
    ends = [math.fsum(s.total_j for s in steps) for steps in (forwards, backwards)]
    assert ends[0] == pytest.approx(ends[1], rel=1e-9)
    first = {s.defect: s.total_j for s in forwards}
    assert any(s.total_j != pytest.approx(first[s.defect], rel=1e-3) for s in backwards)
    with pytest.raises(ValueError, match="every correction once"):
        decompose("pypi", EXAMPLE_INPUTS, CHOICES, order=["T8"])


def test_the_generic_stack_falls_from_6_43_to_3_56_under_equation_3() -> None:
    """The method's own figures for T1, J per payload bit of a large payload."""
    inputs = {"model_type": "MLP", "num_samples": 10**6}
    first, steps = decompose("pypi", inputs, CHOICES)
    move = {s.defect: s.by_stage_j["collect"] for s in steps}
    bits = 10**6 * 640
    assert first["collect"] / bits == pytest.approx(6.427043637e-7, rel=1e-6)
    assert (first["collect"] + move["T8"] + move["T1"]) / bits == pytest.approx(3.565e-7, rel=1e-3)


def test_each_defect_moves_the_stages_that_it_is_about() -> None:
    _, steps = decompose("pypi", EXAMPLE_INPUTS, CHOICES)
    touched = {s.defect: {k for k, v in s.by_stage_j.items() if v} - {"virtualisation"} for s in steps}
    assert touched["T4"] == {"send"}
    assert touched["T1"] == touched["T2"] == touched["T3"] == {"collect", "send"}
    assert touched["M1-M6"] == {"train", "evaluate", "infer"}
    assert touched["M8"] == {"train"}
    assert touched["P1"] <= {"preprocess", "prepare"}
    assert "prepare" in touched["P1"]
    assert touched["H2"] == {"preprocess", "prepare"}
    assert touched["T5"] == touched["P2"] == set()
    assert {s.defect for s in decompose("multihop", {}, CHOICES)[1] if s.defect == "T5" and s.total_j < 0}


def test_a_deployed_scaler_is_a_third_of_what_the_tools_charge() -> None:
    _, steps = decompose("pypi", EXAMPLE_INPUTS, CHOICES)
    first, _ = decompose("pypi", EXAMPLE_INPUTS, CHOICES)
    saved = next(s for s in steps if s.defect == "P1").by_stage_j["prepare"]
    assert (first["prepare"] + saved) / first["prepare"] == pytest.approx(1 / 3, rel=1e-4)


@pytest.mark.parametrize(
    ("tool", "inputs", "key"),
    [
        ("agentic", {}, "tool"),
        ("pypi", {"model_type": "Transformer", "model_params": {"embedding_size": 15}}, "heads"),
        ("legacy", {"MODEL_NAME": "resnet18", "INPUT_SIZE": [1, 3, 224, 224]}, "MODEL_NAME"),
        ("pypi", {"model_type": "MLP", "num_epochs": 0}, "epochs"),
        ("pypi", {"model_type": "MLP", "num_epoch": 5}, "num_epoch"),
        ("pypi", {"model_type": "MLP", "num_samples": [10, 20]}, "samples"),
    ],
)
def test_what_has_no_physical_counterpart_is_refused(tool: str, inputs: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        side_by_side(tool, inputs, CHOICES)


def test_the_document_is_plain_json() -> None:
    text = json.dumps(document("pypi", EXAMPLE_INPUTS, CHOICES), allow_nan=False)
    assert [r["stage"] for r in json.loads(text)["rows"]] == [*STAGES, "total"]


def test_the_docs_page_tells_the_example_as_it_is() -> None:
    """Joules of the table ``by defect`` of the docs page, to the three digits that it prints."""
    page = (ROOT / "docs" / "method" / "ecal.md").read_text("utf-8")
    total = side_by_side("pypi", EXAMPLE_INPUTS, CHOICES)[-1]
    told = dict(re.findall(r"^\| ([A-Za-z0-9-]+) \| [^|]+ \| ([+-][0-9][0-9.e+-]*) \|$", page, re.MULTILINE))
    moving = {k: f"{v:+.3g}" for k, v in total.by_defect_j.items()}
    assert told == moving
    assert f"{total.compat_j:.4g} J" in page
    assert f"{total.physical_j:.4g} J" in page


def test_the_example_without_waking_is_what_the_docs_page_says() -> None:
    total = side_by_side("pypi", EXAMPLE_INPUTS, CHOICES)[-1]
    awake = total.physical_j - total.by_defect_j["wake"]
    assert awake == pytest.approx(1.43, abs=5e-3)
    placeholders = total.compat_j + sum(total.by_defect_j[d] for d in ("T8", "T4"))
    assert placeholders == pytest.approx(15.7, abs=0.05)
    assert sum(total.by_defect_j[d] for d in ("T1", "T2", "T3")) == pytest.approx(-14.5, abs=0.05)
    collected = decompose("multihop", {}, CHOICES)
    assert collected[0]["collect"] == pytest.approx(1.44, abs=5e-3)
    assert next(s for s in collected[1] if s.defect == "T5").by_stage_j["collect"] == pytest.approx(
        -0.514, abs=5e-4
    )
    field = side_by_side("pypi", {**EXAMPLE_INPUTS, "preprocessing_type": "GADF"}, CHOICES)[-1]
    assert field.by_defect_j["P2"] == pytest.approx(0.0227, abs=5e-5)


def test_choices_are_read_strictly() -> None:
    read = Choices.from_mapping({"utilisation_frac": 0.3, "intensity_g_per_kwh": 380, "generic_link": "ble"})
    assert read.generic_link == "ble"
    assert read.utilisation_frac.value == 0.3
    for wrong in ({"utilisation_frac": 0.3}, {"utilisation_frac": 2, "intensity_g_per_kwh": 1}):
        with pytest.raises(ConfigError):
            Choices.from_mapping(wrong)


def test_a_model_that_is_only_named_may_be_given() -> None:
    counted = {"kind": "counted", "flop": 3.6e9, "parameters": 1.2e7, "moved_bytes": 1e8, "source": "a count"}
    choices = Choices.from_mapping({"utilisation_frac": 0.3, "intensity_g_per_kwh": 380, "model": counted})
    rows = side_by_side("legacy", {"MODEL_NAME": "resnet18", "INPUT_SIZE": [1, 3, 224, 224]}, choices)
    infer = next(r for r in rows if r.stage == "infer")
    assert infer.physical_j == pytest.approx(10_000 * 3.6e9 * 100 / (1e12 * 0.3))
