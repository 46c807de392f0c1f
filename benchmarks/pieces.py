"""Pieces against the whole: every cut at one tensor of well-known networks, exported, run and compared.

The networks: the nine topologies that come with the onnx package, whose weights are refilled with seeded random values
(as shipped they are constant, and many a mistake would go unseen), the zoo's MobileNetV2, a transformer encoder, the
shipped digits models, and MobileNetV2 quantised to int8 by onnxruntime. Every pair of pieces is exported, so weights
that many pairs use are written once; each pair is run on random inputs (the digits on a real image besides) at
onnxruntime's levels ``extended`` and ``all``.

A cut crosses no fusion when its tensor still exists in the whole model after optimisation at level ``extended``.
Run: ``python benchmarks/pieces.py [NAME ...]``; a table goes to standard error, one JSON document to standard output.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gramwise.core.errors import ModelError
from gramwise.graph import zoo
from gramwise.graph.atoms import merge
from gramwise.graph.cuts import legal_cuts, refuse_rounding, single_tensor
from gramwise.graph.load import load_graph
from gramwise.partition.export import Piece, export_pieces
from gramwise.runtime.inputs import digits_as_input
from gramwise.runtime.proof import CROSSING_LIMIT, LAYOUT_LIMIT, Proof, chain, compare, random_inputs
from gramwise.runtime.session import Level, Session, optimised_outputs
from record import finish, row

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
LEVELS: tuple[Level, ...] = ("extended", "all")
DIMS = {"sequence": 16}


@dataclass
class Network:
    """What was found on one network.

    Attributes:
        cuts: places where one tensor is alive, the ends aside.
        kept: those of them that cross no fusion; ``equal`` at level extended.
        crossing: the others; ``extended`` is the largest relative difference there, ``all`` that of every legal cut.
        refused: cuts that would change rounding; ``named`` of them with the nearest legal one, ``changed`` of them
            give other answers when they are made all the same.
    """

    name: str
    cuts: int = 0
    kept: int = 0
    equal: int = 0
    crossing: int = 0
    extended: float = 0.0
    all: float = 0.0
    refused: int = 0
    named: int = 0
    changed: int = 0
    blind: bool = False
    seconds: float = 0.0
    unequal: list[str] = field(default_factory=list)


def sweep(name: str, file: Path, folder: Path, real: tuple[Mapping[str, Any], ...] = ()) -> Network:
    """Every single-tensor cut of a model."""
    begin_s = time.perf_counter()
    dims = DIMS if name.startswith("transformer") else None
    graph, groups = load_graph(file, dims=dims), optimised_outputs(file)
    atoms, kept = merge(graph, groups), {tensor for group in groups for tensor in group}
    places = single_tensor(legal_cuts(atoms)) + single_tensor(legal_cuts(graph))
    ends = {*graph.inputs, *graph.outputs}
    tensors = [t for t in dict.fromkeys(cut.tensors[0] for cut in places) if t not in ends]
    pairs = [half for t in tensors for half in (Piece(graph.inputs, (t,)), Piece((t,), graph.outputs))]
    halves = export_pieces(file, pairs, folder / f"{name}-pieces")
    found = Network(name, cuts=len(tensors))
    whole: dict[Level, list[Any]] = {}
    feeds: list[Mapping[str, Any]] = []
    for level in LEVELS:
        session = Session(str(file), level=level)
        feeds = feeds or [random_inputs(file, session, dims=dims), *real]
        whole[level] = [session.run(values)[0] for values in feeds]
        del session
    for i, tensor in enumerate(tensors):
        pair = halves[2 * i : 2 * i + 2]
        extended, laid_out = (partial(_proof, pair, feeds, whole[level], level) for level in LEVELS)
        proof = extended()
        found.blind |= proof.blind
        try:
            refuse_rounding(graph, atoms, kept, [tensor])
        except ModelError as refusal:
            found.refused += 1
            found.named += any(f"Cut at {legal!r}" in str(refusal) for legal in kept.intersection(tensors))
            found.changed += not proof.bit_equal
            continue
        found.all = max(found.all, laid_out().max_rel_diff)
        if tensor in kept:
            found.kept += 1
            found.equal += proof.bit_equal
            found.unequal += [] if proof.bit_equal else [tensor]
        else:
            found.crossing += 1
            found.extended = max(found.extended, proof.max_rel_diff)
    found.seconds = time.perf_counter() - begin_s
    print(found, file=sys.stderr, flush=True)
    return found


def _proof(pair: Sequence[Path], feeds: Sequence[Any], expected: Sequence[Any], level: Level) -> Proof:
    return compare(expected, chain(pair, feeds, level=level), level)


def refilled(name: str, folder: Path) -> Path:
    """A light topology with random weights: products scaled by their fan-in, everything else near 1 or 0."""
    model = onnx.load(LIGHT / f"{name}.onnx")
    graph = model.graph
    shapes = {tensor.name: tuple(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    rng = np.random.default_rng(0)
    uses = {n: (node.op_type, i) for node in graph.node for i, n in enumerate(node.input)}
    for node in list(graph.node):
        if node.op_type == "ConstantOfShape" and node.input[0] in shapes:
            made = _values(rng, shapes[node.input[0]], *uses.get(node.output[0], ("", 0)))
            graph.node.remove(node)
            graph.initializer.append(numpy_helper.from_array(made, node.output[0]))
            graph.input.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, made.shape))
    file = folder / f"{name}.onnx"
    _tame(model)
    onnx.save(model, file)
    return file


def _values(rng: np.random.Generator, shape: tuple[int, ...], op: str, place: int) -> Any:
    noise = rng.standard_normal(shape, dtype=np.float32)
    if op in ("Conv", "Gemm", "MatMul") and place == 1:
        return noise * np.float32((2.0 / np.prod(shape[1:])) ** 0.5)
    if op == "BatchNormalization" and place == 4:  # variance
        return 1 + np.float32(0.3) * np.tanh(noise)
    near = 1.0 if (op, place) == ("BatchNormalization", 1) or op in ("Mul", "Unsqueeze") else 0.0
    return np.float32(near) + np.float32(0.1) * noise


def _tame(model: Any) -> None:
    """Scale the last product so that a softmax behind it does not saturate: a saturated one answers 0 and 1 whatever
    comes in."""
    graph = model.graph
    last = next(node for node in reversed(graph.node) if node.op_type in ("Conv", "Gemm", "MatMul"))
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.append(helper.make_empty_tensor_value_info(last.output[0]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "probe.onnx"
        onnx.save(probe, file)
        session = Session(str(file), level="disabled")
        products: Any = session.run(random_inputs(file, session))[0][last.output[0]]
        spread = float(products.std())
    reshaped = {n.input[0] for n in graph.node if n.op_type == "Reshape" and n.output[0] in last.input}
    for tensor in graph.initializer:
        if tensor.name in {*last.input, *reshaped}:
            tensor.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(tensor) / np.float32(spread), tensor.name)
            )


def transformer(folder: Path) -> Path:
    """Two encoder layers of 64 features and 4 heads over a table of 100 words, batch and sequence open; Gelu and
    LayerNormalization as exporters write them."""
    rng = np.random.default_rng(0)
    width, heads, inner = 64, 4, 256
    nodes: list[Any] = []
    constants: dict[str, Any] = {"root2": np.float32(2**0.5), "half": np.float32(0.5), "one": np.float32(1)}
    constants |= {"scale": np.float32((width / heads) ** 0.5), "words": rng.standard_normal((100, width))}
    constants |= {"split": np.array([0, 0, heads, width // heads]), "joined": np.array([0, 0, width])}

    def add(op: str, name: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def dense(x: str, name: str, rows: int, columns: int) -> str:
        constants[f"{name}.w"] = rng.standard_normal((rows, columns)) / rows**0.5
        constants[f"{name}.b"] = rng.standard_normal(columns) * 0.1
        return add("Add", name, add("MatMul", f"{name}.product", x, f"{name}.w"), f"{name}.b")

    def norm(x: str, name: str) -> str:
        constants[f"{name}.g"] = 1 + 0.1 * rng.standard_normal(width)
        constants[f"{name}.b"] = 0.1 * rng.standard_normal(width)
        return add("LayerNormalization", name, x, f"{name}.g", f"{name}.b", axis=-1)

    def head(x: str, name: str, order: list[int]) -> str:
        wide = dense(x, name, width, width)
        return add("Transpose", f"{name}.heads", add("Reshape", f"{name}.split", wide, "split"), perm=order)

    x = norm(add("Gather", "embedded", "words", "ids"), "embedded.norm")
    for i in range(2):
        q, k, v = (
            head(x, f"{i}.{n}", o) for n, o in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))
        )
        scores = add("Div", f"{i}.scores", add("MatMul", f"{i}.qk", q, k), "scale")
        seen = add("MatMul", f"{i}.seen", add("Softmax", f"{i}.weights", scores, axis=-1), v)
        flat = add("Reshape", f"{i}.flat", add("Transpose", f"{i}.back", seen, perm=[0, 2, 1, 3]), "joined")
        x = norm(add("Add", f"{i}.skip", dense(flat, f"{i}.out", width, width), x), f"{i}.norm")
        up = dense(x, f"{i}.up", width, inner)
        erf = add("Add", f"{i}.erf1", add("Erf", f"{i}.erf", add("Div", f"{i}.div", up, "root2")), "one")
        gelu = add("Mul", f"{i}.gelu", add("Mul", f"{i}.times", up, erf), "half")
        x = norm(add("Add", f"{i}.skip2", dense(gelu, f"{i}.down", inner, width), x), f"{i}.norm2")
    dense(x, "scores", width, 10)
    arrays = {n: v.astype(np.float32) if v.dtype == np.float64 else v for n, v in constants.items()}
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", "sequence", 10])],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in arrays.items()],
    )
    file = folder / "transformer.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def quantised(source: Path, file: Path, inputs: list[dict[str, Any]]) -> Path:
    """A model in QDQ form, int8 weights a channel, by onnxruntime's static quantisation."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(inputs)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._left, None)

    logging.disable(logging.WARNING)  # it would like the model to be optimised first
    with contextlib.redirect_stdout(sys.stderr):
        quantize_static(
            source,
            file,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )
    return file


