"""Kernels: what describes them, the base and the residual that predict them, and the file they are kept in."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from gramwise.core.errors import ConfigError
from gramwise.power.kernels.fit import Process, fit_base, matern, non_negative, scaled
from gramwise.power.kernels.kernel import Kernel, describe
from gramwise.power.kernels.kernelsfile import (
    SCHEMA,
    KernelsFile,
    check_place,
    read_kernels_file,
    write_kernels,
)
from gramwise.power.kernels.predictor import MOST, Predictor
from gramwise.power.kernels.tolls import Rack, Sample, Toll, net_samples, toll_of

FREE = Toll(kernel_s=0.0, tensor_s=0.0, first_s=0.0, run_s=0.0, input_s=0.0)


def conv(size=14, channels=64, out=64, window=9, groups=1, op="nchwc.Conv", **more) -> Kernel:
    weight = (out, channels // groups, 3, 3)
    return Kernel(
        op=op,
        precision=more.pop("precision", "fp32"),
        inputs=((1, channels, size, size),),
        stored=(weight, (out,)),
        outputs=((1, out, size, size),),
        read_bytes=4.0 * channels * size**2,
        stored_bytes=4.0 * out * (channels // groups) * window,
        write_bytes=4.0 * out * size**2,
        tensors=4,
        network_bytes=1e6,
        window=window,
        groups=groups,
        **more,
    )


def matmul(rows, deep, wide, *, stored=True, trans=0) -> Kernel:
    left = (1, rows, deep)
    right = (wide, deep) if trans & 2 else (deep, wide)
    return Kernel(
        op="MatMul",
        precision="fp32",
        inputs=(left,) if stored else (left, right),
        stored=(right,) if stored else (),
        outputs=((1, rows, wide),),
        read_bytes=4.0 * rows * deep,
        stored_bytes=4.0 * deep * wide,
        write_bytes=4.0 * rows * wide,
        tensors=3,
        network_bytes=1e6,
        trans=trans,
    )


def relu(values: int, op: str = "Relu") -> Kernel:
    return Kernel(
        op=op,
        precision="fp32",
        inputs=((1, values),),
        stored=(),
        outputs=((1, values),),
        read_bytes=4.0 * values,
        stored_bytes=0.0,
        write_bytes=4.0 * values,
        tensors=2,
        network_bytes=1e6,
    )


def truth(kernel: Kernel) -> float:
    """A made-up machine: 50 GFLOP/s, less for few output channels, 10 GB/s, 2 us a call."""
    told = describe(kernel)
    efficiency = 1.0 - 2.0 * math.exp(-told.features.get("out", 9.0))
    moved = told.read_bytes + told.stored_bytes + told.write_bytes
    return 2e-6 + told.flop / 5e10 / efficiency + moved / 1e10


def _sizes(size: float, channels: float, blocks: float) -> tuple[int, int, int]:
    return int(size), int(channels), 16 * int(blocks)


def drawn(count: int, seed: int) -> list[Kernel]:
    rng = np.random.default_rng(seed)
    return [
        conv(*_sizes(*np.exp(rng.uniform(np.log([4, 16, 1]), np.log([56, 256, 16]))))) for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("kernel", "family", "flop"),
    [
        (conv(), "nchwc.Conv/spatial/fp32", 2 * 14**2 * 64 * 64 * 9),
        (conv(window=1), "nchwc.Conv/point/fp32", 2 * 14**2 * 64 * 64),
        (conv(groups=64), "nchwc.Conv/depthwise/fp32", 2 * 14**2 * 64 * 9),
        (conv(groups=4), "nchwc.Conv/grouped/fp32", 2 * 14**2 * 64 * 16 * 9),
        (conv(out=40), "nchwc.Conv/spatial-ragged/fp32", 2 * 14**2 * 40 * 64 * 9),
        (conv(out=8), "nchwc.Conv/spatial-narrow/fp32", 2 * 14**2 * 8 * 64 * 9),
        (conv(channels=3), "nchwc.Conv/plain-spatial/fp32", 2 * 14**2 * 64 * 3 * 9),
        (matmul(7, 32, 48), "MatMul/stored/fp32", 2 * 7 * 32 * 48),
        (matmul(7, 32, 48, stored=False), "MatMul/computed/fp32", 2 * 7 * 32 * 48),
        (relu(100), "Relu/any/fp32", 100),
    ],
)
def test_kernels_are_told_apart_by_the_code_they_run_and_their_work_is_counted(kernel, family, flop):
    told = describe(kernel)
    assert told.family == family
    assert told.flop == flop


def test_features_of_a_product_are_its_sizes_whichever_factor_is_transposed():
    plain, turned = describe(matmul(7, 32, 48)).features, describe(matmul(7, 32, 48, trans=2)).features
    for name, size in (("rows", 7), ("deep", 32), ("wide", 48)):
        assert plain[name] == turned[name] == pytest.approx(math.log(size))
    assert (plain["transposed"], turned["transposed"]) == (0.0, 1.0)


def test_images_with_channels_last_have_the_same_features():
    first = conv(op="microsoft.QLinearConv", out=32)
    last = msgspec.structs.replace(
        first, inputs=((1, 14, 14, 64),), outputs=((1, 14, 14, 32),), channels_last=True
    )
    assert describe(first) == describe(last)


def test_the_base_finds_the_rates_that_made_the_times_and_never_a_negative_one():
    rng = np.random.default_rng(0)
    work = np.column_stack([np.ones(60), *np.exp(rng.uniform(5, 15, (3, 60)))])
    true = np.array([2e-6, 1e-10, 0.0, 4e-10])
    assert fit_base(work, work @ true) == pytest.approx(true, rel=1e-6, abs=1e-16)
    # The plain solution of these rows is (2, -1).
    found = non_negative(np.array([[1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 0.0]))
    assert found == pytest.approx([0.5, 0.0])


def test_the_process_goes_through_points_fades_to_its_mean_and_knows_what_it_does_not_know():
    points = np.linspace(-2, 2, 25)[:, None]
    values = 0.4 * np.sin(2 * points[:, 0]) + 0.1
    process = Process(points, values, np.full(25, 1e-3))
    between = np.array([[0.3], [-1.1]])
    assert process.at(between) == pytest.approx(0.4 * np.sin(2 * between[:, 0]) + 0.1, abs=0.03)
    far = np.array([[1000.0]])
    assert process.at(far) == pytest.approx([process.mean])
    assert process.deviation(far) > 5 * process.deviation(between).max()


def test_errors_of_points_left_out_are_those_of_fits_without_them():
    rng = np.random.default_rng(3)
    points, _, _ = scaled(rng.normal(size=(12, 2)))
    values = points[:, 0] * 0.3 + rng.normal(size=12) * 0.02
    noise = np.full(12, 0.02)
    process = Process(points, values, noise)
    for i in (0, 5, 11):
        rest = np.arange(12) != i
        without = Process(points[rest], values[rest], noise[rest], process.hyper)
        without_mean = process.mean  # the closed form keeps the mean of all
        lengths, signal, own = (
            np.exp(process.hyper[:-2]),
            np.exp(process.hyper[-2]),
            np.exp(process.hyper[-1]),
        )
        across = signal**2 * matern(points[i : i + 1], points[rest], lengths)
        spread = signal**2 * matern(points[rest], points[rest], lengths)
        spread += np.diag(np.full(11, own**2 + 0.02**2))
        guess = without_mean + across @ np.linalg.solve(spread, values[rest] - without_mean)
        assert process.left_out[i] == pytest.approx(values[i] - guess[0], abs=1e-9)
        assert without.at(points[i : i + 1])[0] == pytest.approx(guess[0], abs=0.1)


def test_unseen_kernels_of_a_made_up_machine_are_predicted_within_a_few_per_cent():
    predictor = Predictor([Sample(k, truth(k), 0.01) for k in drawn(120, 0)], FREE)
    unseen = drawn(60, 1)
    found = predictor.predict(unseen)
    errors = [part.seconds / truth(part.kernel) - 1 for part in found.parts]
    assert np.median(np.abs(errors)) < 0.03
    assert np.quantile(np.abs(errors), 0.9) < 0.12
    assert all(part.known for part in found.parts)
    assert found.cpu_s == pytest.approx(sum(part.seconds for part in found.parts))


def test_beyond_what_was_measured_time_grows_with_the_work():
    predictor = Predictor([Sample(k, truth(k), 0.01) for k in drawn(120, 0)], FREE)
    # 60 times the FLOP of the largest sample: a tree would answer with that sample's time.
    large = conv(size=224, channels=512, out=512)
    assert predictor.predict([large]).cpu_s == pytest.approx(truth(large), rel=0.35)


def test_a_family_that_was_not_measured_is_answered_for_by_its_operator_and_named():
    samples = [Sample(k, truth(k), 0.01) for k in drawn(40, 0)]
    samples += [Sample(relu(n), 1e-6 + n * 1e-9, 0.01) for n in range(1000, 50000, 2000)]
    predictor = Predictor(samples, FREE)
    grouped, other = conv(groups=4), relu(20000, op="Elu")
    found = predictor.predict([grouped, other, relu(20000)])
    assert found.unknown == ("Elu/any/fp32", "nchwc.Conv/grouped/fp32")
    assert [part.family for part in found.parts] == ["nchwc.Conv/fp32", "*/fp32", "Relu/any/fp32"]
    assert found.parts[1].seconds == pytest.approx(2.1e-5, rel=0.3)


def test_what_the_profiler_adds_is_found_and_taken_off():
    rng = np.random.default_rng(5)
    racks = []
    for inputs in range(3, 23):
        kernels = [*drawn(int(rng.integers(10, 80)), inputs), *(relu(1000) for _ in range(inputs))]
        true = [truth(k) for k in kernels]
        noted = [Sample(k, t + 3e-6 + 0.5e-6 * k.tensors, 0.01) for k, t in zip(kernels, true, strict=True)]
        noted[0] = msgspec.structs.replace(noted[0], seconds=noted[0].seconds + 3e-5)
        racks.append(Rack(tuple(noted), 0, sum(true) + 2e-5 + 4e-6 * inputs, inputs))
    racks[7] = msgspec.structs.replace(racks[7], cpu_s=2 * racks[7].cpu_s)  # disturbed
    toll = toll_of(racks, 2e-5, 4e-6)
    assert toll.kernel_s == pytest.approx(3e-6, rel=0.02)
    assert toll.tensor_s == pytest.approx(5e-7, rel=0.02)
    assert toll.first_s == pytest.approx(3e-5, rel=0.02)
    for i, rack in enumerate(racks):
        nets = net_samples([rack], toll)
        assert nets[0] is None
        if i != 7:
            for net in nets[1:]:
                assert net.seconds == pytest.approx(truth(net.kernel), rel=0.02)


def test_left_out_errors_cover_every_sample_also_those_beyond_what_a_family_keeps():
    kernels = drawn(MOST + 30, 2)
    samples = [Sample(k, truth(k), 0.01) for k in kernels]
    predictor = Predictor(samples, FREE)
    assert len(predictor.families["nchwc.Conv/spatial/fp32"].used) <= MOST
    errors = predictor.left_out(samples)
    assert np.isfinite(errors).all()
    assert np.median(np.abs(errors)) < 0.03


def document(samples: list[Sample]) -> KernelsFile:
    return KernelsFile(
        schema=SCHEMA,
        machine="made up",
        onnxruntime="1",
        gramwise="0",
        made="2026-01-01T00:00:00+00:00",
        level="all",
        seed=0,
        reference_s=1e-3,
        racks=1,
        wall_s=1.0,
        toll=FREE,
        families={},
        samples=samples,
    )


def test_a_file_answers_as_what_was_written(tmp_path):
    samples = [Sample(k, truth(k), 0.01) for k in drawn(40, 0)]
    path = tmp_path / "kernels.json"
    write_kernels(document(samples), path)
    read = read_kernels_file(path)
    assert read.samples == samples
    unseen = drawn(5, 9)
    assert read.predictor().predict(unseen) == Predictor(samples, FREE).predict(unseen)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no kernels file"),
        ("{}", "no schema"),
        ('{"schema": "gramwise.kernels/9"}', "gramwise.kernels/9"),
        ('{"schema": "gramwise.kernels/1"}', "missing required field"),
    ],
)
def test_what_is_no_kernels_file_is_refused_with_the_way_to_make_one(tmp_path, text, said):
    path = tmp_path / "kernels.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        read_kernels_file(path)
    assert "gramwise calibrate --kernels" in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_sample_without_a_time_is_refused_by_its_place(tmp_path, seconds):
    path = tmp_path / "kernels.json"
    write_kernels(document([Sample(conv(), 1e-3, 0.0), Sample(conv(), seconds, 0.0)]), path)
    with pytest.raises(ConfigError, match=r"samples\[1\]\.seconds"):
        read_kernels_file(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be written"):
        write_kernels(document([]), tmp_path / "absent" / "kernels.json")


def test_what_is_no_kernels_file_is_not_written_over(tmp_path):
    path = tmp_path / "kernels.json"
    check_place(path)
    write_kernels(document([Sample(conv(), 1e-3, 0.0)]), path)
    check_place(path)
    path.write_text("mine")
    with pytest.raises(ConfigError, match="something else"):
        check_place(path)
    with pytest.raises(ConfigError, match="cannot be written"):
        check_place(tmp_path / "absent" / "kernels.json")
