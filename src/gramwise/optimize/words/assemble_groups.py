"""Which things of the text are the members of which set: "three cameras", "Pi, Jetson and the cloud", 24 hours.

Kinds of names (`assemble_clusters`) are paired with the sets of a family by their nouns and by what is told of them: a
number that only a site can have makes a site. A set without names takes what the text counts under one of its nouns,
then the length of an enumeration that no other set explains, then the card's implicit member ("the job"). Otherwise it
stays open, and that is a question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gramwise.core.errors import SourceUnavailable
from gramwise.optimize.knowledge.entry import Group, Model, Symbol

from .assemble_axis import is_axis, of_time
from .assemble_clusters import Cluster, find_clusters
from .assemble_cues import Lexicon, stem, stems
from .assemble_hosts import without_hosts
from .assemble_quantity import into
from .reading.vocabulary import words
from .statement import Reading, Run

_OFFERING = words("attach.offering")
MOST_MEMBERS = 2000
ORDINALS = {
    "first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "sixth": 5, "seventh": 6, "eighth": 7, "last": -1,
}  # fmt: skip
"""Positions that ordinal words name."""
_TRAILING = re.compile(r"^(.*?)[\s_#-]*(\d+)$")


@dataclass(frozen=True, slots=True)
class Members:
    """Elements of a set as found in the text: ``labels`` where they are named, else only how many; and from where."""

    group: str
    labels: tuple[str, ...] | None
    size: int
    source: str
    noun: str
    ordered: bool = False
    nouns: tuple[str, ...] = ()

    def position(self, label: str) -> int | None:
        """0-based place of a member called ``label`` in the text; "job 2" is the second of six jobs."""
        wanted = _plain(label)
        if self.labels is not None:
            for i, own in enumerate(self.labels):
                if _plain(own) == wanted:
                    return i
        first, _, rest = wanted.partition(" ")
        if first in ORDINALS and (not rest or stem(rest.split()[-1]) == stem(self.noun)):
            at = ORDINALS[first] if ORDINALS[first] >= 0 else self.size - 1
            return at if at < self.size else None
        if self.labels is not None:
            return None
        found = _TRAILING.match(wanted)
        if (
            found
            and 1 <= int(found[2]) <= self.size
            and stem(found[1].strip() or self.noun) == stem(self.noun)
        ):
            return int(found[2]) - 1
        return None

    def name(self, position: int) -> str:
        """What to call an element."""
        if self.labels is not None:
            return self.labels[position]
        return f"{self.noun} {position + 1}" if self.size > 1 else f"the {self.noun}"


@dataclass(frozen=True, slots=True)
class Frame:
    """The sets of one family, bound; ``unbound`` are those about which the text says nothing.

    ``matched`` is the share of the sets that the text itself names, counts or enumerates.
    """

    members: dict[str, Members]
    unbound: tuple[Group, ...]
    matched: float

    def where(self, label: str) -> tuple[str, int] | None:
        """Set and position of a label, None where no set has it."""
        for name, members in self.members.items():
            at = members.position(label)
            if at is not None:
                return name, at
        return None


def bind_groups(
    model: Model,
    reading: Reading,
    symbols: Mapping[str, Symbol],
    lexicon: Lexicon,
    given: Sequence[Members] = (),
) -> Frame:
    """The sets of ``model`` with their members in ``reading``.

    Args:
        model: of a family.
        reading: the text.
        symbols: that the family can take, for what is told of whom.
        lexicon: their cues.
        given: members that answers have settled.
    """
    bound = {m.group: m for m in given}
    groups = [g for g in model.groups if g.name not in bound]
    clusters = without_hosts(find_clusters(reading), reading)
    for group, cluster in _paired(groups, clusters, reading, symbols, lexicon):
        bound[group.name] = _of_cluster(group, cluster, reading)
    nouns = {g.name: g.nouns for g in model.groups}
    rest = [g for g in groups if g.name not in bound]
    for group in list(rest):
        spanned = _from_runs(group, reading, bound, symbols, loosely=False)
        counted = _counted(group, reading)
        if counted is not None and any(_counts(counted, m, nouns[m.group]) for m in bound.values()):
            counted = None  # "four speed steps" counts the steps that are named, and no tasks
        members = (spanned or counted) if group.ordered else (counted or spanned)
        if members is not None:
            bound[group.name] = members
            rest.remove(group)
    matched = len(bound) / max(1, len(model.groups))
    for group in sorted(rest, key=lambda g: (bool(g.implicit), bool(g.when))):
        members = _from_runs(group, reading, bound, symbols, loosely=True)
        if members is None and group.implicit:
            members = Members(group.name, group.implicit, len(group.implicit), "structure", group.nouns[0])
        if members is not None:
            bound[group.name] = members
    last = _by_elimination([g for g in groups if g.name not in bound], clusters, bound, reading)
    if last is not None:
        bound[last.group] = last
    unbound = tuple(g for g in groups if g.name not in bound)
    named = {g.name: replace(bound[g.name], nouns=g.nouns) for g in model.groups if g.name in bound}
    return Frame(named, unbound, matched)


def _by_elimination(
    groups: Sequence[Group], clusters: Sequence[Cluster], bound: Mapping[str, Members], reading: Reading
) -> Members | None:
    """The only set that is open has the only names that are free, even where nothing is told of them yet."""
    taken = {label for m in bound.values() for label in m.labels or ()}
    free = [c for c in clusters if len(c.labels) > 1 and not taken & set(c.labels)]
    if len(groups) != 1 or len(free) != 1 or groups[0].ordered:
        return None
    return _of_cluster(groups[0], free[0], reading)


def _outnumbered(group: Group, cluster: Cluster, reading: Reading, symbols: Mapping[str, Symbol]) -> bool:
    """Whether a series runs over more steps than these names: "ten in the morning" is no step of a forecast."""
    spanned = _from_runs(group, reading, {}, symbols, loosely=False)
    return spanned is not None and spanned.size > len(cluster.labels)


def _counts(counted: Members, named: Members, nouns: Sequence[str]) -> bool:
    """Whether a count is of members that another set already has by name."""
    same = stems(counted.noun)[-1:] in {stems(noun)[-1:] for noun in (named.noun, *nouns)}
    return same and named.labels is not None and counted.size == named.size


def _plain(label: str) -> str:
    return re.sub(r"^(the|a|an|our|my)\s+", "", re.sub(r"[\s_-]+", " ", label.strip().lower()))


def _paired(
    groups: Sequence[Group],
    clusters: Sequence[Cluster],
    reading: Reading,
    symbols: Mapping[str, Symbol],
    lexicon: Lexicon,
) -> list[tuple[Group, Cluster]]:
    """Sets and kinds of names, best total of nouns and told numbers; a poor pair is not made."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError:
        raise SourceUnavailable(
            "formulating a problem needs the scipy package: pip install 'gramwise[plan]'"
        ) from None
    if not groups or not clusters:
        return []
    score = np.zeros((len(groups), len(clusters)))
    for j, cluster in enumerate(clusters):
        told = _affinity(cluster, reading, symbols, lexicon)
        for i, group in enumerate(groups):
            score[i, j] = (
                _kinship(group, cluster) + told.get(group.name, 0.0) + 0.02 * min(len(cluster.labels), 8)
            )
            if group.ordered and (
                not is_axis(group, cluster) or _outnumbered(group, cluster, reading, symbols)
            ):
                score[i, j] = 0.0
            if len(cluster.labels) == 1:
                score[i, j] -= 0.35 if told else 1.0  # one name of which nothing is told is no set
            if (counted := _counted(group, reading)) is not None:
                own = counted.size == len(cluster.labels)
                score[i, j] += 0.25 if own else -0.3  # "five scans" are others than the two machines
    rows, columns = linear_sum_assignment(-np.maximum(score, 0.0))  # a pair that is not made costs nothing
    return [(groups[i], clusters[j]) for i, j in zip(rows, columns, strict=True) if score[i, j] > _LEAST]