def networks(folder: Path) -> Iterator[tuple[str, Callable[[], Path], tuple[Mapping[str, Any], ...]]]:
    """Name, how to get the file, and real inputs."""
    for light in sorted(LIGHT.glob("*.onnx")):
        yield light.stem, partial(refilled, light.stem, folder), ()
    mobilenet = zoo.path("mobilenetv2-1.0-224")
    yield "mobilenetv2", lambda: mobilenet, ()
    rng = np.random.default_rng(1)
    images = [{"input": rng.standard_normal((1, 3, 224, 224), dtype=np.float32)} for _ in range(4)]
    yield "mobilenetv2-int8", lambda: quantised(mobilenet, folder / "mobilenetv2-int8.onnx", images), ()
    yield "transformer", lambda: transformer(folder), ()
    words = [{"ids": rng.integers(0, 100, (1, 16))} for _ in range(8)]
    yield (
        "transformer-int8",
        lambda: quantised(transformer(folder), folder / "transformer-int8.onnx", words),
        (),
    )
    with np.load(str(files("gramwise.data") / "digits" / "heldout.npz")) as data:
        digit = {"input": digits_as_input(data["images"][:1])}
    for kind in ("fp32", "int8", "small"):
        shipped = Path(str(files("gramwise.data"))) / "models" / f"digits-{kind}.onnx"
        yield f"digits-{kind}", partial(Path, shipped), (digit,)


