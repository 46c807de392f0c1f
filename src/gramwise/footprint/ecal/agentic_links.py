"""Agentic eCAL: what a hand-off between agents costs on the way, and how many agents fit a device.

Source: sensorlab/a-eCAL (arXiv 2609.18283). A message swells through HTTP, TLS, RPC, TCP, IPv4 and Wi-Fi without
truncation; the links charge what is on the wire, the two endpoints what their layers process. Rates, delays and joules
of the links are planning figures that the authors do not cite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.footprint.factors import factor, table

from .agentic import TABLE, LanguageModel, cache_bytes_per_token, default
from .compat.stack import LAYERS, protocols

_STACK = ("HTTP", "TLS", "RPC", "TCP", "IPv4", "WIFI_MAC", "WIFI_PHY")
SEGMENTS = ("access", "aggregation", "core")

ARCHETYPES: dict[str, tuple[str, str, str]] = {
    "All-fibre (fixed CPE)": ("ftth", "metro", "backbone"),
    "5G consumer": ("5g", "ftth", "metro"),
    "Loaded cell": ("edgecell", "ftth", "metro"),
    "NB-IoT industrial": ("nbiot", "ftth", "metro"),
    "Core-only (all in DC)": ("metro", "metro", "backbone"),
}
"""The authors' five networks: access, aggregation and core link of each."""

PLACEMENTS: dict[str, tuple[int, ...]] = {
    "co-located": (),
    "split once": (1,),
    "fully distributed": (0, 1, 2),
}
"""Which boundaries of a workflow of four agents are crossed: none, the middle one, all."""


class Link(NamedTuple):
    """J/bit on the wire, bit/s, one-way seconds, and 1 where it draws its power with and without us, else 0."""

    j_per_bit: float
    bit_per_s: float
    delay_s: float
    always_on: float


def link(name: object) -> Link:
    """A link of the authors' table. Raises ConfigError: there is none of this name."""
    names = dict.fromkeys(k.split(".")[1] for k in table(TABLE) if k.startswith("link."))
    if not isinstance(name, str) or name not in names:
        raise ConfigError(f"there is no link {name!r}.", key="segments", fix=did_you_mean(str(name), names))
    return Link(*(factor(TABLE, f"link.{name}.{f}").value for f in Link._fields))


class Unit(NamedTuple):
    """Of one payload bit: bits on the wire, and joules at both endpoints without and with the physical layer."""

    wire_bits: float
    endpoint_j: float
    endpoint_with_radio_j: float


@cache
def payload_bit() -> Unit:
    """What one bit of text becomes: the stack of compat mode with one device and one gateway instead of a hundred."""
    bits, energies = 1.0, []
    for layer, name in zip(LAYERS, _STACK, strict=True):
        row = protocols()[layer][name]
        bits *= 1 + row.data_frac + row.control_frac
        energies.append(bits * (row.sender + row.receiver + row.device + row.gateway))
    return Unit(bits, math.fsum(energies[:-1]), math.fsum(energies))


class Crossing(NamedTuple):
    """One or more messages: payload bits, joules, and seconds one after the other."""

    payload_bits: float
    energy_j: float
    latency_s: float


def hand_off(over: Link, tokens: float, *, failure_frac: float = 0.0, incremental: bool = False) -> Crossing:
    """Send so many tokens of text over a link.

    ``E = wire bits * eps / (1 - p) + endpoints``; ``t = delay + wire bits / rate``.

    Args:
        over: the link.
        tokens: of text, 17 bits each.
        failure_frac: p, below 1.
        incremental: charge only what would not be drawn without us: nothing on links that are always on.

    Raises:
        ConfigError: p of 1.
    """
    if not 0 <= failure_frac < 1:
        raise ConfigError(
            f"{failure_frac} is no probability of loss below 1.", key="failure_rate", fix="Write 0 or more."
        )
    bits = tokens * default("token_bits")
    wire = bits * payload_bit().wire_bits
    price = 0.0 if incremental and over.always_on else over.j_per_bit
    energy = wire * price / (1 - failure_frac) + bits * payload_bit().endpoint_j
    return Crossing(bits, energy, over.delay_s + wire / over.bit_per_s)


def place(
    segments: Sequence[str], placement: str, tokens: Sequence[float], *, incremental: bool = False
) -> Crossing:
    """All hand-offs of a workflow whose agents stand at the access, at the aggregation, in the core or together.

    Args:
        segments: link at each boundary.
        placement: one of `PLACEMENTS`.
        tokens: handed over at each boundary.
        incremental: as in `hand_off`.

    Raises:
        ConfigError: unknown placement or link, unlike lengths.
    """
    if placement not in PLACEMENTS:
        raise ConfigError(
            f"there is no placement {placement!r}.",
            key="placement",
            fix=did_you_mean(str(placement), PLACEMENTS),
        )
    if len(segments) != len(SEGMENTS) or len(tokens) != len(SEGMENTS):
        raise ConfigError(
            f"{len(segments)} segments and {len(tokens)} hand-offs.",
            key="segments",
            fix="Give three of both: access, aggregation, core.",
        )
    links = [link(name) for name in segments]
    crossings = [hand_off(links[i], tokens[i], incremental=incremental) for i in PLACEMENTS[placement]]
    return Crossing(*(math.fsum(each[i] for each in crossings) for i in range(3)))


def incremental_bits(messages: int, tokens: float) -> float:
    """Payload when each message carries only what is new: ``messages tokens f_tok``."""
    return messages * tokens * default("token_bits")


def full_context_bits(messages: int, tokens: float) -> float:
    """Payload when each message repeats all before it: ``tokens f_tok (1 + 2 + ... + messages)``."""
    return messages * (messages + 1) / 2 * tokens * default("token_bits")


def cache_bits(model: LanguageModel, tokens: float) -> float:
    """Payload when the keys and values of so many tokens travel instead of their text."""
    return 8 * tokens * cache_bytes_per_token(model, default("cache_bytes"))


def agents_that_fit(
    model: LanguageModel, memory_bytes: float, weight_bytes: float, context_tokens: float
) -> int:
    """How many agents share a device: ``weights + agents context kv <= 0.9 memory``, with a 16-bit cache.

    Args:
        model: whose cache each agent holds.
        memory_bytes: of the device.
        weight_bytes: of the model, at whatever precision.
        context_tokens: that each agent keeps; see `context_tokens_with_peers`.

    Returns:
        Agents, 0 where not even the weights fit.
    """
    free = default("memory_share_frac") * memory_bytes - weight_bytes
    return max(0, int(free // (context_tokens * cache_bytes_per_token(model, default("cache_bytes")))))


def context_tokens_with_peers(alone_tokens: float, tokens_a_peer: float, peers: int) -> float:
    """The authors' measured law of a prompt, ``p_in = a + tau peers``; they found tau from 79 to 126, median 103."""
    return alone_tokens + tokens_a_peer * peers
