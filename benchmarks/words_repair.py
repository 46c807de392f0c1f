"""How much of a model's error the validator and the repair loop catch: detection and repair against corruption rate.

    python benchmarks/words_repair.py [--json FILE]

No language model is involved and nothing is said about one. A server on this machine answers with the true problem
of a description of the dev half, spoilt with a stated probability by one of the corruptions of
`evaluation.words.mutants`; every repair round is spoilt anew with the same probability. Counted is what comes out at
the end: right (the same problem), given up (refused by name), or wrong without anybody noticing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "optimize")]

from evaluation.words.equivalence import equivalent  # noqa: E402
from evaluation.words.mutants import corrupt  # noqa: E402
from llm_kit import LlmServer, Scripted  # noqa: E402

from gramwise.core.errors import BadReply  # noqa: E402
from gramwise.optimize.typed.record import Problem  # noqa: E402
from gramwise.optimize.words.formulator import Draft  # noqa: E402
from gramwise.optimize.words.llm.build import judged  # noqa: E402
from gramwise.optimize.words.llm.formulate import LlmFormulator  # noqa: E402
from gramwise.optimize.words.llm.settings import endpoint  # noqa: E402
from gramwise.optimize.words.llm.wire import reply_of  # noqa: E402

KINDS = (
    "drop",
    "flip",
    "unit_3600",
    "unit_kind",
    "unit_prefix",
    "index",
    "invent",
    "syntax",
    "unknown",
    "orphan",
)
OUTCOMES = ("right", "given up", "unnoticed")
RATES = (0.0, 0.25, 0.5, 0.75, 1.0)


def truths() -> list[tuple[str, Problem]]:
    """Text and true problem of every solvable item of the dev half."""
    lines = (ROOT / "evaluation" / "words" / "dev.jsonl").read_text("utf-8").splitlines()
    found = (json.loads(line) for line in lines)
    return [(d["text"], Problem.model_validate(d["truth"])) for d in found if d["status"] == "formulated"]


def outcome(server: LlmServer, text: str, truth: Problem, kind: str, rate: float, rng: Any) -> str:
    """``right``, ``given up`` or ``unnoticed`` for one formulation."""

    def script(body: dict[str, Any], number: int) -> Scripted:
        spoilt = corrupt(truth, kind, rng) if rng.random() < rate else None
        draft = Draft(status="formulated", family=truth.meta.family, problem=spoilt or truth)
        return Scripted(reply_of(draft, text).model_dump())

    server.script = script
    asking = LlmFormulator(endpoint(server.environment()), judge=judged)
    try:
        draft = asking.formulate(text)
    except BadReply:
        return "given up"
    assert draft.problem is not None
    return "right" if equivalent(truth, draft.problem, draws=4).same else "unnoticed"


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--items", type=int, default=12)
    given = parser.parse_args()
    began, server, rows = time.perf_counter(), LlmServer(), []
    chosen = truths()[:: max(1, len(truths()) // given.items)][: given.items]
    try:
        for kind in KINDS:
            for rate in RATES[1:] if kind != KINDS[0] else RATES:
                rng = np.random.default_rng(7)
                can = [(t, p) for t, p in chosen if corrupt(p, kind, np.random.default_rng(0)) is not None]
                found = [outcome(server, t, p, kind, rate, rng) for t, p in can]
                row = {"kind": kind, "rate": rate, "items": len(found)}
                rows.append(row | {name: found.count(name) for name in OUTCOMES})
                counts = " ".join(f"{name} {found.count(name):3d}" for name in OUTCOMES)
                print(f"{kind:12} {rate:5.2f} {len(found):4d} {counts}", file=sys.stderr, flush=True)
    finally:
        server.close()
    if given.json:
        given.json.write_text(
            json.dumps({"rows": rows, "seconds": time.perf_counter() - began}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
