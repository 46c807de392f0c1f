"""The whole reading: text in, `Reading` out; deterministic, without network, and never followed as an instruction."""

from __future__ import annotations

from gramwise.core.errors import ConfigError
from gramwise.optimize.words.statement import Clause, Figure, Named, Reading, Run

from .attach import Attacher
from .clauses import Piece, pieces, said, unwrapped
from .elided import parts_as_shares, repeat_kinds
from .groups import elide, group, members, per_energy, shorten
from .interleaved import take_turns
from .language import language
from .legend import explained_units
from .limits import mark
from .members import Member, strangers
from .quantities import Quantity, quantities
from .series import Series, series, units_ahead
from .tables import Entry, Table, tables
from .tokens import Token, plain, tokens
from .turns import told_in_turn
from .unitwords import EMITTING, as_carbon, singular
from .wishes import remarks, wish

LONGEST = 64_000
"""Characters of a description; whatever is longer is no description."""
_NEAR = 12


def read(text: str) -> Reading:
    """What stands in a description in plain words.

    Args:
        text: at most 64 000 characters.

    Returns:
        Figures with unit, limit, subject and span; runs; groups of members; the wish; the language; remarks.

    Raises:
        ConfigError: the text is empty, longer than that, or binary.
    """
    _check(text)
    same = plain(text)
    found_tables, prose = tables(same)
    marks = unwrapped(tokens(prose), prose)
    cuts = pieces(marks, prose)
    found = quantities(marks)
    strangers(marks, found)
    _place(found, cuts)
    people = members(marks, cuts, found, _seeds(found_tables))
    inside = {at for person in people for first, stop in person.mentions for at in range(first, stop)}
    found = [q for q in found if q.first not in inside]
    _unnamed(marks, found, people)
    explained_units(marks, cuts, found)
    units_ahead(marks, cuts, found)
    turns = told_in_turn(marks, cuts, found, people)
    elide(marks, cuts, found, people)
    group(marks, cuts, found, people, turns)
    _mass(marks, cuts, found)
    mark(marks, found, [cuts[q.clause].first for q in found])
    shorten(marks, cuts, found)
    per_energy(marks, cuts, found)
    parts_as_shares(marks, cuts, found)
    Attacher(marks, cuts, found, people).run()
    take_turns(marks, cuts, found, people)
    repeat_kinds(marks, cuts, found, people)
    timed, numbering = series(marks, cuts, found)
    found = [q for q in found if id(q) not in numbering]
    figures = {id(q): _figure(marks, cuts, q) for q in found}
    tabled, columns, more = _tabled(found_tables, len(cuts))
    return Reading(
        text=text,
        clauses=(*(_clause(marks, cut) for cut in cuts), *more),
        figures=tuple(sorted([*figures.values(), *tabled], key=lambda f: (f.start, f.end))),
        runs=tuple(
            sorted([*_runs(marks, cuts, found, figures, timed), *columns], key=lambda r: r.figures[0].start)
        ),
        groups=_groups(marks, found, people, found_tables),
        wish=wish(same),
        language=language(same),
        remarks=remarks(same),
    )


def _seeds(found: list[Table]) -> list[Member]:
    seeds: list[Member] = []
    axis = 0
    for table in found:
        for noun, labels in table.axes:
            axis += 1
            seeds.extend(
                Member(label, noun, place=(start, end), axis=axis) for label, start, end in labels if label
            )
    return seeds


def _tabled(found: list[Table], clauses: int) -> tuple[list[Figure], list[Run], list[Clause]]:
    """Figures, runs and clauses of the tables; a table is one clause behind those of the prose."""
    figures: list[Figure] = []
    runs: list[Run] = []
    more: list[Clause] = []
    for k, table in enumerate(found):
        more.append(Clause(start=table.start, end=table.end, words=table.words))
        made = {id(e): _cell(e, clauses + k) for e in table.entries}
        figures.extend(made.values())
        runs.extend(
            Run(figures=tuple(made[id(e)] for e in c.entries), over=c.over, head=c.head)
            for c in table.columns
        )
    return figures, runs, more


