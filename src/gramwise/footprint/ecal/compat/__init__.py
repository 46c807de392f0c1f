"""eCAL as the authors' tools compute it, truncations and all: `run` for one document, `estimate` for many at once.

``legacy`` is sensorlab/eCAL @ 02fc18a, ``pypi`` is ecal-energy 0.1.0, ``multihop`` is cfortuna/eCAL @ 71073b0,
``historical`` is cfortuna/eCAL @ f1902b2, ``agentic`` is sensorlab/a-eCAL. Inputs carry the authors' names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gramwise.core.errors import ConfigError, did_you_mean

from . import configured, historical, pypi
from .stack import Array, Value
from .stages import Inexact, Life, account

_LIVES: dict[str, Callable[[Mapping[str, Any]], Life]] = {
    "legacy": configured.legacy,
    "pypi": pypi.pypi,
    "multihop": configured.multihop,
}
TOOLS = (*_LIVES, "historical", "agentic")
CHUNK = 4096
"""Configurations at a time: few enough for the arrays of a walk to stay in the cache."""


def run(tool: str, inputs: Mapping[str, Any]) -> dict[str, float]:
    """What the authors' tool answers to one document.

    Args:
        tool: one of `TOOLS`.
        inputs: under the authors' names; what is left out takes the tool's default.

    Returns:
        The authors' output names, to the bit that their tool would give: J, bits, J/bit.

    Raises:
        ConfigError: an unknown key, a value out of bounds, a probability of loss of 1, an array; names the key.
    """
    if tool == "agentic":
        from .agents import agentic

        return agentic(inputs)
    if not isinstance(inputs, Mapping):
        raise ConfigError("the inputs are not a table of keys.", fix="Write a JSON object.")
    try:
        outputs = _answer(tool, inputs)
    except Inexact:
        outputs = {"the answer": np.empty(0)}  # only arrays can be inexact
    many = [name for name, value in outputs.items() if isinstance(value, np.ndarray)]
    if many:
        raise ConfigError(
            f"{many[0]} came out as an array: some input is one.", fix="Give one configuration at a time."
        )
    return outputs


def estimate(tool: str, inputs: Mapping[str, Any]) -> dict[str, Array]:
    """What the authors' tool would answer to many documents at once.

    Args:
        tool: ``legacy``, ``pypi``, ``multihop`` or ``historical``.
        inputs: as for `run`, where a number (also inside ``model_params`` and a hop) and the names of models,
            preprocessing and evaluation may be an array of one shape (N,): one value for each configuration.

    Returns:
        The authors' output names, each of shape (N,), float64; bit for bit what `run` gives one by one.

    Raises:
        ConfigError: as `run`; arrays of unlike lengths.
    """
    document, size = _columns(inputs)
    if size <= CHUNK:
        return _estimate(tool, document, size)
    parts = [
        _estimate(tool, _part(document, slice(start, start + CHUNK)), min(CHUNK, size - start))
        for start in range(0, size, CHUNK)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _answer(tool: str, inputs: Mapping[str, Any]) -> dict[str, Value]:
    if tool == "historical":
        return historical.historical(inputs)
    if tool not in _LIVES:
        raise ConfigError(f"there is no tool {tool!r}.", key="--compat", fix=did_you_mean(str(tool), TOOLS))
    return account(_LIVES[tool](inputs))


def _estimate(tool: str, document: Mapping[str, Any], size: int) -> dict[str, Array]:
    if tool == "agentic":
        raise ConfigError("the agentic model answers one document at a time.", fix="Call run().")
    try:
        outputs = _answer(tool, document)
    except Inexact:
        # Python's integers know no limit, so beyond float64's exact range each configuration is worked out alone.
        rows = [_answer(tool, _part(document, i)) for i in range(size)]
        return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    return {name: _column(value, size) for name, value in outputs.items()}


def _column(value: Value, size: int) -> Array:
    if isinstance(value, np.ndarray):
        return value
    column = np.empty(size)
    column.fill(value)
    return column


def _columns(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The document with every list of values as an array, and the one length that its arrays have."""
    sizes: dict[int, str] = {}

    def column(value: Any, key: str) -> Any:
        if isinstance(value, Mapping):
            return {k: column(v, f"{key}.{k}" if key else str(k)) for k, v in value.items()}
        if isinstance(value, (list, tuple)) and value and key != "INPUT_SIZE":
            if isinstance(value[0], Mapping):
                return [column(v, f"{key}[{i}]") for i, v in enumerate(value)]
            value = np.array(value)
        if isinstance(value, np.ndarray) and value.ndim:
            sizes.setdefault(len(value), key)
        return value

    document = column(inputs, "")
    if len(sizes) > 1:
        (first, one), (second, other) = list(sizes.items())[:2]
        raise ConfigError(
            f"{second} values here, but {one} has {first}.", key=other, fix="Give all one length."
        )
    return document, next(iter(sizes), 1)


def _part(value: Any, which: slice | int) -> Any:
    """The same document for some of its configurations; for one of them, plain numbers and words."""
    if isinstance(value, dict):
        return {k: _part(v, which) for k, v in value.items()}
    if isinstance(value, list):
        return [_part(v, which) for v in value] if value and isinstance(value[0], dict) else value
    if isinstance(value, np.ndarray) and value.ndim:
        return value[which] if isinstance(which, slice) else value.item(which)
    return value
