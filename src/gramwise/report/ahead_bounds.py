"""The picture of policies against the bounds, and the words for how far above them a policy stays.

Grams are marginal; idle power, which B2 counts and the others do not, has a panel of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gramwise.report.ahead_charts import say_simulated
from gramwise.report.ahead_run import AheadSummary, PolicyRow
from gramwise.report.charts import BLUE, GREEN, GREY, ORANGE
from gramwise.report.drawing import Drawing
from gramwise.report.wording import Scale, percent, printable, quantity, scale, short

NOT_COMPARABLE = "not comparable"
IDLE = "#D1D5DB"


def bound_drawing(summary: AheadSummary) -> Drawing:
    """Grams by policy, fewest on top, against B0 and B1; where B2 is known, with idle power in a panel of its own."""
    rows = sorted(summary.policies, key=lambda row: (row.spent_g is not None, -(row.spent_g or 0.0)))
    b = summary.bounds
    limits = [("B0", b.b0_g), ("B1 at once", b.b1_at_once_g), ("B1", b.b1_g)]
    with_idle = b.b2_g is not None and any(summary.idle_of(row) is not None for row in rows)
    tall = 0.4 + 0.36 * len(rows)

    def paint(figure: Any) -> None:
        say_simulated(figure, "marginal grams" if not with_idle else "grams")
        panels = figure.subplots(1 + with_idle, 2, squeeze=False, width_ratios=(4, 1))
        _bars(panels[0, 0], rows, summary)
        _lines(panels[0, 0], limits, grams_scale(summary))
        _columns(panels[0, 1], rows)
        if with_idle:
            _idle_bars(panels[1, 0], rows, summary)
            panels[1, 1].set_axis_off()

    said = [f"{printable(r.name)} {quantity(r.spent_g, 'g')}, {gap_words(r)}" for r in reversed(rows)]
    dropped = any(not row.comparable for row in rows)
    hatched = " Hatched: requests were dropped, so that fewer grams are no saving." if dropped else ""
    b2 = (
        " Below, the same with the idle power of devices that are always on, against B2, which may switch nodes off."
        if with_idle
        else ""
    )
    at_once = " B1 at once: without waiting." if b.b1_at_once_g not in (None, b.b1_g) else ""
    return Drawing(
        key="bound",
        title="Policies against the bounds",
        caption="Simulated. B0 forgets capacity, B1 keeps it and knows everything; both without idle power."
        f"{at_once} Captured: (baseline - policy) / (baseline - B1).{hatched}{b2}",
        label=f"Bar chart of simulated grams: {'; '.join(said)}; "
        f"B0 {quantity(b.b0_g, 'g')}, B1 {quantity(b.b1_g, 'g')}.",
        paint=paint,
        height_in=0.8 + tall * (1 + with_idle) + 0.3 * with_idle,
    )


def gap_percent(frac: float | None) -> str | None:
    """A gap in percent, with two decimals where it is small: there they decide."""
    if frac is None or abs(frac) >= 0.1:
        return percent(frac, signed=True)
    shown = f"{100 * frac:+.2f}"
    return shown.lstrip("+-") if float(shown) == 0 else shown


def share(frac: float | None) -> str | None:
    """A share in percent; a few among many are not shown as none."""
    return "<0.1" if frac is not None and 0 < frac < 0.0005 else percent(frac)


def gap_words(row: PolicyRow) -> str:
    """How far above B1, or why that cannot be said."""
    if not row.comparable:
        return f"dropped {share(row.dropped_frac)} %, {NOT_COMPARABLE}"
    return "above B1 unknown" if row.gap_b1_frac is None else f"{gap_percent(row.gap_b1_frac)} % to B1"


def _bars(axes: Any, rows: Sequence[PolicyRow], summary: AheadSummary) -> None:
    fit = grams_scale(summary)
    for y, row in enumerate(rows):
        if row.spent_g is None:
            _beside(axes, 0, y, "unknown")
            continue
        axes.barh(y, row.spent_g / 10.0**fit.power, height=0.66, **_look(row, summary))
        dropped = f"  dropped {share(row.dropped_frac)} %" if row.dropped_frac else ""
        _beside(axes, row.spent_g / 10.0**fit.power, y, f"{fit.show(row.spent_g)}{dropped}")
    _name_rows(axes, rows, summary)
    axes.set_xlim(0, 1.2 * axes.get_xlim()[1])
    axes.set_xlabel(f"{fit.unit} CO2e, marginal")


def _columns(axes: Any, rows: Sequence[PolicyRow]) -> None:
    """Gap and captured share as text, in a panel without axes."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(*_reach(rows))
    gaps = [_or_unknown(gap_percent(row.gap_b1_frac)) if row.comparable else "" for row in rows]
    shares = [_or_unknown(percent(row.captured_frac)) if row.comparable else NOT_COMPARABLE for row in rows]
    columns = ((0.5, "above B1", gaps), (1.0, "captured", shares))
    for x, title, cells in columns:
        axes.annotate(title, (x, 1), (0, 3), xycoords="axes fraction", textcoords="offset points",
                      ha="right", va="bottom", size=9, color=GREY)  # fmt: skip
        for y, shown in enumerate(cells):
            axes.text(x, y, shown, ha="right", va="center", size=9)


