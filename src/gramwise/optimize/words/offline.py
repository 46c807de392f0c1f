"""The deterministic formulator: no network, no model, the same draft for the same words, and never an invented number.

Read, decline early, rank families, try the best few, keep the one that explains the text best, check it, and say what
came out: a problem, questions, a contradiction, or that this is not a problem of this kind. It is the default, the
fallback where no endpoint is configured, and the baseline that every model has to beat. Method: generative planning,
section 7.4.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from gramwise.core.errors import ConfigError
from gramwise.optimize.knowledge.base import Base, shipped
from gramwise.optimize.knowledge.retrieve import Hit
from gramwise.optimize.typed.findings import Finding
from gramwise.optimize.typed.known import known_from
from gramwise.optimize.typed.record import Formulator as Author
from gramwise.optimize.typed.record import Problem
from gramwise.optimize.typed.validate import validate

from .assemble import Attempt, in_scope
from .assemble_axis import with_windows
from .assemble_cues import stems
from .assemble_groups import Members
from .assemble_lists import with_lists
from .assemble_partner import attempt
from .assemble_problem import questions_of, stated_limits, used_sources, write_problem
from .assemble_scope import why_out_of_scope
from .clashes import crossed_limits, hopeless, impossible_limits, stated_twice
from .crossed import rereadings
from .crossed_checks import told_in_full
from .doubt import ask_meaning, ask_sets, ask_units, ask_which, sure_clashes, unknown_units, waived
from .excluded import excluding
from .formulator import Answer, Draft, Status
from .marks import nearest_families
from .reading import read
from .records import all_told, recorded
from .regroup import regroupings
from .restated import without_restated
from .rethink import Barred, rethought
from .statement import Figure, Reading
from .understood import quote, say_back
from .unexplained import bare, unexplained, unplaced_sets
from .unfounded import unfounded_limits

NAME, VERSION = "offline-rule-based", "1"
MOST_TRIED = 4
MOST_REGROUPED = 2
MOST_RETHOUGHT = 1
_STEEP = 8.0  # reciprocal ranks lie close together: this spreads them over 0 to 1
_PER_CLASH = 0.4  # a family in which the numbers exclude each other is more often the wrong one
LEAST_EXPLAINED = 0.3
"""Share of the text's quantities that a family must explain; below it the formulator abstains."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    tried: Attempt
    problem: Problem | None
    explained: float
    score: float