_LEAST = 0.3


def _kinship(group: Group, cluster: Cluster) -> float:
    """How well the nouns of a kind of names suit a set; part for names that contain such a noun."""
    best = 0.0
    for rank, noun in enumerate(stems(n) for n in group.nouns):
        for own in map(stems, cluster.nouns):
            if own and (own == noun or own[-1:] == noun):
                best = max(best, 0.8 - 0.01 * rank)
        if any(set(noun) <= set(stems(label)) for label in cluster.labels):
            best = max(best, 0.4)
    return best


def _affinity(
    cluster: Cluster, reading: Reading, symbols: Mapping[str, Symbol], lexicon: Lexicon
) -> dict[str, float]:
    """For each set, the share of what is told of these names that only its members can have."""
    votes: dict[str, float] = {}
    figures = [f for f in reading.figures if f.unit and set(f.subjects) & set(cluster.labels)]
    for figure in figures:
        fitting = [s for s in symbols.values() if not s.flag and into(figure, s.unit) is not None]
        weights = {s.name: 0.1 + max(0.0, lexicon.evidence(s.name, figure)) for s in fitting}
        whole = sum(weights.values())
        for s in fitting:
            for g in s.index:
                votes[g] = votes.get(g, 0.0) + weights[s.name] / whole / len(s.index)
    return {g: v / max(1, len(figures)) for g, v in votes.items()}


