"""Sendings and seconds of packets: pure formulas that `gramwise.footprint.ecal.links` puts together."""

from __future__ import annotations

import math

from gramwise.core.errors import ConfigError


def expected_sends(loss_frac: float, max_sends: int | None = None) -> float:
    """Mean number of sendings of one packet: ``(1 - p^N) / (1 - p)``, a truncated geometric distribution.

    Args:
        loss_frac: p, probability that one sending fails, in [0, 1).
        max_sends: N, at least 1; None for no limit, ``1 / (1 - p)``.

    Raises:
        ConfigError: p outside [0, 1) (at p = 1 nothing ever arrives), or N below 1.
    """
    _check_loss(loss_frac, max_sends)
    if max_sends is None:
        return 1.0 / (1.0 - loss_frac)
    return (1.0 - loss_frac**max_sends) / (1.0 - loss_frac)


def delivered_frac(loss_frac: float, max_sends: int | None = None) -> float:
    """Share of packets that arrive: ``1 - p^N``, or 1 without a limit. Arguments and errors as `expected_sends`."""
    _check_loss(loss_frac, max_sends)
    return 1.0 if max_sends is None else 1.0 - loss_frac**max_sends


def _check_loss(loss_frac: float, max_sends: int | None) -> None:
    if not 0.0 <= loss_frac < 1.0:
        raise ConfigError(
            f"a loss of {loss_frac} means that no packet can be counted on.",
            key="loss_frac",
            fix="Write a number from 0 to below 1.",
        )
    if max_sends is not None and max_sends < 1:
        raise ConfigError(f"{max_sends} sendings send nothing.", key="max_sends", fix="Write 1 or more.")


def lora_airtime_s(
    frame_bytes: int,
    spreading_factor: int,
    bandwidth_hz: float = 125_000,
    coding_rate: int = 1,
    *,
    preamble_symbols: float = 8,
    crc: bool = True,
    explicit_header: bool = True,
) -> float:
    """Seconds on the air of one LoRa frame.

    ``T = (n_pre + 4.25) T_s + T_s (8 + max(0, ceil((8 PL - 4 SF + 28 + 16 CRC - 20 H) / (4 (SF - 2 DE))) (CR + 4)))``
    with ``T_s = 2^SF / BW``, H = 1 without an explicit header, and DE = 1 where a symbol lasts more than 16 ms (low
    data rate optimisation). Source: Semtech AN1200.13 (LoRa Modem Designer's Guide), section 4; SX1276 data sheet.

    Args:
        frame_bytes: PL, bytes of the physical payload, MAC header included.
        spreading_factor: SF, 7 to 12.
        bandwidth_hz: BW.
        coding_rate: CR, 1 to 4 for 4/5 to 4/8.
        preamble_symbols: n_pre.
        crc: whether the payload carries a CRC: uplinks do, downlinks do not.
        explicit_header: LoRaWAN frames have one.
    """
    symbol_s = 2.0**spreading_factor / bandwidth_hz
    slow = 1 if symbol_s > 0.016 else 0
    bits = 8 * frame_bytes - 4 * spreading_factor + 28 + 16 * crc - 20 * (not explicit_header)
    groups = max(0, math.ceil(bits / (4 * (spreading_factor - 2 * slow))))
    return (preamble_symbols + 4.25 + 8 + groups * (coding_rate + 4)) * symbol_s
