"""The seven-layer walk of the eCAL tools: how overhead swells a payload and what each layer charges for it.

Bit-faithful to the authors' tools, truncations included: the two overheads of a layer are truncated one by one, on the
bits of the whole payload. Every layer charges a sender, a receiver, a hundred devices and a hundred gateways;
`docs/method/ecal-compat.md` says what is wrong with that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, reduce
from operator import add
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.footprint.factors import factor, table

Value: TypeAlias = Any
"""A Python number, or a float64 array whose whole numbers stay below 2^53: both give the same bits of a float."""

Array: TypeAlias = npt.NDArray[np.float64]

LAYERS = ("application", "presentation", "session", "transport", "network", "datalink", "physical")
"""From the top down, the order in which a payload is walked."""

TABLE = "ecal_stack"
EXACT = 2**53
"""Whole numbers up to here are exact in float64."""


class Row(NamedTuple):
    """One layer's protocol.

    Attributes:
        data_frac, control_frac: overhead bits per bit that comes in.
        sender, receiver: J/bit.
        devices, gateways: how many of each are charged.
        device, gateway: J/bit of each.
    """

    data_frac: float
    control_frac: float
    sender: float
    receiver: float
    devices: int
    device: float
    gateways: int
    gateway: float


@dataclass(frozen=True, eq=False)
class Stack:
    """Seven protocols, application first.

    Attributes:
        names: of the protocols.
        rows: their constants.
    """

    names: tuple[str, ...]
    rows: tuple[Row, ...]

    @cached_property
    def exact_bits(self) -> float:
        """Payloads below this many bits can be walked in float64 without rounding a whole number."""
        growth = 1.0
        for row in self.rows:
            growth *= 1.0 + row.data_frac + row.control_frac
        return EXACT / growth / max(1, *(max(row.devices, row.gateways) for row in self.rows))

    @cached_property
    def layers(self) -> tuple[tuple[float, ...], ...]:
        """The rows as plain floats: what a loop in Python unpacks and multiplies fastest."""
        return tuple(tuple(map(float, row)) for row in self.rows)

    @cached_property
    def overheads(self) -> tuple[Array, ...]:
        """Data and control overhead of each layer, shape (2, 1)."""
        return tuple(np.array([[row.data_frac], [row.control_frac]]) for row in self.rows)

    @cached_property
    def prices(self) -> tuple[Value, ...]:
        """The six constants of a price: a number where all layers share it, else layer by layer, shape (7, 1)."""
        columns = zip(*(row[2:] for row in self.rows), strict=True)
        return tuple(each[0] if len(set(each)) == 1 else np.array(each)[:, None] for each in columns)


def extremes(numbers: Array) -> tuple[float, float]:
    """The smallest and the largest; NaN where there is any, for NumPy finds it first in both directions.

    Indices are found several times as fast as the values themselves are reduced.
    """
    return numbers.item(numbers.argmin()), numbers.item(numbers.argmax())


def whole(x: Value) -> Value:
    """Truncate towards zero, as Python's ``int`` does; arrays stay float64."""
    return np.trunc(x) if isinstance(x, np.ndarray) else int(x)


@cache
def protocols(historical: bool = False) -> Mapping[str, Mapping[str, Row]]:
    """The authors' protocols by layer and name.

    Args:
        historical: those of the tool of February 2025, which charges one constant a layer and no nodes.
    """
    found: dict[str, dict[str, Row]] = {layer: {} for layer in LAYERS}
    for key in table(TABLE):
        layer, name, column = key.split(".", 2)
        if layer in found and column == "data_frac":
            found[layer][name] = _row(f"{layer}.{name}", historical)
    for layer in LAYERS:
        found[layer][f"Generic_{layer}"] = _row("every.Generic", historical)
    return found


def _row(prefix: str, historical: bool) -> Row:
    def value(key: str) -> float:
        return factor(TABLE, key).value

    overhead = value(f"{prefix}.data_frac"), value(f"{prefix}.control_frac")
    sender = value(f"{prefix}.sender_j_per_bit")
    if historical:
        generic = prefix == "every.Generic"
        return Row(
            *overhead, value("historical.Generic.j_per_bit") if generic else sender, 0.0, 0, 0.0, 0, 0.0
        )
    return Row(
        *overhead,
        sender,
        value(f"{prefix}.receiver_j_per_bit"),
        int(value("every.node.device_count")),
        value("every.node.device_j_per_bit"),
        int(value("every.node.gateway_count")),
        value("every.node.gateway_j_per_bit"),
    )


