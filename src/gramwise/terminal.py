"""What all verbs share on a terminal: common options, JSON or tables on standard output, progress on the other."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output and nothing else there.")
]
Scenario = Annotated[Path, typer.Argument(help="Scenario file (TOML).", show_default=False)]


def complain(sentence: str) -> None:
    """One sentence on standard error."""
    Console(stderr=True).print(f"gramwise: {sentence}", markup=False, highlight=False, soft_wrap=True)


def print_json(document: Any) -> None:
    """One JSON document and nothing else; a number that is not finite is a fault."""
    sys.stdout.write(json.dumps(document, indent=1, allow_nan=False) + "\n")


def console() -> Console:
    """Standard output, as it is at this moment."""
    return Console()


def show(document: dict[str, Any], view: Callable[[dict[str, Any]], Iterator[Any]], as_json: bool) -> None:
    """The document as JSON, or as its view has it."""
    if as_json:
        print_json(document)
        return
    for part in view(document):
        console().print(part, highlight=False, markup=False)


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error for what takes longer than a second; silent when nobody watches."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<36}"), BarColumn(), TimeElapsedColumn())
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, transient=True, disable=quiet or not errors.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda text, done: bar.update(task, description=text, completed=done)
