"""Receipts of bills and of runs hold as they are made, and no value in them can be changed unnoticed."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from receipt_bills import INPUTS, PERIOD, receipt, recompute
from report_runs import outcome_rows, write_csv, write_run

from gramwise.core.errors import ConfigError, DataError, RunDirectoryError
from gramwise.core.receipt import Document, canonical, receipt_of_footprint, seal
from gramwise.report.receipt import Finding, read_receipt, receipt_of_run, verify, write_receipt

Place = tuple[Any, ...]


def wrong(findings: list[Finding]) -> list[str]:
    return [str(finding) for finding in findings if finding.kind == "wrong"]


def leaves(value: Any, at: Place = ()) -> Iterator[Place]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*at, index))
    else:
        yield at


def flipped(document: Document, at: Place) -> Document:
    copied = copy.deepcopy(document)
    inner: Any = copied
    for key in at[:-1]:
        inner = inner[key]
    old = inner[at[-1]]
    if isinstance(old, bool):
        inner[at[-1]] = not old
    elif isinstance(old, int | float):
        inner[at[-1]] = old * 1.001 if old else 0.001
    else:
        inner[at[-1]] = f"{old}x" if isinstance(old, str) else "x"
    return copied


def as_written(document: Document) -> Document:
    copied: Document = json.loads(json.dumps(document))
    return copied


def test_the_receipt_of_a_bill_holds() -> None:
    document = receipt()
    assert verify(document, recompute) == []
    (book,) = document["accounts"]
    assert book["results"]["total"]["value"] == pytest.approx(9.006, rel=1e-12)
    assert [row["rule"] for row in book["items"]] == ["electricity", "bill", "electricity", "bill"]


def test_the_same_bill_gives_the_same_receipt() -> None:
    assert canonical(receipt()) == canonical(receipt())


def test_without_formulas_the_bill_is_said_to_be_unchecked() -> None:
    (finding,) = verify(receipt())
    assert finding.kind == "unchecked"
    assert finding.place == "inputs"


def test_every_changed_value_of_a_bill_is_found() -> None:
    document = as_written(receipt())
    places = list(leaves(document))
    assert len(places) > 150
    assert [
        place for place in places if place != ("schema",) and not wrong(verify(flipped(document, place)))
    ] == []


def test_a_changed_value_is_found_even_under_a_new_hash() -> None:
    document = as_written(receipt())
    # What a text says of itself cannot be worked out again: the hash alone covers it.
    said = {"methods", "gramwise", "schema", "hash", "period", "name"}
    places = [place for place in leaves(document) if not said & set(map(str, place))]
    assert len(places) > 120
    unnoticed = [place for place in places if not wrong(verify(seal(flipped(document, place)), recompute))]
    assert unnoticed == []


def test_inputs_that_cannot_be_evaluated_are_a_finding() -> None:
    def refuse(inputs: Any) -> Any:
        raise ConfigError("no such factor", key="grid.DE")

    assert "cannot be evaluated again" in wrong(verify(receipt(), refuse))[0]


def test_a_document_that_is_no_receipt_is_a_finding_and_not_a_fault() -> None:
    broken = {key: value for key, value in receipt().items() if key != "factors"}
    assert "not built as a receipt" in wrong(verify(seal(broken)))[0]


def test_what_json_cannot_hold_is_refused() -> None:
    footprint = recompute(INPUTS)
    with pytest.raises(DataError, match="NaN"):
        receipt_of_footprint(footprint, {"x": float("nan")}, period=PERIOD)


def test_inputs_may_not_use_the_key_of_their_digest() -> None:
    with pytest.raises(DataError, match=r"inputs\.digest"):
        receipt_of_footprint(recompute(INPUTS), {**INPUTS, "digest": "x"}, period=PERIOD)


# --- runs ---


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = write_run(tmp_path / "r1")
    (folder / "nodes.csv").unlink()
    windows = [
        {"policy": policy, "node": node, "window_s": 2.0, "attributed_j": 1.5, "idle_j": 5.4}
        for policy in dict.fromkeys(str(row["policy"]) for row in outcome_rows())
        for node in ("lyon", "essen", "krakow")
    ]
    write_csv(folder / "nodes.csv", windows)
    _agree(folder)
    return folder


def _agree(folder: Path) -> None:
    """Let the summary's grams be those of the outcomes, jitter and all."""
    summary = json.loads((folder / "summary.json").read_text())
    for row in summary["policies"]:
        done = [o for o in outcome_rows() if o["policy"] == row["name"]]
        row["carbon_g_per_inference"] = sum(o["carbon_g"] for o in done) / sum(o["count"] for o in done)
    (folder / "summary.json").write_text(json.dumps(summary))


