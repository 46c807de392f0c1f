"""The documents of simulate, sweep, replay, when and intensity for the terminal. What is simulated says so; a dash is
unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text

from gramwise.report.ahead_bounds import gap_percent, grams_scale, share
from gramwise.report.ahead_run import AheadSummary, PolicyRow, other_cases, parse_ahead
from gramwise.report.wording import Scale, percent, printable, quantity, scale
from gramwise.show import new_table, right

MISSING = "-"
ROWS_SHOWN = 72
"""Steps of an intensity that are listed; --json has all of them."""


def simulate_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.simulate/1`` document: policies, latencies, bounds, provenance."""
    s = parse_ahead(document)
    fit = grams_scale(s)
    yield _policies(s, fit, f"{printable(s.scenario)}, simulated: {_work(s)}")
    latencies = new_table(
        Column("policy", no_wrap=True),
        *right("p50", "p95", "p99", "late", "refused", "lost", "retried", "deferred by"),
    )
    latencies.padding = (0, 1, 0, 0)
    for policy in document["policies"]:
        took = policy.get("latency_s") or {}
        times = (
            quantity(took[q], "s") if took.get(q) is not None else MISSING for q in ("p50", "p95", "p99")
        )
        counts = (_plain(policy.get(key)) for key in ("late", "refused", "lost", "retried"))
        waited = policy.get("deferred_mean_s")
        latencies.add_row(
            printable(policy["name"]),
            *times,
            *counts,
            MISSING if waited is None else f"{waited / 3600:.1f} h",
        )
    yield latencies
    yield Text(_bounds(s, fit))
    yield _sentences(s.provenance)