class OfflineFormulator:
    """Turns English descriptions of carbon problems into typed problems by rules.

    Args:
        base: cards; the shipped ones where None.
    """

    name = NAME
    version = VERSION

    def __init__(self, base: Base | None = None) -> None:
        self._base = base if base is not None else shipped()
        self._known = known_from(self._base.entries.values(), self._base.symbols.values())

    def formulate(self, text: str, answers: Sequence[Answer] = ()) -> Draft:
        """The draft for ``text`` and the answers given so far.

        Raises:
            ConfigError: empty, too long or unreadable text.
            SourceUnavailable: scipy is not installed.
        """
        started = time.process_time()
        status, draft = self._draft(text, answers)
        spent = (("cpu_s", time.process_time() - started),)
        return Draft(
            status=status,
            family=draft.family,
            problem=draft.problem,
            findings=draft.findings,
            questions=draft.questions,
            reason=draft.reason,
            understood=draft.understood,
            spent=spent,
        )

    def _draft(self, text: str, answers: Sequence[Answer]) -> tuple[Status, Draft]:
        if not text.strip():
            raise ConfigError("the description is empty.", fix="Write in plain words what is to be decided.")
        reading = with_windows(without_restated(with_lists(read(text))))
        declined = why_out_of_scope(reading)
        if declined:
            return "out_of_scope", Draft(status="out_of_scope", reason=declined)
        first = self._read_as(reading, answers)
        if (first[0] == "formulated" and not self._unfounded(first[1], reading)) or answers:
            return first
        for other in (*recorded(reading), *rereadings(reading)):
            again = self._read_as(other, answers, afresh=False)
            if again[1].problem is not None and again[0] == "formulated" and hopeless(again[1].problem):
                continue
            if self._unfounded(again[1], other):
                continue
            used = used_sources(again[1].problem) if again[1].problem is not None else set()
            if again[0] == "formulated" and told_in_full(again[1], other) and all_told(other, used):
                return again
        return first

    def _unfounded(self, draft: Draft, reading: Reading) -> bool:
        """Whether a number passes for a limit that no word sets."""
        return draft.problem is not None and bool(unfounded_limits(draft.problem, reading, self._base))

    def _read_as(
        self, reading: Reading, answers: Sequence[Answer], *, afresh: bool = True
    ) -> tuple[Status, Draft]:
        """What comes of one way to read the text; ``afresh`` where other ways to see its sets may be tried."""
        best = self._best(reading, answers, afresh=afresh)
        if best is None:
            return "out_of_scope", Draft(status="out_of_scope", reason=self._unlike())
        return self._judge(best, reading, answers)

    def _best(self, reading: Reading, answers: Sequence[Answer], *, afresh: bool = True) -> _Candidate | None:
        """The family that explains the text best, None where none explains enough of it."""
        author = Author(name=self.name, version=self.version)
        tried = []
        hits = self._ranked(reading)
        for hit in hits:
            near = max(0.0, 1 - _STEEP * (1 - hit.score / hits[0].score)) if hits[0].score else 0.0
            one = attempt(hit.entry, reading, self._base, answers, near)
            problem = write_problem(one, reading.text, self._base, author)
            tried.append(_weigh(one, problem, reading))
        best = max(tried, key=lambda c: c.score, default=None)
        whole = afresh or best is None or best.explained == 1.0
        if best is not None and not (whole and self._clean(best, reading, answers)):
            other = self._regrouped if afresh else self._another
            found = other(tried, reading, answers)
            if found is None and afresh:
                found = self._rethought(tried, reading, answers)
            best = found or best
        return best if best is not None and best.explained >= LEAST_EXPLAINED else None

    def _another(
        self, tried: Sequence[_Candidate], reading: Reading, answers: Sequence[Answer]
    ) -> _Candidate | None:
        """The best family under which nothing is left over, where the one that seemed nearest leaves something."""
        clean = [c for c in tried if c.explained == 1.0 and self._clean(c, reading, answers)]
        return max(clean, key=lambda c: c.score, default=None)

    def _clean(self, one: _Candidate, reading: Reading, answers: Sequence[Answer]) -> bool:
        """Whether nothing is missing, nothing clashes, and every number that was meant has its place."""
        tried = one.tried
        if one.problem is None or tried.missing or tried.open_groups or tried.clashes:
            return False
        if questions_of(tried, self._base) or crossed_limits(tried.arrays):
            return False
        cited = _cited(tried) | used_sources(one.problem)
        left = unexplained(tried, cited, reading, self._base, answers)
        return not left and not bare(reading, cited) and not unplaced_sets(tried, reading, self._base)

    def _regrouped(
        self, tried: Sequence[_Candidate], reading: Reading, answers: Sequence[Answer]
    ) -> _Candidate | None:
        """The best family under another grouping of the names, under which the whole text finds its place."""
        author = Author(name=self.name, version=self.version)
        most = max(c.score for c in tried)
        for first in sorted(tried, key=lambda c: -c.score)[:MOST_REGROUPED]:
            found = []
            for given in regroupings(first.tried, reading):
                one = attempt(first.tried.family, reading, self._base, answers, first.tried.retrieval, given)
                candidate = _weigh(one, write_problem(one, reading.text, self._base, author), reading)
                if candidate.score > most and self._clean(candidate, reading, answers):
                    found.append(candidate)
            if found:
                return max(found, key=lambda c: c.score)
        return None

    def _rethought(
        self, tried: Sequence[_Candidate], reading: Reading, answers: Sequence[Answer]
    ) -> _Candidate | None:
        """The best family with its numbers paired in another way, under which the whole text finds its place."""
        author = Author(name=self.name, version=self.version)
        for first in sorted(tried, key=lambda c: -c.score)[:MOST_RETHOUGHT]:
            sets = tuple(first.tried.frame.members.values())

            def retry(
                barred: Barred, first: _Candidate = first, sets: tuple[Members, ...] = sets
            ) -> _Candidate:
                one = attempt(
                    first.tried.family, reading, self._base, answers, first.tried.retrieval, sets, barred
                )
                return _weigh(one, write_problem(one, reading.text, self._base, author), reading)

            found = rethought(
                first,
                frozenset(),
                lambda c: c.tried,
                lambda c: self._defects(c, reading, answers),
                retry,
            )
            if found is not None:
                return found
        return None

    def _defects(
        self, one: _Candidate, reading: Reading, answers: Sequence[Answer]
    ) -> tuple[int, tuple[Figure, ...]]:
        """How many things are missing, clash, or were meant and found no place; and the numbers among them."""
        tried = one.tried
        cited = _cited(tried) | (used_sources(one.problem) if one.problem is not None else set())
        left = unexplained(tried, cited, reading, self._base, answers)
        wrong = len(tried.missing) + len(tried.open_groups) + 2 * len(tried.clashes) + len(left)
        if wrong == 0 and not (
            self._clean(one, reading, answers) and one.problem and not hopeless(one.problem)
        ):
            wrong = 1
        return wrong, tuple(left)

    def _ranked(self, reading: Reading) -> tuple[Hit, ...]:
        return nearest_families(reading, k=MOST_TRIED, base=self._base)

    def _unlike(self) -> str:
        titles = "; ".join(e.title.split(":")[0].lower() for e in self._base.of("family"))
        return f"The description fits none of the problems that are known here: {titles}."

    def _judge(self, best: _Candidate, reading: Reading, answers: Sequence[Answer]) -> tuple[Status, Draft]:
        tried, problem = best.tried, best.problem
        questions = questions_of(tried, self._base)
        symbols = {n: self._base.symbols[n] for n in in_scope(tried.model, tried.family, self._base)}
        clashes = [*tried.clashes, *stated_twice(tried, symbols), *crossed_limits(tried.arrays)]
        findings = [*tried.notes]
        if problem is not None:
            report = validate(
                problem, text=reading.text, knowledge=self._known, answers=[a.text for a in answers]
            )
            findings += report.findings
        if not any(f.code == "W402" for f in findings):
            findings += _unused(tried, problem, reading)
        if (
            not clashes
            and not questions
            and problem is not None
            and not any(f.code[:2] in ("E1", "E2", "E3") or f.code == "E404" for f in findings)
        ):
            clashes = impossible_limits(problem, stated_limits(tried))
        cited = _cited(tried) | (used_sources(problem) if problem is not None else set())
        left = unexplained(tried, cited, reading, self._base, answers)
        doubted = clashes
        clashes = excluding(reading) + sure_clashes(clashes, left, reading, tried.frame)
        if not clashes and not questions:
            strange = [f for f in unknown_units(reading) if not waived(f, answers)]
            questions = (
                ask_which(doubted, reading)
                or ask_units(strange, reading)
                or ask_meaning(left, reading)
                or ask_sets(n for n in unplaced_sets(tried, reading, self._base) if not waived(n, answers))
            )
        understood = say_back(problem, reading.text, tried.family) if problem is not None else ()
        status: Status = "contradiction" if clashes else "needs_input" if questions else "formulated"
        reason = ""
        if clashes:
            said = [
                f"{c.message} ({quote(reading.text, c.spans)})" if c.spans else c.message for c in clashes[:3]
            ]
            reason = " ".join(said)
        elif questions:
            reason = f"{len(questions)} thing{'s are' if len(questions) > 1 else ' is'} not said."
        return status, Draft(
            status=status,
            family=tried.family.id,
            problem=problem,
            findings=tuple(findings),
            questions=questions if status == "needs_input" else (),
            reason=reason,
            understood=understood,
        )


