"""Charts of a bench as SVG text: the only module that imports matplotlib, and only when a chart is asked for.

Text stays text (it can be searched and read aloud), colours are told apart with every common colour blindness
(Okabe and Ito, Color Universal Design, 2008), and the same run gives the same bytes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gramwise.core.errors import SourceUnavailable
from gramwise.report.document import PolicyRow, Summary
from gramwise.report.recount import OutcomeRow, mean_carbon_interval
from gramwise.report.verdict import best_at_equal_work
from gramwise.report.wording import percent, printable, quantity, scale, short

GREEN, BLUE, ORANGE, GREY, INK = "#009E73", "#56B4E9", "#D55E00", "#6B7280", "#1F2933"
NODE_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
WIDTH_IN = 6.6
DOTS_PER_INCH = 160
FONT = "DejaVu Sans"
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name with two dollar signs is a name
    "font.family": [FONT],  # comes with matplotlib, so every machine lays out the same
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart: ``key`` for ids, ``title``, ``caption``, ``label`` for those who cannot see it, ``svg``."""

    key: str
    title: str
    caption: str
    label: str
    svg: str


def bench_charts(summary: Summary, outcomes: Sequence[OutcomeRow] = ()) -> tuple[Chart, ...]:
    """The four charts of a bench, ready to stand in a page.

    Args:
        summary: the bench document.
        outcomes: rows of the run, for the interval of each mean; none is drawn without them.

    Raises:
        SourceUnavailable: matplotlib is not installed.
    """
    return (
        carbon_chart(summary, outcomes),
        latency_chart(summary),
        share_chart(summary),
        captured_chart(summary),
    )


def carbon_chart(summary: Summary, outcomes: Sequence[OutcomeRow] = ()) -> Chart:
    """Grams per inference by policy, fewest on top, with the limits B0 and B1 as lines."""
    rows = _fewest_last(summary)
    limits = {"B0": summary.bounds.b0_g_per_inference, "B1": summary.bounds.b1_g_per_inference}
    fit = scale([row.carbon_g_per_inference for row in rows], "g")
    unit = 10.0**fit.power
    spread = {row.name: mean_carbon_interval(outcomes, row.name) for row in rows}

    def draw(axes: Any) -> None:
        for y, row in enumerate(rows):
            grams, ends = row.carbon_g_per_inference, spread[row.name]
            if grams is None:
                _beside(axes, 0, y, "unknown")
                continue
            axes.barh(y, grams / unit, height=0.66, color=_colour(row, summary))
            if ends:
                axes.plot([ends[0] / unit, ends[1] / unit], [y, y], color=INK, lw=1.2, marker="|", ms=5)
            _beside(axes, max(grams, ends[1] if ends else grams) / unit, y, str(fit.show(grams)))
        _name_rows(axes, rows)
        _limit_lines(axes, {name: None if g is None else g / unit for name, g in limits.items()})
        axes.set_xlim(0, 1.14 * (axes.get_xlim()[1] if rows else 1))
        axes.set_xlabel(f"{fit.unit} CO2e per inference (marginal)")

    known = [f"{printable(row.name)} {quantity(row.carbon_g_per_inference, 'g')}" for row in reversed(rows)]
    bars = "Whiskers: 95 % interval of the mean over requests. " if any(spread.values()) else ""
    return Chart(
        key="carbon",
        title="Carbon per inference",
        caption=f"Marginal CO2e per inference, fewest on top. {bars}Lines: the limits B0 and B1.",
        label="Bar chart of carbon per inference: " + "; ".join(known) + ".",
        svg=_svg("carbon", draw, height_in=_height(len(rows))),
    )