def sweep_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.sweep/1`` document: policies, bounds, other settings, provenance."""
    s = parse_ahead(document)
    fit = grams_scale(s)
    yield _policies(s, fit, f"{printable(s.scenario)}, simulated ({s.model or 'unknown model'}): {_work(s)}")
    yield Text(_bounds(s, fit))
    if s.cases:
        yield _cases(s)
    left = f" {s.hours_left_out} hours were left out." if s.hours_left_out else ""
    if document.get("seconds") is not None:
        yield Text(f"Took {document['seconds']:.1f} s.{left}")
    yield _sentences(s.provenance)


def _policies(s: AheadSummary, fit: Scale, title: str) -> Table:
    shown = _worth_showing(s.policies)
    columns = (f"carbon {fit.unit}", "above B1", "captured", *shown)
    longest = max((len(printable(p.name)) for p in s.policies), default=0)
    found = new_table(Column("policy", no_wrap=True, min_width=longest + 2), *right(*columns), title=title)
    found.padding = (0, 1, 0, 0)  # eight columns fit into eighty characters
    for policy in s.policies:
        mark = "*" if policy is s.best else "b" if policy.name == s.baseline else " "
        mark = mark if policy.comparable else "x"
        found.add_row(
            f"{mark} {printable(policy.name)}",
            fit.show(policy.spent_g) or MISSING,
            *_against_bound(policy),
            *(_percent(of(policy)) for of in shown.values()),
            style="bold green" if policy is s.best else "",
        )
    found.caption = (
        "* fewest grams for the same work; b baseline; x dropped requests, not comparable; missed: no answer in time; "
        "- unknown."
    )
    found.caption_justify = "left"
    return found


def _worth_showing(policies: Sequence[PolicyRow]) -> dict[str, Callable[[PolicyRow], float | None]]:
    """Further columns: missed always, the others where they say something of some policy that missed does not."""
    columns: dict[str, Callable[[PolicyRow], float | None]] = {"missed": lambda p: p.slo_miss_frac}
    if any(p.dropped_frac != p.slo_miss_frac for p in policies):
        columns["dropped"] = lambda p: p.dropped_frac
    if any(p.deferred_frac for p in policies):
        columns["deferred"] = lambda p: p.deferred_frac
    if any(p.accuracy_frac is not None for p in policies):
        columns["accuracy"] = lambda p: p.accuracy_frac
    return columns


def _against_bound(policy: PolicyRow) -> tuple[str, str]:
    if not policy.comparable:
        return MISSING, MISSING
    return _unless(gap_percent(policy.gap_b1_frac)), _percent(policy.captured_frac)


def _cases(s: AheadSummary) -> Table:
    table = new_table(
        "setting",
        "policy",
        *right("carbon", "above B1", "captured", "missed"),
        title="Every setting, simulated",
    )
    for setting, case in other_cases(s):
        for policy in case.policies:
            grams = quantity(policy.spent_g, "g")
            table.add_row(
                printable(setting),
                printable(policy.name),
                grams,
                *_against_bound(policy),
                _percent(policy.slo_miss_frac),
            )
        table.add_section()
    return table


def _work(s: AheadSummary) -> str:
    requests = "unknown" if s.requests is None else f"{s.requests:,.0f}".replace(",", " ")
    return f"{requests} requests in {_plain(s.hours)} hours"


def _bounds(s: AheadSummary, fit: Scale) -> str:
    b = s.bounds
    known = [("B0", b.b0_g), ("B1", b.b1_g)]
    known += [("B1 at once", b.b1_at_once_g)] if b.b1_at_once_g is not None else []
    shown = [f"{name} {_unit(fit, grams)}" for name, grams in known]
    shown += [f"B2 {quantity(b.b2_g, 'g')} (with idle power)"] if b.b2_g is not None else []
    idle = s.idle_of(s.policies[0])
    said = f"Bounds, simulated: {', '.join(shown)}. Idle power of all devices, apart: {quantity(idle, 'g')}."
    unserved = (
        f" B1 itself had no time for {percent(b.unserved_frac)} % of the requests." if b.unserved_frac else ""
    )
    return said + (f" {printable(b.note)}" if b.note else "") + unserved


def _unit(fit: Scale, grams: float | None) -> str:
    return "unknown" if grams is None else f"{fit.show(grams)} {fit.unit}"


# --- replay ---


def replay_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.replay/1`` document: what was recorded, the replays, regret."""
    d = document
    lines = [
        (f"{d['policy_recorded']}, as recorded", d["recorded"]),
        (f"{d['policy_recorded']}, replayed", d.get("recorded_again")),
        (f"{d['policy']}, replayed", d["other"]),
        (_perfect_name(d["perfect"]), d["perfect"]),
    ]
    known = [(name, figures) for name, figures in lines if figures]
    fit = scale([*(_spent_g(figures) for _, figures in known), d.get("bound_g")], "g")
    table = new_table(
        "policy",
        *right(f"carbon {fit.unit}", "late", "refused", "lost", "deferred"),
        title=f"Replays are simulated: {_plain(d['requests'])} requests of {printable(d['run_dir'])}",
    )
    for name, figures in known:
        fracs = (figures.get(f"{key}_frac") for key in ("late", "refused", "lost", "deferred"))
        table.add_row(printable(name), fit.show(_spent_g(figures)) or MISSING, *map(_percent, fracs))
    yield table
    yield Text(_regret(d, "regret", f"against {printable(d['policy'])}"))
    yield Text(_regret(d, "regret_perfect", "against perfect knowledge"))
    note = f" {printable(d['bound_note'])}" if d.get("bound_note") else ""
    yield Text(f"Bound B1: {quantity(d.get('bound_g'), 'g')}.{note}")
    if d.get("model_error_frac") is not None:
        error = percent(d["model_error_frac"], signed=True)
        yield Text(f"Replayed with its own policy, the run comes to {error} % against what was recorded.")
    yield _sentences(d["provenance"])


def _perfect_name(perfect: dict[str, Any]) -> str:
    return f"perfect knowledge ({perfect['policy']})" if perfect.get("policy") else "perfect knowledge"


def _spent_g(figures: dict[str, Any]) -> float | None:
    grams: float | None = figures.get("carbon_g")
    return None if grams is None else grams + (figures.get("wasted_g") or 0.0)


def _regret(d: dict[str, Any], key: str, against: str) -> str:
    grams = d.get(f"{key}_g")
    if grams is None:
        return (
            f"Regret {against}: unknown, since they did not answer the same requests, or grams are missing."
        )
    share = percent(d.get(f"{key}_frac"), signed=True)
    sign = "-" if grams < 0 else ""
    return f"Regret {against}: {sign}{quantity(abs(grams), 'g')}" + (f" ({share} %)." if share else ".")


# --- when ---


