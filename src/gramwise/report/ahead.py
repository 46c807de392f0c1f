"""The page and the picture files of a simulation or a sweep: from its run directory alone, with a table beside each
picture. Without matplotlib the page is written without pictures, and says what to install.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gramwise.core.errors import ConfigError, RunDirectoryError, SourceUnavailable
from gramwise.report.ahead_bounds import NOT_COMPARABLE, bound_drawing, gap_percent, grams_scale, share
from gramwise.report.ahead_charts import heat_drawing, load_drawing
from gramwise.report.ahead_run import (
    AheadRun,
    AheadSummary,
    NodeHours,
    PolicyRow,
    by_intensity,
    by_load,
    chosen_week,
    inside_frac,
    load_ahead,
    mean,
    met_g_per_kwh,
    other_cases,
)
from gramwise.report.drawing import Drawing
from gramwise.report.html import figure, frame, run_facts, write_whole
from gramwise.report.markup import head, items, number, paragraph, row, section, table, text, words
from gramwise.report.wording import UNKNOWN, percent, printable, quantity, scale

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

KINDS = ("svg", "png")
_COUNTED = """\
Simulated: nodes are timers or flows; nothing was run and nothing was measured. Intensities: see above.
Included in grams: the electricity that requests take (marginal energy x intensity x PUE of the site), wasted work too.
Apart: idle power of devices that are always on, the same for all policies, since none switches a node off; B2 may.
Not included: making and scrapping the hardware, training, networks, and choosing plans.
A saving is an estimated difference from the named baseline, not an offset."""


def write_page(run_dir: str | Path, *, week: int | None = None) -> Path:
    """Write ``report.html`` into a run directory of ``gramwise simulate`` or ``gramwise sweep``.

    Args:
        run_dir: the directory.
        week: which one the pictures show, counted from 0; None takes the one in which loads swing most.

    Returns:
        The file.

    Raises:
        RunDirectoryError: not such a run, a broken file, no such week, or the page cannot be written.
    """
    folder = Path(run_dir)
    return write_whole(page(load_ahead(folder), week=week), folder / "report.html")


def write_figures(
    run_dir: str | Path, out_dir: str | Path, formats: Sequence[str] = KINDS, *, week: int | None = None
) -> list[Path]:
    """Write each picture of a run as a file, for instance ``load.svg``, ``bound.svg`` and ``heat.svg``.

    Args:
        run_dir, week: as of `write_page`.
        out_dir: made when missing.
        formats: of ``"svg"`` and ``"png"``.

    Returns:
        The files; without ``hours.csv`` only the picture of the bounds.

    Raises:
        ConfigError: another format.
        RunDirectoryError: as of `write_page`, or a file cannot be written.
        SourceUnavailable: matplotlib is not installed.
    """
    for kind in formats:
        if kind not in KINDS:
            raise ConfigError(f"pictures cannot be written as {kind!r}.", fix=f"Write {' or '.join(KINDS)}.")
    run, target, written = load_ahead(run_dir), Path(out_dir), []
    nodes = _nodes(run, week)
    for drawing in _drawings(run, nodes):
        for kind in formats:
            file = target / f"{drawing.key}.{kind}"
            content = drawing.file(kind)
            try:
                target.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            except OSError as fault:
                raise RunDirectoryError(
                    f"{file} cannot be written: {fault.strerror}; give another directory."
                ) from fault
            written.append(file)
    return written


def page(run: AheadRun, *, week: int | None = None) -> str:
    """The page as text. The same run gives the same text."""
    s = run.summary
    title = f"{printable(s.scenario)}: grams, simulated"
    nodes = _nodes(run, week)
    return frame(
        title,
        _opening(run, title),
        *_body(run, nodes),
        _provenance(s),
        section("What is counted, and what is not", items(_COUNTED.splitlines())),
        run_facts(run.path, run.facts, run.scenario_text),
    )


def _nodes(run: AheadRun, week: int | None) -> tuple[NodeHours, ...]:
    return chosen_week(run.hours[run.shown], week) if run.shown is not None else ()


def _drawings(run: AheadRun, nodes: Sequence[NodeHours]) -> tuple[Drawing, ...]:
    bound = bound_drawing(run.summary)
    if not nodes or run.shown is None:
        return (bound,)
    return bound, load_drawing(nodes, run.shown), heat_drawing(nodes, run.shown)


def _opening(run: AheadRun, title: str) -> str:
    s = run.summary
    facts = [f"Run {run.id}", s.model or "request by request", f"baseline {s.baseline or UNKNOWN}"]
    facts += [f"{s.hours:g} hours"] if s.hours is not None else []
    facts += [f"{s.requests:,.0f} requests".replace(",", " ")] if s.requests is not None else []
    lines = [f"<h1>{text(title)}</h1>", paragraph(" · ".join(facts), "sub")]
    lines += [paragraph(headline(s), "headline")]
    return "<header>\n" + "\n".join(lines) + "\n</header>"


def headline(s: AheadSummary) -> str:
    """The best policy against baseline and bound in one or two sentences."""
    best, base = s.best, s.policy(s.baseline)
    if best is None:
        return "Simulated: no policy's grams are known for the same work."
    said = f"Simulated: {printable(best.name)} spends the fewest grams, {quantity(best.spent_g, 'g')}"
    if base is not None and base is not best and base.comparable and base.spent_g:
        change = percent((best.spent_g or 0.0) / base.spent_g - 1, signed=True)
        said += f", {change} % against {printable(base.name)}"
    gap = gap_percent(best.gap_b1_frac)
    said += (
        f"; to the bound B1 ({quantity(s.bounds.b1_g, 'g')}) it is {gap} %." if gap else "; B1 is unknown."
    )
    if best.slo_miss_frac is not None:
        against = share(base.slo_miss_frac) if base is not None and base is not best else None
        said += f" Deadlines missed: {share(best.slo_miss_frac)} %" + (
            f" against {against} %." if against else "."
        )
    return said


def _body(run: AheadRun, nodes: Sequence[NodeHours]) -> Iterator[str]:
    drawings = _drawings(run, nodes)
    try:
        charts = [figure(drawing.chart()) for drawing in drawings]
        without = ""
    except SourceUnavailable as error:
        charts = ["" for _ in drawings]
        how = f"This page was written without pictures: {error}; then write it again with gramwise report."
        without = paragraph(how, "note")
    s = run.summary
    yield section("Policies against the bounds", without, charts[0], _policies(s), _bounds(s))
    if s.cases:
        yield section("Other settings", _cases(s))
    if not nodes:
        said = "The run has no hours.csv, so there are no pictures and tables of its hours."
        yield section("Hours", paragraph(said, "unknown"))
        return
    yield section("Load and intensity", charts[1], _placed(nodes), _by_day(nodes))
    yield section("A week of every node", charts[2], _week(nodes))


# --- tables ---


def _policies(s: AheadSummary) -> str:
    fit, idle = grams_scale(s), scale(map(s.idle_of, s.policies), "g")
    wasted = any(policy.wasted_g is not None for policy in s.policies)
    heads = [head("policy", left=True), head("carbon", f"{fit.unit} CO2e")]
    heads += [head("of which wasted", fit.unit)] if wasted else []
    heads += [
        head("above B1", "%"),
        head("captured", "%"),
        head("deadline missed", "%"),
        head("dropped", "%"),
    ]
    heads += [head("deferred", "%"), head("accuracy", "%"), head("idle, apart", f"{idle.unit} CO2e")]
    rows = []
    for policy in s.policies:
        cells = [fit.show(policy.spent_g), *([fit.show(policy.wasted_g)] if wasted else [])]
        cells += [*_against_bound(policy), *map(share, (policy.slo_miss_frac, policy.dropped_frac))]
        cells += [*map(percent, (policy.deferred_frac, policy.accuracy_frac)), idle.show(s.idle_of(policy))]
        tag = "baseline" if policy.name == s.baseline else "fewest grams" if policy is s.best else ""
        rows.append(row(policy.name, map(number, cells), tag=tag, best=policy is s.best))
    return table("Every policy, simulated", heads, rows)


def _against_bound(policy: PolicyRow) -> tuple[str | None, str | None]:
    if not policy.comparable:
        return NOT_COMPARABLE, NOT_COMPARABLE
    return gap_percent(policy.gap_b1_frac), percent(policy.captured_frac)


def _bounds(s: AheadSummary) -> str:
    b = s.bounds
    lines = [
        ("B0", b.b0_g, "each request at its own best node and moment, however many there are"),
        ("B1 at once", b.b1_at_once_g, "nodes have only so much time; nothing waits"),
        ("B1", b.b1_g, "nodes have only so much time; everything is known, and work that may wait does"),
        ("B2", b.b2_g, "as B1, but nodes may be off: with idle power, unlike the others"),
    ]
    fit = scale([grams for _, grams, _ in lines[:3]], "g")
    known = [line for line in lines if line[1] is not None or line[0] in ("B0", "B1")]
    rows = [
        row(
            name,
            [
                number(quantity(g, "g") if name == "B2" else _with_unit(fit.show(g), fit.unit)),
                words(what, wrap=True),
            ],
        )
        for name, g, what in known
    ]
    notes = [paragraph(b.note, "note")] if b.note else []
    if b.unserved_frac:
        notes += [
            paragraph(f"B1 itself had no time for {percent(b.unserved_frac)} % of the requests.", "note")
        ]
    heads = [head("bound", left=True), head("grams"), head("what it knows and obeys", left=True)]
    return "\n".join([table("The bounds", heads, rows), *notes])


def _with_unit(shown: str | None, unit: str) -> str | None:
    return None if shown is None else f"{shown} {unit}"


def _cases(s: AheadSummary) -> str:
    heads = [head("setting", left=True), head("policy", left=True), head("carbon"), head("above B1", "%")]
    heads += [head("captured", "%"), head("deadline missed", "%")]
    rows = []
    for setting, case in other_cases(s):
        for policy in case.policies:
            cells = [quantity(policy.spent_g, "g"), *_against_bound(policy), share(policy.slo_miss_frac)]
            rows.append(row(setting, [words(policy.name), *map(number, cells)]))
    return table("Every setting of the sweep, simulated; pictures show the first", heads, rows)


def _placed(nodes: Sequence[NodeHours]) -> str:
    heads = [
        head("node", left=True),
        head("zone", left=True),
        head("mean load", "%"),
        head("highest load", "%"),
    ]
    heads += [head("intensity", "mean, g/kWh"), head("met", "g/kWh", meaning="weighted by load")]
    heads += [head("80 % held", "at hour, %"), head("80 % held", "day ahead, %")]
    heads += [head("unknown", "hours")]
    rows = []
    for node in by_load(nodes):
        met, held = met_g_per_kwh(node), inside_frac(node, "low_g_per_kwh", "high_g_per_kwh")
        held_day = inside_frac(node, "day_ahead_low_g_per_kwh", "day_ahead_high_g_per_kwh")
        truth = node["true_g_per_kwh"]
        cells = [percent(mean(node["busy_frac"])), percent(_greatest(node["busy_frac"])), _whole(mean(truth))]
        cells += [_whole(met), percent(held), percent(held_day), str(int((truth != truth).sum()))]
        rows.append(row(node.node, [words(node.zone), *map(number, cells)]))
    return table("The nodes over these hours; intensity met is weighted by load", heads, rows)


def _by_day(nodes: Sequence[NodeHours]) -> str:
    """The pictures' hours as daily means; single hours stand in hours.csv."""
    days = range(-(-len(nodes[0]["busy_frac"]) // 24))
    heads = [head("node", left=True), *(head(f"day {day + 1}", "load %, g/kWh") for day in days)]
    rows = []
    for node in by_load(nodes):
        parts = (node.part(24 * day, 24) for day in days)
        means = ((percent(mean(p["busy_frac"])), _whole(mean(p["true_g_per_kwh"]))) for p in parts)
        rows.append(
            row(node.node, [number(f"{load or UNKNOWN}, {grams or UNKNOWN}") for load, grams in means])
        )
    daily = table("Mean load and true intensity by day; every hour stands in hours.csv", heads, rows)
    return f"<details><summary>The days as a table</summary>\n{daily}\n</details>"


def _week(nodes: Sequence[NodeHours]) -> str:
    heads = [head("node", left=True), head("zone", left=True), head("intensity, mean", "g/kWh")]
    heads += [head("lowest", "g/kWh"), head("highest", "g/kWh"), head("mean load", "%")]
    rows = []
    for node in by_intensity(nodes):
        truth = node["true_g_per_kwh"]
        least = _greatest(-truth)
        cells = [_whole(mean(truth)), _whole(None if least is None else -least), _whole(_greatest(truth))]
        cells += [percent(mean(node["busy_frac"]))]
        rows.append(row(node.node, [words(node.zone), *map(number, cells)]))
    return table("All nodes, cleanest grid first", heads, rows)


def _provenance(s: AheadSummary) -> str:
    silent = paragraph("The run does not say how its numbers are known.", "unknown")
    left = s.hours_left_out
    note = (
        paragraph(f"{left} hours were left out, since an intensity is missing there.", "note") if left else ""
    )
    return section("How each number is known", items(s.provenance) if s.provenance else silent, note)


def _whole(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f}"


def _greatest(column: Floats) -> float | None:
    known = column[column == column]
    return float(known.max()) if len(known) else None
