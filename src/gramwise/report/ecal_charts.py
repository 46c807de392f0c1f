"""Pictures of eCAL: joules per bit over the number of inferences, and the authors' figure worked out again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gramwise.report.charts import GREY, INK, NODE_COLOURS, ORANGE
from gramwise.report.drawing import Drawing
from gramwise.report.wording import quantity, times_ten


def curve_drawing(found: Mapping[str, Any]) -> Drawing:
    """J/bit and joules per inference of a case over the number of inferences, both falling to their limits.

    Args:
        found: the key ``ecal`` of a ``gramwise.footprint/1`` document.
    """
    curve, here = found["curve"], found["inferences"]
    even = found["break_even_inferences"]

    def paint(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        panels = (
            (left, "j_per_bit", "J per bit that came in"),
            (right, "j_per_inference", "J per inference, all shared"),
        )
        for axes, key, said in panels:
            axes.patch.set_alpha(0)
            axes.loglog(curve["inferences"], curve[key], color=NODE_COLOURS[0], lw=1.8)
            if here > 0.0:
                axes.axvline(here, color=GREY, lw=1.0, ls=":")
                axes.annotate(
                    "this case", (here, axes.get_ylim()[1]), (3, -10), textcoords="offset points", size=9
                )
            if even is not None:
                axes.axvline(even["value"], color=ORANGE, lw=1.0, ls="--")
                axes.annotate(
                    "break-even",
                    (even["value"], axes.get_ylim()[0]),
                    (3, 4),
                    textcoords="offset points",
                    size=9,
                )
            axes.set_xlabel("inferences over the life")
            axes.set_ylabel(said)
            _decades(axes)

    return Drawing(
        key="ecal",
        title="eCAL over the number of inferences",
        caption="Development is shared by more inferences to the right. Break-even is where serving has cost what "
        "development did, in grams.",
        label=f"Falling curve; at this case {quantity(found['j_per_bit'], 'J')} per bit.",
        paint=paint,
        height_in=3.4,
    )


def figure_drawing(document: Mapping[str, Any]) -> Drawing:
    """The authors' published figure: their points as rings, ours as lines.

    Args:
        document: from `gramwise.footprint.ecal.compat.published.figure_data`.
    """
    models = list(dict.fromkeys(point["model"] for point in document["points"]))
    worst = max(abs(point["relative_difference"]) for point in document["points"])

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        for model, colour in zip(models, NODE_COLOURS, strict=False):
            own = [point for point in document["points"] if point["model"] == model]
            at = np.array([point["inferences"] for point in own])
            axes.loglog(at, [point["ecal_j_per_bit"] for point in own], color=colour, lw=1.5, label=model)
            published = [point["published_j_per_bit"] for point in own]
            axes.loglog(at, published, ls="", marker="o", mfc="none", mec=INK, ms=7)
        axes.set_xlabel("inferences; rings are the published points, lines are worked out here")
        axes.set_ylabel("eCAL, J/bit")
        axes.legend(frameon=False)
        _decades(axes)

    return Drawing(
        key="ecal-figure",
        title="The published figure, worked out again",
        caption=f"{len(document['points'])} points; the largest relative difference is {worst:.1g}.",
        label=f"eCAL of {', '.join(models)} over the number of inferences.",
        paint=paint,
        height_in=4.2,
    )


def _decades(axes: Any) -> None:
    """Powers of ten as text: math mode is off in these pictures, so that names with dollar signs stay names."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _place: _decade(value))
        axis.set_minor_formatter(lambda _value, _place: "")


def _decade(value: float) -> str:
    power = math.log10(value) if value > 0.0 else math.nan
    return times_ten(round(power))[1:] or "1" if abs(power - round(power)) < 1e-9 else f"{value:.3g}"
