"""``gramwise plan --words``: a description in plain words in, a plan that runs out.

Exit 2 where words are missing, clash or are about something else, 4 where nothing can satisfy them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from gramwise.core.errors import ConfigError
from gramwise.terminal import show

EXITS = {"solved": 0, "needs_input": 2, "contradiction": 2, "out_of_scope": 2, "infeasible": 4}
"""Exit code of each status of ``gramwise.words/1``."""


def plan_words(
    words: str,
    *,
    formulator: str,
    solver: str,
    ask: bool,
    time_limit_s: float,
    seed: int,
    zone: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Read, formulate, ask if wanted, solve, write the scenario, say it all, and leave with the code of the status.

    Raises:
        ConfigError: no such file, not text, empty or too long; a formulator or solver that does not exist; a place
            where nothing can be written.
    """
    from gramwise.runtime.words import formulator_of, plan_from_words, read_words
    from gramwise.runtime.wordscenario import check_place
    from gramwise.show_words import words_view

    if ask and words == "-":
        raise ConfigError(
            "--ask reads answers from standard input, and so does --words -.", fix="Name a file."
        )
    text = read_words(words, sys.stdin.buffer)
    check_place(out)
    with _solvers_remarks_aside():
        document = plan_from_words(
            text,
            formulator=formulator_of(formulator),
            solver=solver,
            answer=_ask if ask else None,
            time_limit_s=time_limit_s,
            seed=seed,
            zone=zone,
            out=out,
        )
    show(document, words_view, as_json)
    code = EXITS[document["status"]]
    if code:
        raise typer.Exit(code)
    if not as_json and document["scenario"]:
        typer.echo(f"\nScenario: {document['scenario']}   Run it: gramwise simulate {document['scenario']}")


@contextmanager
def _solvers_remarks_aside() -> Iterator[None]:
    """HiGHS now and then remarks on standard output, from C++ and past Python: it goes to standard error meanwhile."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _ask(question: Mapping[str, Any]) -> str | None:
    """One question on standard error; None when nobody answers any more."""
    unit = f" [{question['unit']}]" if question["unit"] not in ("", "1") else ""
    note = f"{question['note']}\n" if question["note"] else ""
    sys.stderr.write(f"{note}{question['text']}{unit}\n> ")
    sys.stderr.flush()
    line = sys.stdin.readline(4096)
    return line.strip() if line else None
