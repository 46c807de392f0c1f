"""What an answer tells besides its tensors: node, variant, energy, carbon; and how it gets into an answer's head.

Source of the names: this project's own, in the parameters that the Open Inference Protocol leaves to servers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from gramwise.core.quantity import Quantity, Signal

from .errors import BadRequest
from .head import Scalar

RECEIPT = "energy_receipt"
"""Parameter that carries the numbers as one text, for gRPC clients whose copy of the definition drops fractions."""

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PARAMETERS = msgspec.json.Decoder(dict[str, Scalar] | None)


def told(
    node: str,
    variant: str,
    *,
    energy: Quantity | None,
    carbon_g: float | None,
    signal: Signal | None,
) -> dict[str, Scalar]:
    """The parameters that an answer carries.

    Args:
        node: where it ran; ``a > b`` for a plan of several stages.
        variant: as what it ran.
        energy: marginal joules of the request with their interval; None when nobody knows.
        carbon_g: marginal grams of CO2e; None when nobody knows.
        signal: average or marginal, of the intensity behind ``carbon_g``.

    Returns:
        The values by name. What is not known or not finite is left out: absent, never 0.
    """
    values: dict[str, Scalar] = {"gramwise_node": node, "gramwise_variant": variant}
    if energy is not None:
        values["energy_joules"] = energy.value
        values["energy_joules_low"] = energy.low
        values["energy_joules_high"] = energy.high
        values["energy_method"] = energy.method
    if carbon_g is not None and math.isfinite(carbon_g):
        values["carbon_grams"] = carbon_g
        if signal is not None:
            values["carbon_signal"] = signal
    return values


def receipt(values: Mapping[str, Scalar]) -> str:
    """The numbers of `told` as one line of text: ``name=value`` with spaces between."""
    return " ".join(
        f"{name}={value:.9g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
        if name.startswith(("energy_", "carbon_"))
    )


def put_parameters(head: bytes | memoryview, values: Mapping[str, Scalar]) -> bytes:
    """A JSON head with parameters added; those that it has stay, unless a name is given anew.

    Everything else keeps its text byte for byte: tensors, ids and keys that nobody here knows. So it serves requests
    (the deadline that is left) as well as answers.

    Args:
        head: JSON object, a request's or an answer's head.
        values: what to add; numbers that are not finite, which JSON cannot say, are left out.

    Raises:
        BadRequest: 502, the head is no JSON object, or its parameters are none.
    """
    try:
        fields = _FIELDS.decode(head)
        old = _PARAMETERS.decode(fields["parameters"]) if "parameters" in fields else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadRequest(502, f"the head is not the protocol's JSON: {error}") from None
    merged = {**old, **values} if old else values
    encoded = msgspec.json.encode(merged)
    if b":null" in encoded:
        encoded = msgspec.json.encode({name: value for name, value in merged.items() if _sayable(value)})
    fields["parameters"] = msgspec.Raw(encoded)
    return msgspec.json.encode(fields)


def _sayable(value: Scalar) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
