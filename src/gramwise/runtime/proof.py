"""Proof that the pieces of a network compute what the whole computes: both are run and every output is compared.

The law (docs/method/cuts.md): where a cut crosses no fusion of the whole model, its pieces run the same kernels on the
same values, so at onnxruntime's level ``extended`` their answers are equal bit for bit. A cut through a fusion makes
other kernels, which round elsewhere. At level ``all`` tensors are laid out for the processor, across the whole graph,
so that any cut may change the order of a sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from gramwise.core.errors import ConfigError, ModelError, Rejected

from .session import Level, Session

if TYPE_CHECKING:
    import numpy.typing as npt

    Tensors = Mapping[str, npt.NDArray[np.generic]]

CROSSING_LIMIT = 1e-5
"""Largest relative difference for a cut through a fusion, level ``extended``."""

LAYOUT_LIMIT = 1e-4
"""Largest relative difference at level ``all``."""

_COARSE_ROUNDINGS = 10
"""Where fp16 travels, its own rounding is larger than those limits: this many units of it are allowed instead."""

_IDS = 2
"""Integer inputs are drawn below this unless a table says how many rows it has: also a mask is made of 0 and 1."""

_PASSES_IDS_ON = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a comparison found.

    Attributes:
        level: of graph optimisation, for the whole and for the pieces.
        bit_equal: every output has the same bits.
        max_rel_diff: largest ``max |difference| / max |whole|`` of an output; inf where shapes, types or the places of
            NaN and infinity differ.
        tried: sets of inputs that were compared.
        blind: every answer of the whole is one constant or not finite, so that equality says little.
        coarsest_eps: the largest spacing at 1 of a floating-point type among what travels and what is answered.
    """

    level: Level
    bit_equal: bool
    max_rel_diff: float
    tried: int
    blind: bool
    coarsest_eps: float


def prove(
    model_path: str | Path,
    pieces: Sequence[str | Path],
    *,
    inputs: Sequence[Tensors] = (),
    level: Level = "extended",
    seed: int = 0,
    batch: int = 1,
    dims: Mapping[str, int] | None = None,
) -> Proof:
    """Run a model and its pieces on the same inputs and compare.

    Args:
        model_path: the whole.
        pieces: files in run order; each reads what the inputs or pieces before it give.
        inputs: real ones, each a set of arrays by input name; a random set is tried besides, unless the whole refuses
            it.
        level: of graph optimisation.
        seed: of the random set.
        batch: size of an open first dimension in it that ``dims`` does not name.
        dims: size of the other open dimensions, by name or by ``tensor:axis``.

    Returns:
        The figures; `check` judges them.

    Raises:
        ModelError: a file that cannot be loaded, a piece that lacks an input or refuses it, an output that no piece
            makes, an open dimension without a size, or a model that refuses random inputs where there are no real ones.
        ConfigError: real inputs do not fit the model.
    """
    whole = Session(str(model_path), level=level)
    tried = [_fitting(whole, given) for given in inputs]
    expected = [_answer(whole, given) for given in tried]
    drawn = random_inputs(model_path, whole, seed=seed, batch=batch, dims=dims)
    try:
        expected.append(whole.run(drawn)[0])
        tried.append(drawn)
    except Rejected as fault:
        if not tried:
            raise ModelError(
                f"{model_path}: it takes no random inputs, so nothing can be compared: give real ones with --inputs"
                f" FILE.npz ({fault})."
            ) from fault
    del whole  # three copies of large weights at a time are one too many
    return compare(expected, chain(pieces, tried, level=level), level)


def _fitting(whole: Session, given: Tensors) -> Tensors:
    """The arrays that a model reads."""
    for name in whole.inputs:
        if name not in given:
            raise ConfigError(
                f"the real inputs have no array {name!r}.",
                fix=f"Give one for each of: {', '.join(whole.inputs)}.",
            )
    return {name: given[name] for name in whole.inputs}


def _answer(whole: Session, given: Tensors) -> dict[str, npt.NDArray[np.generic]]:
    try:
        return whole.run(given)[0]
    except Rejected as fault:
        raise ConfigError(f"the real inputs do not fit: {fault}") from fault


def read_inputs(path: str | Path) -> dict[str, npt.NDArray[np.generic]]:
    """Real inputs from a NumPy archive: one array for each input of the model, by its name.

    Args:
        path: a ``.npz`` file, as ``numpy.savez`` writes it.

    Raises:
        ConfigError: there is no such file, or it is another kind of file.
    """
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, BadZipFile) as fault:
        raise ConfigError(
            "this is no readable NumPy archive.",
            file=path,
            fix="Write one with numpy.savez, an array for each input of the model, by its name.",
        ) from fault


def chain(
    pieces: Sequence[str | Path], inputs: Sequence[Tensors], *, level: Level
) -> list[dict[str, npt.NDArray[np.generic]]]:
    """Everything that the pieces make of each set of inputs, the inputs included; one piece is loaded at a time.

    Raises:
        ModelError: a piece that cannot be loaded, lacks an input or refuses one.
    """
    values = [dict(given) for given in inputs]
    for piece in pieces:
        session = Session(str(piece), level=level)
        for known in values:
            for name in session.inputs:
                if name not in known:
                    raise ModelError(f"{piece}: no piece before it makes its input {name!r}.")
            try:
                known |= session.run({name: known[name] for name in session.inputs})[0]
            except Rejected as fault:
                raise ModelError(
                    f"{piece}: it does not take what the whole works with: cut elsewhere ({fault})."
                ) from fault
    return values


