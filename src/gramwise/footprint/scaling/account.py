"""Lines with the factors they rest on, what they leave out, and which phase of a model's life each of them serves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor, Phase
from gramwise.footprint.bill import DRAWS, Line, Values, draw


class Account(NamedTuple):
    """A part of a bill before it is evaluated.

    Attributes:
        lines, factors: for `gramwise.footprint.bill.bill`.
        not_included: what these lines leave out, in words.
        serves: operational phase by name of line. A line of manufacture tells nothing about what the machine was made
            for; this does, and the SCI scores split by it.
    """

    lines: list[Line]
    factors: list[Factor]
    not_included: list[str]
    serves: dict[str, Phase]


def merge(accounts: Iterable[Account]) -> Account:
    """Several accounts as one; a factor or an omission that stands in two is kept once.

    Raises:
        ConfigError: two lines of one name.
    """
    whole = Account([], [], [], {})
    factors: dict[Factor, None] = {}
    omitted: dict[str, None] = {}
    for account in accounts:
        twice = next((line.name for line in account.lines if line.name in whole.serves), None)
        if twice is not None:
            raise ConfigError(
                f"two lines are called {twice!r}.", key=twice, fix="Give each table its own name."
            )
        whole.lines.extend(account.lines)
        whole.serves.update(account.serves)
        factors.update(dict.fromkeys(account.factors))
        omitted.update(dict.fromkeys(account.not_included))
    whole.factors.extend(factors)
    whole.not_included.extend(omitted)
    return whole


def drawn(factors: Iterable[Factor], draws: int = DRAWS, seed: int = 0) -> tuple[Values, Values]:
    """Factors by key at their values, and drawn, shape (D,): the same draws as the bill's."""
    factors = list(factors)
    return {f.key: f.value for f in factors}, dict(draw(factors, draws, seed))


def total_g(lines: Sequence[Line], values: Values, draws: int) -> npt.NDArray[np.float64]:
    """Grams of some lines together, shape (draws,)."""
    total = np.zeros(draws)
    for line in lines:
        total = total + line.carbon_g(values)
    return total


def value_g(lines: Sequence[Line], values: Values) -> float:
    """Grams of some lines together at the factors' values."""
    return math.fsum(float(line.carbon_g(values)) for line in lines)
