"""The verb receipt on what every verb writes: it holds as written, no change to it goes unseen, others can read it."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e_kit import run

from gramwise.core.receipt import seal

EXAMPLE = Path(__file__).parents[2] / "examples" / "whole-life.toml"
WEEK = EXAMPLE.with_name("week-ahead.toml")
HOLDS = "The receipt holds.\n"
FORMATS = ("boamps", "codecarbon", "impact-framework", "model-card", "sci")


def refused(done: Any, code: int, *said: str) -> None:
    """The exit code, nothing on standard output, one sentence on standard error that holds these words."""
    assert (done.code, done.out) == (code, ""), done
    assert len(done.err.strip().splitlines()) == 1, done.err
    for words in said:
        assert words in done.err, done.err


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run directories of two bills: the second runs longer, at a worse PUE, from a file of another name."""
    folder = tmp_path_factory.mktemp("bills")
    text = EXAMPLE.read_text("utf-8").replace("years = 4.0", "years = 4.0\ndraws = 200", 1)
    (folder / "one.toml").write_text(text, "utf-8")
    (folder / "two.toml").write_text(
        text.replace("years = 4.0", "years = 5.0").replace("1.2", "1.4"), "utf-8"
    )
    made = []
    for name in ("one", "two"):
        done = run("footprint", f"{name}.toml", "--out", name, "--json", cwd=folder)
        assert done.code == 0, done.err
        made.append(folder / str(done.document["run_dir"]))
    return made[0], made[1]


def test_receipts_of_a_bench_hold(cli: Any, bench: Any, tmp_path: Path) -> None:
    done = cli("receipt", "verify", bench.run_dir, "--json", cwd=bench.run_dir.parents[1])
    assert (done.code, done.err) == (0, "")
    assert done.document["holds"] is True
    run = Path(shutil.copytree(bench.run_dir, tmp_path / "run"))
    rows = (run / "outcomes.csv").read_text("utf-8").splitlines(keepends=True)
    (run / "outcomes.csv").write_text("".join(rows[:-1]), "utf-8")
    changed = cli("receipt", "verify", "run")
    assert changed.code == 3
    assert "outcomes.csv was changed since" in changed.out
    assert "does not hold" in changed.out
    policies = [row["name"] for row in bench.done.document["policies"]]
    refused(cli("receipt", "export", bench.run_dir, "--to", "sci"), 2, "several accounts", *policies)
    moved = cli(
        "receipt",
        "diff",
        bench.run_dir,
        bench.run_dir,
        "--account",
        policies[0],
        "--other",
        policies[2],
        "--json",
    )
    assert moved.code == 0, moved.err
    causes = {row["cause"]: row["carbon_g"] for row in moved.document["causes"]}
    assert sum(causes.values()) == pytest.approx(moved.document["change_g"], rel=1e-9)
    one = cli("receipt", "export", bench.run_dir, "--to", "codecarbon", "--account", policies[0])
    assert one.code == 0, one.err


@pytest.mark.parametrize("verb", ["simulate", "sweep"])
def test_receipts_of_what_looks_ahead_hold(cli: Any, tmp_path: Path, verb: str) -> None:
    hours = ["time_utc,lifecycle_g_per_kwh"]
    for zone in ("DE", "FR", "ES"):
        (tmp_path / "traces").mkdir(exist_ok=True)
        days = [f"2022-{m:02}-{d:02}" for m, n in enumerate(_DAYS, 1) for d in range(1, n + 1)]
        rows = [f"{day}T{h:02}:00:00Z,{300 + 10 * h + len(zone)}" for day in days for h in range(24)]
        (tmp_path / "traces" / f"{zone}_2022.csv").write_text("\n".join(hours + rows) + "\n", "utf-8")
    ask = (verb, WEEK, "--traces", "traces", "--policy", "grams", "--out", "runs", "--json")
    done = cli(*ask)
    assert done.code == 0, done.err
    run = tmp_path / done.document["run_dir"]
    held = cli("receipt", "verify", run)
    assert (held.code, held.out.splitlines(keepends=True)[-1]) == (0, HOLDS)
    assert "wrong" not in held.out
    exported = cli("receipt", "export", run, "--to", "sci")
    assert exported.code == 0, exported.err
    assert json.loads(exported.out)["schema"] == "gramwise.sci/1"


_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def test_a_bill_holds_and_is_exported_in_every_format(cli: Any, bills: tuple[Path, Path]) -> None:
    assert cli("receipt", "verify", bills[0]).out == HOLDS
    assert cli("receipt", "verify", bills[0] / "receipt.json").out == HOLDS
    total_g = json.loads((bills[0] / "summary.json").read_text("utf-8"))["total"]["value"]
    texts = {}
    for name in FORMATS:
        done = cli("receipt", "export", bills[0], "--to", name)
        assert (done.code, done.err) == (0, "")
        texts[name] = done.out
    assert json.loads(texts["sci"])["carbon"]["value"] == total_g
    rows = list(csv.DictReader(io.StringIO(texts["codecarbon"])))
    operational_g = json.loads((bills[0] / "summary.json").read_text("utf-8"))["operational"]["value"]
    emitted_g = 1e3 * sum(float(row["emissions"]) for row in rows)
    assert emitted_g == pytest.approx(operational_g, rel=1e-9) or emitted_g == pytest.approx(
        total_g, rel=1e-9
    )
    wrapped = cli("receipt", "export", bills[0], "--to", "sci", "--json").document
    assert (wrapped["schema"], wrapped["content"]) == ("gramwise.export/1", texts["sci"])
    refused(cli("receipt", "export", bills[0], "--to", "csv"), 2, "no export format 'csv'", *FORMATS)
    refused(cli("receipt", "export", bills[0], "--to", "sci", "--account", "x"), 2, "no account 'x'")