def compare(expected: Sequence[Tensors], got: Sequence[Tensors], level: Level) -> Proof:
    """The outputs of the whole, a set for each set of inputs, against those of the pieces.

    Raises:
        ModelError: an output that the pieces do not make.
    """
    rows = []
    for answers, values in zip(expected, got, strict=True):
        for name, answer in answers.items():
            if name not in values:
                raise ModelError(f"no piece makes the output {name!r}.")
            rows.append((*difference(values[name], answer), _says_little(answer)))
    floats = {v.dtype.name for values in got for v in values.values() if v.dtype.kind == "f"}
    return Proof(
        level=level,
        bit_equal=all(same for _, same, _ in rows),
        max_rel_diff=max(apart for apart, _, _ in rows),
        tried=len(expected),
        blind=all(little for _, _, little in rows),
        coarsest_eps=max((float(np.finfo(kind).eps) for kind in floats), default=0.0),
    )


def check(proof: Proof, *, crosses_fusion: bool, what: str) -> None:
    """Judge a proof by the law.

    Args:
        proof: of `prove`.
        crosses_fusion: whether a cut goes through what the runtime fuses in the whole model.
        what: the model, for the message.

    Raises:
        ModelError: the pieces differ from the whole by more than the law allows.
    """
    if proof.level != "all" and not crosses_fusion:
        if not proof.bit_equal:
            raise ModelError(
                f"{what}: the pieces differ from the whole by {proof.max_rel_diff:.2g} at onnxruntime's level"
                f" {proof.level}, although the cut crosses no fusion: cut elsewhere."
            )
        return
    coarse = _COARSE_ROUNDINGS * proof.coarsest_eps
    limit = max(
        LAYOUT_LIMIT if proof.level == "all" else CROSSING_LIMIT, coarse if coarse > LAYOUT_LIMIT else 0.0
    )
    if not proof.max_rel_diff <= limit:
        raise ModelError(
            f"{what}: the pieces differ from the whole by {proof.max_rel_diff:.2g} at onnxruntime's level"
            f" {proof.level}, more than {limit:.2g}: cut elsewhere."
        )


def difference(got: npt.NDArray[np.generic], expected: npt.NDArray[np.generic]) -> tuple[float, bool]:
    """``max |got - expected| / max |expected|``, and whether the bits are the same.

    Values that are NaN, or the same infinity, in both count as equal; in one only, the first figure is inf. So it is
    where shapes or types differ.
    """
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return math.inf, False
    same = got.tobytes() == expected.tobytes()
    if same or got.dtype.kind not in "biuf" or not got.size:
        return (0.0 if same else math.inf), same
    one, other = (np.asarray(v, dtype=np.float64) for v in (got, expected))
    fine = np.isfinite(other)
    if not np.array_equal(np.where(fine, 0.0, other), np.where(np.isfinite(one), 0.0, one), equal_nan=True):
        return math.inf, False
    apart = float(np.abs(one[fine] - other[fine]).max(initial=0.0))
    size = float(np.abs(other[fine]).max(initial=0.0))
    return (apart / size if size else math.inf if apart else 0.0), False


def random_inputs(
    model_path: str | Path,
    session: Session,
    *,
    seed: int = 0,
    batch: int = 1,
    dims: Mapping[str, int] | None = None,
) -> dict[str, npt.NDArray[np.generic]]:
    """Seeded inputs of a model's shapes and types: normal numbers, and ids that its tables have.

    Raises:
        ModelError: an open dimension without a size.
    """
    rng = np.random.default_rng(seed)
    integers = [name for name, (_, kind) in session.inputs.items() if np.dtype(kind).kind in "iu"]
    rows = dict(_rows(model_path, integers)) if integers else {}
    made: dict[str, npt.NDArray[np.generic]] = {}
    for name, (_, kind) in session.inputs.items():
        shape = [
            _size(model_path, name, axis, d, batch, dims or {}) for axis, d in enumerate(session.dims[name])
        ]
        dtype = np.dtype(kind)
        if dtype.kind == "f":
            made[name] = rng.standard_normal(shape, dtype=np.float32).astype(dtype)
        elif dtype.kind == "b":
            made[name] = rng.random(shape) < 0.5
        else:
            # Bytes are values, wider integers are ids.
            high = rows.get(name, np.iinfo(dtype).max + 1 if dtype.itemsize == 1 else _IDS)
            made[name] = rng.integers(0, high, shape, dtype=np.int64).astype(dtype)
    return made


def _size(
    path: str | Path, name: str, axis: int, size: int | str | None, batch: int, dims: Mapping[str, int]
) -> int:
    if isinstance(size, int):
        return size
    place = f"{name}:{axis}"
    for key in (size or place, place):
        if key in dims:
            return dims[key]
    if axis == 0:
        return batch
    key = size or place
    raise ModelError(f"{path}: dimension {key!r} of input {name!r} is open: pass --dim {key}=SIZE.")


def _rows(path: str | Path, names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """How many rows the tables have that integer inputs look up, by input."""
    from gramwise.graph.load import read_model

    graph = read_model(path)[0].graph
    tables = {tensor.name: tensor.dims for tensor in graph.initializer}
    for name in names:
        carries, rows = {name}, []
        for node in graph.node:
            if node.op_type in _PASSES_IDS_ON and carries.intersection(node.input[:1]):
                carries.update(node.output)
            elif node.op_type == "Gather" and node.input[1] in carries and node.input[0] in tables:
                axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
                rows.append(int(tables[node.input[0]][axis]))
        if rows:
            yield name, min(rows)


def _says_little(answer: npt.NDArray[Any]) -> bool:
    finite = answer[np.isfinite(answer)] if answer.dtype.kind == "f" else answer
    return finite.size == 0 or bool((finite == finite.flat[0]).all())