def _of_cluster(group: Group, cluster: Cluster, reading: Reading) -> Members:
    """Named members; names that only pick some of a counted set ("job 2 of six") leave it counted."""
    noun = cluster.nouns[0] if cluster.nouns else group.nouns[0]
    counted = _counted(group, reading)
    if counted is not None and counted.size > len(cluster.labels) and all(map(_one_of_many, cluster.labels)):
        return counted
    start, end = cluster.span
    labels = of_time(group, cluster.labels)
    return Members(group.name, labels, len(labels), f"text:{start}-{end}", noun, group.ordered)


def _one_of_many(label: str) -> bool:
    """Whether a name only picks one out of a counted set: "job 2", "first task"."""
    return bool(_TRAILING.match(label)) or _plain(label).split(" ")[0] in ORDINALS


def _counted(group: Group, reading: Reading) -> Members | None:
    """How many members the text counts under the earliest of the set's nouns."""
    nouns = [stems(n) for n in group.nouns]
    best: tuple[int, int, tuple[int, int], str] | None = None
    said = [
        (stems(t.noun), t.count, t.spans[0], t.noun)
        for t in reading.groups
        if t.count and not t.labels and t.spans
    ]
    said += [
        (stems(f.noun), int(f.value), (f.start, f.end), f.noun)
        for f in reading.figures
        if f.noun and not f.unit and f.relation == "is" and not f.each and f.value == int(f.value) >= 2
    ]
    for own, count, span, noun in said:
        rank = next((i for i, n in enumerate(nouns) if own and (own == n or own[-1:] == n)), None)
        if rank is not None and 1 <= count <= MOST_MEMBERS and (best is None or rank < best[0]):
            best = rank, int(count), span, noun
    if best is None:
        return None
    _, size, (start, end), noun = best
    return Members(group.name, None, size, f"text:{start}-{end}", noun, group.ordered)


def _from_runs(
    group: Group, reading: Reading, bound: dict[str, Members], symbols: Mapping[str, Symbol], *, loosely: bool
) -> Members | None:
    """The set that an enumeration spans: hours of a forecast, or the only length that no other set explains."""
    nouns = {stems(n) for n in group.nouns}
    sizes = {m.size for m in bound.values()}
    units = [s.unit for s in symbols.values() if group.name in s.index]
    runs = [
        r
        for r in reading.runs
        if 1 < len(r.figures) <= MOST_MEMBERS and any(into(r.figures[0], u) is not None for u in units)
    ]
    for run in runs:
        said = len(run.over) == 1 and stems(run.over[0]) in nouns
        headed = any(stem(w) in {n[-1] for n in nouns if n} for w in run.head)
        free = len(run.figures) not in sizes or _to_choose_from(run, reading)
        if said or (headed and free and not loosely):
            return _spanned(group, run.figures[0].start, run.figures[-1].end, len(run.figures))
    if not loosely:
        return None
    fitting = [r for r in runs if not r.over or (len(r.over) == 1 and stems(r.over[0]) in nouns)]
    loose = {len(r.figures) for r in fitting} - sizes
    if len(loose) == 1 and not group.implicit:
        n = loose.pop()
        run = next(r for r in fitting if len(r.figures) == n)
        return _spanned(group, run.figures[0].start, run.figures[-1].end, n)
    return None


def _to_choose_from(run: Run, reading: Reading) -> bool:
    """ "Allowed frequencies: 1, 1.5 and 2 GHz", "at 1, 1.5 or 2 GHz"."""
    between = reading.text[run.figures[-2].end : run.figures[-1].start].lower().split()
    return not run.over and ("or" in between or bool(_OFFERING & set(run.head)))


def _spanned(group: Group, start: int, end: int, size: int) -> Members:
    return Members(group.name, None, size, f"text:{start}-{end}", group.nouns[0], group.ordered)
