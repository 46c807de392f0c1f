"""One card of the knowledge base: what it says, which symbols it speaks of, and what it needs.

Cards are text in TOML under ``data/knowledge``. A *family* card holds the skeleton of a problem (`Model`): groups,
variables, objective, constraints. A *formula* card defines one symbol by others. Symbols are shared: the same name
means the same thing, in the same unit, on every card. What a family needs and the text does not give is sought among
the formulas, recursively: that closure either ends in given numbers or becomes a question. Method: generative
planning, section 7.1.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Numbers = float | tuple[float, ...] | tuple[tuple[float, ...], ...]
Kind = Literal["family", "formula", "constraint", "parameter", "trap", "decoder", "worked"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Symbol(_Record):
    """A quantity that cards speak of.

    Attributes:
        name: in expressions, as ``CI``.
        text: what it is, as one would ask for it: "carbon intensity of the grid at each site".
        unit: canonical; a number of the text is taken if its unit measures the same.
        index: the most that it may vary over, names of groups; a number that the text gives once holds for all.
        cues: words and phrases that stand near such a number, in terms of art, business words and everyday words.
        wordings: further ways in which people say it, in the same three registers: weaker signs than the cues, for
            readers that weigh a whole text together.
        avoid: words near a number that say it is something else.
        relation: whether the text states a limit ("at most 2 s") or a plain value.
        low, high: plausible range in ``unit``.
        default: figure that may stand in, reported as W403; None where asking is the only honest way.
        default_source: full citation of the default.
        flag: not a number of the text but 0 or 1 (source ``structure``), read from the cues. ``present``: 1 where a cue
            is said (of a member, or at all where ``index`` is empty), else the symbol is not given. ``absent``: 0 where
            a cue is said of a member and 1 elsewhere; always given.
        only_where: name of a flag; where that is 0 the number is not needed, and 1 may be written (source
            ``structure``), since every card multiplies by the flag there.
        negations: phrases that undo a ``present`` flag ("cannot be paused").
        seldom: few texts state it; readers that decide number by number are given the cards without (`Base.usual`).
        bounded: a plain value that is often told as a limit: "a replica handles up to 200 a second".
        shy: taken only where a cue stands near: the dimension alone, or a limit word, says nothing for it.
        clock: whether a time of day or the number of an hour may say it ("by 6 am"); a time of day says nothing else.
    """

    name: str
    text: str
    unit: str = "1"
    index: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    wordings: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    relation: Literal["any", "at_most", "at_least"] = "any"
    low: float | None = None
    high: float | None = None
    default: float | None = None
    default_source: str = ""
    flag: Literal["", "present", "absent"] = ""
    only_where: str = ""
    negations: tuple[str, ...] = ()
    clock: bool = False
    shy: bool = False
    seldom: bool = False
    bounded: bool = False


class Group(_Record):
    """A set of the problem: what its members are called in texts.

    Attributes:
        name: of the set, as ``SITE``.
        nouns: singular nouns that introduce members ("site", "server", "region").
        ordered: hours and layers are; ``t-1`` may be written then.
        implicit: labels where the text names no member and needs none, as one job; empty where it must.
        when: symbols that bring the group with them; without them the set is left out. Empty: always there.
    """

    name: str
    nouns: tuple[str, ...]
    ordered: bool = False
    implicit: tuple[str, ...] = ()
    when: tuple[str, ...] = ()


class Term(_Record):
    """A variable, derived term or constraint of a family: the record's fields as text.

    ``needs`` are symbols without which the term is left out; ``unless`` are symbols whose presence leaves it out.
    """

    name: str
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    text: str = ""
    kind: str = ""
    forall: str = ""
    index: tuple[str, ...] = ()
    domain: str = ""
    lower: float | str = 0.0
    upper: float | str = 1.0
    unit: str = "1"
    expr: str = ""
    lhs: str = ""
    rel: str = ""
    rhs: str = ""


class Model(_Record):
    """The skeleton of a family.

    Attributes:
        groups: its sets.
        requires: symbols that must be given or derived, else a question is asked.
        optional: symbols that bring a constraint or a term with them where they are given.
        variables, derived, constraints: in the fields of the typed problem.
        objective: expression in gCO2e.
        boundary: as in the typed problem.
        pulls: where the optional symbol (key) is given, these are asked for as well: a deadline needs running times.
        alternatives: sets of optional symbols of which one must be complete, as listed levels or a range of clocks;
            the first that the text gives is used, and the first of all is asked for where none is.
        cues: words that speak for this family and no other.
        context: optional symbols that a text may tell without the rule that would use them, as an arrival rate where
            no limit on waiting is stated: understood, and no reason to ask.
        typical, possible: marks (`words.marks`) that most texts of this family have, and that some have; every other
            mark speaks against it.
        seldom: symbols that few texts of this family state, though others do (`Base.usual`).
    """

    groups: tuple[Group, ...]
    requires: tuple[str, ...]
    optional: tuple[str, ...] = ()
    variables: tuple[Term, ...]
    derived: tuple[Term, ...] = ()
    objective: str
    constraints: tuple[Term, ...] = ()
    boundary: Literal["operational", "operational+embodied"] = "operational"
    pulls: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    alternatives: tuple[tuple[str, ...], ...] = ()
    cues: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    typical: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    seldom: tuple[str, ...] = ()


class Fact(_Record):
    """A sourced figure of a parameter card.

    Attributes:
        about: symbols that it can stand for, as ``("CI", "CI_0")``.
        text: what it is.
        value, low, high: the figure and its range, in ``unit``; equal where the source gives none.
        unit: in the notation of the typed problem.
        source: full citation, with the year where the figure has one.
    """

    about: tuple[str, ...]
    text: str
    value: float
    low: float
    high: float
    unit: str
    source: str = Field(min_length=8)


class Worked(_Record):
    """A family filled with numbers.

    Attributes:
        family: id of its card.
        groups: members of each set, as labels or as a count.
        values: numbers by symbol, in the symbol's unit; nested over its index, or one for all.
        optimum_g: least grams, worked out independently of the solvers.
    """

    family: str
    groups: dict[str, tuple[str, ...] | int]
    values: dict[str, Numbers]
    optimum_g: float | None = None


class Entry(_Record):
    """A card.

    Attributes:
        id: ``kind.name``, stable over versions.
        kind: what sort of card.
        title, text, aliases: what is searched; text is plain sentences.
        stories: short descriptions in other words, searched as well: business words and everyday words.
        symbols: names of the symbols that it speaks of.
        defines: symbol that a formula gives, with its binders in ``forall``.
        forall: binders of ``expr``, over group names, as ``"j in JOB, s in SITE"``.
        expr: of a formula.
        requires: symbols (formula) or entries (others) that it cannot do without.
        excludes: entries that cannot hold together with it.
        applies_to: families.
        traps: ids of unit traps to beware of.
        solver_hint: which kind of solver suits.
        model: of a family.
        facts: figures of a parameter card.
        worked: of a worked problem; `fill.worked_problem` gives the whole typed problem.
        seldom: a formula that few texts need (`Base.usual`).
        source: full citation; never empty.
        licence: of what is restated.
    """

    id: str
    kind: Kind
    title: str
    text: str
    aliases: tuple[str, ...] = ()
    stories: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    defines: str | None = None
    forall: str = ""
    expr: str | None = None
    requires: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    applies_to: tuple[str, ...] = ()
    traps: tuple[str, ...] = ()
    solver_hint: str = ""
    model: Model | None = None
    facts: tuple[Fact, ...] = ()
    worked: Worked | None = None
    seldom: bool = False
    source: str = Field(min_length=8)
    licence: str = ""
