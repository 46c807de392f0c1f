"""The verb footprint as a user types it: the bill, its page and pictures, the eCAL of its authors, and bad input."""

from __future__ import annotations

import json
import math
import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from e2e_kit import run

EXAMPLE = Path(__file__).parents[2] / "examples" / "whole-life.toml"
PICTURES = {
    f"{name}.{kind}" for name in ("phases", "flow", "contributors", "ecal") for kind in ("svg", "png")
}
Write = Callable[..., Path]


def refused(done: Any, code: int, *said: str) -> None:
    """The exit code, nothing on standard output, one sentence on standard error that holds these words."""
    assert (done.code, done.out) == (code, ""), done
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert done.err.startswith("gramwise: ")
    for words in said:
        assert words in done.err, done.err


@pytest.fixture
def life(tmp_path: Path) -> Write:
    """``life(old, new, ...)``: the example with texts replaced and few draws, in the folder of the test."""

    def write(*changes: str, name: str = "life.toml") -> Path:
        text = EXAMPLE.read_text("utf-8").replace("years = 4.0", "years = 4.0\ndraws = 200", 1)
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in text, old
            text = text.replace(old, new, 1)
        (tmp_path / name).write_text(text, "utf-8")
        return tmp_path / name

    return write


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up year of hours of DE, cleanest at noon."""
    folder = tmp_path_factory.mktemp("traces")
    start = datetime(2022, 1, 1, tzinfo=UTC)
    rows = [
        f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ},{400 + 100 * math.cos(math.pi * hour / 12):.3f}"
        for hour in range(8760)
    ]
    (folder / "DE_2022.csv").write_text("\n".join(["time_utc,lifecycle_g_per_kwh", *rows]) + "\n", "utf-8")
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a bill; tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("kept")
    shutil.copy(EXAMPLE, folder / "life.toml")
    done = run("footprint", "life.toml", "--out", "runs", "--json", cwd=folder)
    assert done.code == 0, done.err
    return folder / str(done.document["run_dir"])


def test_the_document_sums_and_every_row_names_its_sources(cli: Any, life: Write, traces: Path) -> None:
    done = cli(
        *("footprint", life(), "--json", "--zone", "PL", "--hours", "field=DE", "--traces", traces),
        *("--figures", "pictures"),
    )
    assert (done.code, done.err) == (0, "")
    document = done.document
    assert document["schema"] == "gramwise.footprint/1"
    values = [item["carbon"]["value"] for item in document["items"]]
    assert math.fsum(values) == document["total"]["value"] > 0.0
    assert math.fsum(row["carbon_g"] for row in document["phases"]) == pytest.approx(
        document["total"]["value"], rel=1e-12
    )
    factors = {row["key"]: row for row in document["factors"]}
    for item in document["items"]:
        assert item["factors"], item["name"]
        assert all(factors[key]["source"] for key in item["factors"])
    ends = [math.fsum(item["carbon"][end] for item in document["items"]) for end in ("low", "high")]
    assert ends[0] < document["total"]["low"] < document["total"]["high"] < ends[1]  # drawn, not added up
    assert "run_dir" not in document
    assert [row["name"] for row in document["ecal"]["countries"]] == ["FI", "ES", "DE", "PL"]
    hours = document["ecal"]["hours"]["field"]["marginal_g"]
    assert (len(hours), hours.index(min(hours))) == (24, 12)


def test_the_same_scenario_gives_the_same_bytes(cli: Any, life: Write) -> None:
    scenario = life()
    assert cli("footprint", scenario, "--json").out == cli("footprint", scenario, "--json").out


@pytest.mark.parametrize("width", [80, 130])
def test_tables_fit_the_terminal_and_nothing_is_cut(cli: Any, life: Write, width: int) -> None:
    long = "a_node_whose_name_has_no_place_to_be_broken_at"
    done = cli(
        "footprint", life("turku = {", f"{long} = {{", "turku = 0.25", f"{long} = 0.25"), COLUMNS=str(width)
    )
    assert (done.code, done.err) == (0, "")
    assert "…" not in done.out
    assert max(map(len, done.out.splitlines())) <= width
    letters = re.sub(r"\s", "", done.out)
    for words in ("Not included", "Scores", "repay its making", "eCAL by stage", "The interval comes from"):
        assert words.replace(" ", "") in letters
    assert re.search(r"^ total .* 100\.0 ", done.out, re.MULTILINE)


def test_printed_rows_sum_to_the_printed_total(cli: Any, life: Write) -> None:
    out = cli("footprint", life()).out
    rows = re.findall(
        r"^ (.+?)  +(?:[a-z-]+)? +(<?[\d.]+) +<?[\d.]+ +<?[\d.]+ +([\d.]+)  ", out, re.MULTILINE
    )
    *items, total = rows
    assert total[0].strip() == "total"
    assert len(items) > 20
    shown = math.fsum(float(grams) for _, grams, _ in items if not grams.startswith("<"))
    assert shown == pytest.approx(float(total[1]), abs=1e-9)
    assert math.fsum(float(share) for *_, share in items) == pytest.approx(100.0, abs=1e-9)


def test_a_kept_bill_has_page_receipt_and_pictures(cli: Any, life: Write, tmp_path: Path) -> None:
    done = cli("footprint", life(), "--out", "runs", "--figures", "pictures")
    assert (done.code, done.err) == (0, "")
    (run,) = (tmp_path / "runs").iterdir()
    assert {"report.html", "receipt.json", "summary.json", "scenario.toml", "run.toml"} <= {
        file.name for file in run.iterdir()
    }
    assert f"Run directory: runs/{run.name}" in done.out
    assert {file.name for file in (tmp_path / "pictures").iterdir()} == PICTURES
    page = (run / "report.html").read_text("utf-8")
    assert page.count("<svg") == 4
    assert "<script" not in page
    assert str(tmp_path) not in page + (run / "receipt.json").read_text("utf-8")


def test_report_shows_a_kept_bill_again(cli: Any, kept: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(kept, tmp_path / "moved"))
    page = (run / "report.html").read_text("utf-8")
    (run / "report.html").unlink()
    shown = cli("report", "moved", "--figures", "pictures")
    assert (shown.code, shown.err) == (0, "")
    assert "whole-life: " in shown.out
    assert "Page:          moved/report.html" in shown.out
    assert (run / "report.html").read_text("utf-8") == page
    assert {file.name for file in (tmp_path / "pictures").iterdir()} == PICTURES
    assert cli("report", "moved", "--json").document == json.loads((run / "summary.json").read_text("utf-8"))


def test_an_older_page_and_picture_stay_when_the_new_cannot_be_written(
    cli: Any, kept: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(kept, tmp_path / "run"))
    page = (run / "report.html").read_text("utf-8")
    (run / ".report.html.part").mkdir()  # in the way of what is being written
    refused(cli("report", "run"), 3, "report.html cannot be written")
    assert (run / "report.html").read_text("utf-8") == page
    (run / ".report.html.part").rmdir()
    pictures = tmp_path / "pictures"
    (pictures / ".phases.svg.part").mkdir(parents=True)
    (pictures / "phases.svg").write_text("older", "utf-8")
    refused(cli("report", "run", "--figures", pictures, "--json"), 3, "phases.svg cannot be written")
    assert (pictures / "phases.svg").read_text("utf-8") == "older"


def test_a_bill_is_not_set_beside_runs(cli: Any, kept: Path) -> None:
    refused(cli("report", kept, kept, "--json"), 3, "holds the bill of a life", "gramwise receipt diff")


def test_a_broken_bill_is_said(cli: Any, kept: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(kept, tmp_path / "run"))
    document = json.loads((run / "summary.json").read_text("utf-8"))
    (run / "summary.json").write_text(
        json.dumps({k: v for k, v in document.items() if k != "items"}), "utf-8"
    )
    refused(cli("report", "run", "--json"), 3, "the key 'items' is missing")


LAST = "[[footprint.renewal]]"
LINK = '{ technology = "ethernet" }'
MODEL = '{ kind = "onnx", file = "package:digits-fp32.onnx" }'
HEADS = "embedding = 100, heads = 3, blocks = 2, context = 16, feed_forward = 64, vocabulary = 100"
OF_FRANCE = 'zone = "FR"\npue = 1.2\ndevices = 1.0\nhours = 120.0'
MARGINAL = 'intensity_g_per_kwh = 50.0\nsignal = "marginal"\nbasis = "direct"\npue = 1.2\ndevices = 1.0\nhours = 120.0'
ESSEN = "[footprint.embodied.essen]\n"
BAD = {
    "unknown key": (2, ("years = 4.0", "yeers = 4.0"), ("footprint.yeers", "Did you mean 'years'?")),
    "of a phase": (2, ("utilisation_frac = 0.35", "use = 0.35"), ("footprint.phases[1].use", "no such key")),
    "of hardware": (2, ("\nhours = 178.0", "\nhour = 178.0"), ("footprint.hardware[0].hour", "'hours'")),
    "of a site": (2, (LAST, f"[[footprint.sites]]\nmass = 1\n\n{LAST}"), ("footprint.sites[0].mass",)),
    "of a renewal": (2, ("old_devices", "old_device"), ("footprint.renewal[0].old_device", "'old_devices'")),
    "of a duty": (2, ("sleep_w =", "sleep ="), ("footprint.duty.doorbell.sleep", "sleep_w")),
    "of what is embodied": (2, (LAST, f"{ESSEN}kilo = 1\n\n{LAST}"), ("footprint.embodied.essen.kilo",)),
    "embodied of nobody": (
        2,
        (LAST, f"[footprint.embodied.bonn]\nvendor_kg = 1\n\n{LAST}"),
        ("footprint.embodied.bonn", "essen, sevilla, turku"),
    ),
    "of eCAL": (2, ("[footprint.ecal]", "[footprint.ecal]\nmodels = 1"), ("models", "Did you mean 'model'?")),
    "of a link": (2, ('"ethernet" }', '"ethernet", p_fail = 0.1 }'), ("hops.0.link.p_fail", "unknown")),
    "of an interval": (2, ("low = 0.1, high", "lo = 0.1, high"), ("phases[0].average_w.lo", "'low'")),
    "no years": (
        2,
        ("years = 4.0", "years = 0.0"),
        ("footprint.years: 0.0", "Write for instance years = 4.0"),
    ),
    "negative hours": (
        2,
        ("hours = 120.0", "hours = -120.0"),
        ("footprint.phases[1].hours: -120", "above 0"),
    ),
    "pue below 1": (2, ("pue = 1.2", "pue = 0.5"), ("footprint.phases[1].pue: 0.5", "from 1")),
    "no life": (2, ("life_days = 2922.0", "life_days = 0.0"), ("footprint.duty.doorbell.life_days",)),
    "share above 1": (
        2,
        ("_frac = 0.35", "_frac = 1.35"),
        ("phases[1].utilisation_frac: 1.35", "from 0 to 1"),
    ),
    "shares that do not sum": (2, ("turku = 0.25 }", "turku = 0.5 }"), ("footprint.shares", "sum to 1.25")),
    "out of order": (2, ("low = 0.9e6", "low = 1.9e6"), ("hardware[0].manufacture_g", "the three in order")),
    "no samples": (2, ("samples = 5_000", "samples = 0"), ("data.samples",)),
    "all lost": (
        2,
        ('"ethernet" }', '"ethernet", loss_frac = 1.0 }'),
        ("hops.0.link.loss_frac", "less than 1"),
    ),
    "heads that do not divide": (
        2,
        (MODEL, f'{{ kind = "transformer", {HEADS} }}'),
        ("life.toml", "heads: 3 heads do not divide an embedding of 100", "Use a divisor"),
    ),
    "no such zone": (2, ('zone = "FR"', 'zone = "XX"'), ("life.toml", "there is no zone 'XX'")),
    "no such phase": (
        2,
        ('phase = "tuning"', 'phase = "tunning"'),
        ("footprint.phases[3].phase", "'tuning'"),
    ),
    "mixed kinds": (3, (OF_FRANCE, MARGINAL), ("experiments", "marginal", "average")),
    "no ledger": (2, ("years = 4.0", 'years = 4.0\nledger = ["no.jsonl"]'), ("footprint.ledger", "no.jsonl")),
    "broken ledger": (3, ("years = 4.0", 'years = 4.0\nledger = ["broken.jsonl"]'), ("broken.jsonl:2",)),
    "no run": (2, ("years = 4.0", 'years = 4.0\nrun = "gone"'), ("footprint.run", "gone")),
    "no such process": (
        2,
        (LAST, f'{ESSEN}bom = "node.yaml"\n\n{LAST}'),
        ("soc.process", "'2um'", "3nm to 180nm"),
    ),
    "key of a part": (
        2,
        (LAST, f'{ESSEN}bom = "key.yaml"\n\n{LAST}'),
        ("key.yaml: silicon.soc.aria", "area"),
    ),
    "no materials": (2, (LAST, f'{ESSEN}bom = "gone.yaml"\n\n{LAST}'), ("gone.yaml", "Check the path")),
}
PART = "name: x\nsilicon:\n  soc:\n    model: logic\n    process: {}\n    {}: 100 mm2\n"


@pytest.mark.parametrize("name", BAD)
def test_a_bad_scenario_is_refused_in_one_sentence(cli: Any, life: Write, tmp_path: Path, name: str) -> None:
    code, change, said = BAD[name]
    (tmp_path / "node.yaml").write_text(PART.format("2um", "area"), "utf-8")
    (tmp_path / "key.yaml").write_text(PART.format("7nm", "aria"), "utf-8")
    (tmp_path / "broken.jsonl").write_text('\n{"x"\n{}\n', "utf-8")
    refused(cli("footprint", life(*change), "--out", "runs", "--json"), code, *said)
    assert not (tmp_path / "runs").exists()


def test_options_that_would_do_nothing_or_cannot_be_are_refused(cli: Any, life: Write, traces: Path) -> None:
    scenario = life()
    refused(cli("footprint"), 2, "a scenario is missing")
    refused(cli("footprint", "gone.toml"), 2, "gone.toml: there is no such file")
    refused(cli("footprint", scenario, "--hours", "field=DE"), 2, "--hours", "Add --traces DIR")
    refused(cli("footprint", scenario, "--traces", traces), 2, "--traces", "Add --hours LOCATION=ZONE")
    hours = ("footprint", scenario, "--traces", traces, "--hours")
    refused(cli(*hours, "field"), 2, "LOCATION=ZONE", "Write for instance field=DE")
    refused(cli(*hours, "wood=DE"), 2, "--hours: there is no location 'wood'", "field, hall")
    refused(cli(*hours, "field=FR"), 2, "--hours", "no trace of zone 'FR'")
    refused(cli("footprint", scenario, "--zone", "XX"), 2, "--zone: there is no zone 'XX'")
    refused(cli("footprint", scenario, "--beside", "x.json"), 2, "--beside", "Add --compat")
    refused(cli("footprint", scenario, "--compat", "legasy"), 2, "--compat", "'legacy'")
    plain = EXAMPLE.with_name("three-sites.toml")
    refused(cli("footprint", plain, "--zone", "PL"), 2, "footprint.ecal", "leave --zone out")


def test_places_that_cannot_be_written_are_said_before_anything_is(
    cli: Any, life: Write, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("mine", "utf-8")
    scenario = life()
    refused(
        cli("footprint", scenario, "--out", "taken/below", "--json"),
        3,
        "--out: taken/below",
        "another folder",
    )
    refused(cli("footprint", scenario, "--out", "runs", "--figures", "taken", "--json"), 3, "--figures")
    refused(cli("footprint", "--published-figure", "--figures", "taken"), 3, "--figures: taken")
    assert not (tmp_path / "runs").exists()
    assert (tmp_path / "taken").read_text("utf-8") == "mine"


def test_a_full_disk_is_said(cli: Any, life: Write, small_disk: Path) -> None:
    refused(cli("footprint", life(), "--out", small_disk, "--json"), 3, "cannot be written", "No space left")


# --- as the authors of eCAL have it ---

OUTPUTS = {
    "legacy": ("{}", "ecal_J_per_bit", 1.3495295807812501e-06),
    "multihop": ("{}", "ecal_J_per_bit", 1.0590909386896308e-06),
    "historical": ("{}", "ecal_J_per_bit", 1.2242809800733612e-06),
    "agentic": ('{"kind": "call", "p_in": 100, "p_out": 50}', "energy_J", 227.69218917525774),
}
"""Inputs, and an output as the authors' tool of that version has it by default (recorded from gramwise, whose agreement
with the tools is tested against their cases)."""


@pytest.mark.parametrize("tool", OUTPUTS)
def test_compat_answers_with_the_names_of_the_tool(cli: Any, tmp_path: Path, tool: str) -> None:
    inputs, key, value = OUTPUTS[tool]
    (tmp_path / "inputs.json").write_text(inputs, "utf-8")
    done = cli("footprint", "--compat", tool, "inputs.json", "--json")
    assert done.code == 0, done.err
    assert "schema" not in done.document
    assert done.document[key] == pytest.approx(value, rel=1e-9)
    shown = cli("footprint", "--compat", tool, "inputs.json")
    assert key in shown.out


def test_compat_beside_physical_mode_explains_every_joule(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text("{}", "utf-8")
    (tmp_path / "choices.json").write_text('{"utilisation_frac": 0.2, "intensity_g_per_kwh": 300}', "utf-8")
    ask = ("footprint", "--compat", "legacy", "inputs.json", "--beside", "choices.json")
    total = cli(*ask, "--json").document["rows"][-1]
    moved = math.fsum(total["by_defect_j"].values())
    assert total["compat_j"] + moved == pytest.approx(total["physical_j"], rel=1e-9)
    shown = cli(*ask, COLUMNS="80")
    assert "physical mode" in shown.out
    assert "…" not in shown.out
    (tmp_path / "choices.json").write_text('{"utilisation": 0.2, "intensity_g_per_kwh": 300}', "utf-8")
    refused(cli(*ask), 2, "choices.json: utilisation", "utilisation_frac")
    refused(
        cli("footprint", "--compat", "historical", "inputs.json", "--beside", "choices.json"),
        2,
        "--beside",
        "legacy",
    )
    (tmp_path / "choices.json").write_text('{"utilisation_frac": 0.2, "intensity_g_per_kwh": 300}', "utf-8")
    (tmp_path / "inputs.json").write_text(
        '{"MODEL_NAME": "Transformer", "EMBEDDING_SIZE": 16, "NUM_HEADS": 3}', "utf-8"
    )
    refused(cli(*ask), 2, "inputs.json: heads: 3 heads do not divide an embedding of 16")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ('{"FAILURE_RATE": 1}', "inputs.json: FAILURE_RATE: 1 is out of bounds"),
        ('{"FAILURE_RAT": 0.1}', "Did you mean 'FAILURE_RATE'?"),
        ('{"NUM_EPOCHS": -1}', "inputs.json: NUM_EPOCHS: -1"),
        ('{"NUM_EPOCHS": NaN}', "inputs.json: NUM_EPOCHS: nan"),
        ('{"NUM_EPOCHS": "ten"}', "inputs.json: NUM_EPOCHS"),
        ("[1]", "inputs.json: this is not an object"),
        ("{", "inputs.json: this is not JSON"),
        ("\ufeff{}", "inputs.json: this is not JSON"),
        ("[" * 100_000, "inputs.json: this is not JSON"),
    ],
)
def test_bad_inputs_of_compat_are_told_in_a_sentence(
    cli: Any, tmp_path: Path, inputs: str, said: str
) -> None:
    (tmp_path / "inputs.json").write_text(inputs, "utf-8")
    refused(cli("footprint", "--compat", "legacy", "inputs.json", "--json"), 2, said)


def test_compat_takes_no_option_of_a_bill(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text("{}", "utf-8")
    for option in ("--out", "--figures"):
        refused(cli("footprint", "--compat", "legacy", "inputs.json", option, "x"), 2, option, "Leave it out")
    refused(cli("footprint", "--compat", "legacy", "gone.json"), 2, "gone.json: it cannot be read")
    refused(cli("footprint", "--compat", "legacy", "."), 2, "it cannot be read", "directory")
    refused(cli("footprint", "--published-figure", "inputs.json"), 2, "SCENARIO", "takes no inputs")
    assert not (tmp_path / "x").exists()


def test_the_published_figure_is_worked_out_again(cli: Any, tmp_path: Path) -> None:
    done = cli("footprint", "--published-figure", "--figures", "pictures", "--json")
    assert (done.code, done.err) == (0, "")
    points = done.document["points"]
    assert len(points) >= 8
    assert max(abs(point["relative_difference"]) for point in points) < 1e-3
    svg = (tmp_path / "pictures" / "ecal-figure.svg").read_bytes()
    drawn = "".join(ElementTree.fromstring(svg).itertext())
    assert all(point["model"] in drawn for point in points)
    shown = cli("footprint", "--published-figure", COLUMNS="80")
    assert points[0]["model"] in shown.out
    assert "…" not in shown.out
