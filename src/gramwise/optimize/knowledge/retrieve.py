"""Which cards a text is about: four legs, fused by reciprocal rank, re-ranked by what fits.

The legs are words, character n-grams, the graph of cards, and for families the marks of the text's structure.

Fusion is ``sum over legs of weight/(60 + rank)``, robust to the scales of scores (Cormack, Clarke and Buettcher,
Reciprocal rank fusion, SIGIR 2009, doi:10.1145/1571941.1572114); the mean of normalised scores is there as an
ablation. Then families are re-ranked by how many quantities and nouns of the text fit their symbols and groups.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.units import alike, parse_unit

from .base import Base, shipped
from .entry import Entry, Kind
from .graph import Graph
from .lexical import Lexical
from .reach import reach
from .vectors import Encoder, Vectors

Fusion = Literal["rrf", "mean"]
RANK_SHIFT = 60
FIT_WEIGHT = 0.08
"""How much a complete fit of units and nouns lifts a card over none at all; tuned on the development half."""
TYPICAL, POSSIBLE, STRANGE = 0.75, 0.35, 0.1
"""How likely a mark is in a text of a family that lists it as typical, as possible, or not at all."""
MARKS_WEIGHT = 3.0
"""Of the marks beside 1 for each other leg; tuned on half of the practice texts, the development half, and both again
with half of the words that a text shares with its card struck out."""
_SEEDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A card that was found.

    Attributes:
        entry: the card.
        score: fused and re-ranked; only its order means something.
        ranks: place in each leg, from 1; a leg that did not find the card is absent.
        fit: share of the text's units and nouns that fit the card, 0 to 1; None where neither was given.
    """

    entry: Entry
    score: float
    ranks: Mapping[str, int]
    fit: float | None = None


def retrieve(
    text: str,
    *,
    units: Sequence[str] = (),
    nouns: Sequence[str] = (),
    marks: Collection[str] | None = None,
    k: int = 5,
    kind: Kind = "family",
    excluded: Collection[str] = (),
    fusion: Fusion = "rrf",
    encoder: Encoder | None = None,
    base: Base | None = None,
) -> tuple[Hit, ...]:
    """The cards of one kind nearest to a text, best first.

    Args:
        text: a description; nothing in it is read as a query or an instruction.
        units: of the quantities of the text, in the notation of the typed problem; unknown ones are passed over.
        nouns: singular nouns that the text counts or names members of.
        marks: features of the text's structure (`words.marks`), which rank families as a leg of their own; None where
            the text was not read.
        k: at most so many.
        kind: of card.
        excluded: ids that must not be found, nor seen through: for leave-one-out.
        fusion: ``rrf``, or ``mean`` of normalised scores.
        encoder: for the vector leg; hashed n-grams if None.
        base: cards; the shipped ones if None.
    """
    index = _index(base or shipped(), frozenset(excluded), encoder)
    legs = index.legs(text, kind)
    if marks is not None and kind == "family":
        legs["marks"] = _by_marks(index.base.of("family"), frozenset(marks))
    fused = _fused(legs, fusion)
    ranks = {leg: _places(scores) for leg, scores in legs.items()}
    hits = []
    for entry_id, score in fused.items():
        entry = index.base.entries[entry_id]
        fit = _fit(entry, units, nouns, index.base) if kind == "family" and (units or nouns) else None
        lifted = score * (1 + FIT_WEIGHT * fit) if fit is not None else score
        places = {leg: at[entry_id] for leg, at in ranks.items() if entry_id in at}
        hits.append(Hit(entry=entry, score=lifted, ranks=places, fit=fit))
    return tuple(sorted(hits, key=lambda h: (-h.score, h.entry.id))[:k])


