"""Front matter of a Hugging Face model card: ``co2_eq_emissions``, which means the grams of training.

Fields as in Hugging Face, "Displaying carbon emissions for your model" (hub documentation): ``emissions`` in grams,
``source``, ``training_type``, ``geographical_location``, ``hardware_used``.
"""

from __future__ import annotations

import math
from typing import Any

from gramwise.core.errors import DataError
from gramwise.report.exports.block import yaml
from gramwise.report.exports.parts import Row, zone_of

_TRAINING = ("data", "experimentation", "training", "tuning")


def front_matter(document: Row, book: Row) -> str:
    """The front matter between its ``---`` lines.

    Raises:
        DataError: the account counts no training, or its grams are unknown.
    """
    rows = [row for row in book["items"] if row["phase"] in _TRAINING]
    phases = [phase for phase in _TRAINING if any(row["phase"] == phase for row in rows)]
    if not {"training", "tuning"} & set(phases):
        raise DataError(
            "a model card states the grams of training, and this account has no phase training or tuning. "
            "Export a receipt of a bill that has one."
        )
    if any(row["carbon"] is None for row in rows):
        raise DataError("the grams of training are unknown, so there is nothing to put on a model card.")
    card: dict[str, Any] = {
        "emissions": math.fsum(row["carbon"]["value"] for row in rows),
        "source": f"gramwise {document['gramwise']}, operational, {', '.join(phases)}; receipt {document['hash']}",
        "training_type": "pre-training" if "training" in phases else "fine-tuning",
    }
    zones = dict.fromkeys(z for row in rows if (z := zone_of(row, document["factors"])))
    if zones:
        card["geographical_location"] = ", ".join(zones)
    card["hardware_used"] = ", ".join(dict.fromkeys(row["component"] for row in rows))
    return f"---\n{yaml({'co2_eq_emissions': card})}---\n"


PLUGIN = front_matter
