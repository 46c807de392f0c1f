"""Every fault gramwise raises, one tree.

::

    GramwiseError
    ├── ConfigError             what the user wrote: file, key, what to write instead        (exit 2)
    ├── DataError               what the world gave                                          (exit 3)
    │   ├── DataGap             a series has no value there
    │   ├── StaleData           older than the caller allows
    │   ├── BadReply            a foreign service or file answered nonsense
    │   ├── MixedKinds          average with marginal, or lifecycle with direct
    │   └── RunDirectoryError   a run directory that cannot be written or read
    ├── SourceUnavailable       a provider cannot be reached, or an optional library is missing (exit 3)
    ├── MeterError              (exit 3)
    │   ├── MeterAbsent         this machine has no such meter
    │   └── MeterDenied         it has one, and this user may not read it: the file and the fix
    ├── ModelError              (exit 2)
    │   ├── UnknownOperator     no formula for it
    │   └── UnknownShape        a tensor without a size: which one, and what to pass
    ├── Infeasible              no plan satisfies the goals; carries every verdict            (exit 4)
    ├── SolverError             the optimiser failed                                         (exit 1)
    └── ExecutionError          (exit 1)
        ├── Rejected            a node refused the work
        ├── TimedOut            no answer in time
        └── NodeLost            the node died under the work

Refusals (a filter's reason, a solver's status) are values; exceptions are for faults. Only ``cli`` and ``gateway``
turn these into exit codes and HTTP codes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path


class GramwiseError(Exception):
    """Root of every error that gramwise raises on purpose."""


class ConfigError(GramwiseError):
    """The user wrote something that cannot be used.

    Args:
        message: one clear sentence.
        file: the file it stands in, if any.
        key: dotted path of the key inside the file, if any.
        fix: what to write instead.
    """

    def __init__(
        self, message: str, *, file: str | Path | None = None, key: str | None = None, fix: str | None = None
    ) -> None:
        self.message, self.file, self.key, self.fix = message, file, key, fix
        where = ": ".join(str(part) for part in (file, key) if part)
        super().__init__((f"{where}: " if where else "") + message + (f" {fix}" if fix else ""))

    def inside(self, file: str | Path, table: str) -> ConfigError:
        """The same fault, told from the file and the table that the faulty part stands in."""
        key = ".".join(part for part in (table, self.key) if part)
        return ConfigError(self.message, file=file, key=key, fix=self.fix)


class DataError(GramwiseError):
    """What the world gave cannot be used."""


class DataGap(DataError):
    """A series has no value at the asked time."""


class StaleData(DataError):
    """The newest value is older than the caller allows."""


class BadReply(DataError):
    """A foreign service or data file answered something that makes no sense."""


class MixedKinds(DataError):
    """Average with marginal, lifecycle with direct, or two units were about to be mixed."""


class RunDirectoryError(DataError):
    """A run directory cannot be written (disk full, no permission) or read (not a run, other schema)."""


class SourceUnavailable(GramwiseError):
    """A provider cannot be reached, or the optional library it needs is not installed."""


class MeterError(GramwiseError):
    """A meter cannot be read."""


class MeterAbsent(MeterError):
    """This machine has no such meter."""


class MeterDenied(MeterError):
    """The meter exists and this user may not read it; the message names the file and the fix."""


class ModelError(GramwiseError):
    """A model file is missing, corrupt or cannot be analysed."""


class UnknownOperator(ModelError):
    """An operator without a cost formula, where one is required."""


class UnknownShape(ModelError):
    """A tensor has no static size; the message names it and what to pass."""


class Infeasible(GramwiseError):
    """No candidate satisfies the goals. ``verdicts`` holds, for each candidate, what rejected it and why."""

    def __init__(self, message: str, verdicts: Sequence[object] = ()) -> None:
        self.verdicts = tuple(verdicts)
        super().__init__(message)


class SolverError(GramwiseError):
    """The optimiser stopped without an answer and without proving that there is none."""


class ExecutionError(GramwiseError):
    """Work that was accepted could not be done."""


class Rejected(ExecutionError):
    """A node refused the work."""


class TimedOut(ExecutionError):
    """No answer in time."""


class NodeLost(ExecutionError):
    """The node died under the work."""


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The valid choice most like ``word``, or None when nothing is close."""
    close = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return close[0] if close else None


def did_you_mean(word: str, choices: Iterable[str], limit: int = 12) -> str:
    """A sentence for an error: the nearest valid choice, or the list when nothing is close."""
    options = sorted(choices)
    close = nearest(word, options)
    if close is not None:
        return f"Did you mean {close!r}?"
    shown = ", ".join(options[:limit]) + (", ..." if len(options) > limit else "")
    return f"Write one of: {shown}." if options else ""
