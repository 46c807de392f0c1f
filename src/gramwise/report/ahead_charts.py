"""Two pictures of the hours of a simulation: the load against intensity and its forecast, and a week of every node.

Each is drawn by `gramwise.report.charts`, says that it is simulated, and leaves a gap where a value is missing. No
panel has two scales for one axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.units import S_PER_DAY, S_PER_HOUR
from gramwise.report.ahead_run import (
    NodeHours,
    by_intensity,
    by_load,
    mean,
)
from gramwise.report.charts import GREEN, GREY, INK
from gramwise.report.drawing import Drawing
from gramwise.report.wording import percent, printable, short

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

SMALL_MULTIPLES = 6
HEAT_ROWS = 40
DAY_AHEAD, AT_HOUR = "#CFE8F7", "#8CC4EA"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EMPTY = {"facecolor": "#ECEEF0", "edgecolor": "#A8AFB7", "hatch": "////", "linewidth": 0.0}


# --- intensity, forecast, load ---


def load_drawing(nodes: Sequence[NodeHours], policy: str) -> Drawing:
    """True and known intensity with their bands, and below each the load that a policy placed on the node.

    Args:
        nodes: the hours to show; of more than six, those with most load are drawn.
        policy: whose load it is.
    """
    drawn = by_load(nodes)[:SMALL_MULTIPLES]
    columns = 1 if len(drawn) < 2 else 2
    lines = -(-len(drawn) // columns)
    top = 100 * max([0.01, *(_greatest(node["busy_frac"]) for node in drawn)])

    def paint(figure: Any) -> None:
        say_simulated(figure, f"load under {short(policy)}")
        cells = figure.add_gridspec(lines, columns)
        handles: dict[str, Any] = {}
        for i, node in enumerate(drawn):
            pair = cells[i // columns, i % columns].subgridspec(2, 1, height_ratios=(3, 1), hspace=0.06)
            upper = figure.add_subplot(pair[0])
            lower = figure.add_subplot(pair[1], sharex=upper)
            handles |= _intensity(upper, node)
            handles |= _load(lower, node, top)
            upper.set_title(f"{short(node.node)} · {short(node.zone)}", loc="left", size=10, weight="bold")
            upper.tick_params(axis="x", labelbottom=False)
            _days(lower, node)
            if i % columns == 0:
                upper.set_ylabel("g CO2e/kWh")
                lower.set_ylabel("load, %")
        figure.legend(handles.values(), handles, ncols=3, loc="outside lower left", frameon=False, fontsize=9)

    rest = len(nodes) - len(drawn)
    said = [
        f"{printable(n.node)}: {_grams(mean(n['true_g_per_kwh']))} on average, load {percent(mean(n['busy_frac']))} %"
        for n in drawn
    ]
    left_out = f" The {len(drawn)} nodes with most load; {rest} more are not drawn." if rest else ""
    return Drawing(
        key="load",
        title=f"Where and when {printable(policy)} placed the load",
        caption=f"Simulated, {_span(drawn)}. Each node has its own scale of intensity; load is the share of the node's "
        "time that was used, on one scale for all. Bands hold 80 % by their own claim; how often they did, stands in "
        f"the table. A gap is an hour that is not known.{left_out}",
        label="Line charts of grid intensity with its forecast, and area charts of load, simulated: "
        + "; ".join(said)
        + ".",
        paint=paint,
        height_in=0.9 + 2.5 * max(lines, 1),
    )


def _intensity(axes: Any, node: NodeHours) -> dict[str, Any]:
    edges = _edges(node)
    handles: dict[str, Any] = {}
    bands = (
        ("80 %, a day ahead", "day_ahead_low_g_per_kwh", "day_ahead_high_g_per_kwh", DAY_AHEAD),
        ("80 %, at the hour's start", "low_g_per_kwh", "high_g_per_kwh", AT_HOUR),
    )
    for name, low, high, colour in bands:
        told = np.isfinite(node[low]) & np.isfinite(node[high])
        if told.any():
            ends = (np.where(told, node[each], math.nan) for each in (low, high))
            below, above = ends
            handles[name] = axes.stairs(above, edges, baseline=below, fill=True, color=colour, lw=0)
    if np.isfinite(node["known_g_per_kwh"]).any():
        known = node["known_g_per_kwh"]
        handles["known at the hour's start"] = axes.stairs(
            known, edges, baseline=None, color="#0072B2", lw=1.1, ls=(0, (3, 1.5))
        )
    handles["true"] = axes.stairs(node["true_g_per_kwh"], edges, baseline=None, color=INK, lw=1.2)
    axes.margins(x=0)
    axes.locator_params(axis="y", nbins=5)
    return handles


def _load(axes: Any, node: NodeHours, top: float) -> dict[str, Any]:
    busy = 100 * node["busy_frac"]
    area = axes.stairs(busy, _edges(node), baseline=0, fill=True, color=GREEN, lw=0)
    axes.set_ylim(0, 1.05 * top)
    axes.locator_params(axis="y", nbins=3)
    if not _greatest(busy):
        known = np.isfinite(busy).any()
        words = "no load" if known else "load unknown"
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", size=9, color=GREY)
    return {"load": area}


def _edges(node: NodeHours) -> Floats:
    hours = len(node["true_g_per_kwh"])
    edges: Floats = node.start_s + S_PER_HOUR * np.arange(hours + 1, dtype=np.float64)
    return edges


def _days(axes: Any, node: NodeHours) -> None:
    """A tick at each midnight, or every six hours where there are two days or fewer."""
    edges = _edges(node)
    step_s = S_PER_DAY if edges[-1] - edges[0] > 2 * S_PER_DAY else 6 * S_PER_HOUR
    ticks = np.arange(math.ceil(edges[0] / step_s) * step_s, edges[-1] + 1, step_s)
    axes.set_xticks(ticks, [_tick(float(at), step_s) for at in ticks], size=8)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel(f"UTC, {datetime.fromtimestamp(edges[0], UTC):%B %Y}", size=9)


def _tick(at_s: float, step_s: float) -> str:
    moment = datetime.fromtimestamp(at_s, UTC)
    return f"{_DAYS[moment.weekday()]} {moment.day}" if step_s == S_PER_DAY else f"{moment:%H}:00"


# --- a week of every node ---


def heat_drawing(nodes: Sequence[NodeHours], policy: str) -> Drawing:
    """Nodes x hours: load beside true intensity, the cleanest grids on top.

    Args:
        nodes: the hours to show; of more than forty, those with most load are drawn.
        policy: whose load it is.
    """
    drawn = by_intensity(by_load(nodes)[:HEAT_ROWS])

    def paint(figure: Any) -> None:
        say_simulated(figure, f"load under {short(policy)}")
        left, right = figure.subplots(1, 2, sharey=True)
        panels = (
            (left, "busy_frac", 100.0, "Blues", "load, % of the node's time"),
            (right, "true_g_per_kwh", 1.0, "cividis", "intensity, g CO2e/kWh"),
        )
        for axes, name, factor, colours, title in panels:
            values = np.ma.masked_invalid(factor * np.array([node[name] for node in drawn]))
            edges = _edges(drawn[0])
            place = (edges[0], edges[-1], len(drawn) - 0.5, -0.5)
            _hatched(axes)
            least = 0.0 if name == "busy_frac" else None
            image = axes.imshow(
                values, aspect="auto", cmap=colours, vmin=least, extent=place, interpolation="none"
            )
            axes.grid(visible=False)
            _days(axes, drawn[0])
            figure.colorbar(image, ax=axes, location="bottom", label=title, aspect=40, pad=0.04)
        left.set_yticks(range(len(drawn)), [f"{short(n.node, 18)} · {short(n.zone, 8)}" for n in drawn])
        left.tick_params(axis="y", length=0)
        right.tick_params(axis="y", length=0)

    rest = len(nodes) - len(drawn)
    left_out = f" The {len(drawn)} nodes with most load; {rest} more are not drawn." if rest else ""
    said = [
        f"{printable(n.node)} load {percent(mean(n['busy_frac']))} %, {_grams(mean(n['true_g_per_kwh']))}"
        for n in drawn
    ]
    return Drawing(
        key="heat",
        title="A week of every node",
        caption=f"Simulated, {_span(drawn)}: load at the left, true intensity at the right, cleanest grid on top. "
        f"Hatched: not known.{left_out}",
        label="Two heat maps of nodes by hours, load and intensity, simulated; means: "
        + "; ".join(said)
        + ".",
        paint=paint,
        height_in=1.9 + max(0.22 * len(drawn), 0.9),
    )


def _hatched(axes: Any) -> None:
    """What is missing shows the hatched ground: neither end of a colour scale may stand for it."""
    axes.patch.set(**_EMPTY)


# --- words ---


def say_simulated(figure: Any, what: str) -> None:
    """No picture of a simulation may be taken for a measurement."""
    figure.suptitle(f"simulated · {what}", x=0.995, ha="right", size=9, color=GREY)


def _span(nodes: Sequence[NodeHours]) -> str:
    edges = _edges(nodes[0])
    first, last = (datetime.fromtimestamp(float(at), UTC) for at in (edges[0], edges[-1] - S_PER_HOUR))
    return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y} (UTC)"


def _grams(value: float | None) -> str:
    return "an unknown intensity" if value is None else f"{value:.0f} g CO2e/kWh"


def _greatest(column: Floats) -> float:
    known = column[np.isfinite(column)]
    return float(known.max()) if len(known) else 0.0
