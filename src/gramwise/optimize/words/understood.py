"""The problem said back in plain sentences, each number with where it comes from."""

from __future__ import annotations

from collections.abc import Sequence

from gramwise.optimize.knowledge.entry import Entry
from gramwise.optimize.typed.record import Constraint, Param, Problem, SetDecl, flat

from .questions import listing

_MOST_SHOWN = 6


def say_back(problem: Problem, text: str, family: Entry) -> tuple[str, ...]:
    """Sentences for a person: the kind of decision, its members, each number with its origin, each rule.

    Args:
        problem: with open parameters too.
        text: the description, from which the quoted words are taken.
        family: card of the family that was chosen.
    """
    sentences = [f"Decision: {_lower(family.title)}."]
    sentences += [_members(s) for s in problem.sets]
    sentences += [_param(p, problem, text) for p in problem.params]
    sentences += [
        f"From these: {_lower(d.text or d.name)} ({d.name} = {d.expr})." for d in problem.derived if d.text
    ]
    sentences += [f"Rule: {_constraint(c)}." for c in problem.constraints]
    sentences.append(
        f"Sought: the decision with the fewest grams of CO2e ({problem.objective.boundary} emissions)."
    )
    sentences += [f"Taken for granted: {a.text}" for a in problem.assumptions]
    return tuple(sentences)


def _members(declared: SetDecl) -> str:
    if declared.labels is not None:
        shown = list(declared.labels[:24])
        rest = declared.count - len(shown)
        return f"{declared.name}: {listing(shown)}" + (f" and {rest} more." if rest else ".")
    return f"{declared.name}: {declared.count} of them."


def _param(param: Param, problem: Problem, text: str) -> str:
    name = _lower(param.text or param.name)
    if param.values is None:
        return f"Open: {name}."
    unit = "" if param.unit == "1" else f" {param.unit}"
    values = list(flat(param.values))
    if len(values) == 1:
        shown = f"{values[0]:g}{unit}"
    else:
        shown = ", ".join(f"{v:g}" for v in values[:_MOST_SHOWN])
        shown += f"{', ...' if len(values) > _MOST_SHOWN else ''}{unit}"
    return f"{param.name}, {name}: {shown} ({_origin(param.source, text)})."


def _origin(source: str | tuple[str, ...], text: str) -> str:
    sources = list(dict.fromkeys([source] if isinstance(source, str) else source))
    said = [_one_origin(s, text) for s in sources[:3]]
    return "; ".join(said) + (f"; {len(sources) - 3} more places" if len(sources) > 3 else "")


def _one_origin(source: str, text: str) -> str:
    if source.startswith("text:"):
        start, _, end = source[5:].partition("-")
        quoted = " ".join(text[int(start) : int(end)].split())
        return f"your text, '{quoted[:60]}'"
    if source.startswith("answer:"):
        return f"your answer {source[7:]}"
    if source.startswith("kb:"):
        return f"knowledge base, {source[3:]}"
    return "form of the problem"


def _constraint(constraint: Constraint) -> str:
    return _lower(constraint.text or f"{constraint.lhs} {constraint.rel} {constraint.rhs}")


def quote(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The quoted characters: ``'450 g/kWh' and '120 g/kWh'``."""
    return listing([f"'{' '.join(text[a:b].split())}'" for a, b in spans])


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