def _cell(entry: Entry, clause: int) -> Figure:
    quantity = entry.quantity
    return Figure(
        value=quantity.value,
        unit=quantity.unit,
        start=quantity.start,
        end=quantity.end,
        relation=quantity.relation,
        noun=quantity.noun,
        clause=clause,
        before=entry.heading[-_NEAR:],
        subjects=entry.subjects,
        row=entry.row,
        column=entry.column,
        each=quantity.each,
        clock=quantity.clock,
    )


def _check(text: str) -> None:
    if not text.strip():
        raise ConfigError(
            "the description is empty.", fix="Write what runs where, with which figures, and what you want."
        )
    if len(text) > LONGEST or len(text.encode("utf-8", "replace")) > 65_536:
        raise ConfigError(
            f"the description has {len(text)} characters.", fix="Keep it below 64 kB: describe one problem."
        )
    odd = sum(
        (character < " " and character not in "\t\n\r\f") or character in "\x7f\ufffd" for character in text
    )
    if "\x00" in text or odd > 0.02 * len(text) + 2:
        raise ConfigError("the description is not text but binary data.", fix="Give a plain UTF-8 text file.")


def _place(found: list[Quantity], cuts: list[Piece]) -> None:
    at = 0
    for quantity in found:
        while at + 1 < len(cuts) and cuts[at].stop <= quantity.first:
            at += 1
        quantity.clause = at


def _unnamed(marks: list[Token], found: list[Quantity], people: list[Member]) -> None:
    """A name is nothing that is counted: "9 want Rome" counts no Romes."""
    names = {word for member in people for word in (member.label, member.label.removesuffix("s"))}
    for quantity in found:
        behind = [t for t in marks[quantity.last + 1 : quantity.last + 6] if singular(t.low) == quantity.noun]
        if quantity.noun and not quantity.unit and any(t.text in names for t in behind[:1]):
            quantity.noun = ""


def _mass(marks: list[Token], cuts: list[Piece], found: list[Quantity]) -> None:
    """Grams are gCO2e in a sentence that speaks of emissions."""
    for quantity in found:
        if quantity.mass:
            cut = cuts[quantity.clause]
            if any(token.low in EMITTING for token in marks[cut.first : cut.stop]):
                quantity.unit = as_carbon(quantity.unit)


def _figure(marks: list[Token], cuts: list[Piece], quantity: Quantity) -> Figure:
    cut = cuts[quantity.clause]
    first, stop = max(cut.first, quantity.first - 3 * _NEAR), min(cut.stop, quantity.last + 3 * _NEAR)
    before = [t.low for t in marks[first : quantity.first] if t.kind == "word"]
    after = [t.low for t in marks[quantity.last + 1 : stop] if t.kind == "word"]
    return Figure(
        value=quantity.value,
        unit=quantity.unit,
        start=quantity.start,
        end=quantity.end,
        relation=quantity.relation,
        noun=quantity.noun,
        clause=quantity.clause,
        before=tuple(before[-_NEAR:]),
        after=tuple(after[:_NEAR]),
        subjects=tuple(quantity.subjects),
        each=quantity.each,
        negated=quantity.negated,
        clock=quantity.clock,
        own_before=_own(marks, range(quantity.first - 1, first - 1, -1)),
        own_after=_own(marks, range(quantity.last + 1, stop)),
    )


def _own(marks: list[Token], places: range) -> int:
    """Words from a number outwards until the next one or, behind it, the next comma.

    None where a comma parts it from what is before; "0.2 J and 10 ms" are of one thing.
    """
    backwards, count = places.step < 0, 0
    if backwards and len(places) and marks[places[0]].low in (",", ";", "but"):
        return 0
    joined = backwards and len(places) > 0 and marks[places[0]].low == "and"
    since = 0  # words since the last "and": those between it and the next number are that one's
    for at in places:
        if not backwards and marks[at].low == "and":
            since = count + 1
        if marks[at].kind in ("num", "clock"):
            if not backwards and since:
                return since - 1
            if not joined or count > 2:
                break
            joined = False
        elif not backwards and marks[at].low in (",", ";"):
            break
        count += marks[at].kind == "word"
    return count


