"""Drawing a row by given shares in constant time: an alias table.

Method of A. J. Walker (1977) in the numerically stable form of M. D. Vose (1991): n columns of equal width, each split
between at most two rows, so that one draw picks a column and a side of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: stepping by it spreads any number of salts evenly."""


class AliasTable(NamedTuple):
    """Shares of n entries, ready to be drawn from.

    Attributes:
        cut: share of column i that belongs to entry i itself, (n,), 0 to 1.
        other: entry to which the rest of column i belongs, (n,).
    """

    cut: list[float]
    other: list[int]

    def pick(self, draw: float) -> int:
        """The entry for ``draw``, uniform in [0, 1)."""
        x = draw * len(self.cut)
        i = int(x)
        return i if x - i < self.cut[i] else self.other[i]

    def shares(self) -> list[float]:
        """The share of each entry that the table really holds, summing to 1."""
        parts: list[list[float]] = [[cut] for cut in self.cut]
        for cut, other in zip(self.cut, self.other, strict=True):
            parts[other].append(1.0 - cut)
        return [math.fsum(each) / len(self.cut) for each in parts]


def alias_table(weights: Sequence[float] | Iterable[float]) -> AliasTable:
    """A table that gives entry i the share ``weights[i] / sum(weights)``.

    Args:
        weights: (n,), none negative, at least one above 0.

    Raises:
        ValueError: a weight is negative or not a finite number, or all are 0.
    """
    given = [float(w) for w in weights]
    if not all(0.0 <= w < math.inf for w in given) or not any(given):
        raise ValueError("shares are finite numbers, none negative and at least one above 0")
    n, largest = len(given), max(given)
    # Divided by the largest first: a sum of tiny or huge weights must neither vanish nor overflow.
    total = math.fsum(w / largest for w in given)
    height = [w / largest * n / total for w in given]
    cut, other = [1.0] * n, list(range(n))
    low = [i for i, h in enumerate(height) if h < 1.0]
    high = [i for i, h in enumerate(height) if h >= 1.0]
    while low and high:
        small, large = low.pop(), high[-1]
        cut[small], other[small] = height[small], large
        height[large] -= 1.0 - height[small]
        if height[large] < 1.0:
            low.append(high.pop())
    # What is left over is 1 but for rounding. An entry without a share was put under another while one was above 1.
    return AliasTable(cut, other)


def chance(draw: float, salt: int) -> float:
    """Another uniform number in [0, 1) from a request's one draw, for another question.

    A plain rotation of the draw would not do: within a slot of time it is a function of the very interval that picked
    the row, so that those who start at once would all sit on the same rows. Here the salt steps by the golden ratio and
    the bits are then mixed (finaliser of SplitMix64: Steele, Lea, Flood 2014), which makes the numbers for unlike salts
    as good as independent.

    Args:
        draw: uniform in [0, 1).
        salt: names the question; another one gives another number.
    """
    z = (int(draw * 9007199254740992.0) + (salt + 1) * _GOLDEN) & _MASK  # 2^53: all bits of the draw
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / 9007199254740992.0
