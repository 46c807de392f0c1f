"""Pieces of a model as files: what they hold, what is shared, what is refused, and that nothing is left half done."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from gramwise.core.errors import ConfigError, ModelError
from gramwise.partition.export import Piece, export_pieces, files_of, read_manifest

Ends = dict[str, Any]
RNG = np.random.default_rng(0)
W1, W2 = (RNG.standard_normal((32, 32)).astype(np.float32) for _ in range(2))
"""4 KiB each: large enough to be shared."""

CHAIN = [
    helper.make_node("MatMul", ["x", "w1"], ["a"], name="first"),
    helper.make_node("Relu", ["a"], ["b"], name="bend"),
    helper.make_node("MatMul", ["b", "w2"], ["c"], name="second"),
    helper.make_node("MatMul", ["c", "w1"], ["y"], name="third"),
]
HALVES = [Piece(("x",), ("b",)), Piece(("b",), ("y",))]


def save(
    file: Path,
    nodes: Sequence[Any] = CHAIN,
    inputs: Ends | None = None,
    outputs: Ends | None = None,
    constants: Ends | None = None,
    **model: Any,
) -> Path:
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info(n, 1, d) for n, d in (inputs or {"x": ["batch", 32]}).items()],
        [helper.make_tensor_value_info(n, 1, d) for n, d in (outputs or {"y": ["batch", 32]}).items()],
        [numpy_helper.from_array(v, n) for n, v in (constants or {"w1": W1, "w2": W2}).items()],
        **{k: model.pop(k) for k in ("value_info", "sparse_initializer") if k in model},
    )
    opsets = [
        helper.make_opsetid("", 17),
        helper.make_opsetid("com.microsoft", 1),
        helper.make_opsetid("own", 1),
    ]
    onnx.save(helper.make_model(graph, opset_imports=opsets, **{"ir_version": 8, **model}), file)
    return file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(tmp_path / "net.onnx")


def run(file: Path, values: dict[str, Any]) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(
        zip(names, session.run(None, {i.name: values[i.name] for i in session.get_inputs()}), strict=True)
    )


def same(whole: Path, pieces: Sequence[Path], values: dict[str, Any]) -> None:
    expected, known = run(whole, values), dict(values)
    for piece in pieces:
        known |= run(piece, known)
    assert expected
    for name, answer in expected.items():
        np.testing.assert_array_equal(known[name], answer)


X = {"x": RNG.standard_normal((3, 32)).astype(np.float32)}


def everything(folder: Path) -> set[str]:
    return {str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()}


def test_pieces_compute_the_whole_and_the_manifest_says_what_they_are(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = export_pieces(model, HALVES, out)
    assert files == (out / "net-1.onnx", out / "net-2.onnx")
    same(model, files, X)
    document = read_manifest(out)
    shared = f"weights/{hashlib.sha256(W1.tobytes()).hexdigest()}.bin"
    assert (document["schema"], document["model"]) == ("gramwise.pieces/1", "net")
    assert document["digest"] == hashlib.sha256(model.read_bytes()).hexdigest()
    first, second = document["pieces"]
    assert (first["inputs"], first["outputs"]) == (["x"], ["b"])
    assert (first["weight_bytes"], second["weight_bytes"]) == (4096, 8192)
    assert first["bytes"] == files[0].stat().st_size < 1024 < second["bytes"]
    assert first["shared"] == second["shared"] == [shared]
    assert document["shared"] == [{"file": shared, "sha256": Path(shared).stem, "bytes": 4096}]
    assert (out / shared).read_bytes() == W1.tobytes()
    assert everything(out) == {"pieces.json", "net-1.onnx", "net-2.onnx", shared}


def test_a_machine_with_the_listed_files_can_run_a_piece(model: Path, tmp_path: Path) -> None:
    files = export_pieces(model, HALVES, tmp_path / "out")
    device = tmp_path / "device"
    (device / "weights").mkdir(parents=True)
    for name in files_of(read_manifest(tmp_path / "out")["pieces"][1]):
        shutil.copy(tmp_path / "out" / name, device / name)
    b = run(files[0], X)
    np.testing.assert_array_equal(run(device / "net-2.onnx", b)["y"], run(model, X)["y"])


def test_the_models_own_words_are_kept(tmp_path: Path) -> None:
    known = [helper.make_tensor_value_info("c", 1, ["batch", 32])]
    whole = save(
        tmp_path / "m.onnx", value_info=known, producer_name="maker", doc_string="about", model_version=7
    )
    proto = onnx.load(whole)
    proto.metadata_props.add(key="k", value="v")
    onnx.save(proto, whole)
    piece = onnx.load(export_pieces(whole, HALVES, tmp_path / "out")[1])
    assert (piece.ir_version, piece.producer_name, piece.doc_string, piece.model_version) == (
        8,
        "maker",
        "about",
        7,
    )
    assert [(o.domain, o.version) for o in piece.opset_import] == [
        (o.domain, o.version) for o in proto.opset_import
    ]
    assert [(p.key, p.value) for p in piece.metadata_props] == [("k", "v")]
    assert [v.name for v in piece.graph.value_info] == ["c"]
    assert [d.dim_param or d.dim_value for d in piece.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        32,
    ]


def test_weights_in_another_file_are_taken_from_there(model: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    whole = tmp_path / "outside" / "net.onnx"
    whole.parent.mkdir()
    onnx.save(proto, whole, save_as_external_data=True, location="net.data", size_threshold=0)
    files = export_pieces(whole, HALVES, tmp_path / "out")
    same(model, files, X)
    (whole.parent / "net.data").write_bytes(b"short")
    with pytest.raises(ModelError, match=r"net\.data ends inside 'w[12]'"):
        export_pieces(whole, HALVES, tmp_path / "out2")
    (whole.parent / "net.data").unlink()
    with pytest.raises(ModelError, match=r"the weights file .*net\.data cannot be read"):
        export_pieces(whole, HALVES, tmp_path / "out2")
    assert not (tmp_path / "out2").exists()


def test_weights_outside_the_models_folder_are_refused(model: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    onnx.save(proto, tmp_path / "far.onnx", save_as_external_data=True, location="far.data", size_threshold=0)
    proto = onnx.load(tmp_path / "far.onnx", load_external_data=False)
    for tensor in proto.graph.initializer:
        tensor.external_data[0].value = "../far.data"
    (tmp_path / "in").mkdir()
    onnx.save(proto, tmp_path / "in" / "far.onnx")
    with pytest.raises(ModelError, match="they must be in the model's folder"):
        export_pieces(tmp_path / "in" / "far.onnx", HALVES, tmp_path / "out")


def test_a_piece_too_large_for_one_file_has_its_weights_beside_it(model: Path, tmp_path: Path) -> None:
    files = export_pieces(model, HALVES, tmp_path / "out", names=["head", "tail"], inline_bytes=100)
    head, tail = read_manifest(tmp_path / "out")["pieces"]
    assert (head["beside"], tail["beside"]) == ([], ["tail.bin"])
    assert (tmp_path / "out" / "tail.bin").stat().st_size == W2.nbytes
    same(model, files, X)


def test_several_weights_beside_a_piece_start_on_pages(tmp_path: Path) -> None:
    odd = [RNG.standard_normal((32, 32)).astype(np.float32), RNG.standard_normal((300, 1)).astype(np.float32)]
    nodes = [
        *CHAIN[:2],
        helper.make_node("MatMul", ["b", "u"], ["c"]),
        helper.make_node("MatMul", ["p", "c"], ["d"]),
    ]
    nodes += [helper.make_node("Mul", ["d", "v"], ["y"])]
    ends = {"x": [300, 32], "p": [300, 300]}
    whole = save(tmp_path / "m.onnx", nodes, ends, {"y": [300, 32]}, {"w1": W1, "u": odd[0], "v": odd[1]})
    files = export_pieces(
        whole, [Piece(("x",), ("b",)), Piece(("p", "b"), ("y",))], tmp_path / "out", inline_bytes=0
    )
    proto = onnx.load(files[1], load_external_data=False)
    places = {t.name: {e.key: e.value for e in t.external_data} for t in proto.graph.initializer}
    assert [places[n]["offset"] for n in ("u", "v")] == ["0", "4096"]
    values = {"x": np.ones((300, 32), np.float32), "p": np.ones((300, 300), np.float32)}
    same(whole, files, values)


def test_small_constants_stay_inside(tmp_path: Path) -> None:
    """onnxruntime needs the target of a Reshape when it loads the graph."""
    nodes = [
        helper.make_node("Reshape", ["x", "target"], ["a"]),
        helper.make_node("MatMul", ["a", "w1"], ["b"]),
        helper.make_node("Reshape", ["b", "target"], ["y"]),
    ]
    constants = {"target": np.array([-1, 32]), "w1": W1}
    inside = save(tmp_path / "in.onnx", nodes, {"x": [3, 32]}, {"y": [3, 32]}, constants)
    whole = tmp_path / "m.onnx"
    onnx.save(onnx.load(inside), whole, save_as_external_data=True, location="m.data", size_threshold=0)
    files = export_pieces(
        whole, [Piece(("x",), ("b",)), Piece(("b",), ("y",))], tmp_path / "out", inline_bytes=0
    )
    for file in files:
        stored = {t.name: t for t in onnx.load(file, load_external_data=False).graph.initializer}
        assert stored["target"].data_location == TensorProto.DEFAULT
    same(inside, files, X)


def body(name: str, op: str, *captured: str) -> onnx.GraphProto:
    out = helper.make_tensor_value_info(f"{name}_y", 1, None)
    return helper.make_graph([helper.make_node(op, list(captured), [f"{name}_y"])], name, [], [out])


def test_what_bodies_capture_comes_along(tmp_path: Path) -> None:
    """``b`` and ``w2`` are read inside the branches only."""
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]),
        helper.make_node("ReduceMax", ["a"], ["m"], keepdims=0),
        helper.make_node("Greater", ["m", "zero"], ["flag"]),
        helper.make_node("Neg", ["a"], ["b"]),
        helper.make_node(
            "If",
            ["flag"],
            ["c"],
            name="choice",
            then_branch=body("t", "MatMul", "b", "w2"),
            else_branch=body("e", "Abs", "b"),
        ),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    constants = {"w1": W1, "w2": W2, "zero": np.float32(0)}
    whole = save(
        tmp_path / "m.onnx",
        nodes,
        constants=constants,
        value_info=[helper.make_tensor_value_info("c", 1, ["batch", 32])],
    )
    files = export_pieces(
        whole, [Piece(("x",), ("a",)), Piece(("a",), ("c",)), Piece(("c",), ("y",))], tmp_path / "out"
    )
    same(whole, files, X)
    assert [o.name for o in onnx.load(files[1]).graph.output] == ["c"]
    with pytest.raises(ModelError, match=r"the piece that makes 'c' also needs 'x': cut there too"):
        export_pieces(whole, [Piece(("flag",), ("c",))], tmp_path / "out2")


def test_functions_are_inlined_first(tmp_path: Path) -> None:
    inner = [helper.make_node("MatMul", ["u", "v"], ["o"]), helper.make_node("Add", ["o", "o"], ["r"])]
    function = helper.make_function("own", "Twice", ["u", "v"], ["r"], inner, [helper.make_opsetid("", 17)])
    nodes = [
        helper.make_node("Twice", ["x", "w1"], ["b"], domain="own"),
        helper.make_node("Twice", ["b", "w2"], ["y"], domain="own"),
    ]
    whole = save(tmp_path / "m.onnx", nodes, functions=[function])
    files = export_pieces(whole, HALVES, tmp_path / "out")
    assert not onnx.load(files[0]).functions
    same(whole, files, X)


def test_constants_that_are_inputs_stay_inputs(tmp_path: Path) -> None:
    """As every constant is before IR 4; from then on, a caller may replace such a one."""
    ends = {"x": [3, 32], "w1": [32, 32], "w2": [32, 32]}
    nodes = [*CHAIN]
    for ir_version in (3, 8):
        folder = tmp_path / str(ir_version)
        folder.mkdir()
        proto = onnx.load(save(folder / "m.onnx", nodes, ends))
        proto.ir_version = ir_version
        del proto.opset_import[1:]
        proto.opset_import[0].version = 8 if ir_version == 3 else 17
        onnx.save(proto, folder / "m.onnx")
        files = export_pieces(folder / "m.onnx", HALVES, folder / "out")
        assert [i.name for i in onnx.load(files[0]).graph.input] == ["x", "w1"]
        session = onnxruntime.InferenceSession(str(files[1]), providers=["CPUExecutionProvider"])
        assert [i.name for i in session.get_inputs()] == ["b"]
        same(folder / "m.onnx", files, X)


def test_sparse_constants_and_large_constant_nodes(tmp_path: Path) -> None:
    values = helper.make_tensor("s", 1, [2], [2.0, 3.0])
    sparse = helper.make_sparse_tensor(
        values, helper.make_tensor("i", TensorProto.INT64, [2], [0, 33]), [32, 32]
    )
    nodes = [
        helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(W2)),
        helper.make_node("MatMul", ["x", "k"], ["a"]),
        helper.make_node("MatMul", ["a", "s"], ["b"]),
        helper.make_node("MatMul", ["b", "k"], ["y"]),
    ]
    whole = save(tmp_path / "m.onnx", nodes, constants={"unused": W1}, sparse_initializer=[sparse])
    files = export_pieces(whole, HALVES, tmp_path / "out")
    same(whole, files, X)
    # The constant that both need is written once, whichever way the model stores it.
    assert [f["bytes"] for f in read_manifest(tmp_path / "out")["shared"]] == [W2.nbytes]
    assert [len(onnx.load(f).graph.sparse_initializer) for f in files] == [1, 0]


def test_quantisation_annotations_come_along_with_what_they_name(tmp_path: Path) -> None:
    whole = save(tmp_path / "m.onnx", constants={"w1": W1, "w2": W2, "c_scale": np.array([0.5], np.float32)})
    proto = onnx.load(whole)
    note = proto.graph.quantization_annotation.add(tensor_name="c")
    note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="c_scale")
    onnx.save(proto, whole)
    first, second = (onnx.load(f).graph for f in export_pieces(whole, HALVES, tmp_path / "out"))
    assert not first.quantization_annotation
    assert [a.tensor_name for a in second.quantization_annotation] == ["c"]
    assert "c_scale" in {t.name for t in second.initializer}


def test_a_node_of_several_outputs_on_both_sides(tmp_path: Path) -> None:
    """One half of a Split travels; the other is made again, because the cut leaves it out."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Split", ["r"], ["left", "right"], axis=1),
        helper.make_node("Concat", ["right", "left"], ["y"], axis=1),
    ]
    whole = save(tmp_path / "m.onnx", nodes, {"x": [3, 32]}, {"y": [3, 32]})
    files = export_pieces(
        whole, [Piece(("x",), ("r", "left")), Piece(("r", "left"), ("y",))], tmp_path / "out"
    )
    same(whole, files, X)


