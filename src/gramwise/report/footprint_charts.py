"""Pictures of a bill: grams by phase as one stacked bar, where the uncertainty comes from, and the flow from the items
through the phases to the total.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gramwise.core.footprint import EMBODIED, Footprint, Item
from gramwise.report.charts import BLUE, GREY, INK, apart
from gramwise.report.drawing import Drawing
from gramwise.report.rounding import largest_remainder
from gramwise.report.wording import Scale, percent, quantity, scale, short

PHASE_COLOURS: Mapping[str, str] = {
    "data": "#F0E442",
    "experimentation": "#E69F00",
    "training": "#D55E00",
    "tuning": "#CC79A7",
    "inference": "#0072B2",
    "idle": "#56B4E9",
    "client": "#44AA99",
    "network": "#332288",
    "storage": "#88CCEE",
    "manufacture": "#009E73",
    "datacentre": "#117733",
    "transport": "#999933",
    "end-of-life": "#999999",
}
"""Okabe and Ito's and Tol's colours; neighbours differ in lightness too. Embodied phases are hatched."""

PHASE_COLOURS_SHOWN: Mapping[str, str] = {**PHASE_COLOURS, "others": "#C4C9CF"}
OTHERS = "others"
VISIBLE_FRAC = 0.01
"""Items below this share of the total are drawn together: their bands and names would lie on one another."""

CONTRIBUTORS_SHOWN = 8
FLOWS_SHOWN = 10


def drawings(footprint: Footprint) -> tuple[Drawing, ...]:
    """Every picture that the bill has something for."""
    made = [phases_drawing(footprint)]
    made += [flow_drawing(footprint)] if footprint.total.value > 0.0 else []
    made += [contributors_drawing(footprint)] if footprint.contributors else []
    return tuple(made)


def phases_drawing(footprint: Footprint) -> Drawing:
    """One stacked bar: a part a phase, the total's interval above it."""
    grams, total = footprint.by_phase(), footprint.total
    fit = scale([total.value], "g")
    unit = 10.0**fit.power

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        left = 0.0
        shares, _ = largest_remainder([100.0 * value / (total.value or 1.0) for value in grams.values()], 0.1)
        for (phase, value), share in zip(grams.items(), shares, strict=True):
            hatch = "///" if phase in EMBODIED else None
            axes.barh(
                0, value / unit, left=left, height=0.5, color=PHASE_COLOURS[phase], hatch=hatch, edgecolor="white",
                label=f"{phase} {share:.1f} %",
            )  # fmt: skip
            left += value / unit
        axes.plot([total.low / unit, total.high / unit], [0.42, 0.42], color=INK, lw=1.4, marker="|", ms=7)
        axes.set_ylim(-0.4, 0.62)
        axes.set_xlim(0, 1.03 * max(total.high / unit, left) or 1.0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(f"{fit.unit} CO2e; the line is the interval of the total, 5th to 95th percentile")
        if grams:
            figure.legend(
                loc="outside upper left", ncols=min(4, max(1, len(grams))), frameon=False, fontsize=9
            )

    named = ", ".join(f"{phase} {quantity(value, 'g')}" for phase, value in grams.items())
    return Drawing(
        key="phases",
        title="Grams by phase",
        caption="Hatched parts were paid when hardware was made, brought or is scrapped; the others are electricity.",
        label=f"Stacked bar: {named or 'nothing'}; total {quantity(total.value, 'g')}.",
        paint=paint,
        height_in=2.3 + 0.22 * (len(grams) // 4),
    )


def contributors_drawing(footprint: Footprint) -> Drawing:
    """Factors by the share of the total's variance that each brings alone."""
    shown = footprint.contributors[:CONTRIBUTORS_SHOWN]

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        for y, share in enumerate(reversed(shown)):
            axes.barh(y, 100.0 * share.share_frac, height=0.62, color=BLUE)
            text = f"{percent(share.share_frac)} %"
            axes.annotate(
                text, (100.0 * share.share_frac, y), (4, 0), textcoords="offset points", va="center"
            )
        axes.set_yticks(range(len(shown)), [short(share.key, 44) for share in reversed(shown)])
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 112.0 * shown[0].share_frac)
        axes.set_xlabel("share of the total's variance, %")

    first = shown[0]
    return Drawing(
        key="contributors",
        title="Where the uncertainty comes from",
        caption="What the total varies by when one factor alone is drawn. A better figure for the first narrows the "
        "interval most.",
        label=f"Largest contributor: {first.key}, {percent(first.share_frac)} % of the variance.",
        paint=paint,
        height_in=1.2 + 0.34 * len(shown),
    )


def flow_drawing(footprint: Footprint) -> Drawing:
    """Items on the left, phases in the middle, the total on the right; a band is as wide as its grams."""
    items = _largest(footprint.items)
    total = footprint.total.value
    fit = scale([total], "g")
    fit = Scale(fit.unit, fit.power, fit.decimals + 1)  # as many digits as the table has

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        axes.set_axis_off()
        gap = 0.02 * total
        phases = list(dict.fromkeys(phase for _, phase, _ in items))
        sums = {phase: sum(value for _, of, value in items if of == phase) for phase in phases}
        left = _stack([value for _, _, value in items], gap)
        middle = dict(zip(phases, _stack(list(sums.values()), gap), strict=True))
        used = dict(sums)
        places = _names([low + value / 2 for (_, _, value), low in zip(items, left, strict=True)], total)
        for (name, phase, value), low, place in zip(items, left, places, strict=True):
            used[phase] -= value
            target = middle[phase] + used[phase]
            _band(axes, (0.0, low), (0.5, target), value, PHASE_COLOURS_SHOWN[phase])
            _name(axes, -0.01, place, _said(name, value, fit), "right")
        centres = [middle[phase] + sums[phase] / 2 for phase in phases]
        stands = dict(zip(phases, _names(centres, total), strict=True))
        right = gap * (len(phases) - 1) / 2
        high = total
        for phase in phases:
            high -= sums[phase]
            _band(axes, (0.56, middle[phase]), (1.0, right + high), sums[phase], PHASE_COLOURS_SHOWN[phase])
            axes.fill_between(
                [0.5, 0.56], middle[phase], middle[phase] + sums[phase], color=PHASE_COLOURS_SHOWN[phase]
            )
            _name(axes, 0.575, stands[phase], phase, "left")
        axes.fill_between([1.0, 1.02], right, right + total, color=GREY)
        _name(axes, 1.03, right + total / 2, _said("total", total, fit), "left")
        axes.set_xlim(-0.45, 1.25)

    largest = max(items, key=lambda row: row[2])
    return Drawing(
        key="flow",
        title="From every item to the total",
        caption="A band is as wide as its grams; small items are drawn together.",
        label=f"Flow from {len(items)} items to {quantity(total, 'g')}; the widest is {largest[0]}.",
        paint=paint,
        height_in=1.2 + 0.36 * len(items),
    )


def _largest(items: Sequence[Item]) -> list[tuple[str, str, float]]:
    """Name, phase and grams of the largest items by phase, those that are too small to see summed in each phase."""
    total = math.fsum(item.carbon.value for item in items)
    ordered = sorted(items, key=lambda item: -item.carbon.value)
    kept = {id(item) for item in ordered[:FLOWS_SHOWN] if item.carbon.value >= VISIBLE_FRAC * total}
    phases = list(dict.fromkeys(item.phase for item in items))
    rows: list[tuple[str, str, float]] = [
        (item.name, phase, item.carbon.value)
        for phase in phases
        for item in items
        if item.phase == phase and id(item) in kept
    ]
    rest = [item.carbon.value for item in items if id(item) not in kept]
    return [*rows, (f"{len(rest)} more", OTHERS, math.fsum(rest))] if math.fsum(rest) > 0.0 else rows


def _names(middles: Sequence[float], total: float) -> list[float]:
    """Where names stand beside bands from the top down: at their middles, moved apart where they would touch."""
    top = 1.1 * total
    spread = apart([middle / top for middle in reversed(middles)], 0.05)
    return [place * top for place in reversed(spread)]


def _stack(heights: Sequence[float], gap: float) -> list[float]:
    """Lower edges from the top down, so that the first is on top."""
    lows, top = [], sum(heights) + gap * (len(heights) - 1)
    for height in heights:
        top -= height
        lows.append(top)
        top -= gap
    return lows


def _band(
    axes: Any, start: tuple[float, float], end: tuple[float, float], height: float, colour: str
) -> None:
    along = np.linspace(0.0, 1.0, 40)
    rise = along * along * (3.0 - 2.0 * along)
    low = start[1] + (end[1] - start[1]) * rise
    x = start[0] + (end[0] - start[0]) * along
    axes.fill_between(x, low, low + height, color=colour, alpha=0.55, linewidth=0)


def _name(axes: Any, x: float, y: float, text: str, side: str) -> None:
    axes.annotate(text, (x, y), ha=side, va="center", size=9)


def _said(name: str, grams: float, fit: Scale) -> str:
    return f"{short(name, 34)}  {quantity(grams, 'g') if grams < 10.0**fit.power else f'{fit.show(grams)} {fit.unit}'}"
