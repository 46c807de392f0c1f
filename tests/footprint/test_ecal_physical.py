"""The physical life cycle: layer shapes, work, parts that sum, grams by location, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ecal_kit import RAW, case, physical, raw, stage_j

from gramwise.core.errors import ConfigError, DataGap, MixedKinds
from gramwise.core.series import Series
from gramwise.footprint.bill import bill
from gramwise.footprint.ecal.case import PhysicalCase, Training
from gramwise.footprint.ecal.layers import (
    Conv,
    Dense,
    Network,
    Pool,
    cnn,
    from_graph,
    kan,
    mlp,
    network_of,
    transformer,
)
from gramwise.footprint.ecal.models import OnnxModel
from gramwise.footprint.ecal.parts import Physical
from gramwise.footprint.ecal.physical import document, lines
from gramwise.footprint.ecal.work import preprocessing_flop, raid_factor, training_work
from gramwise.graph.load import load_graph

DAY_S = 86_400.0


def flop(costs: list[Any]) -> float:
    return network_of("x", costs, 4.0).flop


# layer shapes


def test_the_authors_toy_networks_come_out_of_their_shapes() -> None:
    # counted by calflops in the authors' legacy tool: 670 and 38880 FLOP
    assert flop(mlp((10, 10, 10, 10, 2), bias=False)) == 670
    blocks = [Conv(filters=c, kernel=(1, 3), padding=(0, 1), norm=True) for c in (10, 20, 20)]
    assert flop(cnn(1, 1, 10, [*blocks, Pool(), Dense(width=2, bias=False)])) == 38880


def test_an_mlp_counts_every_width() -> None:
    net = network_of("x", mlp((3, 5, 2)), 4.0)
    assert net.flop == (2 * 15 + 5 + 5) + (2 * 10 + 2)
    assert net.parameters == 15 + 5 + 10 + 2
    assert net.moved_bytes == 4 * (32 + 8 + 7)


def test_a_convolution_feeds_its_filters_to_the_next_layer() -> None:
    costs = cnn(
        3,
        32,
        32,
        [Conv(filters=8, kernel=(3, 3), stride=(2, 2), padding=(1, 1)), Conv(filters=4, kernel=(1, 1))],
    )
    assert costs[0].flop == 16 * 16 * (2 * 8 * 3 * 9 + 8 * 2)
    assert costs[1].flop == 16 * 16 * (2 * 4 * 8 + 4 * 2)
    assert costs[1].parameters == 4 * 8 + 4


def test_groups_share_a_convolution_out() -> None:
    whole, split = (cnn(8, 4, 4, [Conv(filters=8, kernel=(3, 3), groups=g, bias=False)])[0] for g in (1, 8))
    assert whole.parameters == 8 * split.parameters


def test_a_pool_makes_pictures_smaller() -> None:
    costs = cnn(2, 8, 8, [Pool(window=(2, 2)), Dense(width=1)])
    assert costs[0].flop == 16 * 2 * 4
    assert costs[1].parameters == 2 * 16 + 1


def test_a_kan_counts_its_output_width() -> None:
    per_edge = 29 * 10 + 117  # the method's closed form of order 3
    assert flop(kan((10, 10, 2), grid=10)) == (100 + 20) * per_edge + 4 * 20


def test_a_transformer_has_a_head_norms_and_softmax() -> None:
    bare = flop(transformer(10, 16, 2, 1, 32))
    core = 8 * 10 * 256 + 4 * 100 * 16 + 4 * 10 * 16 * 32
    assert bare == core + 10 * (5 * 16 + 32) + 320 + 5 * 2 * 100 + 14 * 160 + 320
    headed = flop(transformer(10, 16, 2, 1, 32, vocabulary=100, head_tokens=1))
    assert headed == bare + 160 + 2 * 1600 + 5 * 100
    assert flop(transformer(10, 16, 2, 3, 32)) == 3 * bare


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigError, match="heads"):
        transformer(10, 15, 2, 1, 32)


@pytest.mark.parametrize(
    ("blocks", "key"),
    [
        ([Conv(filters=1, kernel=(9, 9))], "layers.0"),
        ([Conv(filters=3, kernel=(1, 1), groups=2)], "layers.0.groups"),
        ([Dense(width=2), Pool()], "layers.1"),
    ],
)
def test_networks_that_cannot_be_are_refused(blocks: list[Any], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        cnn(2, 4, 4, blocks)


def test_an_onnx_file_is_counted_by_the_graph_reader(model: Path) -> None:
    graph = load_graph(model)
    net = OnnxModel(file=model.name).network(model.parent)
    assert net == from_graph(graph)
    assert net.flop == graph.work.flop > 0
    account = Physical(case(model={"kind": "onnx", "file": model.name}), model.parent)
    assert account.network.flop == graph.work.flop


# work


def test_a_fitted_scaler_is_only_applied() -> None:
    assert preprocessing_flop("normalisation", 10, samples=5, fit=True) == 6 * 50 + 1
    assert preprocessing_flop("normalisation", 10, samples=5, fit=False) == 2 * 50
    assert preprocessing_flop("min-max", 10, samples=5, fit=True) == 4 * 50 + 1
    assert preprocessing_flop("gadf", 10, samples=2, fit=False) == 2 * (71 + 300)
    assert preprocessing_flop("none", 10, samples=2, fit=True) == 0


@pytest.mark.parametrize(
    ("level", "disks", "factor"),
    [("none", 1, 1), ("0", 2, 1), ("1", 2, 2), ("5", 3, 1.5), ("6", 4, 2), ("6", 10, 1.25), ("10", 4, 2)],
)
def test_raid_writes_more_than_it_is_given(level: str, disks: int, factor: float) -> None:
    assert raid_factor(level, disks) == pytest.approx(factor)


@pytest.mark.parametrize(("level", "disks"), [("1", 1), ("5", 2), ("6", 3), ("10", 3)])
def test_raid_with_too_few_disks_is_refused(level: str, disks: int) -> None:
    with pytest.raises(ConfigError, match=r"storage\.disks"):
        raid_factor(level, disks)


NET = Network(name="x", flop=1000.0, parameters=100.0, moved_bytes=400.0)


def test_training_is_three_passes_and_an_update_a_step() -> None:
    how = Training(machine="m", epochs=10, batch=32, optimiser="sgd")
    (flop_, moved), (judged, _) = training_work(how, 100, NET)
    assert flop_ == pytest.approx(3 * 1000 * 80 * 10 + 10 * 3 * 2 * 100)  # 80 samples are three batches
    assert moved == pytest.approx(3 * 400 * 80 * 10)
    assert judged == pytest.approx(1000 * 20)


def test_early_stopping_and_evaluation_of_each_epoch() -> None:
    planned = training_work(Training(machine="m", epochs=10, batch=32), 100, NET)
    stopped = training_work(Training(machine="m", epochs=10, epochs_run=4.0, batch=32), 100, NET)
    assert stopped[0][0] == pytest.approx(0.4 * planned[0][0])
    each = training_work(Training(machine="m", epochs=10, batch=32, evaluate_each_epoch=True), 100, NET)
    assert each[1][0] == pytest.approx(10 * planned[1][0])


def test_cross_validation_refits_on_everything() -> None:
    def train_flop(refit: bool) -> float:
        how = Training(machine="m", epochs=10, batch=20, strategy="cross-validation", folds=5, refit=refit)
        return training_work(how, 100, NET)[0][0]

    one = 3 * 1000 * 100 * 10 + 10 * 5 * 14 * 100
    assert train_flop(True) - train_flop(False) == pytest.approx(one)
    assert train_flop(False) == pytest.approx(5 * (3 * 1000 * 80 * 10 + 10 * 4 * 14 * 100))


# the account


def test_joules_of_machines_by_hand() -> None:
    account = physical()
    j_per_flop = 140.0 / (1e10 * 0.25)
    assert stage_j(account, "infer") == pytest.approx(670 * j_per_flop)
    steps = 50 * math.ceil(256 * 0.8 / 32)
    assert stage_j(account, "train") == pytest.approx((3 * 670 * 204.8 * 50 + steps * 2 * 320) * j_per_flop)
    assert stage_j(account, "evaluate") == pytest.approx(670 * 51.2 * j_per_flop)


def test_parts_sum_to_the_total_and_grams_follow_their_location() -> None:
    doc = document(case(virtualisation_frac=0.1))
    for key in ("energy_j", "site_j", "carbon_g"):
        assert doc[key] == pytest.approx(math.fsum(p[key] for p in doc["parts"]), rel=1e-14)
    for part in doc["parts"]:
        pue, intensity = {"field": (1.0, 380.0), "site": (1.5, 100.0)}[part["location"]]
        assert part["site_j"] == pytest.approx(part["energy_j"] * pue)
        assert part["carbon_g"] == pytest.approx(part["energy_j"] * pue * intensity / 3.6e6)
    assert {p["location"] for p in doc["parts"]} == {"field", "site"}
    assert doc["j_per_bit"] == pytest.approx(doc["energy_j"] / (640 * (256 + 100)))
    assert doc["energy_j"] == pytest.approx(doc["development_j"] + 100 * doc["marginal_j_per_inference"])


def test_virtualisation_is_a_part_of_its_own() -> None:
    plain, virtual = document(case()), document(case(virtualisation_frac=0.25))
    assert virtual["energy_j"] == pytest.approx(1.25 * plain["energy_j"])
    own = math.fsum(p["energy_j"] for p in virtual["parts"] if p["stage"] == "virtualisation")
    assert own == pytest.approx(0.25 * plain["energy_j"])


def test_the_bill_says_the_same_and_has_an_interval() -> None:
    one = case()
    footprint = bill(*lines(one), functional_unit="inference", units=one.inference.count, boundary="x")
    doc = document(one)
    assert footprint.total.value == pytest.approx(doc["carbon_g"], rel=1e-12)
    assert footprint.total.low < footprint.total.value < footprint.total.high
    joules = math.fsum(i.energy_j.value for i in footprint.items if i.energy_j is not None)
    assert joules == pytest.approx(doc["energy_j"], rel=1e-12)
    assert footprint.contributors[0].key == "machine.server.utilisation_frac"
    assert set(footprint.by_phase()) == {"data", "training", "inference", "network"}


def test_data_of_inference_crosses_every_hop_in_either_order() -> None:
    two = [
        {"name": "radio", "sender": "field", "receiver": "site", "link": {"technology": "ble"}},
        {"name": "wire", "sender": "site", "receiver": "site", "link": {"technology": "ethernet"}},
    ]
    account = physical(hops=two)
    names = {p.name.split(", ")[1] for p in account.parts if p.stage == "send"}
    assert names == {"radio", "wire"}
    each = stage_j(account, "send")
    # 256 development samples in transfers of one sample, each the size of an inference
    assert stage_j(account, "collect") == pytest.approx(256 * each)
    stopped = physical(hops=two, inference__hops=1)
    assert {p.name.split(", ")[1] for p in stopped.parts if p.stage == "send"} == {"radio"}


def test_samples_that_travel_together_wake_the_radio_less_often() -> None:
    def collect(together: int) -> float:
        link = {"technology": "nbiot", "samples_per_transfer": together}
        return stage_j(physical(hops__0__link=link), "collect")

    assert collect(64) < collect(1) / 10
    link = physical(hops__0__link={"technology": "nbiot"}).models[0][1]
    session = 0.7
    assert collect(1) - collect(256) > 250 * session
    # 256 samples in transfers of 100: two full ones and one of 56
    values = {f.key: f.value for f in link.factors}
    by_hand = 2 * link.up(8000, values).device_j + link.up(4480, values).device_j
    assert collect(100) == pytest.approx(by_hand)


def test_results_come_back_unless_there_are_none() -> None:
    assert stage_j(physical(), "return") > 0.0
    assert not [p for p in physical(data__result_bits=0).parts if p.stage == "return"]


def test_labels_travel_and_are_no_payload() -> None:
    plain, labelled = physical(), physical(data__label_bits=800)
    assert stage_j(labelled, "collect") > stage_j(plain, "collect")
    assert stage_j(labelled, "send") == stage_j(plain, "send")
    assert labelled.payload_bits() == plain.payload_bits()


def test_memory_bound_work_takes_the_time_of_its_bytes() -> None:
    slow = physical(machines__server__bytes_per_s=1e6)
    moved = slow.network.moved_bytes
    assert moved / 1e6 > 670 / 2.5e9
    assert stage_j(slow, "infer") == pytest.approx(moved / 1e6 * 140.0)
    fast = physical(machines__server__bytes_per_s=1e15)
    assert stage_j(fast, "infer") == pytest.approx(stage_j(physical(), "infer"))


def test_a_reserved_machine_pays_its_idle_power_and_work_on_top() -> None:
    plain, reserved = physical(), physical(inference__reserved_s=DAY_S)
    assert stage_j(reserved, "idle") == pytest.approx(40.0 * DAY_S)
    assert stage_j(reserved, "infer") == pytest.approx(stage_j(plain, "infer") * (140 - 40) / 140)
    assert "idle power of the inference machine" in plain.not_included
    assert "idle power of the inference machine" not in reserved.not_included


def test_a_reservation_that_is_too_short_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"inference\.reserved_s"):
        physical(inference__reserved_s=1.0, inference__count=1e9)


def test_retraining_pays_development_again() -> None:
    account = physical(training__retrainings=3, training__retraining_data_frac=0.5)
    again = stage_j(account, "retrain")
    fresh = stage_j(account, "collect") + next(
        account.energy_j(p) for p in account.parts if p.stage == "preprocess" and p.when == "development"
    )
    trained = stage_j(account, "train") + stage_j(account, "evaluate")
    assert again == pytest.approx(3 * trained + 3 * 0.5 * fresh)
    assert {p.phase for p in account.parts if p.stage == "retrain"} == {"tuning"}


def test_storage_charges_what_is_written_and_read() -> None:
    bits = 256 * 640
    once = physical(storage={"location": "site", "medium": "ssd"})
    assert stage_j(once, "store") == pytest.approx(bits * 5.4e-10)
    safe = {"location": "site", "medium": "hdd", "raid": "5", "disks": 3, "reads": 4}
    assert stage_j(physical(storage=safe), "store") == pytest.approx(bits * 5.5 * 2.925e-10)
    own = {**safe, "j_per_bit": {"value": 1e-9, "low": 5e-10, "high": 2e-9, "source": "a sheet"}}
    assert stage_j(physical(storage=own), "store") == pytest.approx(bits * 5.5e-9)
    assert "storage" in physical().not_included


def test_a_series_is_charged_at_its_mean_over_the_window() -> None:
    series = Series(
        times_s=(0.0, 3600.0), values=(100.0, 300.0), end_s=7200.0,
        unit="g/kWh", signal="average", basis="lifecycle", source="a feed",
    )  # fmt: skip
    whole = physical(locations__site__intensity_g_per_kwh=series)
    late = physical(locations__site={"intensity_g_per_kwh": series, "pue": 1.5, "window_s": [3600.0, 7200.0]})
    grams = {name: a.total(a.carbon_g) for name, a in (("whole", whole), ("late", late))}
    field_g = math.fsum(whole.times(p) * whole.carbon_g(p) for p in whole.parts if p.location == "field")
    assert (grams["late"] - field_g) / (grams["whole"] - field_g) == pytest.approx(1.5)
    with pytest.raises(DataGap):
        physical(locations__site={"intensity_g_per_kwh": series, "pue": 1.5, "window_s": [0.0, 9000.0]})


@pytest.mark.parametrize(
    ("unit", "window"), [("g/MWh", None), ("g/kWh", [7200.0, 0.0]), ("g/kWh", [0.0, 0.0])]
)
def test_a_series_in_another_unit_or_a_window_that_is_none_is_refused(unit: str, window: Any) -> None:
    series = Series(
        times_s=(0.0,), values=(1.0,), end_s=7200.0, unit=unit,
        signal="average", basis="lifecycle", source="a feed",
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"locations\.site"):
        physical(locations__site={"intensity_g_per_kwh": series, "pue": 1.5, "window_s": window})


def test_mixed_kinds_of_intensity_are_refused() -> None:
    with pytest.raises(MixedKinds, match="marginal"):
        case(locations__field={"intensity_g_per_kwh": 300.0, "pue": 1.0, "signal": "marginal"})


def test_halving_the_bits_raises_joules_per_bit_and_not_per_inference() -> None:
    """The limitation that the method names: J/bit alone would call the coarser input worse (H3)."""
    wide, narrow = document(case()), document(case(data__bits_per_value=32))
    assert narrow["j_per_bit"] > wide["j_per_bit"]
    assert narrow["marginal_j_per_inference"] < wide["marginal_j_per_inference"]


def test_no_inference_has_no_share_of_anything() -> None:
    doc = document(case(inference__count=0.0))
    assert doc["amortised_j_per_inference"] is None
    assert doc["energy_j"] == pytest.approx(doc["development_j"])


# bad input


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda r: r.update(modle={}), "modle"),
        (lambda r: r["data"].update(sampels=1), "data.sampels: the key 'sampels' is unknown. Did you mean 'samples'"),
        (lambda r: r["data"].update(samples=0), "data.samples"),
        (lambda r: r["data"].update(samples=True), "data.samples"),
        (lambda r: r["data"].update(bits_per_value=-8), "data.bits_per_value"),
        (lambda r: r["machines"]["server"].pop("utilisation_frac"), "machines.server.utilisation_frac"),
        (lambda r: r["machines"]["server"].update(utilisation_frac=0.0), "machines.server.utilisation_frac"),
        (lambda r: r["machines"]["server"].update(utilisation_frac=1.2), "machines.server.utilisation_frac"),
        (lambda r: r["machines"]["server"].update(peak_flop_per_s=0.0), "machines.server.peak_flop_per_s"),
        (lambda r: r["machines"]["server"].update(busy_w=10.0), "machines.server.busy_w"),
        (lambda r: r["locations"]["site"].update(pue=0.9), "locations.site.pue"),
        (lambda r: r["locations"]["site"].pop("pue"), "locations.site.pue"),
        (lambda r: r["locations"]["field"].update(intensity_g_per_kwh=-1.0), "locations.field.intensity_g_per_kwh"),
        (lambda r: r["locations"]["field"].update(intensity_g_per_kwh=float("nan")), "intensity_g_per_kwh"),
        (lambda r: r["locations"]["field"].update(intensity_g_per_kwh="380"), "intensity_g_per_kwh"),
        (lambda r: r["training"].update(machine="servr"), "training.machine: there is no machine 'servr'. Did you"),
        (lambda r: r["training"].update(folds=1), "training.folds"),
        (lambda r: r["training"].update(train_frac=1.0), "training.train_frac"),
        (lambda r: r["training"].update(optimiser="adamm"), "training.optimiser"),
        (lambda r: r["hops"][0].update(sender="nowhere"), "hops.0.sender"),
        (lambda r: r["hops"][0]["link"].update(loss_frac=1.0), "hops.0.link.loss_frac"),
        (lambda r: r["inference"].update(hops=2), "inference.hops"),
        (lambda r: r["inference"].update(count=-1.0), "inference.count"),
        (lambda r: r["model"].update(width=[1]), "model.width: the key 'width' is unknown. Did you mean 'widths'"),
        (lambda r: r.update(model={"kind": "mpl", "widths": [1, 2]}), "model"),
        (lambda r: r["preprocessing"].update(kind="normalization"), "preprocessing.kind"),
        (lambda r: r["hops"].append({**r["hops"][0], "name": "again"}), "hops.1.sender"),
        (lambda r: r["hops"].append({**r["hops"][0], "sender": "site"}), "hops"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(change: Callable[[dict[str, Any]], Any], key: str) -> None:
    document_ = raw()
    change(document_)
    with pytest.raises(ConfigError) as refused:
        Physical(PhysicalCase.from_mapping(document_, file="case.toml"))
    assert str(refused.value).startswith("case.toml: ")
    assert key in str(refused.value)


def test_a_case_made_in_python_is_checked_as_well() -> None:
    one = case()
    wrong = dataclasses.replace(one, data=dataclasses.replace(one.data, samples=-3))
    with pytest.raises(ConfigError, match=r"data\.samples"):
        Physical(wrong)


def test_drawn_parts_keep_the_shape_of_the_draws() -> None:
    footprint = bill(*lines(case()), functional_unit="i", units=1.0, boundary="x", draws=200)
    assert np.isfinite([i.carbon.high for i in footprint.items]).all()
    assert dict(RAW)["inference"]["count"] == 100.0


def test_the_case_of_the_docs_page_can_be_read() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "method" / "ecal.md").read_text("utf-8")
    text = page.split("```toml\n")[1].split("```")[0]
    one = PhysicalCase.from_mapping(tomllib.loads(text)["footprint"]["ecal"])
    doc = document(one)
    assert doc["delivered_frac"] == pytest.approx(1 - 0.05**3)
    assert json.loads(json.dumps(doc, allow_nan=False)) == doc


def test_a_series_may_be_written_out() -> None:
    written = {
        "times_s": [0.0, 3600.0], "values": [100.0, 300.0], "end_s": 7200.0,
        "unit": "g/kWh", "signal": "average", "basis": "lifecycle", "source": "a feed",
    }  # fmt: skip
    account = physical(locations__site={"intensity_g_per_kwh": written, "pue": 1.0})
    assert account.values["location.site.intensity_g_per_kwh"] == 200.0
