"""The policy table column by column, for terminal and page alike: heading, unit, cells, meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gramwise.report.document import PolicyRow, Summary
from gramwise.report.wording import percent, scale, shares, times_ten


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        title: heading.
        unit: second line of the heading; empty for counts and text.
        cells: one a policy, in the document's order; None is unknown.
        meaning: one sentence on what it is.
        text: words rather than a number: left-aligned and free to wrap.
    """

    title: str
    unit: str
    cells: tuple[str | None, ...]
    meaning: str
    text: bool = False


def outcome_columns(summary: Summary) -> tuple[Column, ...]:
    """What came out: completed, late, accuracy, latency, rate, joules, grams, change against the baseline."""
    return (
        _plain(summary, "done", "", _done, "requests completed, of those sent"),
        _plain(summary, "late", "", lambda row: _count(row.late), "answers after their deadline"),
        _plain(summary, "acc.", "%", lambda row: percent(row.accuracy_frac), "answers that match the label"),
        *_latencies(summary),
        _scaled(
            summary, "rate", "inf/s", lambda row: row.throughput_per_s, "inferences per second", prefix=False
        ),
        _scaled(
            summary, "energy", "J", lambda row: row.energy_j_per_inference, "marginal energy per inference"
        ),
        _scaled(
            summary, "carbon", "g", lambda row: row.carbon_g_per_inference, "marginal CO2e per inference"
        ),
        _scaled(
            summary, "inf/g", "", lambda row: row.inferences_per_g, "inferences per gram CO2e", prefix=False
        ),
        _plain(summary, "change", "%", _change(summary), "carbon against the baseline; negative is less"),
        _plain(summary, "95 % interval", "%", _interval(summary), "of the change"),
    )


def decision_columns(summary: Summary) -> tuple[Column, ...]:
    """How it was decided, and how far from the limit: shares, decision time, gap, idle, transfer."""
    order = [node.name for node in summary.nodes]
    variants = {name for row in summary.policies for name in row.variant_share or {}}
    node_share = _plain(
        summary,
        "requests per node",
        "%",
        lambda row: shares(row.node_share, order),
        "share of completed requests",
        text=True,
    )
    variant_share = _plain(
        summary,
        "variants",
        "%",
        lambda row: shares(row.variant_share),
        "share of completed requests",
        text=True,
    )
    return (
        node_share,
        *([variant_share] if len(variants) > 1 else []),
        _plain(
            summary,
            "fallback",
            "",
            lambda row: _count(row.fallback),
            "no plan met the policy's limits; the soonest one served",
        ),
        *_decision_times(summary),
        _plain(summary, "gap B1", "%", lambda row: percent(row.gap_b1_frac), "carbon above the LP bound"),
        _plain(
            summary,
            "of B0",
            "%",
            lambda row: percent(row.captured_b0_frac),
            "share of the saving that B0 allows",
        ),
        _plain(
            summary,
            "of B1",
            "%",
            lambda row: percent(row.captured_b1_frac),
            "share of the saving that B1 allows",
        ),
        _scaled(
            summary,
            "idle",
            "g",
            lambda row: row.idle_g_per_inference,
            "CO2e of idle power per inference, apart",
        ),
        _scaled(
            summary,
            "transfer",
            "g",
            lambda row: row.transfer_g_per_inference,
            "CO2e of sending per inference, apart",
        ),
    )


def _plain(
    summary: Summary,
    title: str,
    unit: str,
    cell: Callable[[PolicyRow], str | None],
    meaning: str,
    *,
    text: bool = False,
) -> Column:
    cells = tuple(cell(row) for row in summary.policies)
    return Column(title=title, unit=unit, cells=cells, meaning=meaning, text=text)


def _scaled(
    summary: Summary,
    title: str,
    unit: str,
    value: Callable[[PolicyRow], float | None],
    meaning: str,
    *,
    prefix: bool = True,
) -> Column:
    values = [value(row) for row in summary.policies]
    fit = scale(values, unit if prefix else "")
    heading = f"{fit.unit}/inf" if prefix else f"{unit} {times_ten(fit.power)}".strip()
    return Column(title=title, unit=heading, cells=tuple(map(fit.show, values)), meaning=meaning)


def _latencies(summary: Summary) -> tuple[Column, Column]:
    p50, p95 = (
        [row.latency_s.p50 for row in summary.policies],
        [row.latency_s.p95 for row in summary.policies],
    )
    return _pair(p50, p95, ("p50", "p95"), "latency, arrival to answer")


def _decision_times(summary: Summary) -> tuple[Column, Column]:
    p50, p99 = (
        [row.decision_s.p50 for row in summary.policies],
        [row.decision_s.p99 for row in summary.policies],
    )
    return _pair(p50, p99, ("choose p50", "p99"), "time to choose a plan")


def _pair(
    first: list[float | None], second: list[float | None], titles: tuple[str, str], meaning: str
) -> tuple[Column, Column]:
    fit = scale([*first, *second], "s")
    low, high = (
        Column(title=title, unit=fit.unit, cells=tuple(map(fit.show, values)), meaning=meaning)
        for title, values in zip(titles, (first, second), strict=True)
    )
    return low, high


def _done(row: PolicyRow) -> str | None:
    if row.completed is None:
        return None
    return f"{row.completed}/{row.requests}" if row.requests is not None else str(row.completed)


def _count(value: int | None) -> str | None:
    return None if value is None else str(value)


def _change(summary: Summary) -> Callable[[PolicyRow], str | None]:
    return lambda row: "baseline" if row.name == summary.baseline else percent(row.change_frac, signed=True)


def _interval(summary: Summary) -> Callable[[PolicyRow], str | None]:
    def cell(row: PolicyRow) -> str | None:
        low, high = percent(row.change_low_frac, signed=True), percent(row.change_high_frac, signed=True)
        if row.name == summary.baseline:
            return ""  # nothing to compare with itself: not unknown, not applicable
        return None if low is None or high is None else f"{low} to {high}"

    return cell
