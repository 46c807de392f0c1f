"""A description in plain words to a plan: formulate, ask, judge, solve, price, write, count our own grams."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from gramwise.core.errors import ConfigError, SolverError, did_you_mean
from gramwise.core.plugins import create
from gramwise.optimize.knowledge.base import shipped
from gramwise.optimize.solvers.prices import with_prices
from gramwise.optimize.typed.bind import bind
from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.record import Question
from gramwise.optimize.words.dialogue import next_turn
from gramwise.optimize.words.formulator import Answer, Draft, Formulator
from gramwise.runtime.ownwork import own_work
from gramwise.runtime.wordscenario import write_scenario

if TYPE_CHECKING:
    from gramwise.optimize.compiled.solution import Solution
    from gramwise.optimize.typed.bind import Bound
    from gramwise.optimize.typed.findings import Finding
    from gramwise.optimize.typed.record import Param, SetDecl

SCHEMA = "gramwise.words/1"
FORMULATORS = ("offline", "llm")
MOST_BYTES = 64_000
"""Of a description: more is not a description but a document (the cap of the expression language)."""
_MOST_QUESTIONS, _MOST_LINES, _NOUGHT = 40, 40, 1e-9
_NOTHING = ("infeasible", "no_feasible_found", "unbounded", "time_limit")
_MOST_FAULTS = 3
_FAULTY = "What was understood does not hold together, and is not solved."
_NO_SCENARIO = (
    "No scenario: nothing in this plan happens at a place with a known intensity, or it emits nothing."
)

Ask = Callable[[Mapping[str, Any]], str | None]


def read_words(name: str, stdin: BinaryIO) -> str:
    """The description in a file, or on standard input where ``name`` is ``-``.

    Raises:
        ConfigError: no such file, empty, too long, or no text.
    """
    where = "standard input" if name == "-" else name
    try:
        if name == "-":
            raw = stdin.read(MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            "there is no such file.", file=where, fix="Write --words FILE, or --words -."
        ) from None
    except OSError as fault:
        raise ConfigError(f"cannot be read: {fault.strerror}.", file=where) from None
    if len(raw) > MOST_BYTES:
        raise ConfigError(
            f"a description has at most {MOST_BYTES} bytes.",
            file=where,
            fix="Leave out what does not matter to the plan.",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(
            "this is not UTF-8 text.", file=where, fix="Write the description as plain text."
        ) from None
    if any(c < " " and c not in "\t\n\r\f" for c in text):
        raise ConfigError("this is binary, not text.", file=where, fix="Write the description as plain text.")
    if not text.strip():
        raise ConfigError(
            "there are no words.",
            file=where,
            fix="Say what runs where, what it takes, and what limits there are.",
        )
    return text


def formulator_of(name: str) -> Formulator:
    """The formulator ``offline`` or ``llm``.

    Raises:
        ConfigError: another name, or settings of the endpoint that make no sense.
        SourceUnavailable: ``llm`` where no endpoint is configured.
    """
    if name == "offline":
        from gramwise.optimize.words.offline import OfflineFormulator

        return OfflineFormulator()
    if name == "llm":
        from gramwise.optimize.words.llm.build import llm_formulator

        return llm_formulator()
    raise ConfigError(
        f"there is no formulator {name!r}.", key="--formulator", fix=did_you_mean(name, FORMULATORS)
    )


class Guarded:
    """A formulator whose problem with a blocking code is no problem to solve: it asks instead, in plain words.

    Args:
        inner: who formulates.
    """

    def __init__(self, inner: Formulator) -> None:
        self.inner, self.name, self.version = inner, inner.name, inner.version

    def formulate(self, text: str, answers: Sequence[Answer] = ()) -> Draft:
        """The draft of the formulator; ``needs_input`` with what is wrong where it was formulated with a fault.

        Raises:
            ConfigError, SourceUnavailable: as the formulator's.
        """
        draft = self.inner.formulate(text, answers)
        # What no decision can keep (E801) is sound, and the solver proves it.
        faults = [f for f in draft.findings if f.blocks and not f.code.startswith("E8")]
        if draft.status != "formulated" or draft.problem is None or not faults:
            return draft
        params = {f"param {p.name}": p for p in draft.problem.params}
        told = dict.fromkeys(_in_words(f, params.get(f.where)) for f in faults)
        asked = dict.fromkeys(f.where for f in faults if f.where in params)
        return replace(
            draft,
            status="needs_input",
            reason=f"{_FAULTY} {' '.join([*told][:_MOST_FAULTS])}",
            questions=tuple(_ask_again(params[where]) for where in asked),
        )


def _in_words(fault: Finding, param: Param | None) -> str:
    subject = fault.where if param is None else param.text or param.name
    return f"{subject[:1].upper()}{subject[1:]}: {fault.message} ({fault.code})"


def _ask_again(param: Param) -> Question:
    unit = "" if param.unit == "1" else param.unit
    tail = f" Please give it in {unit}." if unit else ""
    return Question(
        id=f"q_{param.name}",
        about=param.name,
        text=f"What is the {param.text or param.name}?{tail}",
        unit=unit,
    )


def plan_from_words(
    text: str,
    *,
    formulator: Formulator,
    solver: str = "auto",
    answer: Ask | None = None,
    time_limit_s: float = 30.0,
    seed: int = 0,
    zone: str | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """The ``gramwise.words/1`` document.

    Args:
        text: the description.
        formulator: turns it into a typed problem, which is not solved while the validator blocks it.
        solver: ``auto`` or a solver's name.
        answer: asks a person one question, and returns what they said or None; None asks nobody.
        time_limit_s: of solving, s.
        seed: of whatever draws at random.
        zone: where this machine stands, for the grams of planning itself; the world's mean by default.
        out: scenario to write; None writes none.

    Raises:
        ConfigError: no such solver or zone.
        SourceUnavailable: a library or an endpoint that is missing.
    """
    chosen = create("solver", solver)  # what does not exist is told before anything takes time
    own_work(0.0, zone, None)
    began = time.process_time()
    draft = _dialogue(text, Guarded(formulator), answer)
    document = _document(draft, formulator)
    if draft.status != "formulated" or draft.problem is None:
        return document
    bound, faults = bind(draft.problem)
    if bound is None:
        raise SolverError(f"a formulated problem does not bind: {faults[0]}")
    try:
        found = chosen.solve(bound, time_limit_s=time_limit_s, seed=seed)
        if found.status in ("optimal", "feasible"):
            found = with_prices(bound, found)
    except Refused as refusal:
        raise ConfigError(
            f"{refusal.message} ({refusal.code})", key="--solver", fix=refusal.fix or "Leave it at auto."
        ) from None
    why, *rewrites = found.rewrites or ("",)
    why = why.removeprefix(f"{found.solver}: ")
    found = replace(found, rewrites=tuple(rewrites))
    own = own_work(time.process_time() - began, zone, found.grams)
    document |= {"own": own}
    if found.status in _NOTHING or found.point is None or found.grams is None:
        return document | _without(found, why)
    note, scenario = "No scenario was asked for.", None
    if out is not None:
        note = write_scenario(bound, found.point, found.grams, title=_one_line(text), out=out)
        scenario = str(out) if note else None
        note = note or _NO_SCENARIO
    return document | {
        "solution": _solution(bound, found, why, own["carbon_g"]),
        "scenario": scenario,
        "scenario_note": note,
    }


def _without(found: Solution, why: str) -> dict[str, Any]:
    """What is said where no decision keeps all limits: proved, or only not found."""
    text = {
        "infeasible": "It is proved that no decision keeps all of these limits.",
        "unbounded": "The grams fall without end: a limit is missing from the description.",
    }.get(found.status, "No decision that keeps all limits was found; it is not proved that there is none.")
    return {"status": "infeasible", "reason": f"{text} ({found.solver}: {why})"}


def _solution(bound: Bound, found: Solution, why: str, own_g: float) -> dict[str, Any]:
    return {
        "objective_g": found.grams,
        "bound_g": found.bound,
        "gap_frac": found.gap_frac,
        "solver": found.solver,
        "why": why,
        "solver_g": own_g,
        "decision": dict(found.decision),
        "decision_text": list(decision_lines(bound, found.decision)),
        "prices": [
            {"constraint": name, "saved_g": saved, "room": found.price_notes.get(name, "")}
            for name, saved in found.saved.items()
        ],
        "rewrites": list(found.rewrites),
        "status": found.status,
        "wall_s": found.wall_s,
        "cpu_s": found.cpu_s,
        "seed": found.seed,
        "versions": dict(found.versions),
    }


def decision_lines(bound: Bound, decision: Mapping[str, Any]) -> Iterator[str]:
    """A decision in words, a line for each element of a variable's first set; what is 0 is left out."""
    sets = {s.name: s for s in bound.problem.sets}
    for variable in bound.problem.variables:
        values, name = decision[variable.name], (variable.text or variable.name).removeprefix("1 where ")
        unit = "" if variable.unit == "1" else f" {variable.unit}"
        if not variable.index:
            yield f"{name}: {values:g}{unit}"
            continue
        lines = _cells(values, [sets[s] for s in variable.index], variable.domain == "binary", unit)
        shown = [line for line in lines if line]
        yield from (f"{name}: {line}" for line in shown[:_MOST_LINES])
        if len(shown) > _MOST_LINES:
            yield f"{name}: and {len(shown) - _MOST_LINES} more"


