"""Several runs side by side, and first of all whether they may be compared.

Runs compare when they served the same scenario and held CPU shares in the same way. Otherwise the numbers are still
shown, each under its own run, but nothing is computed across them and the first sentence says why.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from gramwise.report.document import VIRTUAL, PolicyRow
from gramwise.report.load import Run
from gramwise.report.table import MISSING, fold, shown_text
from gramwise.report.wording import UNKNOWN, percent, printable, scale

SCHEMA = "gramwise.report/1"
NARROW = 14
"""Characters a policy name is folded to on a terminal of less than 80."""


class Comparison:
    """Runs side by side: prints as a table, and as a document for programs.

    Args:
        runs: at least one.

    Raises:
        ValueError: no run.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        if not runs:
            raise ValueError("comparing needs at least one run")
        self.runs = tuple(runs)
        self.labels = _labels(runs)
        self.reasons = tuple(_reasons(self.runs, self.labels))
        self.notes = tuple(_notes(self.runs, self.labels))
        self.policies = tuple(dict.fromkeys(row.name for run in runs for row in run.summary.policies))

    @property
    def comparable(self) -> bool:
        """Whether numbers of one run may be set against another's."""
        return not self.reasons

    @property
    def _repeated(self) -> bool:
        return self.comparable and len(self.runs) > 1 and all(run.finished for run in self.runs)

    @property
    def document(self) -> dict[str, Any]:
        """The comparison as ``gramwise.report/1``: runs, policies by run, and the spread across comparable runs."""
        return {
            "schema": SCHEMA,
            "comparable": self.comparable,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "runs": [_about(run, label) for run, label in zip(self.runs, self.labels, strict=True)],
            "policies": [self._policy(name) for name in self.policies],
        }

    def _policy(self, name: str) -> dict[str, Any]:
        rows = [run.summary.policy(name) for run in self.runs]
        across = None
        if self._repeated:
            across = {
                "carbon_g_per_inference": _spread(
                    [row.carbon_g_per_inference if row else None for row in rows]
                ),
                "change_frac": _spread([row.change_frac if row else None for row in rows]),
            }
        cells = [_numbers(row, label) if row else None for row, label in zip(rows, self.labels, strict=True)]
        return {"name": name, "runs": cells, "across": across}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for reason in self.reasons:
            yield shown_text(f"Not to be compared: {reason}", options)
        for note in self.notes:
            yield shown_text(f"Note: {note}", options)
        yield self._table(options)
        yield shown_text(f"Change: carbon against each run's own baseline, with its 95 % interval. "
                         f"{MISSING} unknown or not in that run.", options)  # fmt: skip
        if self._repeated:
            yield from (shown_text(line, options) for line in self._across())

    def _table(self, options: ConsoleOptions) -> Table:
        found = [row for run in self.runs for row in run.summary.policies]
        grams = scale([row.carbon_g_per_inference for row in found], "g")
        seconds = scale([row.latency_s.p95 for row in found], "s")
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        table.add_column("policy and run", overflow="fold")
        units = (
            f"carbon\n{grams.unit}/inf",
            "change\n%",
            "95 % interval\n%",
            f"p95\n{seconds.unit}",
            "of B1\n%",
        )
        for title in units:
            table.add_column(shown_text(title, options), justify="right", no_wrap=True)
        width = NARROW if options.max_width < 80 else options.max_width
        for name in self.policies:
            table.add_row(Text(fold(printable(name), width), style="bold"))
            for run, label in zip(self.runs, self.labels, strict=True):
                row = run.summary.policy(name) or PolicyRow(name=name)
                cells = (
                    grams.show(row.carbon_g_per_inference),
                    "baseline" if name == run.summary.baseline else percent(row.change_frac, signed=True),
                    _interval(row, run),
                    seconds.show(row.latency_s.p95),
                    percent(row.captured_b1_frac),
                )
                shown = [Text(MISSING if cell is None else cell) for cell in cells]
                table.add_row(Text(f"  {printable(label)}"), *shown)
        return table

    def _across(self) -> Iterable[str]:
        yield f"Over the {len(self.runs)} runs, change against the baseline, median and range:"
        for policy in self.document["policies"]:
            change = policy["across"]["change_frac"]
            if change is not None:
                low, mid, high = (percent(change[key], signed=True) for key in ("low", "median", "high"))
                yield f"  {printable(policy['name'])}: {mid} % ({low} to {high} %)"


