"""Reading run directories: whole, stopped, foreign and broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from report_runs import PATTERNS, Make, grams

from gramwise.core.errors import RunDirectoryError
from gramwise.report.document import parse_summary
from gramwise.report.load import load_run


def test_a_finished_run_is_read_whole(make_run: Make) -> None:
    run = load_run(make_run())
    assert run.finished
    assert not run.recounted
    assert [row.name for row in run.summary.policies] == list(PATTERNS)
    assert len(run.outcomes) == 60 * len(PATTERNS)
    assert len(run.windows) == 3 * len(PATTERNS)
    assert run.host == "Linux x86_64, 4 CPUs, an example CPU"
    first = run.outcomes[0]
    assert (first.node, first.count, first.late, first.correct) == ("essen", 8, False, 7)
    assert run.summary.nodes[2].idle_w is None
    carbon = run.summary.policies[0].carbon
    assert carbon is not None
    assert carbon.method == "modelled"


def test_a_stopped_run_is_counted_from_its_outcomes(make_run: Make) -> None:
    run = load_run(make_run(summary=None, finished=False))
    assert not run.finished
    assert run.recounted
    row = run.summary.policy("carbonedge-green")
    assert row is not None
    assert (row.requests, row.completed, row.late) == (60, 60, 0)
    assert row.node_share == pytest.approx({"essen": 1 / 3, "lyon": 2 / 3})
    assert row.carbon_g_per_inference == pytest.approx((2 * grams("lyon") + grams("essen")) / 3, rel=0.01)
    assert row.inferences_per_g == pytest.approx(1 / row.carbon_g_per_inference)
    # What needs the whole run is unknown, not guessed.
    assert (row.change_frac, row.captured_b1_frac, row.throughput_per_s) == (None, None, None)
    assert run.summary.bounds.b1_g_per_inference is None
    assert run.summary.balance.attributed_j == pytest.approx(1.5 * 27)


def test_a_summary_of_a_run_that_says_unfinished_is_kept_but_marked(make_run: Make) -> None:
    run = load_run(make_run(finished=False))
    assert not run.finished
    assert not run.recounted
    assert run.summary.baseline == "monolithic"


def test_half_a_line_at_the_end_of_a_stopped_run_is_dropped(make_run: Make) -> None:
    folder = make_run(summary=None, finished=False)
    file = folder / "outcomes.csv"
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole[:-40], encoding="utf-8")
    assert len(load_run(folder).outcomes) == 60 * len(PATTERNS) - 1


def test_an_empty_cell_is_unknown_and_spreads(make_run: Make) -> None:
    folder = make_run(summary=None, finished=False)
    lines = (folder / "outcomes.csv").read_text(encoding="utf-8").splitlines()
    column = lines[0].split(",").index("carbon_g")
    cells = lines[1].split(",")
    cells[column] = ""
    lines[1] = ",".join(cells)
    (folder / "outcomes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    run = load_run(folder)
    assert run.outcomes[0].carbon_g is None
    row = run.summary.policy("monolithic")
    assert row is not None
    assert row.carbon_g_per_inference is None
    assert row.energy_j_per_inference is not None


def test_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"is not a run directory: it has no run\.toml"):
        load_run(tmp_path)
    with pytest.raises(RunDirectoryError, match="there is no such folder"):
        load_run(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("run.toml", "schema = 2\n", "schema is 2, and this gramwise reads 1"),
        ("run.toml", "schema = = 1\n", "is not valid TOML"),
        ("summary.json", "{", "is not valid JSON"),
        ("summary.json", "[]", "is not a bench document"),
        ("summary.json", '{"schema": "gramwise.bench/9"}', "schema is 'gramwise.bench/9'"),
        ("outcomes.csv", "request,policy\n", "has no column 'repeat'"),
        ("nodes.csv", "policy\n", "has no column 'repeat'"),
    ],
)
def test_a_broken_file_is_named(make_run: Make, file: str, content: str, said: str) -> None:
    folder = make_run()
    (folder / file).write_text(content, encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=said) as caught:
        load_run(folder)
    assert str(folder / file) in str(caught.value)


def test_a_cell_that_is_no_number_is_named_with_its_line(make_run: Make) -> None:
    folder = make_run()
    file = folder / "outcomes.csv"
    file.write_text(file.read_text(encoding="utf-8").replace(",8,7,", ",8,seven,", 1), encoding="utf-8")
    with pytest.raises(RunDirectoryError, match="line 2: correct is 'seven', which is not a whole number"):
        load_run(folder)


def test_text_that_is_not_utf8_is_refused_without_a_traceback(make_run: Make) -> None:
    folder = make_run()
    (folder / "outcomes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunDirectoryError, match=r"outcomes\.csv cannot be read"):
        load_run(folder)


def test_a_run_with_nothing_in_it_is_refused(make_run: Make) -> None:
    folder = make_run(summary=None, finished=False)
    (folder / "outcomes.csv").unlink()
    with pytest.raises(RunDirectoryError, match="nothing to show"):
        load_run(folder)


def test_a_value_of_the_wrong_type_is_named_by_its_place(document: dict[str, Any]) -> None:
    document["policies"][1]["completed"] = "sixty"
    with pytest.raises(RunDirectoryError, match=r"\$\.policies\[1\]\.completed"):
        parse_summary(document)


def test_nan_in_a_summary_is_unknown(make_run: Make, document: dict[str, Any]) -> None:
    document["policies"][0]["throughput_per_s"] = float("nan")
    document["balance"] = None
    folder = make_run(summary=document)
    assert "NaN" in (folder / "summary.json").read_text(encoding="utf-8")
    summary = load_run(folder).summary
    assert summary.policies[0].throughput_per_s is None
    assert summary.balance.closure_frac is None


def test_keys_of_a_newer_bench_are_passed_over(document: dict[str, Any]) -> None:
    document["policies"][0]["invented_later"] = 1
    assert parse_summary(json.loads(json.dumps(document))).policies[0].name == "monolithic"
