"""Conversion constants, exact by definition. Inside gramwise: joule, watt, second, gram CO2e, byte, FLOP, g/kWh."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FloatOrArray = TypeVar("FloatOrArray", float, "npt.NDArray[np.float64]")

J_PER_KWH = 3_600_000.0
"""1 kWh = 1000 W x 3600 s."""

S_PER_HOUR = 3600.0
S_PER_DAY = 86_400.0
S_PER_YEAR = 31_557_600.0
"""Julian year of 365.25 days."""

FLOP_PER_MAC = 2.0
"""One multiply-accumulate is one multiplication and one addition."""

BYTES_PER_MIB = 1_048_576
BYTES_PER_MB = 1_000_000


def carbon_g(
    energy_j: FloatOrArray, intensity_g_per_kwh: FloatOrArray, pue: FloatOrArray | float = 1.0
) -> FloatOrArray:
    """Grams CO2e of a quantity of electricity: ``energy_j / 3.6e6 x intensity x pue``.

    Scalars or NumPy arrays of one shape. ``pue`` is the site's power usage effectiveness and must be 1.0 when
    ``energy_j`` was read at the wall of the site, or it is counted twice. Source: SCI (ISO/IEC 21031:2024), O = E x I.
    """
    return energy_j * (intensity_g_per_kwh * pue / J_PER_KWH)