@cache
def stack(names: tuple[str, ...], keys: tuple[str, ...] = LAYERS, historical: bool = False) -> Stack:
    """A stack by the names of its protocols.

    Args:
        names: one a layer, application first.
        keys: what each is called where the user wrote it, for errors.
        historical: as in `protocols`.

    Raises:
        ConfigError: no such protocol at that layer; names the key and the nearest one.
    """
    rows = []
    for layer, key, name in zip(LAYERS, keys, names, strict=True):
        known = protocols(historical)[layer]
        if name not in known:
            raise ConfigError(
                f"the {layer} layer has no protocol {name!r}.", key=key, fix=did_you_mean(str(name), known)
            )
        rows.append(known[name])
    return Stack(names, tuple(rows))


GENERIC = tuple(f"Generic_{layer}" for layer in LAYERS)


def walk(through: Stack, payload_bits: Value) -> tuple[Any, Value]:
    """Send a payload once, without loss.

    ``b_l = b_(l-1) + trunc(b_(l-1) d_l) + trunc(b_(l-1) c_l)`` and
    ``E_l = b_l e_tx + b_l e_rx + b_l N_dev P_dev + b_l N_gw P_gw``, in this order of floating-point operations.

    Args:
        through: the stack.
        payload_bits: a whole number, or an array of them, of any shape; bits.

    Returns:
        Joules of each layer, application first (a list, or an array with the layers in front), and the bits on the
        wire.
    """
    if isinstance(payload_bits, np.ndarray):
        return _walk_many(through, payload_bits)
    return _walk_one(through, payload_bits)


def _walk_one(through: Stack, payload_bits: int) -> tuple[list[float], int]:
    """For one payload: in floats, where ``x // 1`` truncates fastest, as long as they hold every whole number."""
    if payload_bits >= through.exact_bits:
        return _walk_whole(through, payload_bits)
    bits, energies = float(payload_bits), []
    for data, control, sender, receiver, devices, device, gateways, gateway in through.layers:
        bits += bits * data // 1 + bits * control // 1
        energies.append(bits * sender + bits * receiver + bits * devices * device + bits * gateways * gateway)
    return energies, int(bits)


def _walk_whole(through: Stack, payload_bits: int) -> tuple[list[float], int]:
    """For one payload of any size, in Python's integers, which know no limit."""
    bits, energies = payload_bits, []
    for data, control, sender, receiver, devices, device, gateways, gateway in through.rows:
        bits += int(bits * data) + int(bits * control)
        energies.append(bits * sender + bits * receiver + bits * devices * device + bits * gateways * gateway)
    return energies, bits


def _walk_many(through: Stack, payload_bits: Array) -> tuple[Array, Array]:
    """The same for many payloads at once, with as few array operations as there are roundings to keep."""
    size, layers = payload_bits.size, len(through.rows)
    bits = payload_bits.reshape(size)
    at, overheads = np.empty((layers, size)), np.empty((2, size))
    data, control = overheads
    for layer, ratios in zip(at, through.overheads, strict=True):
        np.multiply(ratios, bits, overheads)
        np.trunc(overheads, overheads)
        np.add(bits, data, layer)
        bits = np.add(layer, control, layer)
    sender, receiver, devices, device, gateways, gateway = through.prices
    energies, term = at * sender, at * receiver
    energies += term
    for many, price in ((devices, device), (gateways, gateway)):
        np.multiply(at, many, term)
        term *= price
        energies += term
    return energies.reshape(layers, *payload_bits.shape), bits.reshape(payload_bits.shape)


def send(through: Stack, failure_frac: Value, payload_bits: Value) -> tuple[Value, Value]:
    """Send a payload until it arrives: everything is repeated ``1 / (1 - p)`` times.

    Args:
        through: the stack.
        failure_frac: p, probability that a transmission is lost, at least 0 and below 1.
        payload_bits: bits.

    Returns:
        Joules, and bits on the wire, each sent once.
    """
    energies, bits = walk(through, payload_bits)
    # Along the first axis NumPy adds row after row, so both ways sum from the application down.
    total = np.add.reduce(energies, axis=0) if isinstance(energies, np.ndarray) else in_order(energies)
    return total * sends(failure_frac), bits


def sends(failure_frac: Value) -> Value:
    """How often everything is sent until it arrives: ``1 / (1 - p)`` times."""
    return 1 / (1 - failure_frac)


def in_order(terms: Sequence[Value]) -> Value:
    """Sum from left to right, as the tools do: Python 3.12's own ``sum`` rounds differently."""
    return reduce(add, terms) if terms else 0