def compare(runs: Sequence[Run]) -> Comparison:
    """Set runs side by side.

    Args:
        runs: from `load_run`, at least one.

    Returns:
        Prints with rich; ``document`` is its ``gramwise.report/1`` form.

    Raises:
        ValueError: no run.
    """
    return Comparison(runs)


def _labels(runs: Sequence[Run]) -> tuple[str, ...]:
    ids = [run.id for run in runs]
    return tuple(
        name if ids.count(name) == 1 else f"{name} ({run.path})" for name, run in zip(ids, runs, strict=True)
    )


def _reasons(runs: Sequence[Run], labels: Sequence[str]) -> Iterable[str]:
    first = runs[0]
    for run, label in zip(runs[1:], labels[1:], strict=True):
        pair = f"{printable(labels[0])} and {printable(label)}"
        if run.summary.scenario != first.summary.scenario:
            names = f"{printable(first.summary.scenario)} and {printable(run.summary.scenario)}"
            yield f"{pair} ran different scenarios, {names}."
        elif differing := _differing(first.scenario_text, run.scenario_text):
            yield f"{pair} ran scenarios of one name that differ in {', '.join(differing)}."
        if _held(first) != _held(run):
            yield (
                f"{pair} held CPU shares in different ways, {first.summary.caps or UNKNOWN} and "
                f"{run.summary.caps or UNKNOWN}: virtual times are never set against capped ones."
            )


def _held(run: Run) -> str:
    # The two cgroup versions enforce the same share with the same period, so they may be compared.
    caps = run.summary.caps
    return UNKNOWN if caps is None else VIRTUAL if caps == VIRTUAL else "capped"


def _differing(one: str, other: str, limit: int = 5) -> list[str]:
    try:
        a, b = (_leaves(tomllib.loads(text)) for text in (one, other))
    except tomllib.TOMLDecodeError:
        return [] if one == other else ["their text"]
    keys = [printable(key) for key in {**a, **b} if a.get(key) != b.get(key)]
    return [*keys[:limit], *([f"{len(keys) - limit} more keys"] if len(keys) > limit else [])]


def _leaves(value: object, path: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        pairs = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        pairs = [(f"{path}[{k}]", item) for k, item in enumerate(value)]
    else:
        return {path: value}
    return {key: leaf for where, item in pairs for key, leaf in _leaves(item, where).items()}


def _notes(runs: Sequence[Run], labels: Sequence[str]) -> Iterable[str]:
    for run, label in zip(runs, labels, strict=True):
        if not run.finished:
            yield f"{printable(label)} is unfinished: its numbers cover what it had measured until it stopped."
    hosts = dict.fromkeys(run.host or UNKNOWN for run in runs)
    if len(hosts) > 1:
        names = "; ".join(printable(host) for host in hosts)
        yield f"the runs used different machines ({names}): compare changes, not joules or latencies."


def _about(run: Run, label: str) -> dict[str, Any]:
    s = run.summary
    return {
        "run": label,
        "run_dir": str(run.path),
        "scenario": s.scenario,
        "caps": s.caps,
        "baseline": s.baseline,
        "finished": run.finished,
    }


def _numbers(row: PolicyRow, label: str) -> dict[str, Any]:
    return {
        "run": label,
        "completed": row.completed,
        "carbon_g_per_inference": row.carbon_g_per_inference,
        "change_frac": row.change_frac,
        "change_low_frac": row.change_low_frac,
        "change_high_frac": row.change_high_frac,
        "latency_p95_s": row.latency_s.p95,
        "captured_b0_frac": row.captured_b0_frac,
        "captured_b1_frac": row.captured_b1_frac,
    }


def _spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Median and range, or None unless every run knows the number."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return {"low": min(known), "median": median(known), "high": max(known)}


def _interval(row: PolicyRow, run: Run) -> str | None:
    if row.name == run.summary.baseline:
        return ""
    low, high = percent(row.change_low_frac, signed=True), percent(row.change_high_frac, signed=True)
    return None if low is None or high is None else f"{low} to {high}"
