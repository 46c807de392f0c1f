"""One self-contained HTML page of a run: no script, no network, opens from a file years later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from gramwise.core.errors import RunDirectoryError, SourceUnavailable
from gramwise.core.quantity import Quantity
from gramwise.report.charts import Chart, bench_charts
from gramwise.report.columns import Column, decision_columns, outcome_columns
from gramwise.report.document import VIRTUAL, NodeRow, Summary
from gramwise.report.load import Run
from gramwise.report.markup import (
    cell,
    head,
    items,
    number,
    paragraph,
    parts,
    row,
    section,
    table,
    text,
    words,
)
from gramwise.report.recount import NodeWindow, balance_of
from gramwise.report.verdict import best_at_equal_work, equal_work_rule, headline, near_best
from gramwise.report.wording import (
    UNKNOWN,
    balance_sentence,
    baseline_name,
    bounds_sentence,
    caps_sentence,
    percent,
    printable,
    quantity,
)


def write_html(run: Run, path: str | Path) -> Path:
    """Write the page of a run; an older page of that name is replaced only by a whole new one.

    Args:
        run: from `load_run`.
        path: the file to write.

    Returns:
        ``path``.

    Raises:
        RunDirectoryError: the file cannot be written.
    """
    return write_whole(page(run), Path(path))


def write_whole(content: str, target: Path) -> Path:
    """Write a page so that an older one is replaced only by a whole new one; returns ``target``.

    Raises:
        RunDirectoryError: the file cannot be written.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(content, encoding="utf-8")
        part.replace(target)
    except OSError as error:
        if part.is_file():
            part.unlink()
        raise RunDirectoryError(
            f"{target} cannot be written: {error.strerror}; give another file."
        ) from error
    return target


def page(run: Run) -> str:
    """The page as text. The same run gives the same text."""
    title = f"{printable(run.summary.scenario)}: grams per inference"
    sections = (_results, _charts, _nodes, _balance, _provenance, _boundaries, _facts)
    return frame(title, _opening(run, title), *(write(run) for write in sections))


def frame(title: str, *content: str) -> str:
    """A whole document around finished pieces, with the style sheet inside it."""
    style = files("gramwise.report").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(content)
        + "\n</body>\n</html>\n"
    )


def _opening(run: Run, title: str) -> str:
    s = run.summary
    lines = [f"<h1>{text(title)}</h1>"]
    lines += [paragraph(f"Run {run.id} · caps {s.caps or UNKNOWN} · baseline {baseline_name(s)}", "sub")]
    if not run.finished:
        counted = ", counted again from its outcomes" if run.recounted else ""
        said = f"Unfinished: this run stopped early; the page shows what it had measured until then{counted}."
        lines += [paragraph(said, "warning")]
    lines += [paragraph(headline(s), "headline")]
    return "<header>\n" + "\n".join(lines) + "\n</header>"


def _results(run: Run) -> str:
    s = run.summary
    rule = f"Marked: {equal_work_rule(s)}. " if best_at_equal_work(s) else ""
    near = "Not told apart: equal work, and the 95 % intervals overlap. " if near_best(s) else ""
    note = (
        f"{rule}{near}Carbon is the marginal (dynamic) part; idle and transfer stand apart. "
        "Shares of B0 and B1: (baseline - policy) / (baseline - bound)."
    )
    return section(
        "Results",
        _policy_table(s, outcome_columns(s), "What came out"),
        _policy_table(s, decision_columns(s), "How it was decided, and how far from the limit"),
        paragraph(note, "note"),
        paragraph(bounds_sentence(s)),
    )


def _policy_table(s: Summary, columns: Sequence[Column], caption: str) -> str:
    best, near = best_at_equal_work(s), near_best(s)
    heads = [head("policy", left=True)]
    heads += [head(column.title, column.unit, left=column.text, meaning=column.meaning) for column in columns]
    rows = []
    for i, policy in enumerate(s.policies):
        tag = "fewest grams" if policy is best else "not told apart" if policy in near else ""
        cells = [parts(c.cells[i]) if c.text else number(c.cells[i]) for c in columns]
        rows.append(row(policy.name, cells, tag=tag, best=policy is best))
    return table(caption, heads, rows)


