"""CodeCarbon rows, BoAmps reports, SCI reports and model cards say the account's numbers in each format's units."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from receipt_bills import receipt
from report_runs import write_run

from gramwise.core.errors import DataError
from gramwise.core.receipt import account, item, point
from gramwise.core.receipt import receipt as made_receipt
from gramwise.report.exports import export
from gramwise.report.receipt import receipt_of_run

_CODECARBON = """timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,\
ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,country_name,country_iso_code,region,\
cloud_provider,cloud_region,os,python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,longitude,\
latitude,ram_total_size,tracking_mode,cpu_utilization_percent,gpu_utilization_percent,ram_utilization_percent,\
ram_used_gb,on_cloud,pue,wue"""
"""The header that CodeCarbon 3.3.2 wrote (OfflineEmissionsTracker)."""


def _rows(**changes: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export(receipt(**changes), "codecarbon"))))


def test_codecarbon_columns_are_theirs_in_their_order() -> None:
    assert export(receipt(), "codecarbon").splitlines()[0] == _CODECARBON


def test_codecarbon_units_are_kg_kwh_and_seconds() -> None:
    a, b = _rows(**{"site.pue": [1.5, 1.5, 1.5, "declared"]})
    assert float(a["energy_consumed"]) == pytest.approx(0.018)  # with PUE, as theirs
    assert float(a["emissions"]) == pytest.approx(0.018 * 143 / 1000)
    assert float(a["emissions_rate"]) == pytest.approx(0.018 * 143 / 1000 / 3600)
    assert (a["pue"], a["duration"]) == ("1.5", "3600.0")
    assert a["timestamp"] == "2026-11-21T11:00:00"
    assert (a["country_iso_code"], a["country_name"], a["region"]) == ("DEU", "Germany", "")
    assert float(b["emissions"]) == pytest.approx(0.045 * 143 / 1000)


def test_codecarbon_says_that_it_did_not_measure_and_leaves_out_what_is_unknown() -> None:
    for row in _rows():
        assert row["codecarbon_version"].startswith("compat-3.3 (gramwise ")
        unknown = (
            "cpu_energy",
            "gpu_energy",
            "ram_energy",
            "cpu_power",
            "gpu_count",
            "wue",
            "on_cloud",
            "latitude",
        )
        assert {row[column] for column in unknown} == {""}


def test_a_key_that_names_no_zone_is_no_country() -> None:
    document = json.loads(json.dumps(receipt()).replace("grid.DE", "grid.declared"))
    rows = list(csv.DictReader(io.StringIO(export(document, "codecarbon"))))
    assert {(row["country_iso_code"], row["region"]) for row in rows} == {("", "")}
    assert "environment" not in json.loads(export(document, "boamps"))


def test_a_part_of_a_country_is_a_region() -> None:
    document = json.loads(json.dumps(receipt()).replace("grid.DE", "grid.US-CAL"))
    row = next(csv.DictReader(io.StringIO(export(document, "codecarbon"))))
    assert (row["country_iso_code"], row["region"]) == ("", "US-CAL")


def test_boamps_has_what_it_requires_in_kwh() -> None:
    report = json.loads(export(receipt(training_kwh=2.0), "boamps"))
    assert {"task", "measures", "infrastructure"} <= report.keys()
    assert report["header"]["formatVersion"] == "1.1.0"
    assert report["task"]["taskStage"] == "inference+training"
    assert report["task"]["nbRequest"] == 142_000
    assert report["task"]["algorithms"]
    assert report["task"]["dataset"]
    by_name = {m["measurementMethod"]: m["powerConsumption"] for m in report["measures"]}
    assert list(by_name.values()) == pytest.approx([0.012, 0.03, 2.0])
    assert all("measured" in name for name in by_name)
    assert report["measures"][0]["measurementDateTime"] == "2026-11-21 10:00:00"
    machines = report["infrastructure"]["components"]
    assert [(m["componentName"], m["nbComponent"]) for m in machines] == [
        ("node-a", 1),
        ("node-b", 1),
        ("lab", 1),
    ]
    assert report["environment"] == {
        "country": "Germany",
        "location": "DE",
        "powerSourceCarbonIntensity": 143.0,
    }
    assert "share" not in machines[0]  # not known of a bill


def test_boamps_words_are_those_of_its_schema(tmp_path: Path) -> None:
    run = receipt_of_run(write_run(tmp_path / "r"))
    for document, name in ((receipt(training_kwh=1.0), None), (run, "round-robin")):
        report = json.loads(export(document, "boamps", account=name))
        assert report["header"].keys() >= {"reportDatetime"}
        assert report["header"]["reportStatus"] in ("draft", "final", "corrective", "other")
        assert report["task"].keys() >= {"taskStage", "taskFamily", "algorithms", "dataset"}
        assert all((d["dataUsage"], d["dataType"]) == ("input", "other") for d in report["task"]["dataset"])
        assert report["infrastructure"].keys() == {"infraType", "components"}
        assert report["infrastructure"]["infraType"] in ("publicCloud", "privateCloud", "onPremise", "other")
        for machine in report["infrastructure"]["components"]:
            assert machine.keys() >= {"componentType", "nbComponent"}
            assert isinstance(machine["nbComponent"], int)
            assert 0 <= machine.get("share", 1) <= 1
        for measure in report["measures"]:
            assert measure.keys() >= {"measurementMethod", "powerConsumption"}
            assert measure["powerConsumption"] > 0
        assert report.get("quality") in (None, "high", "medium", "low")
        assert "environment" not in report or "country" in report["environment"]


@pytest.mark.parametrize(
    ("spread", "word"),
    [((142.0, 144.0), "high"), ((120.0, 170.0), "medium"), ((80.0, 220.0), "low"), ((1.0, 900.0), None)],
)
def test_boamps_quality_follows_the_interval(spread: tuple[float, float], word: str | None) -> None:
    only_training: dict[str, Any] = {"nodes": {}, "training_kwh": 1.0, "grid.DE": [143.0, *spread, "t"]}
    report = json.loads(export(receipt(**only_training), "boamps"))
    assert report.get("quality") == word


def test_boamps_without_joules_is_refused() -> None:
    carbon = point(1.0, "g", "modelled", "x")
    book = account(
        "a",
        [item("n, serving", "inference", carbon)],
        functional_unit="r",
        units=1,
        boundary="b",
        not_included=[],
    )
    with pytest.raises(DataError, match="no known joules"):
        export(made_receipt("run", inputs={}, methods={}, factors={}, accounts=[book]), "boamps")


def test_a_run_is_exported_account_by_account(tmp_path: Path) -> None:
    document = receipt_of_run(write_run(tmp_path / "r"))
    report = json.loads(export(document, "boamps", account="grams"))
    assert report["task"]["nbRequest"] == 480
    assert report["system"] == {"os": "Linux"}
    assert report["environment"]["country"] == "France"
    (row,) = csv.DictReader(io.StringIO(export(document, "codecarbon", account="grams")))
    assert float(row["emissions"]) * 1000 == pytest.approx(_total(document, "grams"))
    assert row["experiment_id"] == "grams/lyon"


def _total(document: Any, name: str) -> float:
    return float(next(b["results"]["total"]["value"] for b in document["accounts"] if b["name"] == name))


def test_inputs_of_a_bill_are_not_taken_for_those_of_a_run() -> None:
    document = receipt(run="mine", scenario="mine.toml")
    assert json.loads(export(document, "boamps"))["task"]["algorithms"] == [
        {"algorithmType": "neural network"}
    ]
    assert '"mine"' not in export(document, "codecarbon")


def test_sci_states_score_boundary_and_method() -> None:
    report = json.loads(export(receipt(training_kwh=1.0), "sci"))
    assert report["score"]["value"] == pytest.approx((9.006 + 143.0) / 142_000)
    assert report["software_boundary"]["included"] == ["training", "inference", "manufacture"]
    assert report["not_included"] == ["networks"]
    a = report["components"][0]
    assert a["e_kwh"] * a["i_g_per_kwh"] == pytest.approx(a["o_g"])
    assert a["m_g"] == pytest.approx(0.9)
    assert all(row[1] for component in report["components"] for row in component["method"].values())


def test_sci_for_ai_has_two_scores() -> None:
    halves = json.loads(export(receipt(training_kwh=1.0), "sci"))["sci_for_ai"]
    assert halves["provider"]["operational_g"] == pytest.approx(143.0)
    assert halves["provider"]["g_per_unit"] is None  # tokens or parameters are not known
    assert halves["consumer"]["g_per_unit"] == pytest.approx(6.006 / 142_000)
    assert halves["embodied_g"] == pytest.approx(3.0)
    assert json.loads(export(receipt(), "sci"))["sci_for_ai"]["provider"]["operational_g"] is None


def test_a_model_card_states_the_grams_of_training() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    text = export(receipt(training_kwh=2.0), "model-card")
    first, body, rest = text.split("---\n")
    assert first == rest == ""
    card = yaml.safe_load(body)["co2_eq_emissions"]
    assert card["emissions"] == pytest.approx(286.0)
    assert card["training_type"] == "pre-training"
    assert card["geographical_location"] == "DE"
    assert card["hardware_used"] == "lab"
    assert "sha256:" in card["source"]


def test_a_model_card_without_training_is_refused() -> None:
    with pytest.raises(DataError, match="no phase training"):
        export(receipt(), "model-card")
