"""One link as a case describes it, and which of its technology's constants it may replace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from pydantic import Field

from .reading import CONFIG, BelowOne, Count, Flag, Number, Some

Technology = Literal["wifi", "ble", "lorawan", "nbiot", "ltem", "5g", "ethernet"]
TECHNOLOGIES: tuple[str, ...] = get_args(Technology)

RATES = ("rate_bit_per_s", "down_rate_bit_per_s")
_SECONDS = ("preamble_s", "ack_s", "listen_s", "wake_s", "tail_s")
_WATTS = ("tx_w", "rx_w", "peer_tx_w", "peer_rx_w", "wake_w", "tail_w")
OVERRIDABLE = {**dict.fromkeys(RATES, "bit/s"), **dict.fromkeys(_SECONDS, "s"), **dict.fromkeys(_WATTS, "W")}
"""Constants of a technology that a case may replace by its own, with their units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSpec:
    """One link as a case describes it.

    Attributes:
        technology: whose constants are used.
        loss_frac: probability that one sending of a packet fails, acknowledgement included; independent; below 1.
        max_sends: sendings of a packet at most; None goes on until it arrives.
        acknowledged: whether the link confirms packets; None for the technology's habit.
        network, transport, security: headers above the link; None for the technology's habit (IPv4 and UDP, or none).
        application_bytes: header of the application, once a message.
        samples_per_transfer: development samples that are sent as one message.
        spreading_factor, bandwidth_hz, coding_rate: of LoRa; coding rate 1 to 4 means 4/5 to 4/8.
        override: own constants, by the names in `OVERRIDABLE`.
        network_j_per_bit: energy of the network behind the radio, per bit on the wire; None is not included.
        sender_processing_j_per_bit, receiver_processing_j_per_bit: energy of layers 2 to 7 at either end, per payload
            bit; None is not included.
    """

    __pydantic_config__ = CONFIG

    technology: Technology
    loss_frac: BelowOne = 0.0
    max_sends: Count | None = None
    acknowledged: Flag | None = None
    network: Literal["ipv4", "ipv6", "none"] | None = None
    transport: Literal["udp", "tcp", "none"] | None = None
    security: Literal["tls13", "dtls12", "none"] = "none"
    application_bytes: Number = 0
    samples_per_transfer: Count = 1
    spreading_factor: Annotated[int, Field(ge=7, le=12, strict=True)] = 7
    bandwidth_hz: Literal[125000, 250000, 500000] = 125000
    coding_rate: Annotated[int, Field(ge=1, le=4, strict=True)] = 1
    override: Mapping[str, Some] = field(default_factory=dict)
    network_j_per_bit: Some | None = None
    sender_processing_j_per_bit: Some | None = None
    receiver_processing_j_per_bit: Some | None = None
