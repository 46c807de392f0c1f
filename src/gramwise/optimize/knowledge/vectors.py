"""The vector leg without a model: TF-IDF of hashed character n-grams in one float32 matrix, exact cosine.

A card is several rows (title with text, each alias, each story), since a short passage is matched best by a passage
of its own length; its score is the mean of its best rows. Character n-grams (3 to 5, within word borders) see through
endings and spellings that whole words miss. Hashes are CRC-32, the same on every machine.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .entry import Entry
from .lexical import words_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH = 1 << 14
BEST_ROWS = 3
_GRAMS = (3, 4, 5)

Encoder = Callable[[Sequence[str]], "NDArray[np.float32]"]
"""Texts to rows of one length, each of unit length."""


class Vectors:
    """An index of cards by meaning.

    Args:
        entries: what is searched.
        encoder: makes vectors of texts (`encoder.OnnxEncoder`); hashed n-grams if None.
    """

    def __init__(self, entries: Sequence[Entry], encoder: Encoder | None = None) -> None:
        rows = [(i, text) for i, e in enumerate(entries) for text in passages(e)]
        self._ids = [e.id for e in entries]
        self._owner = np.array([i for i, _ in rows], dtype=np.intp)
        texts = [text for _, text in rows]
        self._encoder = encoder or Hashed(texts)
        self._matrix = self._encoder(texts) if texts else np.zeros((0, 1), dtype=np.float32)

    def scores(self, text: str) -> dict[str, float]:
        """Cosine of each card with the text, -1 to 1: the mean over its best rows."""
        if not len(self._owner):
            return {}
        cosines = self._matrix @ self._encoder([text])[0]
        found: dict[str, float] = {}
        for i, entry_id in enumerate(self._ids):
            own = np.sort(cosines[self._owner == i])[::-1][:BEST_ROWS]
            found[entry_id] = float(own.mean())
        return found


class Hashed:
    """TF-IDF of character n-grams, hashed to `WIDTH` columns, fitted on the passages of the index."""

    def __init__(self, texts: Sequence[str]) -> None:
        seen: Counter[int] = Counter()
        for text in texts:
            seen.update(set(_columns(text)))
        self._idf = np.full(WIDTH, math.log(1 + len(texts)) + 1, dtype=np.float32)
        for column, count in seen.items():
            self._idf[column] = math.log((1 + len(texts)) / (1 + count)) + 1

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(texts), WIDTH), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for column, count in _columns(text).items():
                row[column] = (1 + math.log(count)) * self._idf[column]
            norm = float(np.linalg.norm(row))
            if norm > 0:
                row /= norm
        return rows


def passages(entry: Entry) -> tuple[str, ...]:
    """The texts under which a card is found."""
    return (f"{entry.title}. {entry.text}", *entry.aliases, *entry.stories)


def _columns(text: str) -> Counter[int]:
    found: Counter[int] = Counter()
    for word in words_of(text):
        framed = f"<{word}>"
        for n in _GRAMS:
            for at in range(max(1, len(framed) - n + 1)):
                found[zlib.crc32(framed[at : at + n].encode()) % WIDTH] += 1
    return found
