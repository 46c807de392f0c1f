"""Every verb as a person or a program calls it, and every wrong input with its exit code and its one sentence."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]

IN_PROCESS = ('kind = "processes"', 'kind = "in-process"')


def copy_of(bench: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bench.run_dir, tmp_path / "run"))


def test_version(cli: Any) -> None:
    done = cli("--version")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("gramwise 0.")


@pytest.mark.parametrize("arguments", [(), ("nosuch",), ("bench",), ("inspect", "x", "--batch", "0")])
def test_a_wrong_call_is_told_how_to_call(cli: Any, arguments: tuple[str, ...]) -> None:
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage" in done.err or "Try 'gramwise --help'." in done.err


def test_help_lists_every_verb(cli: Any) -> None:
    done = cli("--help")
    assert done.code == 0
    for verb in ("bench", "explain", "report", "inspect", "doctor", "schema", "init"):
        assert f"  {verb} " in done.out


def test_bench_for_people_shows_the_table_and_where_the_page_is(
    cli: Any, write_scenario: Write, tmp_path: Path
) -> None:
    done = cli("bench", write_scenario(*IN_PROCESS), "--requests", "2", "--repeats", "1", "--out", "here")
    assert (done.code, done.err) == (0, "")
    for word in ("monolithic", "round-robin", "grams", "Measured:", "Modelled:", "Run directory: here/"):
        assert word in done.out
    (run,) = (tmp_path / "here").iterdir()
    assert (run / "report.html").is_file()


def test_bench_takes_its_options(cli: Any, write_scenario: Write) -> None:
    poisson = ('arrivals = "closed"', 'arrivals = "poisson"\nrate_per_s = 100.0')
    done = cli(
        *(
            "bench",
            write_scenario(*IN_PROCESS, *poisson),
            "--json",
            "--policy",
            "fastest",
            "--policy",
            "grams",
        ),
        *("--requests", "3", "--repeats", "1"),
    )
    assert done.code == 0, done.err
    found = [(p["name"], p["requests"], p["completed"]) for p in done.document["policies"]]
    assert found == [("fastest", 3, 3), ("grams", 3, 3)]
    assert done.document["caps"] == "virtual"
    assert [p["change_frac"] for p in done.document["policies"]] == [None, None]  # nothing to compare with
    assert done.document["energy_closure_frac"] is None  # nothing meters a node inside the process


def test_report_shows_one_run_and_sets_two_side_by_side(cli: Any, bench: Any, tmp_path: Path) -> None:
    run = copy_of(bench, tmp_path)
    (run / "report.html").unlink()
    shown = cli("report", run)
    assert (shown.code, shown.err) == (0, "")
    assert "grams" in shown.out
    assert (run / "report.html").stat().st_size > 10_000
    one = cli("report", run, "--json")
    assert one.code == 0
    assert one.document["schema"].startswith("gramwise.")
    two = cli("report", run, bench.run_dir, "--json")
    assert two.code == 0
    assert len(two.document["runs"]) == 2
    assert '"grams"' in two.out
    assert cli("report", run, bench.run_dir).code == 0


def test_explain_says_why(cli: Any, bench: Any) -> None:
    done = cli("explain", bench.run_dir, "grams-0-0", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.document["schema"] == "gramwise.explain/1"
    (decision,) = done.document["decisions"]
    assert decision["agrees"]
    assert decision["policy"] == "grams"
    assert len(decision["verdicts"]) == 6
    shown = cli("explain", bench.run_dir, "grams-0-0")
    assert shown.code == 0
    assert "grams chose clean with full" in shown.out
    assert "is not the reference" in shown.out


@pytest.mark.parametrize("model", ["package:digits-small.onnx", "zoo:mobilenetv2-1.0-224", "full.onnx"])
def test_inspect_takes_all_three_kinds_of_names(
    cli: Any, write_scenario: Write, tmp_path: Path, model: str
) -> None:
    write_scenario()
    done = cli("inspect", model, "--json", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (done.code, done.err) == (0, "")
    document = done.document
    assert document["schema"] == "gramwise.inspect/1"
    assert document["flop"] > 0
    assert document["layers"]
    assert document["cuts"]
    if model.startswith("zoo"):
        assert document["multiply_adds"] == pytest.approx(300.8e6, rel=0.01)
    shown = cli("inspect", model, "--batch", "2", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert shown.code == 0
    assert "batch 2" in shown.out


def test_doctor_lists_sources_and_can_insist_on_a_meter(cli: Any) -> None:
    plain = cli("doctor", "--json")
    assert (plain.code, plain.err) == (0, "")
    assert plain.document["schema"] == "gramwise.doctor/1"
    assert {"rapl", "nvml"} <= {source["name"] for source in plain.document["sources"]}
    assert plain.document["caps"]["kind"] in ("cgroup-v1", "cgroup-v2", "virtual")
    insisting = cli("doctor", "--require-measured", "--json")
    assert insisting.document["sources"]
    assert insisting.code == (0 if plain.document["measured"] else 3)
    assert ("--require-measured" in insisting.err) == (not plain.document["measured"])
    shown = cli("doctor")
    assert shown.code == 0
    assert "rapl" in shown.out


def test_schema_of_the_scenario(cli: Any) -> None:
    for arguments in (("schema", "scenario"), ("schema", "scenario", "--json")):
        done = cli(*arguments)
        assert (done.code, done.err) == (0, "")
        assert done.document["$schema"].startswith("https://json-schema.org/")
        assert {"models", "nodes", "workload"} <= set(done.document["properties"])


def test_what_init_writes_can_be_run(cli: Any, tmp_path: Path) -> None:
    written = cli("init", "mine.toml", "--zone", "FR", "--json")
    assert (written.code, written.err) == (0, "")
    assert written.document["schema"] == "gramwise.init/1"
    assert written.document["zone"] == "FR"
    again = cli("init", "mine.toml")
    assert (again.code, again.out) == (2, "")
    assert "mine.toml: is already there" in again.err
    done = cli("bench", "mine.toml", "--json", "--requests", "2", "--repeats", "1")
    assert done.code == 0, done.err
    policies = {p["name"]: p for p in done.document["policies"]}
    assert policies["grams+variants"]["completed"] == 2
    assert policies["monolithic"]["accuracy_frac"] > 0.9


def refused(done: Any, code: int, *said: str) -> None:
    """The exit code, nothing on standard output, one sentence on standard error that holds these words."""
    assert (done.code, done.out) == (code, ""), done
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert done.err.startswith("gramwise: ")
    for words in said:
        assert words in done.err, done.err


BAD_SCENARIOS = {
    "unknown key": (
        2,
        ("[workload]", "[workload]\nrequest = 3"),
        ("workload.request", "has no key 'request'", "Did you mean 'requests'?"),
    ),
    "unknown zone": (
        2,
        ('zone = "NL"', 'zone = "XQ"'),
        ("tiny.toml: nodes.middle.zone", "'XQ'"),
    ),
    "negative share": (
        2,
        ("cpu_share = 0.8", "cpu_share = -0.8"),
        ("tiny.toml: nodes.clean.cpu_share: -0.8 cannot be used", "Write for instance"),
    ),
    "negative memory": (
        2,
        ('memory = "512 MiB"', "memory = -1"),
        ("tiny.toml: nodes.dirty.memory", "Write for instance"),
    ),
    "memory smaller than the model": (
        2,
        ('memory = "512 MiB"', 'memory = "32 MiB"'),
        ("tiny.toml: nodes.dirty.memory: ", "cannot hold any variant of 'tiny'", 'Write memory = "'),
    ),
    "floor that no variant meets": (
        4,
        ("[workload]", "[goals]\naccuracy_floor_frac = 0.97\n\n[workload]"),
        ("tiny.toml: goals.accuracy_floor_frac: no variant", "0.97", "full 0.9", "= 0.9 or less"),
    ),
    "missing model": (
        2,
        ("full.onnx", "fool.onnx"),
        ("tiny.toml: models.tiny.variants.full.file: there is no file", "fool.onnx. Write the path"),
    ),
    "missing package model": (
        2,
        ('file = "full.onnx"', 'file = "package:digits-fp33.onnx"'),
        ("models.tiny.variants.full.file", "Did you mean 'package:digits-fp32.onnx'?"),
    ),
    "corrupt reference": (
        2,
        ("full.onnx", "images.npz"),
        ("tiny.toml: models.tiny.variants.full.file: ", "images.npz: onnxruntime cannot load it"),
    ),
    "corrupt variant": (
        2,
        ("blind.onnx", "images.npz"),
        ("tiny.toml: models.tiny.variants.blind.file: ", "images.npz: onnxruntime cannot load it"),
    ),
    "unknown policy": (
        2,
        ('"grams"]', '"gramms"]'),
        ("tiny.toml: bench.policies: there is no policy called 'gramms'", "Did you mean 'grams'?"),
    ),
    "missing inputs": (
        2,
        ('"images.npz"', '"pictures.npz"'),
        ("tiny.toml: workload.inputs: there is no file", "pictures.npz"),
    ),
    "caps that cannot be set": (
        2,
        ('kind = "processes"', 'kind = "processes"\ncaps = "cgroup-v3"'),
        ("tiny.toml: executor.caps", "'cgroup-v1'"),
    ),
    "device without a rate": (
        2,
        ("speed_factor = 1.0", ""),
        ("tiny.toml: nodes.dirty.speed_factor: device 'box' has no measured rate", "Write the seconds"),
    ),
    "zone without a figure": (
        2,
        ('zone = "NL"', 'zone = "CF"'),
        ("tiny.toml: nodes.middle.zone: CF", "no annual intensity is known"),
    ),
    "variant that takes other inputs": (
        2,
        ('file = "blind.onnx"', 'file = "zoo:mobilenetv2-1.0-224"'),
        (
            "tiny.toml: models.tiny.variants.blind.file: tiny/blind does not take the workload's inputs",
            "Write a file",
        ),
    ),
    "not TOML": (2, ("[workload]", "[workload"), ("tiny.toml: this is not TOML", "Correct that line")),
}


@pytest.mark.parametrize("name", BAD_SCENARIOS)
def test_a_bad_scenario_is_refused_in_one_sentence(
    cli: Any, write_scenario: Write, groups_now: Callable[[], set[Path]], tmp_path: Path, name: str
) -> None:
    code, change, said = BAD_SCENARIOS[name]
    before = {group.name for group in groups_now()}
    refused(cli("bench", write_scenario(*change), "--json"), code, *said)
    assert not (tmp_path / "runs").exists()
    left = {group.name.rsplit("-", 1)[-1] for group in groups_now() if group.name not in before}
    assert not left & {"dirty", "middle", "clean"}


def test_flags_are_named_when_they_are_wrong(cli: Any, write_scenario: Write) -> None:
    refused(cli("bench", write_scenario(), "--requests", "0", "--json"), 2, "workload.requests: 0 cannot")
    refused(cli("bench", write_scenario(), "--policy", "gram", "--json"), 2, "Did you mean 'grams'?")
    refused(cli("bench", "absent.toml", "--json"), 2, "absent.toml: there is no such file", "gramwise init")


def test_models_that_cannot_be_inspected(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk" * 100)
    refused(cli("inspect", "junk.onnx", "--json"), 2, "junk.onnx: not an ONNX model")
    refused(cli("inspect", "absent.onnx", "--json"), 2, "there is no file absent.onnx")
    refused(cli("inspect", "zoo:mobilenetv3", "--json"), 2, "'mobilenetv3'")
    refused(cli("inspect", "package:digits-fp32.onnx", "--dim", "n", "--json"), 2, "--dim takes NAME=SIZE")
    refused(cli("schema", "scenery", "--json"), 2, "Write: gramwise schema scenario")
    refused(cli("init", "new.toml", "--zone", "XQ", "--json"), 2, "XQ")


def test_runs_that_cannot_be_read(cli: Any, bench: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(cli("report", "empty", "--json"), 3, "empty is not a run directory", "gramwise bench wrote")
    refused(cli("report", "absent", "--json"), 3, "there is no such folder")
    refused(cli("explain", "empty", "grams-0-0", "--json"), 3, "empty: not a run directory")
    refused(
        cli("explain", bench.run_dir, "grams-0-99", "--json"),
        2,
        "decisions.jsonl: no decision about request 'grams-0-99'",
        "Did you mean 'grams-0-9'?",
    )
    run = copy_of(bench, tmp_path)
    (run / "summary.json").write_text("{", encoding="utf-8")
    refused(cli("report", run, "--json"), 3, "summary.json is not valid JSON")
    (run / "summary.json").unlink()
    recounted = cli("report", run, "--json")
    assert recounted.code == 0, recounted.err
    (run / "report.html").unlink(missing_ok=True)
    (run / "report.html").mkdir()
    refused(cli("report", run, "--json"), 3, "report.html")


def test_a_full_disk_ends_the_bench_and_keeps_what_was_measured(
    cli: Any, write_scenario: Write, small_disk: Path
) -> None:
    done = cli(
        "bench",
        write_scenario(*IN_PROCESS, "requests = 10", "requests = 500"),
        "--json",
        "--out",
        small_disk,
    )
    refused(done, 3, "cannot be written: No space left on device", "--out", str(small_disk))
    (run,) = small_disk.iterdir()
    lines = (run / "outcomes.csv").read_text("utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    rows = list(csv.DictReader(whole))
    assert len(rows) >= 20
    assert all(row["status"] == "completed" and float(row["carbon_g"]) > 0 for row in rows)
    shown = cli("report", run, "--json")
    assert shown.code in (0, 3)  # the page may find no room either, and then says so
    assert cli("explain", run, rows[0]["request"], "--json").code == 0


def test_a_place_that_cannot_be_written_is_said(cli: Any, write_scenario: Write, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    refused(
        cli("bench", write_scenario(*IN_PROCESS), "--json", "--out", "taken"),
        3,
        "taken: the run directory cannot be written",
    )


def test_the_environment_beats_the_file_and_is_named(cli: Any, write_scenario: Write) -> None:
    done = cli("bench", write_scenario(), "--json", GRAMWISE_WORKLOAD__REQUESTS="none")
    refused(done, 2, "GRAMWISE_WORKLOAD__REQUESTS", "workload.requests")
    assert "GRAMWISE_WORKLOAD__REQUESTS" not in os.environ
