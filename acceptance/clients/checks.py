"""What every client here does alike: read what it is pointed at, say of each check whether it held, never stop."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

TOLERANCE = 1e-4
"""Between an answer and raw onnxruntime on the same file: batches may change the order of additions."""


class Target(NamedTuple):
    """A server under test, as `acceptance/subject.py` describes it.

    Attributes:
        name: ``node`` or ``gateway``, or the foreign server behind it.
        http, grpc: addresses, ``host:port``.
        token: that every call but the probes needs.
        model: it serves, with one input and one output of FP32.
        input, output: their names.
        given, expected: arrays: an input, and what raw onnxruntime answers to it.
        told: response parameters that must be there.
        ours: what is behind it is ours, and refuses what does not fit; foreign servers may answer it, or with 500.
        kinds: a model that gives back what it gets, for each datatype by name; empty where it serves none.
        ca: file of who signed its certificate; empty where it speaks no TLS.
    """

    name: str
    http: str
    grpc: str
    token: str
    model: str
    input: str
    output: str
    given: Any
    expected: Any
    told: list[str]
    ours: bool
    kinds: dict[str, str]
    ca: str


def target() -> Target:
    """The server that the command line names: a JSON file."""
    told = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    arrays = np.load(told.pop("arrays"))
    return Target(**told, given=arrays["given"], expected=arrays["expected"])


class Checks:
    """Runs checks and prints a line of JSON for each."""

    def __init__(self, client: str) -> None:
        self.client, self.failed = client, 0

    def run(self, name: str, check: Callable[[], object]) -> None:
        """A check fails when it raises or returns False."""
        try:
            self._say(name, check() is not False, "it returned False")
        except Exception as fault:  # noqa: BLE001  a library may raise anything; it is a finding, not the end
            self._say(name, False, _told(fault))

    async def wait(self, name: str, check: Callable[[], Awaitable[object]]) -> None:
        """The same for a coroutine."""
        try:
            self._say(name, await check() is not False, "it returned False")
        except Exception as fault:  # noqa: BLE001  a library may raise anything; it is a finding, not the end
            self._say(name, False, _told(fault))

    def end(self) -> None:
        """The process's exit code says whether all held."""
        sys.exit(1 if self.failed else 0)

    def _say(self, name: str, held: bool, why: str) -> None:
        self.failed += not held
        line = {"client": self.client, "check": name, "ok": held, **({} if held else {"why": why})}
        print(json.dumps(line), flush=True)


def near(found: Any, expected: Any) -> None:
    """The same numbers.

    Raises:
        AssertionError: not so, or another shape.
    """
    assert found is not None, "no such output"
    assert found.shape == expected.shape, f"shape {found.shape}, expected {expected.shape}"
    worst = float(np.max(np.abs(found.astype(np.float64) - expected))) if found.size else 0.0
    assert worst <= TOLERANCE, f"differs by {worst}"


def refused(call: Callable[[], object], kind: type[BaseException], *words: str) -> None:
    """The call raises the client library's own error, whose text has one of the words.

    Raises:
        AssertionError: not so.
    """
    try:
        found = call()
    except kind as fault:
        _worded(fault, words)
        return
    raise AssertionError(f"it was answered: {str(found)[:80]}")


async def refused_later(call: Awaitable[object], kind: type[BaseException], *words: str) -> None:
    """The same for a coroutine."""
    try:
        found = await call
    except kind as fault:
        _worded(fault, words)
        return
    raise AssertionError(f"it was answered: {str(found)[:80]}")


def same(found: Any, expected: Any) -> None:
    """The same elements, of whatever kind.

    Raises:
        AssertionError: not so.
    """
    assert found is not None, "no such output"
    assert found.shape == expected.shape, f"shape {found.shape}, expected {expected.shape}"
    assert found.tolist() == expected.tolist(), f"{found.tolist()} is not {expected.tolist()}"


EXAMPLES: dict[str, Any] = {
    "BOOL": np.array([True, False, True]),
    "UINT8": np.array([0, 1, 255], np.uint8),
    "UINT16": np.array([0, 1, 65535], np.uint16),
    "UINT32": np.array([0, 1, 2**32 - 1], np.uint32),
    "UINT64": np.array([0, 1, 2**64 - 1], np.uint64),
    "INT8": np.array([-128, 0, 127], np.int8),
    "INT16": np.array([-32768, 0, 32767], np.int16),
    "INT32": np.array([-(2**31), 0, 2**31 - 1], np.int32),
    "INT64": np.array([-(2**63), 0, 2**63 - 1], np.int64),
    "FP16": np.array([0.5, -1.0, 65504.0], np.float16),
    "FP32": np.array([0.5, -1e30, 3.4e38], np.float32),
    "FP64": np.array([0.1, -1e300, 5e-324], np.float64),
    "BYTES": np.array([b"", "grün".encode(), b"a b"], object),
}
"""An array of each datatype, with the ends of its range."""


def _worded(fault: BaseException, words: tuple[str, ...]) -> None:
    text = f"{fault} {getattr(fault, 'details', lambda: '')() if callable(getattr(fault, 'details', None)) else ''}"
    assert any(word.lower() in text.lower() for word in words), f"refused, but with: {text[:160]}"


def _told(fault: BaseException) -> str:
    at = traceback.extract_tb(fault.__traceback__)[-1]
    return f"{type(fault).__name__}: {str(fault)[:300]} ({Path(at.filename).name}:{at.lineno})"