class _Index:
    """The legs over one base, each built when first used."""

    def __init__(self, base: Base, encoder: Encoder | None) -> None:
        self.base = base
        self._encoder = encoder
        self._graph = Graph(base)
        self._legs: dict[str, tuple[Lexical, Vectors]] = {}

    def legs(self, text: str, kind: Kind) -> dict[str, dict[str, float]]:
        lexical, vectors = self._of(kind)
        found = {"lexical": lexical.scores(text), "vector": vectors.scores(text)}
        found["graph"] = self._through_graph(text, kind, found)
        return found

    def _of(self, kind: str) -> tuple[Lexical, Vectors]:
        if kind not in self._legs:
            # One index a kind, so that rare words are rare among the cards that compete.
            entries = [
                e for e in self.base.entries.values() if e.kind == kind or (kind == "near" and _near(e))
            ]
            self._legs[kind] = (
                Lexical(entries, dict(self.base.symbols)),
                Vectors(entries, self._encoder),
            )
        return self._legs[kind]

    def _through_graph(
        self, text: str, kind: Kind, found: Mapping[str, Mapping[str, float]]
    ) -> dict[str, float]:
        """Seeds are the best of both text legs, among the cards of this kind and among formulas and constraints."""
        lexical, vectors = self._of("near")
        near = _fused({"lexical": lexical.scores(text), "vector": vectors.scores(text)}, "rrf")
        own = _fused(found, "rrf")
        seeds = dict(_best(near) + _best(own))
        reached = self._graph.spread(seeds)
        return {
            i: w for i, w in reached.items() if i in self.base.entries and self.base.entries[i].kind == kind
        }


def _near(entry: Entry) -> bool:
    return entry.kind in ("formula", "constraint", "decoder")


def _best(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:_SEEDS]


@lru_cache(maxsize=16)
def _index(base: Base, excluded: frozenset[str], encoder: Encoder | None) -> _Index:
    return _Index(base.without(excluded) if excluded else base, encoder)


def _fused(legs: Mapping[str, Mapping[str, float]], fusion: Fusion) -> dict[str, float]:
    total: dict[str, float] = {}
    whole = sum(_weight(leg) for leg in legs)
    for leg, scores in legs.items():
        if fusion == "rrf":
            for entry_id, place in _places(scores).items():
                total[entry_id] = total.get(entry_id, 0.0) + _weight(leg) / (RANK_SHIFT + place)
        elif scores:
            low, high = min(scores.values()), max(scores.values())
            for entry_id, score in scores.items():
                share = (score - low) / (high - low) if high > low else 1.0
                total[entry_id] = total.get(entry_id, 0.0) + _weight(leg) * share / whole
    return total


def _weight(leg: str) -> float:
    return MARKS_WEIGHT if leg == "marks" else 1.0


def _places(scores: Mapping[str, float]) -> dict[str, int]:
    ordered = sorted(scores, key=lambda i: (-scores[i], i))
    return {entry_id: place for place, entry_id in enumerate(ordered, start=1)}


def _by_marks(families: Sequence[Entry], marks: frozenset[str]) -> dict[str, float]:
    """Log-likelihood of the marks that are there and of those that are not, for each family.

    Marks count as independent of each other (naive Bayes), and only those that some card lists count at all.
    """
    listed = sorted({m for e in families if e.model for m in (*e.model.typical, *e.model.possible)})
    found = {}
    for entry in families:
        if entry.model is not None:
            chances = {
                **dict.fromkeys(entry.model.possible, POSSIBLE),
                **dict.fromkeys(entry.model.typical, TYPICAL),
            }
            found[entry.id] = sum(
                math.log(p if m in marks else 1 - p) for m in listed for p in (chances.get(m, STRANGE),)
            )
    return found


def _fit(entry: Entry, units: Sequence[str], nouns: Sequence[str], base: Base) -> float:
    """Share of the units and nouns that find a symbol or a group of the family."""
    model = entry.model
    if model is None:
        return 0.0
    shares = []
    if units:
        shares.append(_unit_share(entry, units, base))
    if nouns:
        own = {noun for group in model.groups for noun in group.nouns}
        shares.append(sum(n in own for n in nouns) / len(nouns))
    return sum(shares) / len(shares)


def _unit_share(entry: Entry, units: Sequence[str], base: Base) -> float:
    wanted = [parse_unit(s.unit).dims for s in reach(entry, base) if not s.flag]
    fitting = total = 0
    for text in units:
        try:
            unit = parse_unit(text)
        except Refused:
            continue
        total += 1
        fitting += any(alike(unit.dims, dims) for dims in wanted)
    return fitting / total if total else 0.0
