"""Limits that nobody set: numbers that were taken for a limit although no word says so.

Where like numbers are told of every pair of two sets and one set was missed, a third of them may pass for "the most
energy that a site can give", because that dimension is free. A limit is set by words: "at most", "within", "up to", or
by a word for it. A problem with a limit without any of these is a reason to look for another way to read the text.
"""

from __future__ import annotations

from gramwise.optimize.knowledge.base import Base
from gramwise.optimize.typed.record import Problem

from .assemble_cues import Lexicon
from .statement import Reading


def unfounded_limits(problem: Problem, reading: Reading, base: Base) -> tuple[str, ...]:
    """Names of limits whose numbers no word makes a limit.

    Args:
        problem: as it was assembled.
        reading: the text, read.
        base: all cards.
    """
    limits = {n: s for p in problem.params if (s := base.symbols.get(n := p.name)) and s.relation != "any"}
    lexicon = Lexicon(limits.values())
    found = []
    for param in problem.params:
        sources = {param.source} if isinstance(param.source, str) else set(param.source or ())
        figures = [f for f in reading.figures if f"text:{f.start}-{f.end}" in sources]
        if param.name in limits and figures and not limits[param.name].bounded:
            told = any(f.relation != "is" or lexicon.evidence(param.name, f) > 0 for f in figures)
            found += [] if told else [param.name]
    return tuple(found)