def _clause(marks: list[Token], cut: Piece) -> Clause:
    inside = [t for t in marks[cut.first : cut.stop] if t.kind != "newline"] or marks[cut.first : cut.stop]
    return Clause(start=inside[0].start, end=inside[-1].end, words=said(inside), heading=cut.heading)


def _runs(
    marks: list[Token],
    cuts: list[Piece],
    found: list[Quantity],
    figures: dict[int, Figure],
    timed: list[Series],
) -> tuple[Run, ...]:
    lists: dict[int, list[Quantity]] = {}
    for quantity in found:
        if quantity.listed >= 0:
            lists.setdefault(quantity.listed, []).append(quantity)
    runs = [_timed(marks, cuts, figures, s) for s in timed]
    done = {id(q) for s in timed for q in s.quantities}
    for members_ in lists.values():
        if len(members_) < 2 or id(members_[0]) in done:
            continue
        first = members_[0]
        head = _head(marks, cuts, first)
        over: tuple[str, ...] = ()
        if all(len(q.subjects) == 1 for q in members_) and len({q.subjects[0] for q in members_}) == len(
            members_
        ):
            over = tuple(q.subjects[0] for q in members_)
        runs.append(Run(figures=tuple(figures[id(q)] for q in members_), over=over, head=head[-_NEAR:]))
    return tuple(runs)


def _head(marks: list[Token], cuts: list[Piece], first: Quantity) -> tuple[str, ...]:
    """Words in front of a run; those of the clause before where the run opens its own."""
    begin = cuts[first.clause].first
    head = [singular(t.low) for t in marks[begin : first.first] if t.kind == "word"]
    if len(head) < 2 and first.clause:
        before = cuts[first.clause - 1]
        head = [singular(t.low) for t in marks[before.first : before.stop] if t.kind == "word"] + head
    return tuple(head)


def _timed(marks: list[Token], cuts: list[Piece], figures: dict[int, Figure], found: Series) -> Run:
    first = found.quantities[0]
    head = _head(marks, cuts, first)
    made = tuple(figures.get(id(q)) or _figure(marks, cuts, q) for q in found.quantities)
    return Run(figures=made, over=(found.over,) if found.over else (), head=head[-_NEAR:], start=found.start)


def _groups(
    marks: list[Token], found: list[Quantity], people: list[Member], found_tables: list[Table]
) -> tuple[Named, ...]:
    groups: dict[int, list[Member]] = {}
    for member in people:
        groups.setdefault(member.group, []).append(member)
    sized = {q.noun for q in found if q.noun and not q.unit and q.relation == "is"}
    counts = {
        q.noun: q
        for q in reversed(found)
        if q.noun and not q.unit and not q.per and q.value == int(q.value) and q.value >= 2
        if q.relation == "is" or q.noun not in sized
    }
    named: list[Named] = []
    for members_ in groups.values():
        noun = next((m.noun for m in members_ if m.noun), "")
        spans = tuple(
            m.place or (marks[m.mentions[0][0]].start, marks[m.mentions[0][1] - 1].end) for m in members_
        )
        named.append(
            Named(noun=noun, labels=tuple(m.label for m in members_), count=len(members_), spans=spans)
        )
        counts.pop(noun, None)
    named.extend(
        Named(noun="hour", count=table.hours[0], spans=(table.hours[1:],))
        for table in found_tables
        if table.hours
    )
    for noun, quantity in sorted(counts.items(), key=lambda item: item[1].start):
        named.append(Named(noun=noun, count=int(quantity.value), spans=((quantity.start, quantity.end),)))
    return tuple(named)