def _cells(values: Any, sets: Sequence[SetDecl], binary: bool, unit: str) -> Iterator[str]:
    first, rest = sets[0], sets[1:]
    if not rest:
        chosen = [(_member(first, i), v) for i, v in enumerate(values) if abs(v) > _NOUGHT]
        yield ", ".join(label if binary else f"{label} {v:.6g}{unit}" for label, v in chosen)
        return
    for i, inner in enumerate(values):
        for line in _cells(inner, rest, binary, unit):
            if line:
                yield f"{_member(first, i)} -> {line}"


def _dialogue(text: str, formulator: Formulator, answer: Ask | None) -> Draft:
    """The draft; where somebody answers, the draft after all their answers."""
    answers: list[Answer] = []
    turn = next_turn(text, answers, formulator)
    while answer is not None and turn.question is not None and len(answers) < _MOST_QUESTIONS:
        said = answer({**turn.question.model_dump(), "note": turn.note})
        if said is None:
            break
        answers.append(Answer(question=turn.question.id, about=turn.question.about, text=said))
        turn = next_turn(text, answers, formulator)
    return turn.draft


def _document(draft: Draft, formulator: Formulator) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "status": "solved" if draft.status == "formulated" else draft.status,
        "family": draft.family,
        "family_title": _title(draft.family),
        "reason": draft.reason,
        "formulator": {"name": formulator.name, "version": formulator.version},
        "problem": None if draft.problem is None else draft.problem.document(),
        "understood": list(draft.understood),
        "codes": sorted({f.code for f in draft.findings}),
        "findings": [asdict(f) for f in draft.findings],
        "questions": [q.model_dump() for q in draft.questions],
        "solution": None,
        "own": None,
        "scenario": None,
        "scenario_note": "",
    }


def _member(declared: SetDecl, position: int) -> str:
    label = declared.label(position)
    return label if declared.labels is not None else f"{declared.name.lower()} {label}"


def _title(family: str) -> str:
    if not family:
        return ""
    entry = shipped().entries.get(family)
    return entry.title if entry is not None else family


def _one_line(text: str) -> str:
    return " ".join(text.split())[:90]
