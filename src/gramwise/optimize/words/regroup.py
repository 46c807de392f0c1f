"""Other ways to say which names of a text are the members of a set, where the first way leaves questions.

"The nightly job runs for two hours; the grid forecast is 412, 388, ..." gives numbers to two names, and only one of
them is a job. No pattern of words tells them apart in general; the whole text does. Each hypothesis here keeps only the
names of one kind of number, or takes the names of another kind, or none at all. The formulator tries them one by one,
and takes one only if then every number has its place, nothing is missing and nothing clashes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gramwise.optimize.knowledge.entry import Group
from gramwise.optimize.typed.units import spell

from .assemble import Attempt
from .assemble_clusters import find_clusters
from .assemble_groups import Members
from .assemble_quantity import unit_of
from .statement import Reading

_MOST = 6


def regroupings(tried: Attempt, reading: Reading) -> tuple[tuple[Members, ...], ...]:
    """Hypotheses about the members of one set each, the nearest to the first understanding first, a few at most.

    Args:
        tried: the first attempt of the family.
        reading: the text, read.

    Returns:
        for each hypothesis the members that it settles.
    """
    told = _told(reading)
    found: list[tuple[Members, ...]] = []
    for group in tried.model.groups:
        own = tried.frame.members.get(group.name)
        if group.ordered:
            continue
        if own is not None and own.labels is not None and own.source != "structure":
            found += [(m,) for m in _fewer(own, told)]
        found += [(m,) for m in _others(group, own, tried, reading, told)]
        if group.implicit and own is not None and own.source != "structure" and _silent_apart(own, told):
            size = len(group.implicit)
            found.append(
                (Members(group.name, group.implicit, size, "structure", group.nouns[0], nouns=group.nouns),)
            )
    return tuple(dict.fromkeys(found))[:_MOST]


def _told(reading: Reading) -> dict[str, frozenset[str]]:
    """For each name the kinds of numbers that are told of it."""
    kinds: dict[str, set[str]] = {}
    for figure in reading.figures:
        unit = unit_of(figure)
        for label in (*figure.subjects, figure.row, figure.column):
            if label and figure.unit and unit is not None:
                kinds.setdefault(label, set()).add(spell(unit.dims))
    return {label: frozenset(some) for label, some in kinds.items()}


def _fewer(own: Members, told: Mapping[str, frozenset[str]]) -> Iterator[Members]:
    """The same set without some names; a name of which nothing is told is never lost: it may lack its number."""
    assert own.labels is not None
    kinds = sorted({kind for label in own.labels for kind in told.get(label, ())})
    alike = [tuple(x for x in own.labels if told.get(x) == told.get(y)) for y in own.labels]
    shared = [tuple(x for x in own.labels if kind in told.get(x, ())) for kind in kinds]
    for labels in sorted({*alike, *shared}, key=lambda some: (-len(some), some)):
        lost = [x for x in own.labels if x not in labels]
        if labels and lost and all(told.get(x) for x in (*lost, *labels)):
            yield replace(own, labels=labels, size=len(labels))


def _others(
    group: Group, own: Members | None, tried: Attempt, reading: Reading, told: Mapping[str, frozenset[str]]
) -> Iterator[Members]:
    """Names of other kinds that no set has, where the set's own names, if any, are told of something else."""
    taken = {x for m in tried.frame.members.values() for x in m.labels or () if m.group != group.name}
    for cluster in find_clusters(reading):
        mine = own is not None and own.labels is not None and set(own.labels) & set(cluster.labels)
        if mine or taken & set(cluster.labels) or not all(told.get(x) for x in cluster.labels):
            continue
        start, end = cluster.span
        noun = cluster.nouns[0] if cluster.nouns else group.nouns[0]
        size = len(cluster.labels)
        yield Members(group.name, cluster.labels, size, f"text:{start}-{end}", noun, nouns=group.nouns)


def _silent_apart(own: Members, told: Mapping[str, frozenset[str]]) -> bool:
    """Whether numbers are told of every name: none is lost that may lack its number."""
    return own.labels is not None and all(told.get(x) for x in own.labels)