def when_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.when/1`` document: now against best, the saving, the past, the verdict."""
    d = document
    yield Text(f"{d['verdict'][:1].upper()}{d['verdict'][1:]}.  {d['reason']}", style="bold")
    hours = f"{d['hours']:g} h within {d['within_hours']:g} h"
    table = new_table(
        "start", "end", *right("g/kWh"), "", title=f"{printable(d['zone'])}, {hours}, asked {d['at']}"
    )
    for name, window in (("now", d["now"]), ("best", d["best"])):
        if window is not None:
            table.add_row(
                window.get("start", MISSING), window.get("end", MISSING), f"{window['g_per_kwh']:.0f}", name
            )
    yield table
    if d["saving"] is not None:
        yield Text(_saving(d["saving"]))
    if d["past"] is not None:
        yield Text(_past(d))
    if d["other"] is not None:
        yield Text(f"Under the {d['other']['signal']} signal: {printable(d['other']['note'])}.")
    by = f", foreseen by {printable(d['forecast'])}" if d["forecast"] else ""
    yield Text(f"{d['signal'].capitalize()}, {d['basis']}, from {printable(d['source'])}{by}.")


def _saving(saving: dict[str, Any]) -> str:
    said = f"Expected saving {percent(saving['frac'])} %"
    if saving["low_frac"] is not None:
        ends = f"{percent(saving['low_frac'])} to {percent(saving['high_frac'])} %"
        said += f" ({ends}: {100 * saving['coverage_frac']:.0f} % of past errors)"
    if saving["g"] is not None:
        said += f", {quantity(saving['g'], 'g')} of CO2e"
    return f"{said}."


def _past(d: dict[str, Any]) -> str:
    past = d["past"]
    if not past["waited_days"]:
        return f"On {past['days']} past days the same advice never was to wait."
    return (
        f"It held on {d['held_days']} of {past['waited_days']} past days on which the advice was to wait "
        f"({percent(d['held_frac'])} %); mean saving there {percent(past['mean_saving_frac'])} %."
    )


# --- intensity ---


def intensity_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.intensity/1`` document: a moment, a span or a forecast, and who says so."""
    d = document
    kind = f"{d['signal']}, {d['basis']}"
    if "rows" not in d:
        value = "unknown" if d["g_per_kwh"] is None else f"{_g(d['g_per_kwh'])} g/kWh{_ends(d)}"
        yield Text(f"{printable(d['zone'])} at {d['at']}: {value}", style="bold")
    else:
        what = f"forecast issued {d['issued']}" if d.get("issued") else f"{d.get('from')} to {d.get('to')}"
        yield _steps(d, f"{printable(d['zone'])}, {what}")
    age = f", {_age(d['age_s'])} old" if d.get("age_s") else ""
    yield Text(f"{kind.capitalize()}; step: {d['step']}{age}; from {printable(d['source'] or 'nobody')}.")
    if d.get("missing_s"):
        yield Text(f"{d['missing_s'] / 3600:.4g} hours of it are not known.")
    if d.get("note"):
        yield Text(printable(d["note"]))
    for failure in d.get("failed") or ():
        yield Text(f"Failed: {printable(failure)}")


def _steps(d: dict[str, Any], title: str) -> Table:
    rows = d["rows"]
    banded = any(row["low_g_per_kwh"] is not None for row in rows)
    cover = f"{d['coverage_frac']:.0%} " if d.get("coverage_frac") else ""
    table = new_table(
        "start", "end", *right("g/kWh", *((f"{cover}low", "high") if banded else ())), title=title
    )
    for row in rows[:ROWS_SHOWN]:
        ends = (_g(row["low_g_per_kwh"]), _g(row["high_g_per_kwh"])) if banded else ()
        table.add_row(row["start"], row["end"], _g(row["g_per_kwh"]), *ends)
    if len(rows) > ROWS_SHOWN:
        table.caption = f"{len(rows) - ROWS_SHOWN} more steps: use --json for all of them."
    return table


def _ends(d: dict[str, Any]) -> str:
    if d["low_g_per_kwh"] is None:
        return ""
    return f" ({_g(d['low_g_per_kwh'])} to {_g(d['high_g_per_kwh'])})"


def _g(value: float | None) -> str:
    return MISSING if value is None else f"{value:.0f}" if abs(value) >= 10 else f"{value:.3g}"


def _age(age_s: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if age_s >= 2 * size:
            return f"{age_s / size:.0f} {unit}"
    return f"{age_s:.0f} seconds"


# --- words ---


def _percent(frac: float | None) -> str:
    return _unless(share(frac))


def _unless(shown: str | None) -> str:
    return MISSING if shown is None else f"{shown} %"


def _plain(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f}".replace(",", " ")


def _sentences(provenance: Any) -> Text:
    return Text("\n".join(printable(sentence) for sentence in provenance))
