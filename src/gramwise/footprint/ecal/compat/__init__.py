"""eCAL as the authors' tools compute it, truncations and all: `run` for one document, `estimate` for many at once.

``legacy`` is sensorlab/eCAL @ 02fc18a, ``pypi`` is ecal-energy 0.1.0, ``multihop`` is cfortuna/eCAL @ 71073b0,
``historical`` is cfortuna/eCAL @ f1902b2, ``agentic`` is sensorlab/a-eCAL. Inputs carry the authors' names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    if type(inputs) is not dict and not isinstance(inputs, Mapping):
        raise ConfigError("the inputs are not a table of keys.", fix="Write a JSON object.")
    try:
        outputs = _answer(tool, inputs)
    except Inexact:
        outputs = {"the answer": np.empty(0)}  # only arrays can be inexact
    if isinstance(
        next(reversed(outputs.values())), np.ndarray
    ):  # J/bit comes last and all that counts is in it
        raise ConfigError(
            "the answer is an array: some input is one.", fix="Give one configuration at a time."
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
    return _in_chunks(tool, *_columns(inputs))


def estimate_many(tool: str, documents: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """What the authors' tool would answer to a list of documents, worked out in columns where they are alike.

    Documents that say the same keys, and the same words under them, become one call of `estimate`.

    Args:
        tool: as for `estimate`.
        documents: N of them, each as for `run`.

    Returns:
        As `estimate`, in the order of the documents: bit for bit what `run` gives one by one.

    Raises:
        ConfigError: as `run`; the key begins with the document's place in the list, as in ``[3].num_samples``.
    """
    if not documents:
        raise ConfigError("there is no document.", fix="Give one at least.")
    if tool not in (*_LIVES, "historical"):
        _estimate(tool, {}, 1)  # says why not
    alike: dict[Any, list[int]] = {}
    numbers: list[list[Any]] = []
    for index, document in enumerate(documents):
        found: list[Any] = []
        try:
            form: Any = _form(document, found)
        except _Alone:
            form = _Alone
        alike.setdefault(form, []).append(index)
        numbers.append(found)
    answers: dict[str, Array] = {}
    for form, places in alike.items():
        for name, column in _group(tool, documents, numbers, places, form is _Alone).items():
            answers.setdefault(name, np.empty(len(documents)))[places] = column
    return answers


def _group(
    tool: str,
    documents: Sequence[Mapping[str, Any]],
    numbers: Sequence[Sequence[Any]],
    places: Sequence[int],
    alone: bool,
) -> dict[str, Array]:
    """Documents of one form, in columns; one by one where they cannot be or where one of them is wrong."""
    if not alone:
        columns = map(_shared, zip(*(numbers[place] for place in places), strict=True))
        try:
            return _in_chunks(tool, _put_back(documents[places[0]], columns), len(places))
        except ConfigError:
            pass  # said again below, of the document that it is about
    return _one_by_one(tool, documents, places)


class _Alone(Exception):
    """A document that holds more than tables, lists of tables, words and plain numbers."""


def _form(table: Any, numbers: list[Any]) -> tuple[Any, ...]:
    """What two documents must share to be alike: all but their numbers, which are put into a list on the way."""
    if type(table) is not dict:
        raise _Alone
    form: list[Any] = []
    for key, value in table.items():
        kind = type(value)
        if kind is int or kind is float:
            numbers.append(value)
            form += key, kind
        elif kind is str or value is None:
            form += key, value
        elif kind is list:
            form += key, (list, *[_form(each, numbers) for each in value])
        else:
            form += key, _form(value, numbers)
    return tuple(form)


def _put_back(value: Any, numbers: Iterator[Any]) -> Any:
    """The document again, with the columns in place of its numbers."""
    if isinstance(value, dict):
        return {key: _put_back(each, numbers) for key, each in value.items()}
    if isinstance(value, list):
        return [_put_back(each, numbers) for each in value]
    return value if isinstance(value, str) or value is None else next(numbers)


def _shared(values: tuple[Any, ...]) -> Any:
    """One number where all are the same, else a column of them."""
    return values[0] if values.count(values[0]) == len(values) else np.array(values)


def _one_by_one(tool: str, documents: Sequence[Mapping[str, Any]], places: Sequence[int]) -> dict[str, Array]:
    """Each document alone: for numbers beyond float64's, and to name the document that is wrong."""
    rows = []
    for place in places:
        try:
            rows.append(run(tool, documents[place]))
        except ConfigError as error:
            raise ConfigError(
                error.message, key=".".join(p for p in (f"[{place}]", error.key) if p), fix=error.fix
            ) from None
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def _answer(tool: str, inputs: Mapping[str, Any]) -> dict[str, Value]:
    if tool == "historical":
        return historical.historical(inputs)
    if tool not in _LIVES:
        raise ConfigError(f"there is no tool {tool!r}.", key="--compat", fix=did_you_mean(str(tool), TOOLS))
    return account(_LIVES[tool](inputs))


def _in_chunks(tool: str, document: Mapping[str, Any], size: int) -> dict[str, Array]:
    if size <= CHUNK:
        return _estimate(tool, document, size)
    parts = [
        _estimate(tool, _part(document, slice(start, start + CHUNK)), min(CHUNK, size - start))
        for start in range(0, size, CHUNK)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _estimate(tool: str, document: Mapping[str, Any], size: int) -> dict[str, Array]:
    if tool == "agentic":
        raise ConfigError("the agentic model answers one document at a time.", fix="Call run().")
    try:
        outputs = _answer(tool, document)
    except Inexact:
        # Python's integers know no limit, so beyond float64's exact range each configuration is worked out alone.
        rows = [_answer(tool, _part(document, i)) for i in range(size)]
        return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    return _filled(outputs, size)


def _filled(outputs: dict[str, Value], size: int) -> dict[str, Array]:
    """Every output as a column; what all configurations share is repeated."""
    shared = [name for name, value in outputs.items() if not isinstance(value, np.ndarray)]
    if not shared:
        return outputs
    repeated = np.array([outputs[name] for name in shared], np.float64).repeat(size).reshape(-1, size)
    outputs.update(zip(shared, repeated, strict=True))
    return outputs


def _columns(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The document with every list of values as an array, and the one length that its arrays have."""
    sizes: dict[int, str] = {}

    def column(value: Any, key: str) -> Any:
        if value is None or isinstance(value, (str, int, float)):
            return value
        if isinstance(value, Mapping):
            return {k: column(v, f"{key}.{k}" if key else str(k)) for k, v in value.items()}
        if isinstance(value, (list, tuple)) and value and key != "INPUT_SIZE":
            if isinstance(value[0], Mapping):
                return [column(v, f"{key}[{i}]") for i, v in enumerate(value)]
            if isinstance(value[0], str):
                sizes.setdefault(len(value), key)
                return list(value)
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
    if isinstance(value, list) and value:
        if isinstance(value[0], dict):
            return [_part(v, which) for v in value]
        return value[which] if isinstance(value[0], str) else value
    if isinstance(value, np.ndarray) and value.ndim:
        return value[which] if isinstance(which, slice) else value.item(which)
    return value
