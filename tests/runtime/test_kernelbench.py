"""Kernels on this machine: which ones a model runs, what they take, and predictions of models that were not run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the plan extra: pip install 'gramwise[plan]'")

import onnx

from gramwise.core.errors import ConfigError, ModelError, UnknownShape
from gramwise.power.kernels.kernel import describe
from gramwise.power.kernels.kernelsfile import read_kernels_file
from gramwise.runtime.calibrate import calibrate_kernels, predict_models
from gramwise.runtime.fused import kernels_of, optimise, origins_of, read_kernels
from gramwise.runtime.kernelbench import (
    Reference,
    _typical,
    quantise,
    session_of,
    time_rack,
    whole_s,
)
from gramwise.runtime.kernelcells import RANGES, Cell, draw, emit, near
from gramwise.runtime.kernelgraphs import Sketch
from gramwise.runtime.session import Session, load_session


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


def saved(sketch: Sketch, path, precision="fp32"):
    plain = path.with_suffix(".fp32.onnx")
    onnx.save_model(sketch.model(), plain)
    if precision == "fp32":
        return plain
    quantise(plain, path, sketch.feeds)
    return path


def every_kind(seed: int) -> Sketch:
    sketch, rng = Sketch(seed), np.random.default_rng(seed)
    for kind in RANGES:
        emit(draw(kind, rng, 0.02), sketch)
    return sketch


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_shapes_told_without_running_are_those_of_a_run(tmp_path, precision):
    """The runtime's own profiler notes the shapes that each kernel really wrote."""
    sketch = every_kind(3)
    file = saved(sketch, tmp_path / "model.onnx", precision)
    model = optimise(file, tmp_path / "optimised.onnx")
    kernels = read_kernels(model, file)
    session = load_session(
        str(tmp_path / "optimised.onnx"), "disabled", {}, profile=str(tmp_path / "profile")
    )
    session.run(None, sketch.feeds)
    events = json.loads(Path(session.end_profiling()).read_text())
    ran = {event["name"]: event for event in events if event.get("cat") == "Node"}
    compared = 0
    for i, kernel in enumerate(kernels):
        event = ran.get(f"k{i}_kernel_time")
        if event is None or kernel.op == "nchwc.ReorderInput":  # fills channels up to a whole block
            continue
        wrote = [tuple(*shape.values()) for shape in event["args"]["output_type_shape"]]
        assert [shape for shape in kernel.outputs if shape] == [shape for shape in wrote if shape], kernel.op
        compared += 1
    assert compared > 50
    assert any(kernel.precision == precision for kernel in kernels)


def test_what_the_runtime_fuses_is_one_kernel(tmp_path):
    sketch = Sketch(0)
    sketch.output(sketch.act(sketch.conv(sketch.input(1, 32, 8, 8), 32, 3), "relu"))
    inputs, kernels = kernels_of(saved(sketch, tmp_path / "model.onnx"))
    assert inputs == 1
    products = [describe(kernel) for kernel in kernels if "Conv" in kernel.op]
    assert len(products) == 1
    assert products[0].flop == 2 * 64 * 32 * 32 * 9
    assert not any(kernel.op == "Relu" for kernel in kernels)


def test_an_open_size_is_named_and_can_be_given(tmp_path):
    sketch = Sketch(0)
    sketch.output(sketch.softmax(sketch.input(1, 8, 16)))
    model = sketch.model()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "length"
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "length"
    onnx.save_model(model, tmp_path / "open.onnx")
    with pytest.raises(UnknownShape, match="length"):
        kernels_of(tmp_path / "open.onnx")
    found = kernels_of(tmp_path / "open.onnx", dims={"length": 24}).kernels
    assert found[-1].outputs == ((1, 24, 16),)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "none.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"none\.onnx"):
        kernels_of(tmp_path / "none.onnx")


@pytest.mark.parametrize("kind", sorted(RANGES))
def test_every_kind_of_cell_runs_and_what_is_drawn_near_it_is_near(kind):
    rng = np.random.default_rng(11)
    for scale in (1.0, 0.02):
        cell = draw(kind, rng, scale)
        for name, (least, most, _) in RANGES[kind].items():
            assert least <= cell.numbers[name] <= most
    neighbour = near(cell, rng)
    assert neighbour.kind == kind
    for name, (_, _, step) in RANGES[kind].items():
        low, high = sorted((neighbour.numbers[name], cell.numbers[name]))
        assert high <= 1.5 * low + 2 * step
    sketch = Sketch(0)
    emit(neighbour, sketch)
    outputs, cpu_s = session_of(sketch).run(sketch.feeds)
    assert all(np.isfinite(value).all() and value.shape == () for value in outputs.values())
    assert cpu_s > 0


