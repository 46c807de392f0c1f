"""Which names of a text are of one kind: those enumerated together, and those of which the same numbers are told.

A reader of words groups names by their nouns, which everyday texts often leave out ("Lyon at 56, Gdansk at 660"). What
is told of a name says as much: whoever has an intensity is a site, whoever has a deadline is a job. Names in one
enumeration or one table heading belong together; names with like numbers join; names without any number follow the
others of their noun.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gramwise.optimize.typed.units import spell

from .assemble_cues import stems
from .assemble_quantity import unit_of
from .statement import Named, Reading

_LIKE = 0.4


@dataclass(frozen=True, slots=True)
class Cluster:
    """Names of one kind, in the order of their first mention; the nouns that were said of them; where the first is."""

    labels: tuple[str, ...]
    nouns: tuple[str, ...]
    span: tuple[int, int]


def find_clusters(reading: Reading) -> list[Cluster]:
    """Names of the text in kinds, the larger kinds first."""
    spans = _first_mentions(reading)
    told = _told(reading, spans)
    parent = {label: label for label in spans}

    def root(label: str) -> str:
        while parent[label] != label:
            label = parent[label]
        return label

    fixed = {label for enumerated in _enumerations(reading) for label in enumerated}
    for enumerated in _enumerations(reading):
        whole = _list_around(enumerated, reading.groups, fixed)
        for label in (*enumerated[1:], *whole):
            parent[root(label)] = root(enumerated[0])
    by_label = _named(reading.groups)
    lists = _lists(reading.groups)
    labels = list(spans)
    apart = _apart(reading)
    for i, a in enumerate(labels):
        for b in labels[i + 1 :]:
            free = a not in fixed and b not in fixed and root(a) != root(b)
            if free and _akin(told[a], told[b], lists.get(a), lists.get(b)):
                ours = [x for x in labels if root(x) == root(a)]
                theirs = [x for x in labels if root(x) == root(b)]
                if not any(frozenset((x, y)) in apart for x in ours for y in theirs):
                    parent[root(b)] = root(a)
    members: dict[str, list[str]] = {}
    for label in labels:
        members.setdefault(root(label), []).append(label)
    _follow(members, told, by_label, fixed)
    found = [
        Cluster(
            tuple(sorted(group, key=lambda x: spans[x])),
            tuple(dict.fromkeys(n for x in group for n in by_label.get(x, ()) if n)),
            min(spans[x] for x in group),
        )
        for group in members.values()
    ]
    return sorted(found, key=lambda c: (-len(c.labels), c.span))


def _first_mentions(reading: Reading) -> dict[str, tuple[int, int]]:
    spans: dict[str, tuple[int, int]] = {}
    lower = reading.text.lower()
    for thing in reading.groups:
        for i, label in enumerate(thing.labels):
            at = lower.find(label.lower())
            spans.setdefault(label, thing.spans[i] if i < len(thing.spans) else (at, at + len(label)))
    for enumerated in _enumerations(reading):
        for label in enumerated:
            at = lower.find(label.lower())
            spans.setdefault(label, (max(at, 0), max(at, 0) + len(label)))
    return spans


def _enumerations(reading: Reading) -> list[tuple[str, ...]]:
    """Labels that an enumeration or a table's heading lists side by side."""
    return [
        run.over
        for run in reading.runs
        if len(run.over) == len(run.figures) > 1 and len(set(run.over)) == len(run.over)
    ]


def _list_around(enumerated: tuple[str, ...], groups: Iterable[Named], fixed: set[str]) -> tuple[str, ...]:
    """The rest of the reader's list of which an enumeration names some, unless that rest is enumerated itself."""
    for thing in groups:
        rest = tuple(label for label in thing.labels if label not in enumerated)
        short = all(len(label.split()) <= 3 for label in rest)  # longer ones are no names
        if (
            short
            and set(enumerated) < set(thing.labels)
            and len(rest) <= len(enumerated)
            and not fixed & set(rest)
        ):
            return rest
    return ()


def _told(reading: Reading, labels: Iterable[str]) -> dict[str, frozenset[str]]:
    """For each label the dimensions of the numbers told of it."""
    told: dict[str, set[str]] = {label: set() for label in labels}
    for figure in reading.figures:
        for label in figure.subjects:
            unit = unit_of(figure)
            if label in told and figure.unit and unit is not None:
                told[label].add(spell(unit.dims))
    return {label: frozenset(kinds) for label, kinds in told.items()}


def _apart(reading: Reading) -> set[frozenset[str]]:
    """Pairs that one number is told of at once, "cut A on the server", from two lists of the reader: two kinds."""
    place = {label: i for i, thing in enumerate(reading.groups) for label in thing.labels}
    return {
        frozenset((a, b))
        for figure in reading.figures
        for a in figure.subjects
        for b in figure.subjects
        if place.get(a, -1) != place.get(b, -1)
    }


def _named(groups: Iterable[Named]) -> dict[str, tuple[str, ...]]:
    nouns: dict[str, list[str]] = {}
    for thing in groups:
        for label in thing.labels:
            nouns.setdefault(label, []).append(thing.noun)
    return {label: tuple(n) for label, n in nouns.items()}


def _lists(groups: Iterable[Named]) -> dict[str, int]:
    """For each label which of the reader's lists it stands in, where that list has several."""
    return {label: i for i, thing in enumerate(groups) if len(thing.labels) > 1 for label in thing.labels}


def _akin(mine: frozenset[str], theirs: frozenset[str], my_list: int | None, their_list: int | None) -> bool:
    """Whether the same kinds of numbers are told of both; of names in one list, not quite half of them are enough.

    Names of two different lists are of two kinds, whatever is told of them; those of one list of which nothing is told
    are of one kind.
    """
    if not mine and not theirs:
        return my_list is not None and my_list == their_list
    if not mine or not theirs or (my_list is not None and their_list is not None and my_list != their_list):
        return False
    likeness = len(mine & theirs) / len(mine | theirs)
    return likeness >= _LIKE if my_list is not None and my_list == their_list else likeness > 0.6


def _follow(
    members: dict[str, list[str]],
    told: dict[str, frozenset[str]],
    nouns: dict[str, tuple[str, ...]],
    fixed: set[str],
) -> None:
    """Names without a number go to the one kind that shares their noun; a name that is only a noun is dropped."""
    silent = [
        k for k, group in members.items() if len(group) == 1 and not told[group[0]] and group[0] not in fixed
    ]
    for key in silent:
        label = members[key][0]
        if _only_noun(label, nouns):
            del members[key]
            continue
        hosts = [
            k
            for k, group in members.items()
            if k != key
            and not fixed & set(group)
            and any(set(nouns.get(x, ())) & set(nouns.get(label, ())) for x in group)
        ]
        if len(hosts) == 1 or (hosts and all(k in silent for k in hosts)):
            members[hosts[0]] += members.pop(key)


def _only_noun(label: str, nouns: dict[str, tuple[str, ...]]) -> bool:
    """Whether a name is but the noun of other names."""
    own = set(stems(label))
    return any(
        own and own <= set(stems(n)) for other, group in nouns.items() if other != label for n in group
    )
