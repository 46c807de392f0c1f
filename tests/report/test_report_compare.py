"""Runs side by side: when they may be compared, and what is said when they may not."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from report_runs import Make, summary_document
from rich.console import Console

from gramwise.report.compare import Comparison, compare
from gramwise.report.load import load_run


def printed(comparison: Comparison, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(comparison)
    return out.getvalue()


def changed(**changes: Any) -> dict[str, Any]:
    return {**summary_document(), **changes}


def moved(name: str, change_frac: float) -> dict[str, Any]:
    document = summary_document()
    next(row for row in document["policies"] if row["name"] == name)["change_frac"] = change_frac
    return document


def test_repeats_of_one_scenario_compare_with_their_spread(make_run: Make) -> None:
    runs = [
        load_run(make_run(f"r{k}", summary=moved("grams", c))) for k, c in enumerate((-0.30, -0.28, -0.20))
    ]
    both = compare(runs)
    assert both.comparable
    document = json.loads(json.dumps(both.document, allow_nan=False))
    assert document["schema"] == "gramwise.report/1"
    assert [run["run"] for run in document["runs"]] == ["r0", "r1", "r2"]
    grams = next(policy for policy in document["policies"] if policy["name"] == "grams")
    assert grams["across"]["change_frac"] == {"low": -0.30, "median": -0.28, "high": -0.20}
    assert [cell["latency_p95_s"] for cell in grams["runs"]] == [0.11] * 3
    assert "grams: -28.0 % (-30.0 to -20.0 %)" in printed(both)


def test_virtual_is_never_set_against_capped(make_run: Make) -> None:
    pair = compare([load_run(make_run("a")), load_run(make_run("b", summary=changed(caps="virtual")))])
    assert not pair.comparable
    assert "cgroup-v1 and virtual" in pair.reasons[0]
    assert all(policy["across"] is None for policy in pair.document["policies"])
    text = printed(pair)
    assert text.startswith("Not to be compared: a and b held CPU shares in different ways")
    assert "median" not in text


def test_both_control_group_versions_hold_the_same_share(make_run: Make) -> None:
    assert compare(
        [load_run(make_run("a")), load_run(make_run("b", summary=changed(caps="cgroup-v2")))]
    ).comparable


def test_unknown_caps_do_not_compare_with_known_ones(make_run: Make) -> None:
    document = summary_document()
    runs = [load_run(make_run("a")), load_run(make_run("b", summary={**document, "caps": None}))]
    assert "cgroup-v1 and unknown" in compare(runs).reasons[0]


def test_other_scenarios_do_not_compare(make_run: Make) -> None:
    runs = [load_run(make_run("a")), load_run(make_run("b", summary=changed(scenario="elsewhere")))]
    assert compare(runs).reasons == ("a and b ran different scenarios, three-sites and elsewhere.",)


def test_one_name_with_other_contents_does_not_compare(make_run: Make) -> None:
    other = 'name = "three-sites"\nrequests = 30\n[[nodes]]\nzone = "FR"\n'
    pair = compare([load_run(make_run("a")), load_run(make_run("b", scenario_toml=other))])
    assert pair.reasons == ("a and b ran scenarios of one name that differ in requests, nodes[0].zone.",)


def test_a_missing_policy_is_missing_not_zero(make_run: Make) -> None:
    fewer = summary_document()
    fewer["policies"] = fewer["policies"][:2]
    pair = compare([load_run(make_run("a")), load_run(make_run("b", summary=fewer))])
    grams = next(policy for policy in pair.document["policies"] if policy["name"] == "grams")
    assert grams["runs"][1] is None
    assert grams["across"]["change_frac"] is None
    lines = printed(pair).splitlines()
    place = next(k for k, line in enumerate(lines) if line.strip() == "grams")
    assert set(lines[place + 2].split()) == {"b", "-"}


def test_an_unfinished_run_is_noted_and_gives_no_spread(make_run: Make) -> None:
    pair = compare([load_run(make_run("a")), load_run(make_run("b", summary=None, finished=False))])
    assert pair.notes == ("b is unfinished: its numbers cover what it had measured until it stopped.",)
    assert pair.document["policies"][0]["across"] is None
    assert printed(pair).startswith("Note: b is unfinished")


def test_unlike_machines_are_noted(make_run: Make) -> None:
    other = make_run("b")
    text = (other / "run.toml").read_text(encoding="utf-8")
    (other / "run.toml").write_text(text.replace("an example CPU", "another CPU"), encoding="utf-8")
    pair = compare([load_run(make_run("a")), load_run(other)])
    assert pair.comparable
    assert "different machines" in pair.notes[0]


def test_runs_of_one_name_are_told_apart_by_folder(make_run: Make) -> None:
    run = load_run(make_run("a"))
    assert len(set(compare([run, load_run(make_run("b"))]).labels)) == 2
    assert compare([run]).comparable


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        compare([])


@pytest.mark.parametrize("width", [60, 100])
def test_it_fits_the_terminal(make_run: Make, width: int) -> None:
    text = printed(compare([load_run(make_run("a")), load_run(make_run("b"))]), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "-47.1 to -43.1" in text
