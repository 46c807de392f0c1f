"""Documents as tables for the terminal: those of inspect, doctor and explain. Runs are shown by `gramwise.report`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text

_LAYERS_SHOWN = 400


def inspection(document: dict[str, Any]) -> Iterator[RenderableType]:
    """Layers, sums by operator, cut points."""
    d = document
    yield Text(
        f"{d['name']}  batch {d['batch']}  SHA-256 {d['digest'][:12]}\n"
        f"{_si(d['multiply_adds'])} multiply-adds, {_si(d['flop'])}FLOP in all,"
        f" weights {bytes_text(d['weight_bytes'])},"
        f" reads {bytes_text(d['read_bytes'])}, writes {bytes_text(d['write_bytes'])}"
    )
    layers = new_table(
        "#", "layer", "operator", *right("FLOP", "weights", "reads", "writes"), "precision", title="Layers"
    )
    for i, layer in enumerate(d["layers"][:_LAYERS_SHOWN]):
        flop = _si(layer["flop"]) if layer["counted"] else "no formula"
        sizes = (bytes_text(layer[key]) for key in ("weight_bytes", "read_bytes", "write_bytes"))
        layers.add_row(str(i), layer["name"], layer["op"], flop, *sizes, layer["precision"])
    yield layers
    if len(d["layers"]) > _LAYERS_SHOWN:
        yield Text(f"{len(d['layers']) - _LAYERS_SHOWN} more layers: use --json for all of them.")
    by_op = new_table("operator", *right("layers", "FLOP", "share", "weights"), title="By operator")
    for row in d["by_op"]:
        share = f"{row['flop'] / d['flop']:.1%}" if d["flop"] else "-"
        by_op.add_row(row["op"], str(row["layers"]), _si(row["flop"]), share, bytes_text(row["weight_bytes"]))
    yield by_op
    yield _cuts(d["cuts"])
    if d["uncounted_ops"]:
        yield Text(
            f"No formula for: {', '.join(d['uncounted_ops'])}. Their bytes are counted, their FLOP are not."
        )


def _cuts(cuts: list[dict[str, Any]]) -> Table:
    single = [cut for cut in cuts if len(cut["tensors"]) == 1]
    table = new_table(
        *right("position"),
        "after layer",
        *right("bytes"),
        "tensor",
        title=f"Legal cuts with one live tensor ({len(single)} of {len(cuts)}; --json lists all)",
    )
    for cut in single:
        table.add_row(
            str(cut["position"]), cut["after"] or "(the input)", bytes_text(cut["bytes"]), cut["tensors"][0]
        )
    return table


def diagnosis(document: dict[str, Any]) -> Iterator[RenderableType]:
    """Sources of energy figures, what repairs them, and how nodes can be capped here."""
    table = new_table(
        "source", "covers", "gives", "state", "why", title="Energy and CPU time on this machine"
    )
    for s in document["sources"]:
        gives = s["method"] if s["kind"] == "energy" else "CPU seconds"
        table.add_row(s["name"], s["component"], gives, s["state"], s["why"])
    yield table
    for s in document["sources"]:
        if s["command"]:
            yield Text(f"To repair {s['name']}, run:\n  {s['command']}")
    yield Text(document["coverage"])
    caps = document["caps"]
    refused = "; ".join(caps["refused"].values())
    yield Text(f"Nodes are capped by: {caps['kind']}." + (f" Not had: {refused}" if refused else ""))


def explanation(document: dict[str, Any]) -> Iterator[RenderableType]:
    """Each decision in a sentence and a table of its candidates."""
    for decision in document["decisions"]:
        yield Text(f"{document['request']}: {decision['sentence']}")
        terms = sorted({term for v in decision["verdicts"] for term in v["scores"]})
        table = new_table("node", "variant", "verdict", *right(*terms))
        for v in decision["verdicts"]:
            verdict = (
                "chosen"
                if v["chosen"]
                else f"{v['rejected_by']}: {v['reason']}"
                if v["rejected_by"]
                else "kept"
            )
            scores = (f"{v['scores'][t]:.4g}" if v["scores"].get(t) is not None else "-" for t in terms)
            table.add_row(v["node"], v["variant"], verdict, *scores)
        yield table
        if not decision["agrees"]:
            yield Text(
                "Deciding again gave another plan than the one recorded: the policy has changed since this run."
            )
    outcome = document["outcome"]
    if outcome:
        yield Text(
            f"What happened: {outcome['status']} on {outcome['node'] or 'no node'}"
            f" after {_figure(outcome['latency_s'])} s, {_figure(outcome['energy_j'])} J,"
            f" {_figure(outcome['carbon_g'])} g ({outcome['method']})."
        )


def new_table(*columns: Any, title: str | None = None) -> Table:
    """A table in the one style of the terminal."""
    return Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def right(*titles: str) -> Iterator[Any]:
    """Columns of numbers: to the right, never wrapped."""
    yield from (Column(title, justify="right", no_wrap=True) for title in titles)


def _figure(cell: str) -> str:
    return f"{float(cell):.3g}" if cell else "unknown"


def _si(value: float) -> str:
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g} {prefix}"
    return f"{value:.4g} "


def bytes_text(value: float) -> str:
    """A size with its binary unit."""
    for size, prefix in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= size:
            return f"{value / size:.4g} {prefix}"
    return f"{value:.0f} B"
