"""Published cases of ACT, its fork and Boavizta, held against the named methods of the same name."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from embodied_cases import CASES, Absent, run_case

FILE = CASES / "embodied.json"
ACCURACY = {"ACT": 5e-4, "EmbodiedCarbonModeling": 5e-4, "boaviztapi": 0.02}
PRINTED_KG = 5.1e-7
"""ACT prints six decimals of a kilogram."""
DOCS_ONLY = {
    "gpu": "set beside ours in docs/method/embodied.md: its cards' masses and areas are not published facts"
}


def cases() -> list[Any]:
    if not FILE.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"{FILE} is not there"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(FILE.read_text("utf-8"))["cases"]]


def close(ours: Any, theirs: Any, rel: float, path: str = "") -> None:
    """Every number of theirs is in ours, within ``rel`` or the last printed digit."""
    if isinstance(theirs, dict):
        for key, value in theirs.items():
            if key != "warnings":
                close(ours[key], value, rel, f"{path}.{key}")
        return
    assert math.isclose(ours, theirs, rel_tol=rel, abs_tol=PRINTED_KG), (path, ours, theirs)


@pytest.mark.parametrize("case", cases())
def test_case(case: dict[str, Any]) -> None:
    if case["kind"] in DOCS_ONLY:
        pytest.skip(DOCS_ONLY[case["kind"]])
    if case["kind"] == "server" and not case["input"].get("body"):
        pytest.skip("a server of which nothing is written: docs/method/embodied.md")
    try:
        ours = run_case(case["tool"], case["kind"], case["input"])
    except Absent as absent:
        pytest.skip(str(absent))
    theirs = {k: v for k, v in case["output"].items() if k != "use"}
    assert theirs
    close(ours, theirs, ACCURACY[case["tool"]])
    assert not ours.get("not_included")