def _charts(run: Run) -> str:
    try:
        charts = bench_charts(run.summary, run.outcomes)
    except SourceUnavailable as error:
        how = (
            f"This page was written without charts: {error}; then write the page again with gramwise report."
        )
        return section("Charts", paragraph(how, "note"))
    figures = [figure(chart) for chart in charts]
    return section("Charts", '<div class="charts">', *figures, "</div>")


def figure(chart: Chart) -> str:
    """A chart with its title, its words for those who cannot see it, and its caption."""
    label = f'<svg role="img" aria-label="{text(chart.label)}" '
    return (
        f"<figure>\n<h3>{text(chart.title)}</h3>\n"
        + chart.svg.replace("<svg ", label, 1)
        + f"\n<figcaption>{text(chart.caption)}</figcaption>\n</figure>"
    )


def _nodes(run: Run) -> str:
    nodes = run.summary.nodes
    if not nodes:
        return section("Nodes", paragraph("The nodes are not described in this run.", "unknown"))
    found = [q for node in nodes for q in (node.intensity, node.energy_j_per_inference, node.idle_w) if q]
    sources = list(dict.fromkeys(q.source for q in found))
    heads = [head(title, left=True) for title in ("node", "zone", "device")]
    heads += [head("CPU share"), head("intensity", "g CO2e/kWh")]
    heads += [head("energy", "per inference"), head("idle", "power")]
    said = "Each value with its interval, how it is known, its boundary, and the number of its source:"
    return section(
        "Nodes",
        table("Machines, and where their numbers come from", heads, [_node(node, sources) for node in nodes]),
        paragraph(said, "note") if sources else "",
        items(sources, ordered=True) if sources else "",
    )


def _node(node: NodeRow, sources: Sequence[str]) -> str:
    intensity = node.intensity_g_per_kwh
    cells = [words(node.zone), words(node.device)]
    cells += [number(None if node.cpu_share is None else f"{node.cpu_share:g}")]
    cells += [_known(node.intensity, sources) if node.intensity else number(intensity and f"{intensity:g}")]
    cells += [_known(node.energy_j_per_inference, sources), _known(node.idle_w, sources)]
    return row(node.name, cells)


def _known(q: Quantity | None, sources: Sequence[str]) -> str:
    if q is None:
        return number(None)
    value, low, high = (_amount(end, q.unit) for end in (q.value, q.low, q.high))
    how = f"{q.method}, {q.boundary} [{sources.index(q.source) + 1}]"
    return f'<td>{cell(value)}<br><span class="range">{cell(f"{low} to {high}")}<br>{cell(how)}</span></td>'


def _amount(value: float, unit: str) -> str:
    # An intensity's unit stands in the heading, and takes no prefix: nobody says kg/MWh here.
    return f"{value:.4g}" if unit == "g/kWh" else quantity(value, unit)


def _balance(run: Run) -> str:
    s = run.summary
    said = balance_sentence(s.balance, s.energy_closure_frac, s.dynamic_closure_frac)
    return section(
        "Energy balance", paragraph(f"{said}."), _balance_table(run.windows) if run.windows else ""
    )


def _balance_table(windows: Sequence[NodeWindow]) -> str:
    titles = ("attributed", "idle", "overhead", "sum", "metered")
    heads = [head("node", left=True), *map(head, titles), head("closes to", "%")]
    rows = []
    for name in sorted({window.node for window in windows}):
        b = balance_of([window for window in windows if window.node == name])
        joules = (b.attributed_j, b.idle_j, b.overhead_j, b.parts_j, b.metered_j)
        cells = [number(None if value is None else quantity(value, "J")) for value in joules]
        rows.append(row(name, [*cells, number(percent(b.closure_frac))]))
    return table("Over all policies and repeats, node by node", heads, rows)


