"""The planner's process, run as ``python -m``: jobs come in as lines of JSON; heads and documents go out.

It is apart from serving so that a plan slows no request down, can be stopped when its time is up, and may need at most
so much memory. A document goes out in the bytes that the client gets, so that the gateway need not read it. What a
client wrote is only ever read as words or as a typed problem.
"""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from gramwise.core.errors import BadReply, ConfigError, GramwiseError, SourceUnavailable
from gramwise.footprint.factors import factor
from gramwise.optimize.compiled.validate_more import check_solvable
from gramwise.optimize.knowledge.base import shipped
from gramwise.optimize.typed.known import known_from
from gramwise.optimize.typed.record import Problem
from gramwise.optimize.typed.validate import validate
from gramwise.optimize.words.formulator import Answer, Draft, Formulator
from gramwise.runtime.ownwork import own_work
from gramwise.runtime.words import formulator_of, plan_from_words

from .shares import shares_of

NICENESS = 10
MEMORY_BYTES = 3 * 2**30
"""Of data: a problem at the record's limit (10 000 elements a set) stays far below it."""

HTTP = {"solved": 200, "needs_input": 422, "contradiction": 422, "out_of_scope": 422, "infeasible": 409}
"""Status of each status of ``gramwise.words/1``."""


class Given:
    """A formulator of what is formulated already: the validator judges, and nothing is guessed."""

    name, version = "given", "1"

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    def formulate(self, text: str, answers: Sequence[Answer] = ()) -> Draft:
        """The problem as it stands, with the validator's findings."""
        base = shipped()
        report = validate(self._problem, knowledge=known_from(base.entries.values(), base.symbols.values()))
        findings = list(report.findings)
        if report.ok and report.bound is not None:
            findings += check_solvable(report.bound)
        open_now = any(p.kind == "open" for p in self._problem.params)
        unbound = report.bound is None or any(f.blocks and not f.code.startswith("E8") for f in findings)
        return Draft(
            status="needs_input" if open_now or unbound else "formulated",
            family=self._problem.meta.family or "",
            problem=self._problem,
            findings=tuple(findings),
            questions=self._problem.open_questions,
            reason=" ".join(str(f) for f in findings if f.blocks)[:2000] if unbound else "",
        )


class Answered:
    """A formulator that has been told the answers of earlier turns."""

    def __init__(self, inner: Formulator, answers: Sequence[Answer]) -> None:
        self._inner, self._answers = inner, tuple(answers)
        self.name, self.version = inner.name, inner.version

    def formulate(self, text: str, answers: Sequence[Answer] = ()) -> Draft:
        """The inner draft with them."""
        return self._inner.formulate(text, (*self._answers, *answers))


def answer(job: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The reply to one job.

    Args:
        job: the members of ``POST /v2/plans``, checked, and the ``plan_id``.

    Returns:
        The head: ``http``, ``own``, and ``shares`` or ``error``; and the document, empty where there is an error.
    """
    began = time.process_time()
    head: dict[str, Any]
    document: dict[str, Any] = {}
    try:
        document = _planned(job)
        shares = shares_of(document)
        document = {"plan_id": job["plan_id"], **document, "shares": shares}
        head = {"http": HTTP[document["status"]], "shares": shares}
    except MemoryError:
        head = {"http": 413, "error": "this is too large to be planned here."}
    except GramwiseError as fault:
        head = {"http": _status(fault, job), "error": _sentence(fault)}
    except Exception:  # noqa: BLE001  the process lives on: the next plan is not this one
        traceback.print_exc()
        head = {"http": 500, "error": "planning failed on this; the gateway's log says how."}
    own = document.get("own") or own_work(time.process_time() - began, job["zone"], None)
    watts = factor("offload", "own.core_w")
    energy = {"energy_low_j": own["cpu_s"] * watts.low, "energy_high_j": own["cpu_s"] * watts.high}
    return {**head, "own": {**own, **energy}}, b"" if "error" in head else _encoded(document)


def _planned(job: Mapping[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="gramwise-plan-") as folder:
        out = Path(folder) / "plan.toml"
        document = plan_from_words(
            job["words"] or "",
            formulator=_formulator(job),
            solver=job["solver"],
            time_limit_s=job["time_limit_s"],
            seed=job["seed"],
            zone=job["zone"],
            out=out,
        )
        files = {path.name: path.read_text("utf-8") for path in sorted(out.parent.glob("plan-files/*"))}
        document["scenario"] = out.read_text("utf-8") if document["scenario"] else None
        document["scenario_files"] = {f"plan-files/{name}": text for name, text in files.items()}
    return document


def _formulator(job: Mapping[str, Any]) -> Formulator:
    if job["problem"] is None:
        return Answered(formulator_of(job["formulator"]), [Answer(**a) for a in job["answers"]])
    try:
        return Given(Problem.model_validate_json(json.dumps(job["problem"])))
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{first['msg']}.", key=f"problem.{where}" if where else "problem") from None


def _status(fault: GramwiseError, job: Mapping[str, Any]) -> int:
    """A language model that failed is 502; a library of the solver that is missing is 409, as it will stay so."""
    if isinstance(fault, ConfigError):
        return 400
    if isinstance(fault, BadReply | SourceUnavailable):
        return 502 if job["formulator"] == "llm" else 409
    return 500


def _sentence(fault: GramwiseError) -> str:
    if isinstance(fault, ConfigError):
        key = f"{fault.key}: " if fault.key else ""
        return f"{key}{fault.message}" + (f" {fault.fix}" if fault.fix else "")
    return str(fault)


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(_finite(document), default=str).encode()


def _finite(value: Any) -> Any:
    """JSON knows neither NaN nor infinity: what is not finite is not known."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value


def _own_output() -> BinaryIO:
    """Standard output for replies only: what solvers print goes to standard error."""
    mine = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(mine, "wb")


def main() -> None:
    """Answer line by line until the input ends."""
    replies = _own_output()
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    for line in sys.stdin.buffer:
        head, document = answer(json.loads(line))
        replies.write(json.dumps({**head, "bytes": len(document)}).encode() + b"\n" + document)
        replies.flush()


if __name__ == "__main__":
    main()