def test_cells_are_drawn_by_the_seed():
    first, second = ([draw(kind, np.random.default_rng(4)) for kind in RANGES] for _ in range(2))
    assert first == second


def test_kernels_of_a_rack_know_their_cell(tmp_path):
    sketch = Sketch(0)
    emit(Cell("dense", {"length": 2, "width": 64, "out": 32, "act": 0}), sketch)
    emit(Cell("norm", {"length": 4, "width": 64, "act": 0}), sketch)
    file = saved(sketch, tmp_path / "rack.onnx")
    model = optimise(file, tmp_path / "optimised.onnx")
    of = dict(zip((k.op for k in read_kernels(model, file)), origins_of(model), strict=True))
    assert of["Gemm"] == 0
    assert of["LayerNormalization"] == 1


def test_the_calmer_half_counts():
    seconds, spread = _typical([1.0, 1.0, 1.0, 9.0, 50.0, 1.0])
    assert (seconds, spread) == (1.0, 0.0)


def test_a_kernel_of_more_work_takes_longer(reference):
    cells = [Cell("linear", {"length": 64, "width": width, "out": width, "act": 0}) for width in (128, 768)]
    rack, origins = time_rack(cells, "fp32", reference, seed=0, runs=6)
    by_cell = {
        origin: sample.seconds
        for sample, origin in zip(rack.kernels, origins, strict=True)
        if "stored" in describe(sample.kernel).family
    }
    # 36 times the FLOP.
    assert by_cell[1] > by_cell[0]
    assert rack.cpu_s > 0
    assert rack.inputs == 2


def test_a_whole_run_is_given_at_the_pace_of_the_reference(reference):
    sketch = Sketch(0)
    sketch.output(sketch.gemm(sketch.input(64, 512), 512))
    session = session_of(sketch)
    usual = whole_s(session, sketch.feeds, reference, runs=9, least_s=0.0)
    slower = Reference(reference.nominal_s / 2)  # the same machine, taken for one of twice the pace
    halved = whole_s(session, sketch.feeds, slower, runs=9, least_s=0.0)
    assert halved == pytest.approx(usual / 2, rel=0.5)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    path = tmp_path_factory.mktemp("calibrated") / "kernels.json"
    told: list[float] = []
    document = calibrate_kernels(path, seconds=6.0, tell=lambda _text, done: told.append(done))
    return path, document, told


def test_calibration_writes_what_it_measured_and_says_how_well_it_is_known(calibrated):
    path, document, told = calibrated
    file = read_kernels_file(path)
    assert document["file"] == str(path)
    assert document["samples"] == len(file.samples) > 50
    assert {sample.kernel.precision for sample in file.samples} >= {"fp32", "int8"}
    assert math.fsum(fit["time_frac"] for fit in document["families"].values()) == pytest.approx(1, abs=1e-2)
    # What was fitted is known better than what was left out.
    assert 0 < document["seen_frac"] < document["unseen_frac"] < 2
    assert told[-1] == 1.0
    assert told == sorted(told)
    json.dumps(document)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_model_that_was_not_run_is_predicted_in_the_right_region(
    calibrated, reference, tmp_path, precision
):
    """Six seconds of measuring do not make a good predictor: docs/method/kernels.md has what four minutes reach."""
    sketch = Sketch(2)
    x = sketch.input(1, 16, 28, 28)
    for _ in range(6):
        x = sketch.act(sketch.conv(x, 64, 3), "relu")
    sketch.output(sketch.gemm(sketch.flatten(sketch.mean(x)), 10))
    file = saved(sketch, tmp_path / "model.onnx", precision)
    path, _, _ = calibrated
    [answer] = predict_models([file], path)
    took_s = whole_s(Session(str(file)), sketch.feeds, reference, runs=9, least_s=0.0)
    assert took_s / 20 < answer["cpu_s"] < took_s * 20
    assert answer["cpu_s"] == pytest.approx(answer["overhead_s"] + math.fsum(answer["families"].values()))
    assert answer["method"] == "modelled"
    assert answer["low_s"] < answer["cpu_s"] < answer["high_s"]
    assert 0.0 < answer["kernels_spread_frac"] < 1.0


def test_kernels_of_another_runtime_are_refused(calibrated, tmp_path):
    path, _, _ = calibrated
    text = path.read_text()
    old = read_kernels_file(path).onnxruntime
    other = tmp_path / "kernels.json"
    other.write_text(text.replace(f'"onnxruntime":"{old}"', '"onnxruntime":"1.0"'))
    with pytest.raises(ConfigError, match=r"onnxruntime 1\.0"):
        predict_models([tmp_path / "any.onnx"], other)


def test_too_little_time_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="seconds"):
        calibrate_kernels(tmp_path / "kernels.json", seconds=1.0)
    assert not (tmp_path / "kernels.json").exists()