def test_the_receipt_of_a_run_holds(run: Path) -> None:
    file = write_receipt(run)
    assert file == run / "receipt.json"
    assert verify(run) == verify(file) == []


def test_the_receipt_of_a_run_counts_what_the_rows_say(run: Path) -> None:
    document = receipt_of_run(run)
    book = next(book for book in document["accounts"] if book["name"] == "round-robin")
    rows = [row for row in outcome_rows() if row["policy"] == "round-robin"]
    assert book["results"]["total"]["value"] == pytest.approx(sum(row["carbon_g"] for row in rows), rel=1e-12)
    assert book["units"] == sum(row["count"] for row in rows)
    assert {row["component"] for row in book["items"]} == {"lyon", "essen", "krakow"}
    assert {row["rule"] for row in (*book["items"], *book["apart"])} == {"electricity"}
    assert book["results"]["embodied"] is None  # not counted, which is not 0


def test_every_changed_value_of_a_run_is_found(run: Path) -> None:
    document = as_written(receipt_of_run(run))
    document = seal(
        {**document, "accounts": document["accounts"][:2]}
    )  # two are as good as nine, and quicker

    def holds(changed: Document) -> bool:
        return not wrong(verify(changed))

    unnoticed = [
        place for place in leaves(document) if place != ("schema",) and holds(flipped(document, place))
    ]
    assert unnoticed == []


@pytest.mark.parametrize(
    "place",
    [
        ("accounts", 0, "items", 0, "energy_j", "value"),
        ("accounts", 0, "items", 0, "carbon", "source"),
        ("accounts", 1, "results", "total", "value"),
        ("accounts", 0, "units"),
        ("factors", "intensity.essen", "value"),
        ("factors", "intensity.essen", "source"),
        ("inputs", "run", "seed"),
        ("inputs", "files", "outcomes.csv"),
        ("methods", "carbon"),
    ],
)
def test_a_run_is_worked_out_again_from_its_files(run: Path, place: Place) -> None:
    document = as_written(receipt_of_run(run))
    assert verify(document, run_dir=run) == []
    assert wrong(verify(seal(flipped(document, place)), run_dir=run))


def _touch_row(run: Path) -> None:
    text = (run / "outcomes.csv").read_text().splitlines()
    cells = text[1].split(",")
    at = text[0].split(",").index("carbon_g")
    cells[at] = repr(float(cells[at]) * 1.01)
    (run / "outcomes.csv").write_text("\n".join([text[0], ",".join(cells), *text[2:]]) + "\n")


def _touch_scenario(run: Path) -> None:
    (run / "scenario.toml").write_text('name = "other"\n')


@pytest.mark.parametrize("touch", [_touch_row, _touch_scenario])
def test_a_changed_file_is_found(run: Path, touch: Callable[[Path], None]) -> None:
    write_receipt(run)
    touch(run)
    assert any("was changed since" in text for text in wrong(verify(run)))


def test_grams_that_no_intensity_explains_are_copied_and_said_so(run: Path) -> None:
    _touch_row(run)
    document = receipt_of_run(run)
    copied = [
        row["name"] for book in document["accounts"] for row in book["items"] if row["rule"] == "recorded"
    ]
    assert copied == ["essen, serving"]
    unchecked = [finding for finding in verify(document) if "no recorded intensity" in finding.text]
    assert [finding.kind for finding in unchecked] == ["unchecked"]


def test_a_receipt_alone_says_that_its_run_is_not_there(run: Path, tmp_path: Path) -> None:
    lone = tmp_path / "lone.json"
    lone.write_text(write_receipt(run).read_text())
    (finding,) = verify(lone)
    assert finding.kind == "unchecked"
    assert finding.place == "inputs.files"


def test_an_unfinished_run_has_no_receipt(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "r2", summary=None, finished=False)
    with pytest.raises(RunDirectoryError, match="unfinished"):
        receipt_of_run(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not a receipt"),
        ('{"schema": "x"}', "schema is 'x'"),
        ("[]", "schema is 'list'"),
        ('{"schema": "gramwise.receipt/1", "a": NaN}', "NaN"),
        ('{"schema": "gramwise.receipt/1", "schema": "gramwise.receipt/1"}', "twice"),
    ],
)
def test_what_is_no_receipt_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(text)
    with pytest.raises(RunDirectoryError, match=said):
        read_receipt(file)


def test_a_missing_receipt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no such receipt"):
        verify(tmp_path)