def test_a_change_is_explained_by_cause(cli: Any, bills: tuple[Path, Path]) -> None:
    done = cli("receipt", "diff", *bills, "--json")
    assert done.code == 0, done.err
    document = done.document
    causes = {row["cause"]: row for row in document["causes"]}
    assert sum(row["carbon_g"] for row in causes.values()) == pytest.approx(document["change_g"], rel=1e-9)
    assert causes["energy"]["carbon_g"] > 0.0
    assert causes["pue"]["carbon_g"] > 0.0
    assert "phase.training.pue" in causes["pue"]["factors"]
    assert (
        causes["method"]["carbon_g"] == 0.0
    )  # the scenario's file has another name, which is no other method
    assert causes["method"]["factors"] == []
    shown = cli("receipt", "diff", *bills, COLUMNS="80")
    assert (shown.code, shown.err) == (0, "")
    assert "phase.training.pue" in shown.out
    assert "method" not in shown.out
    assert "…" not in shown.out
    each = cli("receipt", "diff", *bills, "--per", "unit")
    assert " per inference" in each.out
    same = cli("receipt", "diff", bills[0], bills[0])
    assert same.out.startswith("0 g")
    assert "No cause" in same.out


Change = Callable[[dict[str, Any]], None]


def _item(document: dict[str, Any]) -> None:
    document["accounts"][0]["items"][0]["carbon"]["value"] *= 0.5


def _inputs(document: dict[str, Any]) -> None:
    document["inputs"]["scenario"]["footprint"]["years"] = 40.0


def _factor(document: dict[str, Any]) -> None:
    key = next(iter(document["factors"]))
    document["factors"][key]["source"] = "a better table"


@pytest.mark.parametrize("change", [_item, _inputs, _factor])
@pytest.mark.parametrize("sealed", [False, True])
def test_a_tampered_receipt_does_not_hold(
    cli: Any, bills: tuple[Path, Path], tmp_path: Path, change: Change, sealed: bool
) -> None:
    document = json.loads((bills[0] / "receipt.json").read_text("utf-8"))
    change(document)
    text = json.dumps(seal(document) if sealed else document)
    (tmp_path / "changed.json").write_text(text, "utf-8")
    done = cli("receipt", "verify", "changed.json")
    assert (done.code, done.err) == (3, "")
    assert "wrong: " in done.out
    assert done.out.endswith("The receipt does not hold.\n")
    if not sealed:
        refused(cli("receipt", "export", "changed.json", "--to", "sci"), 3, "changed.json: hash: ", "verify")
        refused(cli("receipt", "diff", bills[0], "changed.json"), 3, "changed.json: hash: ")


def test_what_is_no_receipt_is_said(cli: Any, tmp_path: Path) -> None:
    schema = {"schema": "gramwise.receipt/1"}
    texts = {
        "text.json": ("x", "text.json is not a receipt"),
        "list.json": ("[]", "list.json: schema is 'list'"),
        "other.json": ('{"schema": "gramwise.bench/1"}', "schema is 'gramwise.bench/1'"),
        "nan.json": ('{"schema": NaN}', "NaN has no place in JSON"),
        "twice.json": ('{"schema": 1, "schema": 2}', "a key stands twice"),
        "deep.json": ("[" * 100_000, "deep.json is not a receipt"),
    }
    for name, (text, said) in texts.items():
        (tmp_path / name).write_text(text, "utf-8")
        refused(cli("receipt", "verify", name, "--json"), 3, said)
    refused(cli("receipt", "verify", "gone"), 3, "gone: there is no such receipt")
    (tmp_path / "bare.json").write_text(json.dumps(seal(schema)), "utf-8")
    empty = {**schema, "kind": "footprint", "inputs": {}, "factors": {}, "accounts": []}
    (tmp_path / "empty.json").write_text(json.dumps(seal(empty)), "utf-8")
    for name in ("bare.json", "empty.json"):
        assert cli("receipt", "verify", name).code == 3
        refused(cli("receipt", "export", name, "--to", "sci"), 3, "receipt")
        refused(cli("receipt", "diff", name, name), 3, "receipt")


def test_an_older_receipt_stays_when_the_new_cannot_be_written(tmp_path: Path) -> None:
    from gramwise.core.errors import RunDirectoryError
    from gramwise.report.receipt.record import save

    (tmp_path / "receipt.json").write_text("older", "utf-8")
    (tmp_path / ".receipt.json.part").mkdir()
    with pytest.raises(RunDirectoryError, match=r"receipt\.json cannot be written"):
        save({"schema": "x"}, tmp_path / "receipt.json")
    assert (tmp_path / "receipt.json").read_text("utf-8") == "older"