def _or_unknown(shown: str | None) -> str:
    return "unknown" if shown is None else f"{shown} %"


def _idle_bars(axes: Any, rows: Sequence[PolicyRow], summary: AheadSummary) -> None:
    b2_g = summary.bounds.b2_g
    fit = scale([b2_g, *(_with_idle_g(row, summary) for row in rows)], "g")
    unit = 10.0**fit.power
    for y, row in enumerate(rows):
        total_g, idle_g = _with_idle_g(row, summary), summary.idle_of(row)
        if total_g is None or idle_g is None:
            _beside(axes, 0, y, "unknown")
            continue
        axes.barh(y, idle_g / unit, height=0.66, color=IDLE)
        axes.barh(y, (total_g - idle_g) / unit, left=idle_g / unit, height=0.66, **_look(row, summary))
        _beside(axes, total_g / unit, y, str(fit.show(total_g)))
    _lines(axes, [("B2", b2_g)], fit)
    _name_rows(axes, rows, summary)
    axes.set_xlim(0, 1.2 * axes.get_xlim()[1])
    axes.set_xlabel(f"{fit.unit} CO2e with idle power (grey)")


def _with_idle_g(row: PolicyRow, summary: AheadSummary) -> float | None:
    idle_g = summary.idle_of(row)
    return None if row.spent_g is None or idle_g is None else row.spent_g + idle_g


def _lines(axes: Any, limits: Sequence[tuple[str, float | None]], fit: Scale) -> None:
    """Bounds as dashed lines; names of lines that would overlap share one place."""
    places: dict[float, str] = {}
    reach = axes.get_xlim()[1]
    for name, grams in limits:
        if grams is not None:
            x = grams / 10.0**fit.power
            close = next((other for other in places if abs(other - x) < 0.06 * reach), x)
            places[close] = f"{places[close]}, {name}" if close in places else name
            axes.axvline(x, color=ORANGE, lw=1.2, ls="--", zorder=3)
    for x, names in places.items():
        axes.annotate(names, (x, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
                      ha="center", va="bottom", size=9, color=ORANGE)  # fmt: skip


def _name_rows(axes: Any, rows: Sequence[PolicyRow], summary: AheadSummary) -> None:
    names = [short(row.name) + (" (baseline)" if row.name == summary.baseline else "") for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=6)
    axes.set_ylim(*_reach(rows))


def _reach(rows: Sequence[PolicyRow]) -> tuple[float, float]:
    return -0.6, len(rows) - 0.4


def _look(row: PolicyRow, summary: AheadSummary) -> dict[str, str]:
    if not row.comparable:
        return {"hatch": "////", "facecolor": "white", "edgecolor": GREY}
    return {"color": GREY if row.name == summary.baseline else GREEN if row is summary.best else BLUE}


def grams_scale(summary: AheadSummary) -> Scale:
    """The unit suits those that did the work: who drops most of it may spend next to nothing."""
    alike = [row for row in summary.policies if row.comparable] or summary.policies
    return scale([row.spent_g for row in alike], "g")


def _beside(axes: Any, x: float, y: float, words: str) -> None:
    card = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6}  # over a limit's line
    axes.annotate(words, (x, y), (4, 0), textcoords="offset points", va="center", size=9, bbox=card, zorder=5)