def _provenance(run: Run) -> str:
    s = run.summary
    meaning = (
        "Measured: read from a meter or clock in this run. Modelled: computed from measured quantities and "
        "sourced factors. Assumed: a factor from a source, without a measurement here. "
        "A result is as sure as its least sure factor."
    )
    heads = [head("carbon per inference of", left=True), head("value"), head("interval of its factors")]
    heads += [head(title, left=True) for title in ("known as", "boundary", "source")]
    rows = [_carbon(policy.name, policy.carbon) for policy in s.policies if policy.carbon]
    silent = paragraph("The run does not say how its numbers are known.", "unknown")
    return section(
        "How each number is known",
        items(s.provenance) if s.provenance else silent,
        paragraph(meaning, "note"),
        table("Carbon, with its provenance", heads, rows) if rows else "",
    )


def _carbon(name: str, q: Quantity) -> str:
    ends = f"{quantity(q.low, q.unit)} to {quantity(q.high, q.unit)}"
    cells = [number(quantity(q.value, q.unit)), number(ends), words(q.method), words(q.boundary)]
    return row(name, [*cells, words(q.source, wrap=True)])


def _boundaries(run: Run) -> str:
    """What the bench counts by its definition, and that its sites are a simulation on one machine."""
    s = run.summary
    where = f"one machine ({printable(run.host)})" if run.host else "one machine"
    pace = "at declared speeds" if s.caps == VIRTUAL else "under CPU limits" if s.caps else "side by side"
    zones = ", ".join(dict.fromkeys(printable(node.zone) for node in s.nodes if node.zone))
    simulated = (
        f"The sites are simulated: all nodes ran on {where}, {pace}. Their devices and grid zones"
        f"{f' ({zones})' if zones else ''} are declared in the scenario; nothing ran there."
    )
    included = (
        "Included in carbon per inference: the electricity of the inference itself "
        "(marginal energy x grid intensity x PUE of the site)."
    )
    apart = (
        "Reported apart: idle power and transfer, where known. The nodes' own work around an inference is the "
        "overhead of the balance."
    )
    excluded = (
        "Not included: making and scrapping the hardware, training the model, choosing plans and passing "
        "tensors on the host, losses beyond the PUE, and what the stated boundary leaves out (chip, board, "
        "wall or site)."
    )
    limits = (
        "The bounds use each node's mean joules, pooled over the run: they are limits of these nodes and this "
        "work, and a policy that met calmer minutes may end slightly beyond them."
    )
    saving = "A saving is an estimated difference from the named baseline, not an offset."
    sentences = (simulated, caps_sentence(s.caps), included, apart, excluded, limits, saving)
    return section("What is counted, and what is not", items(sentences))


def _facts(run: Run) -> str:
    return run_facts(run.path, run.facts, run.scenario_text)


def run_facts(path: Path, facts: Mapping[str, object], scenario_text: str) -> str:
    """The last section of a page: ``run.toml`` as a list, and the scenario as it stands."""
    known = {"folder": path.name, **{key: value for key, value in facts.items() if key != "schema"}}
    terms = "".join(f"<dt>{text(key)}</dt><dd>{text(_fact(value))}</dd>" for key, value in known.items())
    # Line ends are wanted here, so the text is made safe line by line.
    lines = "\n".join(text(line) for line in scenario_text.expandtabs(4).splitlines())
    scenario = f"<details><summary>The scenario</summary>\n<pre>{lines}</pre>\n</details>" if lines else ""
    origin = "<footer><p>Written by gramwise from the run directory alone.</p></footer>"
    return section("The run", f"<dl>{terms}</dl>", scenario, origin)


def _fact(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return UNKNOWN if value is None or value == "" else str(value)