@pytest.mark.parametrize(
    ("piece", "reason"),
    [
        (Piece(("x",), ("bb",)), r"there is no tensor 'bb'\. Did you mean 'b'\?"),
        (Piece(("w1",), ("b",)), "'w1' is a constant: it never travels"),
        (Piece(("b",), ("a",)), "the piece that makes 'a' also needs 'x': cut there too"),
        (Piece(("x", "c"), ("b",)), "does not need 'c': leave it out"),
        (Piece(("x", "b"), ("b",)), "'b' both enters and leaves a piece"),
    ],
)
def test_what_is_no_piece_is_refused(model: Path, tmp_path: Path, piece: Piece, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        export_pieces(model, [piece], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_tensor_of_unknown_type_says_what_to_record(tmp_path: Path) -> None:
    nodes = [helper.make_node("Wavelet", ["x"], ["a"], domain="own"), helper.make_node("Relu", ["a"], ["y"])]
    whole = save(tmp_path / "m.onnx", nodes)
    with pytest.raises(
        ModelError, match=r"the type of 'a' is not known: record it in the model \(value_info\)"
    ):
        export_pieces(whole, [Piece(("x",), ("a",))], tmp_path / "out")


def test_an_export_replaces_an_earlier_one_of_the_same_model_only(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_pieces(model, HALVES, out)
    (again,) = export_pieces(model, [Piece(("x",), ("y",))], out)
    assert everything(out) == {"pieces.json", "net-1.onnx"}
    assert not (out / "weights").exists()
    same(model, [again], X)
    other = save(tmp_path / "other.onnx", constants={"w1": W2, "w2": W1})
    with pytest.raises(ConfigError, match="the directory holds the pieces of another model"):
        export_pieces(other, HALVES, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"the directory holds other files, notes\.txt for one"):
        export_pieces(model, HALVES, out)
    assert everything(out) == {"pieces.json", "net-1.onnx", "notes.txt"}


def test_a_failure_leaves_the_earlier_export_alone(model: Path, tmp_path: Path, small_disk: Path) -> None:
    out = small_disk / "out"
    export_pieces(model, [Piece(("x",), ("b",))], out)
    before = everything(out)
    large = RNG.standard_normal((200, 200)).astype(np.float32)
    big = save(
        tmp_path / "big.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"x": [1, 200]},
        {"y": [1, 200]},
        {"w": large},
    )
    with pytest.raises(ConfigError, match=r"cannot write the pieces \(No space left on device\)"):
        export_pieces(big, [Piece(("x",), ("y",))], small_disk / "new")
    assert not (small_disk / "new").exists()
    assert everything(out) == before


def test_files_that_are_found_wanting_never_take_their_place(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_pieces(model, [Piece(("x",), ("b",))], out)
    before = {name: (out / name).read_bytes() for name in everything(out)}
    seen: list[Path] = []

    def refuse(files: Sequence[Path]) -> None:
        seen.extend(files)
        same(model, files, X)  # with the constants that they share
        raise ModelError("not the whole")

    for place in (out, tmp_path / "new"):
        with pytest.raises(ModelError, match="not the whole"):
            export_pieces(model, HALVES, place, verify=refuse)
    assert [file.name for file in seen] == ["net-1.onnx", "net-2.onnx"] * 2
    assert {name: (out / name).read_bytes() for name in everything(out)} == before
    assert not (tmp_path / "new").exists()


def test_what_a_model_says_of_training_and_devices(model: Path, tmp_path: Path) -> None:
    whole = onnx.load(model)
    whole.ir_version = 11
    whole.training_info.add().algorithm.name = "descent"
    whole.configuration.add(name="two", num_devices=2)
    onnx.save(whole, model)
    files = export_pieces(model, HALVES, tmp_path / "out")
    for piece in map(onnx.load, files):
        assert [c.name for c in piece.configuration] == ["two"]
        assert not piece.training_info
    same(model, files, X)


@pytest.mark.parametrize("offset", ["here", "-4"])
def test_a_place_of_weights_that_is_no_number(model: Path, tmp_path: Path, offset: str) -> None:
    whole = onnx.load(model)
    weights = whole.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w.bin"), ("offset", offset)):
        weights.external_data.add(key=key, value=value)
    model.write_bytes(whole.SerializeToString())
    with pytest.raises(ModelError, match=rf"the offset of 'w1' is '{offset}'"):
        export_pieces(model, HALVES, tmp_path / "out")


def test_places_and_names_that_cannot_be_used(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this is a file"):
        export_pieces(model, HALVES, model)
    for names in (["a"], ["a", "a"], ["a", "../b"], ["a", ""]):
        with pytest.raises(ConfigError, match="2 pieces cannot be called"):
            export_pieces(model, HALVES, tmp_path / "out", names=names)
    with pytest.raises(ModelError, match="there is no such model file"):
        export_pieces(tmp_path / "absent.onnx", HALVES, tmp_path / "out")
    (tmp_path / "out").mkdir()
    for text in (
        "nonsense",
        json.dumps({"schema": "other"}),
        json.dumps({"schema": "gramwise.pieces/1", "pieces": [{}]}),
    ):
        (tmp_path / "out" / "pieces.json").write_text(text)
        with pytest.raises(ConfigError, match=r"pieces\.json"):
            export_pieces(model, HALVES, tmp_path / "out")


def test_a_list_that_names_files_elsewhere_deletes_none(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_pieces(model, HALVES, out)
    document = read_manifest(out)
    document["pieces"][0]["beside"] = ["../net.onnx"]
    (out / "pieces.json").write_text(json.dumps(document))
    export_pieces(model, HALVES, out)
    assert model.exists()