def _weigh(tried: Attempt, problem: Problem | None, reading: Reading) -> _Candidate:
    """How well an attempt explains the text: figures used, sets recognised, little missing, close cards first."""
    cited = _cited(tried)
    figures = [
        f for f in reading.figures if f.unit and not (f.clock and f"text:{f.start}-{f.end}" not in cited)
    ]
    explained = sum(f"text:{f.start}-{f.end}" in cited for f in figures) / max(1, len(figures))
    own = {stems(c) for c in tried.model.cues}
    words = stems(reading.text)
    strange = bool(own) and not any(
        words[i : i + len(cue)] == cue for cue in own for i in range(len(words) - len(cue) + 1)
    )
    missing = len(tried.missing) + len(tried.open_groups)
    score = (
        2.5 * explained
        + 1.1 * tried.retrieval
        + 0.6 * tried.frame.matched
        - 0.5 * min(missing, 4)
        - 0.5 * tried.pairing_cost
        - (0.8 if strange else 0.0)
        - _PER_CLASH * min(len(tried.clashes), 2)
    )
    return _Candidate(tried, problem, explained, score)


def _cited(tried: Attempt) -> set[str]:
    """Sources of the values that matter, those of arrays with gaps included."""
    used = tried.used()
    return {s for n, a in tried.arrays.items() if n in used for s in a.sources} | {
        m.source for m in tried.frame.members.values()
    }


def _unused(tried: Attempt, problem: Problem | None, reading: Reading) -> list[Finding]:
    """W402 for every number with a unit that the problem does not use."""
    cited = _cited(tried) | (used_sources(problem) if problem is not None else set())
    return [
        Finding(
            code="W402",
            where=f"text:{f.start}-{f.end}",
            message=f"{reading.text[f.start : f.end]!r} is not used.",
            fragment=reading.text[f.start : f.end][:80],
        )
        for f in reading.figures
        if f.unit and f"text:{f.start}-{f.end}" not in cited
    ]


PLUGIN = OfflineFormulator