def latency_chart(summary: Summary) -> Chart:
    """Grams per inference against p95 latency: low and left is better."""
    rows = [
        r
        for r in _fewest_last(summary)
        if r.carbon_g_per_inference is not None and r.latency_s.p95 is not None
    ]
    left_out = [printable(row.name) for row in summary.policies if row.name not in {r.name for r in rows}]
    grams = [row.carbon_g_per_inference or 0.0 for row in rows]
    seconds = [row.latency_s.p95 or 0.0 for row in rows]
    carbon, time = scale(grams, "g"), scale(seconds, "s")
    xs, ys = [s / 10.0**time.power for s in seconds], [g / 10.0**carbon.power for g in grams]

    def draw(axes: Any) -> None:
        top = 1.1 * max(ys, default=1.0)
        for x, y, row in zip(xs, ys, rows, strict=True):
            axes.scatter(x, y, s=54, color=_colour(row, summary), edgecolor="white", lw=0.8, zorder=3)
        axes.set_xlim(0, 1.08 * max(xs, default=1.0))
        axes.set_ylim(0, top)
        _label_at_side(axes, [short(row.name, 32) for row in rows], list(zip(xs, ys, strict=True)), top)
        b1 = summary.bounds.b1_g_per_inference
        if b1 is not None:
            axes.axhline(b1 / 10.0**carbon.power, color=ORANGE, lw=1.2, ls="--", zorder=1)
            axes.annotate(
                "B1", (0, b1 / 10.0**carbon.power), (4, 3), textcoords="offset points", color=ORANGE, size=9
            )
        axes.set_xlabel(f"p95 latency, {time.unit}")
        axes.set_ylabel(f"{carbon.unit} CO2e per inference")

    said = [
        f"{printable(r.name)} {quantity(r.carbon_g_per_inference, 'g')} at {quantity(r.latency_s.p95, 's')}"
        for r in rows
    ]
    missing = f" Not drawn, because unknown: {', '.join(left_out)}." if left_out else ""
    return Chart(
        key="latency",
        title="Carbon against latency",
        caption=f"Low and left is better; the dashed line is the limit B1.{missing}",
        label="Scatter chart of carbon per inference against p95 latency: " + "; ".join(said) + ".",
        svg=_svg("latency", draw, height_in=max(3.4, _height(len(rows)))),
    )