def main() -> None:
    """Print the table and the document."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, make, real in networks(Path(folder)):
            if len(sys.argv) < 2 or name in sys.argv[1:]:
                found.append(sweep(name, make(), Path(folder), real))
    kept, equal = sum(n.kept for n in found), sum(n.equal for n in found)
    refused, named = sum(n.refused for n in found), sum(n.named for n in found)
    rows = [
        row("cuts that cross no fusion, bit-equal at EXTENDED", "all", f"{equal} of {kept}", equal == kept),
        row(
            f"other fp32 cuts ({sum(n.crossing for n in found)}), EXTENDED, max|d|/max|y|",
            f"<= {CROSSING_LIMIT:g}",
            max(n.extended for n in found),
            max(n.extended for n in found) <= CROSSING_LIMIT,
        ),
        row(
            "every legal cut, ALL, max|d|/max|y|",
            f"<= {LAYOUT_LIMIT:g}",
            max(n.all for n in found),
            max(n.all for n in found) <= LAYOUT_LIMIT,
        ),
        row(
            "cuts that would change int8 rounding: refused, a legal one named",
            "all",
            f"{named} of {refused}",
            named == refused,
        ),
        row(
            "of these, made all the same, answers that changed",
            "",
            f"{sum(n.changed for n in found)} of {refused}",
            None,
        ),
        row(
            "networks whose answers are constant or not finite",
            "none",
            sum(n.blind for n in found),
            not any(n.blind for n in found),
        ),
    ]
    finish("pieces", rows, networks=[vars(n) for n in found])


if __name__ == "__main__":
    main()
