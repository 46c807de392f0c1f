"""Pieces against the whole: what is compared, what is judged, and the verb that does both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gramwise.core.errors import ConfigError, ModelError, UnknownShape
from gramwise.graph import zoo
from gramwise.graph.cuts import legal_cuts, single_tensor
from gramwise.graph.load import load_graph
from gramwise.partition.export import Piece, export_pieces
from gramwise.runtime.cut import cut
from gramwise.runtime.inputs import digits_as_input
from gramwise.runtime.proof import Proof, chain, check, compare, difference, prove, random_inputs, read_inputs
from gramwise.runtime.session import Level, Session, optimised_outputs

SHIPPED = Path(str(files("gramwise.data"))) / "models"


def save(file: Path, nodes: Sequence[Any], ends: Sequence[Any], constants: Mapping[str, Any]) -> Path:
    (*inputs, output) = ends
    graph = helper.make_graph(
        list(nodes),
        "small",
        inputs,
        [output],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def info(name: str, shape: Sequence[Any], element: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, element, list(shape))


def encoder(file: Path) -> Path:
    """One post-norm encoder layer over a table of 11 words; batch and sequence open."""
    width, heads, rng = 16, 2, np.random.default_rng(0)
    constants: dict[str, Any] = {
        "words": rng.standard_normal((11, width)),
        "root2": np.float32(2**0.5),
        "half": np.float32(0.5),
        "one": np.float32(1),
        "split": np.array([0, 0, heads, width // heads]),
        "join": np.array([0, 0, width]),
    }
    nodes = [helper.make_node("Gather", ["words", "ids"], ["x"])]

    def add(op: str, name: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def dense(x: str, name: str, rows: int, columns: int) -> str:
        constants[f"{name}.w"] = rng.standard_normal((rows, columns)) / rows**0.5
        constants[f"{name}.b"] = rng.standard_normal(columns)
        return add("Add", name, add("MatMul", f"{name}.p", x, f"{name}.w"), f"{name}.b")

    def norm(x: str, name: str) -> str:
        constants[f"{name}.g"] = rng.standard_normal(width)
        return add("LayerNormalization", name, x, f"{name}.g")

    q, k, v = (
        add("Transpose", f"{n}.t", add("Reshape", f"{n}.r", dense("x", n, width, width), "split"), perm=order)
        for n, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))
    )
    seen = add("MatMul", "seen", add("Softmax", "soft", add("MatMul", "qk", q, k)), v)
    flat = add("Reshape", "flat", add("Transpose", "back", seen, perm=[0, 2, 1, 3]), "join")
    x = norm(add("Add", "skip", dense(flat, "out", width, width), "x"), "norm")
    up = dense(x, "up", width, 32)
    bent = add("Add", "erf1", add("Erf", "erf", add("Div", "div", up, "root2")), "one")
    gelu = add("Mul", "gelu", add("Mul", "times", up, bent), "half")
    norm(add("Add", "skip2", dense(gelu, "down", 32, width), x), "y")
    arrays = {n: v.astype(np.float32) if v.dtype == np.float64 else v for n, v in constants.items()}
    ends = [info("ids", ["batch", "sequence"], TensorProto.INT64), info("y", ["batch", "sequence", width])]
    return save(file, nodes, ends, arrays)


def every_single_cut(file: Path, folder: Path, **sizes: Any) -> tuple[int, int, float]:
    """Bit-equal cuts that cross no fusion, cuts that cross none, largest difference of the others."""
    graph = load_graph(file, **sizes)
    kept = {name for group in optimised_outputs(file) for name in group}
    ends = {*graph.inputs, *graph.outputs}
    names = [c.tensors[0] for c in single_tensor(legal_cuts(graph)) if c.tensors[0] not in ends]
    pairs = [half for n in names for half in (Piece(graph.inputs, (n,)), Piece((n,), graph.outputs))]
    halves = export_pieces(file, pairs, folder)
    whole = Session(str(file), level="extended")
    feeds = [random_inputs(file, whole, **sizes)]
    expected = [whole.run(values)[0] for values in feeds]
    equal, clean, worst = 0, 0, 0.0
    for i, name in enumerate(names):
        proof = compare(expected, chain(halves[2 * i : 2 * i + 2], feeds, level="extended"), "extended")
        assert not proof.blind
        check(proof, crosses_fusion=name not in kept, what=name)
        clean += name in kept
        equal += proof.bit_equal and name in kept
        worst = max(worst, proof.max_rel_diff if name not in kept else 0.0)
    return equal, clean, worst


def test_every_cut_of_a_transformer(tmp_path: Path) -> None:
    equal, clean, worst = every_single_cut(encoder(tmp_path / "e.onnx"), tmp_path / "p", dims={"sequence": 7})
    assert equal == clean == 2
    assert worst <= 1e-5


def test_every_cut_of_a_convolutional_network(tmp_path: Path) -> None:
    equal, clean, worst = every_single_cut(SHIPPED / "digits-fp32.onnx", tmp_path / "p")
    assert (equal, clean) == (34, 34)
    assert worst <= 1e-5


def test_a_piece_of_other_weights_is_found_out(tmp_path: Path) -> None:
    file = encoder(tmp_path / "e.onnx")
    pieces = export_pieces(file, [Piece(("ids",), ("norm",)), Piece(("norm",), ("y",))], tmp_path / "p")
    sizes: dict[str, Any] = {"batch": 2, "dims": {"sequence": 5}}
    good = prove(file, pieces, **sizes)
    assert (good.bit_equal, good.max_rel_diff, good.tried, good.blind) == (True, 0.0, 1, False)
    check(good, crosses_fusion=False, what="e")
    model = onnx.load(pieces[1])
    bias = next(t for t in model.graph.initializer if t.name == "down.b")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) * np.float32(1.001), "down.b"))
    onnx.save(model, pieces[1])
    bad = prove(file, pieces, **sizes)
    assert not bad.bit_equal
    for crosses in (True, False):
        with pytest.raises(
            ModelError, match=r"e: the pieces differ from the whole by .* at onnxruntime's level extended"
        ):
            check(bad, crosses_fusion=crosses, what="e")


def test_real_inputs_are_tried_besides_random_ones(tmp_path: Path) -> None:
    file = SHIPPED / "digits-int8.onnx"
    middle = "block09.add_QuantizeLinear_Output"
    pieces = export_pieces(
        file, [Piece(("input",), (middle,)), Piece((middle,), ("logits",))], tmp_path / "p"
    )
    with np.load(SHIPPED.parent / "digits" / "heldout.npz") as data:
        images = digits_as_input(data["images"][:3])
    proof = prove(file, pieces, inputs=[{"input": image[None]} for image in images])
    assert (proof.tried, proof.bit_equal) == (4, True)


def test_the_law() -> None:
    proof = Proof(
        level="extended", bit_equal=False, max_rel_diff=2e-6, tried=1, blind=False, coarsest_eps=1.2e-7
    )
    check(proof, crosses_fusion=True, what="m")
    with pytest.raises(ModelError, match="although the cut crosses no fusion"):
        check(proof, crosses_fusion=False, what="m")
    with pytest.raises(ModelError, match=r"m: .* by 2e-05 .*, more than 1e-05"):
        check(replace(proof, max_rel_diff=2e-5), crosses_fusion=True, what="m")
    check(replace(proof, level="all", max_rel_diff=2e-5), crosses_fusion=False, what="m")
    with pytest.raises(ModelError, match=r"level all, more than 0\.0001"):
        check(replace(proof, level="all", max_rel_diff=2e-4), crosses_fusion=False, what="m")
    with pytest.raises(ModelError, match="by nan"):
        check(replace(proof, max_rel_diff=math.nan), crosses_fusion=True, what="m")
    # Half precision rounds at a thousandth.
    half = replace(proof, max_rel_diff=5e-3, coarsest_eps=float(np.finfo(np.float16).eps))
    check(half, crosses_fusion=True, what="m")
    with pytest.raises(ModelError):
        check(replace(half, max_rel_diff=5e-2), crosses_fusion=True, what="m")


@pytest.mark.parametrize(
    ("got", "expected", "answer"),
    [
        ([1.0, 2.0], [1.0, 2.0], (0.0, True)),
        ([1.0, 2.5], [1.0, 2.0], (0.25, False)),
        ([math.nan, 2.0], [math.nan, 2.0], (0.0, True)),
        ([math.nan, 2.5], [math.nan, 2.0], (0.25, False)),
        ([math.nan, 2.0], [1.0, 2.0], (math.inf, False)),
        ([math.inf, 2.0], [-math.inf, 2.0], (math.inf, False)),
        ([math.inf, 3.0], [math.inf, 2.0], (0.5, False)),
        ([1e-30, 0.0], [0.0, 0.0], (math.inf, False)),
        ([-0.0], [0.0], (0.0, False)),
        ([1.0], [1.0, 2.0], (math.inf, False)),
        ([], [], (0.0, True)),
    ],
)
def test_differences(got: list[float], expected: list[float], answer: tuple[float, bool]) -> None:
    assert difference(np.array(got, np.float32), np.array(expected, np.float32)) == answer


def test_types_must_be_the_same() -> None:
    assert difference(np.zeros(2, np.int32), np.zeros(2, np.int64)) == (math.inf, False)
    assert difference(np.array([3, 4], np.uint8), np.array([3, 8], np.uint8)) == (0.5, False)


def test_answers_that_say_nothing_are_marked() -> None:
    said = [{"a": np.zeros(4, np.float32), "b": np.full(3, math.nan, np.float32)}]
    assert compare(said, said, "extended").blind
    assert not compare([{"a": np.arange(4.0)}], [{"a": np.arange(4.0)}], "extended").blind
    with pytest.raises(ModelError, match="no piece makes the output 'a'"):
        compare([{"a": np.arange(4.0)}], [{}], "extended")


def test_random_inputs_fit_the_model(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Unsqueeze", ["ids", "one"], ["wide"]),
        helper.make_node("Gather", ["words", "wide"], ["x"]),
        helper.make_node("Gather", ["kinds", "kind"], ["k"]),
        helper.make_node("Cast", ["mask"], ["m"], to=1),
        helper.make_node("Cast", ["flag"], ["f"], to=1),
        helper.make_node("Sum", ["x", "k", "m", "f", "f16"], ["y"]),
    ]
    nodes.insert(5, helper.make_node("Cast", ["half"], ["f16"], to=1))
    ends = [
        info("ids", ["n"], TensorProto.INT64),
        info("kind", ["n"], TensorProto.INT32),
        info("mask", ["n", "w"], TensorProto.INT64),
        info("flag", ["n", 1], TensorProto.BOOL),
        info("half", ["n", 1], TensorProto.FLOAT16),
        info("y", [None, None, None]),
    ]
    tables = {
        "words": np.ones((5, 4), np.float32),
        "kinds": np.ones((3, 4), np.float32),
        "one": np.array([1]),
    }
    file = save(tmp_path / "m.onnx", nodes, ends, tables)
    session = Session(str(file))
    made = random_inputs(file, session, batch=500, dims={"w": 4})
    assert {n: (v.shape, v.dtype.name) for n, v in made.items()} == {
        "ids": ((500,), "int64"),
        "kind": ((500,), "int32"),
        "mask": ((500, 4), "int64"),
        "flag": ((500, 1), "bool"),
        "half": ((500, 1), "float16"),
    }
    assert set(made["ids"].tolist()) == set(range(5))
    assert set(made["kind"].tolist()) == set(range(3))
    assert set(made["mask"].ravel().tolist()) == {0, 1}
    session.run(made)
    again = random_inputs(file, session, batch=500, dims={"w": 4})
    assert all(np.array_equal(made[name], again[name]) for name in made)
    with pytest.raises(ModelError, match=r"dimension 'w' of input 'mask' is open: pass --dim w=SIZE"):
        random_inputs(file, session)


def test_a_chain_with_a_missing_link_is_named(tmp_path: Path) -> None:
    file = encoder(tmp_path / "e.onnx")
    pieces = export_pieces(file, [Piece(("ids",), ("norm",)), Piece(("norm",), ("y",))], tmp_path / "p")
    with pytest.raises(ModelError, match=r"e-2\.onnx: no piece before it makes its input 'norm'"):
        prove(file, pieces[1:], dims={"sequence": 3})


def test_cut_writes_proves_and_tells(tmp_path: Path) -> None:
    file, told = encoder(tmp_path / "e.onnx"), list[str]()
    document = cut(str(file), ["up", "norm"], tmp_path / "out", dims={"sequence": 6}, tell=told.append)
    assert (document["schema"], document["model"]) == ("gramwise.cut/1", "e")
    # "norm" is alive beside "up": together they are one place.
    assert [(p["inputs"], p["outputs"]) for p in document["pieces"]] == [
        (["ids"], ["norm", "up"]),
        (["up", "norm"], ["y"]),
    ]
    (row,) = document["cuts"]
    assert row["bytes"] == 6 * (16 + 32) * 4
    assert row["formula"] == "4 x batch x sequence x 16 + 4 x batch x sequence x 32"
    assert [p["level"] for p in document["proof"]] == ["extended", "all"]
    assert all((tmp_path / "out" / p["file"]).is_file() for p in document["pieces"])
    assert told
    document = cut(str(file), ["norm"], tmp_path / "out", dims={"sequence": 6})
    assert [row["crosses_fusion"] for row in document["cuts"]] == [False]
    assert document["proof"][0]["bit_equal"]


def test_cut_takes_shipped_and_zoo_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    document = cut("zoo:mobilenetv2-1.0-224", ["block03.add", "block09.add"], tmp_path / "out")
    assert [len(row["tensors"]) for row in document["cuts"]] == [1, 1]
    assert document["proof"][0]["bit_equal"]
    assert zoo.path("mobilenetv2-1.0-224").is_relative_to(tmp_path)
    document = cut("package:digits-small.onnx", ["conv2.relu"], tmp_path / "out2")
    assert len(document["pieces"]) == 2


def test_what_cannot_be_cut_leaves_nothing_behind(tmp_path: Path) -> None:
    out, file = tmp_path / "out", encoder(tmp_path / "e.onnx")
    sizes: dict[str, Any] = {"dims": {"sequence": 3}}
    with pytest.raises(ModelError, match="'x' crosses there too"):
        cut(str(file), ["flat"], out, **sizes)
    with pytest.raises(
        ModelError, match=r"would change how int8 values are rounded.*_QuantizeLinear_Output'"
    ):
        cut("package:digits-int8.onnx", ["block03.add"], out)
    with pytest.raises(ConfigError, match="no tensor is named"):
        cut(str(file), [], out, **sizes)
    with pytest.raises(UnknownShape, match="pass --dim sequence=SIZE"):
        cut(str(file), ["norm"], out)
    with pytest.raises(ModelError, match="there is no file"):
        cut("absent.onnx", ["norm"], out)
    assert not out.exists()


def test_a_cut_of_unknown_size_names_its_tensor(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Cast", ["places"], ["y"], to=1),
    ]
    file = save(tmp_path / "m.onnx", nodes, [info("x", [1, 50]), info("y", [None, None])], {})
    with pytest.raises(UnknownShape, match="tensor 'places' is open"):
        cut(str(file), ["places"], tmp_path / "out")


def test_what_is_kept_is_found_with_weights_elsewhere_and_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = encoder(tmp_path / "e.onnx"), tmp_path / "outside.onnx"
    onnx.save(
        onnx.load(inside), outside, save_as_external_data=True, location="outside.data", size_threshold=100
    )
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept = optimised_outputs(outside)
    assert kept == optimised_outputs(inside)
    names = {name for group in kept for name in group}
    assert "gelu" in names
    assert not {"erf", "skip"} & names
    assert sorted(tmp_path.iterdir()) == before


def test_a_session_fuses_as_far_as_it_is_told() -> None:
    file = str(SHIPPED / "digits-fp32.onnx")
    image = np.random.default_rng(0).random((1, 1, 96, 96), np.float32)
    levels: tuple[Level, ...] = ("disabled", "all")
    one, other = (Session(file, level=level).run({"input": image})[0]["logits"] for level in levels)
    assert difference(one, other)[0] < 1e-4
    assert Session(file).dims == {"input": ("batch", 1, 96, 96)}


def test_a_cut_that_fails_leaves_the_pieces_that_were_there(tmp_path: Path) -> None:
    out, nodes = tmp_path / "out", [helper.make_node("Relu", ["x"], ["a"])]
    nodes += [
        helper.make_node("Cast", ["a"], ["b"], to=TensorProto.BFLOAT16),
        helper.make_node("Cast", ["b"], ["y"], to=TensorProto.FLOAT),
    ]
    file = save(tmp_path / "m.onnx", nodes, [info("x", [2, 4]), info("y", [2, 4])], {})
    cut(str(file), ["a"], out)
    before = {f.name: f.read_bytes() for f in out.iterdir()}
    with pytest.raises(ModelError, match=r"m-1\.onnx: 'b' is tensor\(bfloat16\), which NumPy cannot hold"):
        cut(str(file), ["b"], out)
    assert {f.name: f.read_bytes() for f in out.iterdir()} == before
    with pytest.raises(ModelError, match="NumPy cannot hold"):
        cut(str(file), ["b"], tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(ConfigError, match="File name too long"):
        cut(str(file), ["a"], tmp_path / ("z" * 300))


@pytest.mark.parametrize("element", ["UINT16", "INT16", "UINT32", "UINT64"])
def test_integers_of_every_width_are_drawn(tmp_path: Path, element: str) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["a"], to=1), helper.make_node("Neg", ["a"], ["y"])]
    ends = [info("x", [2, 32], getattr(TensorProto, element)), info("y", [2, 32])]
    file = save(tmp_path / "m.onnx", nodes, ends, {})
    assert cut(str(file), ["a"], tmp_path / "out")["proof"][0]["bit_equal"]


def test_a_name_with_a_comma_can_be_cut_at(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a,b"]), helper.make_node("Neg", ["a,b"], ["c"])]
    nodes.append(helper.make_node("Exp", ["c"], ["y"]))
    file = save(tmp_path / "m.onnx", nodes, [info("x", [2]), info("y", [2])], {})
    document = cut(str(file), ["a,b, c"], tmp_path / "out")
    assert [row["tensors"] for row in document["cuts"]] == [["a,b"], ["c"]]
    with pytest.raises(ConfigError, match="no tensor is named"):
        cut(str(file), [" , "], tmp_path / "out2")


def test_a_model_that_takes_no_random_inputs_is_proved_on_real_ones(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Reshape", ["a", "shape"], ["b"]),
        helper.make_node("Neg", ["b"], ["y"]),
    ]
    ends = [info("x", [2, 8]), info("shape", [2], TensorProto.INT64), info("y", ["p", "q"])]
    file = save(tmp_path / "m.onnx", nodes, ends, {})
    model = onnx.load(file)
    model.graph.value_info.append(info("b", ["p", "q"]))
    onnx.save(model, file)
    sizes: dict[str, Any] = {"dims": {"p": 4, "q": 4}}
    with pytest.raises(ModelError, match=r"m\.onnx: it takes no random inputs, .* with --inputs FILE\.npz"):
        cut(str(file), ["b"], tmp_path / "out", **sizes)
    assert not (tmp_path / "out").exists()
    real: dict[str, Any] = {
        "x": np.random.default_rng(0).standard_normal((2, 8), np.float32),
        "shape": np.array([4, 4]),
    }
    np.savez(tmp_path / "real.npz", **real)
    given = read_inputs(tmp_path / "real.npz")
    document = cut(str(file), ["b"], tmp_path / "out", inputs=[given], **sizes)
    assert [(p["tried"], p["bit_equal"]) for p in document["proof"]] == [(1, True), (1, True)]
    for wrong, words in (
        ({"x": real["x"]}, "no array 'shape'. Give one for each of: x, shape"),
        ({**real, "x": real["x"][:, :3]}, "the real inputs do not fit"),
    ):
        with pytest.raises(ConfigError, match=words):
            cut(str(file), ["b"], tmp_path / "out", inputs=[wrong], **sizes)


def test_inputs_that_are_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros(2))
    (tmp_path / "text.npz").write_text("nonsense")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04torn")
    np.savez(tmp_path / "objects.npz", x=np.array([{}, None]))
    for name in ("one.npy", "text.npz", "torn.npz", "objects.npz", "absent.npz"):
        with pytest.raises(ConfigError, match=rf"{name}: this is no readable NumPy archive"):
            read_inputs(tmp_path / name)


def test_a_full_disk_of_temporary_files_is_not_the_model_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with pytest.raises(
        ConfigError, match=r"TMPDIR: a copy of .*digits-small\.onnx cannot be written to .*absent"
    ):
        optimised_outputs(SHIPPED / "digits-small.onnx")
    (tmp_path / "torn.onnx").write_bytes(b"torn")
    with pytest.raises(ModelError, match="onnxruntime cannot load it"):
        optimised_outputs(tmp_path / "torn.onnx")