def share_chart(summary: Summary) -> Chart:
    """Share of completed requests per node, one stacked bar a policy."""
    rows = list(reversed(summary.policies))
    named = _nodes_by_weight(summary)

    def draw(axes: Any) -> None:
        for y, row in enumerate(rows):
            if row.node_share is None:
                _beside(axes, 0, y, "unknown")
                continue
            left = 0.0
            for name, colour in named.items():
                share = _share(row.node_share, name, named)
                axes.barh(
                    y, 100 * share, left=100 * left, height=0.66, color=colour, edgecolor="white", lw=0.8
                )
                if share >= 0.09:
                    shade = INK if _light(colour) else "white"
                    axes.text(
                        100 * (left + share / 2),
                        y,
                        f"{100 * share:.0f}",
                        ha="center",
                        va="center",
                        size=9,
                        color=shade,
                    )
                left += share
        _legend_above(axes, named)
        _name_rows(axes, rows)
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of completed requests")

    said = [f"{printable(r.name)}: {_spoken(r.node_share)}" for r in summary.policies]
    return Chart(
        key="share",
        title="Where requests ran",
        caption="Share of each policy's completed requests per node.",
        label="Stacked bar chart of requests per node: " + "; ".join(said) + ".",
        svg=_svg(
            "share", draw, height_in=_height(len(rows)) + 0.25 * -(-len(named) // _legend_columns(named))
        ),
    )


def captured_chart(summary: Summary) -> Chart:
    """Captured share of the saving that B1 allows; the baseline is 0, the limit 100 %."""
    rows = sorted(
        summary.policies, key=lambda row: -1e300 if row.captured_b1_frac is None else row.captured_b1_frac
    )
    floor = max(-1.0, min([0.0, *(row.captured_b1_frac or 0.0 for row in rows)]))

    def draw(axes: Any) -> None:
        for y, row in enumerate(rows):
            share = row.captured_b1_frac
            if share is None:
                _beside(axes, 0, y, "unknown")
                continue
            axes.barh(y, 100 * max(share, floor), height=0.66, color=_colour(row, summary))
            cut = "◂ " if share < floor else ""
            _beside(axes, 100 * max(share, 0.0), y, f"{cut}{percent(share)}")
        _name_rows(axes, rows)
        axes.axvline(0, color=GREY, lw=1)
        _limit_lines(axes, {"B1": 100.0})
        axes.set_xlim(112 * floor, 126 * max([1.0, *(row.captured_b1_frac or 0.0 for row in rows)]))
        axes.set_xlabel("% of the possible saving captured (0 = baseline)")

    said = [f"{printable(r.name)} {percent(r.captured_b1_frac) or 'unknown'}" for r in reversed(rows)]
    cut = " ◂ marks a bar cut at -100 %." if any((r.captured_b1_frac or 0) < floor for r in rows) else ""
    return Chart(
        key="captured",
        title="Captured share of the possible saving",
        caption="(baseline - policy) / (baseline - B1): 100 % is the physical limit, below 0 is worse than "
        f"the baseline. A policy that may use other variants is held against the B1 that allows them.{cut}",
        label="Bar chart of captured saving in percent: " + "; ".join(said) + ".",
        svg=_svg("captured", draw, height_in=_height(len(rows))),
    )


def _svg(key: str, draw: Callable[[Any], None], *, height_in: float) -> str:
    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        draw(axes)

    return embedded(key, paint, width_in=WIDTH_IN, height_in=height_in)


def embedded(key: str, paint: Callable[[Any], None], *, width_in: float, height_in: float) -> str:
    """A drawing as SVG text that shares a page with others: no XML head, ids of its own, as wide as its holder.

    Args:
        key: starts every id.
        paint: puts axes and all else on the matplotlib figure that it is given.
        width_in, height_in: of the figure, inches.

    Raises:
        SourceUnavailable: matplotlib is not installed.
    """
    drawn = _drawn(key, paint, (width_in, height_in), "svg", see_through=True)
    return _embeddable(drawn.decode("utf-8"), key)


def picture(key: str, paint: Callable[[Any], None], kind: str, *, width_in: float, height_in: float) -> bytes:
    """A drawing on white as the content of a file of its own; arguments as in `embedded`.

    Args:
        kind: ``"svg"`` or ``"png"``.

    Raises:
        SourceUnavailable: matplotlib is not installed.
    """
    return _drawn(key, paint, (width_in, height_in), kind, see_through=False)


def _drawn(
    key: str, paint: Callable[[Any], None], size_in: tuple[float, float], kind: str, *, see_through: bool
) -> bytes:
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SourceUnavailable("charts need matplotlib: pip install 'gramwise[plot]'") from error
    import io

    out = io.BytesIO()
    # Without dates and versions the same run gives the same bytes.
    silent = (
        {"Date": None, "Creator": None, "Format": None, "Type": None} if kind == "svg" else {"Software": None}
    )
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": f"gramwise-{key}"}), warnings.catch_warnings():
        # A node named in a script that the drawing font lacks is still drawn: by the reader's own fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=size_in, dpi=DOTS_PER_INCH, layout="constrained")
        (FigureCanvasSVG if kind == "svg" else FigureCanvasAgg)(figure)
        if see_through:
            figure.patch.set_alpha(0)
        paint(figure)
        _settle(figure)
        figure.savefig(out, format=kind, metadata=silent)
    return out.getvalue()


def _settle(figure: Any) -> None:
    """Lay the axes out once and for all, on rounded places."""
    # Places of several axes come out of a solver with noise in their last digits, and ids are made from them.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position([round(edge, 6) for edge in axes.get_position(original=True).bounds])


def _embeddable(svg: str, key: str) -> str:
    # Several drawings share a page: no XML head, ids of their own, and the width of whatever holds them.
    body = svg[svg.index("<svg") :]
    body = re.sub(r'\bid="', f'id="{key}-', body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{key}-", body)
    body = body.replace(f"'{FONT}'", f"'{FONT}', Verdana, sans-serif")
    return re.sub(r'(<svg[^>]*?) width="[^"]*"| height="[^"]*pt"', r"\1", body, count=2)


def _height(rows: int) -> float:
    return 1.1 + 0.34 * max(rows, 1)


def _fewest_last(summary: Summary) -> list[PolicyRow]:
    return sorted(
        summary.policies,
        key=lambda r: (r.carbon_g_per_inference is not None, -(r.carbon_g_per_inference or 0)),
    )


def _colour(row: PolicyRow, summary: Summary) -> str:
    if row.name == summary.baseline:
        return GREY
    return GREEN if row is best_at_equal_work(summary) else BLUE


def _name_rows(axes: Any, rows: Sequence[PolicyRow]) -> None:
    axes.set_yticks(range(len(rows)), [short(row.name, 32) for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=6)
    axes.set_ylim(-0.6, len(rows) - 0.4)


def _beside(axes: Any, x: float, y: float, text: str) -> None:
    card = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6}  # over a limit's line
    axes.annotate(text, (x, y), (4, 0), textcoords="offset points", va="center", size=9, bbox=card, zorder=5)


def _limit_lines(axes: Any, limits: Mapping[str, float | None]) -> None:
    places: dict[float, str] = {}
    reach = axes.get_xlim()[1]
    for name, x in limits.items():
        if x is not None:
            close = next((other for other in places if abs(other - x) < 0.04 * reach), x)
            places[close] = f"{places[close]}, {name}" if close in places else name
            axes.axvline(x, color=ORANGE, lw=1.2, ls="--", zorder=3)
    for x, names in places.items():
        axes.annotate(names, (x, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
                      ha="center", va="bottom", size=9, color=ORANGE)  # fmt: skip


def _label_at_side(
    axes: Any, names: Sequence[str], points: Sequence[tuple[float, float]], top: float
) -> None:
    """Names in a column at the right, ordered as their points are, each with a thin line to its point."""
    order = sorted(range(len(names)), key=lambda i: (points[i][1], -points[i][0]))
    heights = apart([points[i][1] / top for i in order], gap=min(0.075, 1 / max(len(names), 1)))
    line = {"arrowstyle": "-", "color": GREY, "lw": 0.6, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 4}
    for i, height in zip(order, heights, strict=True):
        axes.annotate(
            names[i],
            points[i],
            (1.05, height),
            xycoords="data",
            textcoords="axes fraction",
            va="center",
            size=9,
            annotation_clip=False,
            arrowprops=line,
        )


def apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Ascending places moved as little as needed to stand ``gap`` apart, at or under 1."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + gap) if places else place)
    ceiling = 1.0
    for i in reversed(range(len(places))):
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - gap
    return places


def _legend_above(axes: Any, named: Mapping[str, str]) -> None:
    handles = [axes.barh(0, 0, color=colour) for colour in named.values()]
    labels = [short(name, 24) for name in named]
    axes.figure.legend(handles, labels, ncols=_legend_columns(named), loc="outside upper left", frameon=False)


def _legend_columns(named: Mapping[str, str]) -> int:
    letters = max((len(short(name, 24)) for name in named), default=1)
    return max(1, min(4, int(72 * WIDTH_IN // (6.5 * letters + 55))))


OTHERS = "other nodes"


def _nodes_by_weight(summary: Summary) -> dict[str, str]:
    seen = dict.fromkeys(
        [*(node.name for node in summary.nodes), *(n for r in summary.policies for n in r.node_share or {})]
    )
    names = list(seen)
    if len(names) > len(NODE_COLOURS):
        weight = {
            name: sum((row.node_share or {}).get(name, 0.0) for row in summary.policies) for name in names
        }
        kept = set(sorted(names, key=lambda name: -weight[name])[: len(NODE_COLOURS) - 1])
        names = [*(name for name in names if name in kept), OTHERS]
    return dict(zip(names, NODE_COLOURS, strict=False))


def _share(share: Mapping[str, float], name: str, named: Mapping[str, str]) -> float:
    if name == OTHERS and name not in share:
        return sum(value for node, value in share.items() if node not in named)
    return share.get(name, 0.0)


def _spoken(share: Mapping[str, float] | None) -> str:
    if share is None:
        return "unknown"
    return (
        ", ".join(f"{printable(name)} {100 * value:.0f} %" for name, value in share.items() if value > 0)
        or "none"
    )


def _light(colour: str) -> bool:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140
