"""The lexical leg: SQLite FTS5 in memory, Porter stemming, bm25 weighted by field.

A query is the words of a text, each quoted and joined by OR, so that nothing in it is read as query syntax.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

from gramwise.core.errors import SourceUnavailable

from .entry import Entry, Symbol

MOST_WORDS = 400
_WORD = re.compile(r"[a-z][a-z0-9]+")
_STOP = frozenset(
    """
    the and for with that this are was has have had not but its our you your their they them from into than then
    which when what where who how will would should can could may must each every any all per one two three four
    five six seven eight nine ten there here while also just only very more most less least such these those been
    being does did doing over under about after before other own same some both between during out off again
    because until against further once nor too were him her his she it is in on at by an or if so as to of we do be
    no carbon emissions emission co2 co2e grams gram kwh want like possible please much many
    """.split()  # noqa: SIM905 - a list of a hundred literals would hide the words
)
# title, aliases, stories, text, symbols
_WEIGHTS = (3.0, 3.0, 2.0, 1.0, 1.0)


def words_of(text: str) -> list[str]:
    """Lower-case words of a text without stop words and numbers, in order, at most `MOST_WORDS`."""
    return [w for w in _WORD.findall(text.lower()) if w not in _STOP][:MOST_WORDS]


class Lexical:
    """An index of cards.

    Args:
        entries: what is searched.
        symbols: by name, whose meanings are searched with their cards.

    Raises:
        SourceUnavailable: SQLite was built without FTS5.
    """

    def __init__(self, entries: Sequence[Entry], symbols: dict[str, Symbol]) -> None:
        self._ids = [e.id for e in entries]
        # Readers of several threads share the index; it is not written after this.
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            self._db.execute(
                "CREATE VIRTUAL TABLE card USING fts5("
                "title, aliases, stories, body, symbols, tokenize='porter unicode61')"
            )
        except sqlite3.OperationalError as error:
            raise SourceUnavailable(
                "retrieval needs SQLite with FTS5, which this Python lacks: install a Python whose sqlite3 has it."
            ) from error
        self._db.executemany("INSERT INTO card VALUES (?,?,?,?,?)", (_row(e, symbols) for e in entries))

    def scores(self, text: str) -> dict[str, float]:
        """Relevance of each card that shares a word with the text; larger is better."""
        words = list(dict.fromkeys(words_of(text)))
        if not words:
            return {}
        query = " OR ".join(f'"{w}"' for w in words)
        rows = self._db.execute(
            f"SELECT rowid, -bm25(card, {','.join(map(str, _WEIGHTS))}) FROM card WHERE card MATCH ?",
            (query,),
        )
        return {self._ids[rowid - 1]: score for rowid, score in rows}


def _row(entry: Entry, symbols: dict[str, Symbol]) -> tuple[str, ...]:
    spoken = [symbols[name] for name in entry.symbols if name in symbols]
    return (
        entry.title,
        " ; ".join((*entry.aliases, *(entry.model.cues if entry.model else ()))),
        " ".join(entry.stories),
        entry.text,
        " ; ".join(s.text for s in spoken),
    )
