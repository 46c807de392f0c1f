"""The terminal table, letter by letter at 110 columns, and readable on other terminals."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gramwise.report.document import Summary, parse_summary
from gramwise.report.table import bench_table

GOLDEN = Path(__file__).with_name("table_110.txt")


def printed(
    summary: Summary, width: int, *, encoding: str = "utf-8", finished: bool = True, **kwargs: Any
) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    bench_table(summary, Console(file=stream, width=width, **kwargs), finished=finished)
    stream.flush()
    return raw.getvalue().decode(encoding)


def bare(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_the_table_at_110_columns(document: dict[str, Any]) -> None:
    assert bare(printed(parse_summary(document), 110)) == bare(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("width", [60, 80, 110, 160])
def test_every_number_survives_a_narrow_terminal(document: dict[str, Any], width: int) -> None:
    lines = bare(printed(parse_summary(document), width))
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for number in ("45.1", "-47.1 to -43.1", "14850", "1636.4", "804.1", "lyon 67", "9.30", "110.0"):
        assert number in text
    assert "…" not in text


def test_unknown_numbers_are_dashes_with_a_legend(document: dict[str, Any]) -> None:
    row = document["policies"][2]
    for key in [key for key in row if key not in ("name", "latency_s", "decision_s")]:
        row[key] = None
    row["latency_s"] = {"p50": None, "p95": None}
    row["decision_s"] = {"p50": None, "p99": None}
    lines = bare(printed(parse_summary(document), 160))
    fastest = [line for line in lines if line.strip().startswith("fastest")]
    assert [set(line.split()[1:]) for line in fastest] == [{"-"}, {"-"}]
    assert "- unknown." in lines


def test_a_table_without_unknowns_needs_no_legend(document: dict[str, Any]) -> None:
    for row in document["policies"]:
        row["transfer_g_per_inference"] = 1e-9
    text = printed(parse_summary(document), 110)
    assert "transfer" in text
    assert "nknown" not in text


def test_what_no_policy_knows_takes_no_column_but_is_named(document: dict[str, Any]) -> None:
    for row in document["policies"]:
        row["throughput_per_s"] = None
    lines = bare(printed(parse_summary(document), 110))
    assert "Unknown for every policy, and left out: rate, transfer." in lines
    assert not any("inf/s" in line for line in lines)
    assert "- unknown." not in lines


def test_variants_are_shown_when_there_is_a_choice(document: dict[str, Any]) -> None:
    document["policies"][-1]["variant_share"] = {"fp32": 0.25, "int8": 0.75}
    text = printed(parse_summary(document), 160)
    assert "variants" in text
    assert "fp32 25, int8 75" in text


def test_an_ascii_terminal_gets_ascii(document: dict[str, Any]) -> None:
    text = printed(parse_summary(document), 110, encoding="ascii")
    assert "us" in text
    assert "x103" in text


def test_the_best_is_marked_without_colour_and_with_it(document: dict[str, Any]) -> None:
    plain = printed(parse_summary(document), 110)
    assert "\x1b" not in plain
    assert "* greenest-zone" in plain
    assert "~ grams" in plain
    colour = printed(parse_summary(document), 110, force_terminal=True, color_system="standard")
    assert "\x1b[1;32m* greenest-zone" in colour


def test_names_are_printed_not_interpreted(document: dict[str, Any]) -> None:
    document["policies"][1]["name"] = "[red]x[/red]\x1b[31m"
    text = printed(parse_summary(document), 160)
    assert "[red]x[/red]" in text
    assert "\x1b" not in text


def test_a_stopped_run_says_so(document: dict[str, Any]) -> None:
    assert "Unfinished: the run stopped early" in printed(parse_summary(document), 110, finished=False)
