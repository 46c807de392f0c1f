"""The manifest that ``if-run`` 1.1.0 evaluates to 2.616 g, 6.39 g and 9.006 g in all (run by hand)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from receipt_bills import INPUTS, recompute
from receipt_bills import receipt as bill_receipt

from gramwise.core.errors import DataError
from gramwise.core.receipt import receipt_of_footprint
from gramwise.report.exports import export

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")


def evaluated(manifest: dict[str, Any]) -> dict[str, float]:
    """Grams by child as ``if-run`` gives them: plugins in the pipeline's order, Multiply and Sum."""
    grams = {}
    for name, child in manifest["tree"]["children"].items():
        total = 0.0
        for observed in child["inputs"]:
            known = dict(observed)
            for step in child["pipeline"]["compute"]:
                plugin = manifest["initialize"]["plugins"][step]
                if plugin["method"] != "Sci":
                    terms = [known[key] for key in plugin["config"]["input-parameters"]]
                    combine = {"Multiply": math.prod, "Sum": math.fsum}[plugin["method"]]
                    known[plugin["config"]["output-parameter"]] = combine(terms)
                else:
                    assert known[plugin["config"]["functional-unit"]] > 0
            total += known["carbon"]
        grams[name] = total
    return grams


def test_the_golden_manifest() -> None:
    manifest = yaml.safe_load(export(bill_receipt(), "impact-framework"))
    assert evaluated(manifest) == {"node-a": pytest.approx(2.616), "node-b": pytest.approx(6.39)}
    (observed,) = manifest["tree"]["children"]["node-a"]["inputs"]
    assert observed["timestamp"] == "2026-11-21T10:00:00.000Z"
    assert observed["duration"] == 3600.0
    assert observed["energy"] == pytest.approx(0.012)
    assert observed["grid/carbon-intensity"] == 143.0
    assert observed["carbon-embodied"] == pytest.approx(0.9)


def test_sci_is_never_summed() -> None:
    manifest = yaml.safe_load(export(bill_receipt(), "impact-framework"))
    assert manifest["aggregation"]["metrics"] == ["carbon"]
    methods = {plugin["method"] for plugin in manifest["initialize"]["plugins"].values()}
    assert "SciEmbodied" not in methods


def test_energy_holds_the_pue() -> None:
    manifest = yaml.safe_load(
        export(bill_receipt(**{"site.pue": [1.5, 1.5, 1.5, "declared"]}), "impact-framework")
    )
    (observed,) = manifest["tree"]["children"]["node-a"]["inputs"]
    assert observed["energy"] == pytest.approx(0.018)
    assert evaluated(manifest)["node-a"] == pytest.approx(0.018 * 143 + 0.9)


def test_what_is_not_counted_is_no_term() -> None:
    manifest = yaml.safe_load(export(bill_receipt(training_kwh=1.0), "impact-framework"))
    lab = manifest["tree"]["children"]["lab"]
    assert lab["pipeline"]["compute"] == ["operational", "total-operational"]
    assert "carbon-embodied" not in lab["inputs"][0]
    assert math.fsum(evaluated(manifest).values()) == pytest.approx(9.006 + 143.0)


def test_without_a_period_it_is_refused() -> None:
    document = receipt_of_footprint(recompute(INPUTS), INPUTS)
    with pytest.raises(DataError, match="period"):
        export(document, "impact-framework")
