"""Closure completeness: the share of required formulas that are found from given symbols (generative planning, 7.5).

``python -m evaluation.words.closure [--half dev|used|test] [--draws 40]`` prints it three times:

- worked problems: the formulas that their families need with the numbers of the card;
- filled families: each required symbol is traced back through formula cards drawn at random to symbols that nothing
  defines or at which the draw stops; the symbols at the ends are given, and every formula on the way is required;
- truths: given are the symbols under which the offline rules, told the right family, hold the numbers of an item's
  truth, each number found by its characters. A symbol that would have to be asked for is a formula not found.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gramwise.optimize.knowledge.base import Base, shipped
from gramwise.optimize.knowledge.closure import Closure, close, close_family
from gramwise.optimize.knowledge.entry import Entry
from gramwise.optimize.typed.record import Problem
from gramwise.optimize.words.assemble import Attempt, attempt
from gramwise.optimize.words.assemble_lists import with_lists
from gramwise.optimize.words.reading import read

from .equivalence import spans
from .scores import ratio, slots

STOPS = 0.35
"""Chance that a draw takes a symbol as given though a formula would lead further."""
Share = tuple[int, int]
"""Formulas found, formulas required."""


def of_worked(base: Base | None = None) -> Share:
    """Over the worked problems."""
    cards = base or shipped()
    closed = [
        close_family(e.worked.family, e.worked.values, base=cards) for e in cards.of("worked") if e.worked
    ]
    return _share(closed)


def of_families(draws: int, seed: int, base: Base | None = None) -> Share:
    """Over families whose required symbols are traced back at random, ``draws`` times each."""
    cards, rng = base or shipped(), np.random.default_rng(seed)
    found = required = 0
    for family in cards.of("family"):
        for _ in range(draws):
            needed, given, formulas = _traced(family, cards, rng)
            assert family.model is not None
            closed = close(needed, given, groups=[g.name for g in family.model.groups], base=cards)
            known = {str(e.defines) for e in closed.derivations} | given | set(closed.defaulted)
            wanted = {str(f.defines) for f in formulas}
            # A closure that asks nothing has found its way, be it by other formulas than the drawn ones.
            found += len(wanted) if closed.complete else len(wanted & known)
            required += len(wanted)
    return found, required


def of_truths(items: Sequence[dict[str, Any]], base: Base | None = None) -> Share:
    """Over the items of known families that have a truth."""
    cards = base or shipped()
    closed = []
    for item in items:
        if not item["truth"] or not item["known"]:
            continue
        family = cards.family(f"family.{item['family']}")
        tried = attempt(family, with_lists(read(item["text"])), cards)
        given = _held(Problem.model_validate(item["truth"]), tried)
        closed.append(close_family(family, given, base=cards))
    return _share(closed)


def _share(closed: Sequence[Closure]) -> Share:
    found = sum(len(c.derivations) for c in closed)
    return found, found + sum(len(c.missing) for c in closed)


def _traced(family: Entry, cards: Base, rng: np.random.Generator) -> tuple[list[str], set[str], list[Entry]]:
    """Needed symbols, given ones at the ends of the draw, and the formulas between them."""
    model = family.model
    assert model is not None
    groups = {g.name for g in model.groups}
    needed = [*model.requires]
    if model.alternatives:
        needed += model.alternatives[int(rng.integers(len(model.alternatives)))]
    given: set[str] = set()
    formulas: dict[str, Entry] = {}

    def trace(name: str, path: tuple[str, ...]) -> None:
        if name in given or name in formulas:
            return
        ways = [] if rng.random() < STOPS and path else list(_ways(name, path, groups, cards))
        if not ways:
            given.add(name)
            return
        card = ways[int(rng.integers(len(ways)))]
        formulas[name] = card
        for part in card.requires:
            trace(part, (*path, name))

    for name in needed:
        trace(name, ())
    return needed, given, list(formulas.values())


def _ways(name: str, path: tuple[str, ...], groups: set[str], cards: Base) -> Iterator[Entry]:
    """Formulas for a symbol over these sets that do not lead back to the path or to the symbol itself."""
    for card in cards.of("formula"):
        spoken = (name, *card.requires)
        fits = all(set(cards.symbols[s].index) <= groups for s in spoken)
        if card.defines == name and fits and not {*path, name} & set(card.requires):
            yield card


def _held(truth: Problem, tried: Attempt) -> set[str]:
    """Symbols of the attempt that hold numbers of the truth, and those that the text's structure gives."""
    wanted = [span for span in slots(truth) if span]
    held = set()
    for name, array in tried.arrays.items():
        ours = [span for source in array.sources for span in spans(source) if span]
        # The same number may be marked with its unit or without it.
        if not ours or any(a < d and c < b for a, b in ours for c, d in wanted):
            held.add(name)
    return held


def main() -> None:
    """Print the three shares."""
    from .run import load

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("dev", "used", "test"), default="dev")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=6)
    chosen = parser.parse_args()
    shares = {
        "worked problems": of_worked(),
        "filled families": of_families(chosen.draws, chosen.seed),
        f"truths of the {chosen.half} half": of_truths(load(chosen.half)),
    }
    for name, (found, required) in shares.items():
        share = ratio(found, required)
        print(f"{name:24} {found:5}/{required:<5} {'-' if share is None else f'{share:.3f}'}")


if __name__ == "__main__":
    main()
