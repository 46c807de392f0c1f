"""eCAL as the authors' tools compute it: what the method says must hold, bad input, and many at once."""

from __future__ import annotations

import csv
import math
import random
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from gramwise.core.errors import ConfigError
from gramwise.footprint.ecal import compat
from gramwise.footprint.ecal.compat import flops, published
from gramwise.footprint.ecal.compat.notes import notes
from gramwise.footprint.ecal.compat.stack import GENERIC, LAYERS, protocols, stack, walk
from gramwise.footprint.ecal.compat.stages import preprocessing_flop, training_samples
from gramwise.footprint.factors import table

KAN = {"model_type": "KAN"}
WIFI = {
    "application": "HTTP", "presentation": "TLS", "session": "RPC", "transport": "TCP", "network": "IPv4",
    "datalink": "WIFI_MAC", "physical": "WIFI_PHY",
}  # fmt: skip


def test_worked_example_of_the_configuration_file() -> None:
    """The tool of May 2025 with its own defaults: KAN, 81,440 FLOP a sample."""
    got = compat.run("legacy", {})
    assert got["total_bits"] == 7_040_000
    assert got["transmission_J"] == pytest.approx(0.411330479, rel=1e-15)
    assert got["training_J"] == pytest.approx(4.8864, rel=1e-15)
    assert got["ecal_J_per_bit"] == pytest.approx(1.34952958078125e-6, rel=1e-15)


def test_wire_bits_layer_by_layer() -> None:
    payload, seen = 640_000, []
    for layers in range(1, 8):
        names = GENERIC[:layers]
        bits: int = payload
        for layer, name in zip(LAYERS[:layers], names, strict=True):
            row = protocols()[layer][name]
            bits = bits + int(bits * row.data_frac) + int(bits * row.control_frac)
        seen.append(bits)
    assert seen == [736_000, 846_400, 973_360, 1_119_364, 1_287_268, 1_480_357, 1_702_409]
    assert walk(stack(GENERIC), payload)[1] == seen[-1]


@pytest.mark.parametrize(
    ("names", "growth", "j_per_bit"),
    [(GENERIC, 2.66002, 6.427043637e-7), (tuple(WIFI.values()), 2.349582066, 1.182686743e-6)],
    ids=["generic", "wifi"],
)
def test_a_large_payload_costs_the_known_joules_per_bit(
    names: tuple[str, ...], growth: float, j_per_bit: float
) -> None:
    energies, bits = walk(stack(names), 10**12)
    assert bits / 1e12 == pytest.approx(growth, rel=1e-6)
    assert math.fsum(energies) / 1e12 == pytest.approx(j_per_bit, rel=1e-9)


def test_three_bits_carry_no_overhead() -> None:
    assert walk(stack(GENERIC), 3)[1] == 3
    assert walk(stack(GENERIC), 20)[1] > 20


def test_only_payload_stands_in_the_denominator() -> None:
    lossy = compat.run("pypi", {**KAN, "transmission_hops": [{**WIFI, "failure_rate": 0.9}]})
    assert lossy["total_bits"] == compat.run("pypi", KAN)["total_bits"]
    assert lossy["transmission_J"] > 10 * compat.run("pypi", KAN)["transmission_J"]


def test_with_no_inference_the_development_is_left() -> None:
    got = compat.run("pypi", {**KAN, "num_inferences": 0})
    assert got["inference_bits"] == 0
    assert got["ecal_J_per_bit"] == got["total_J"] / got["dev_bits"]
    assert got["inference_process_J"] == pytest.approx(1e-8)  # the "+1" of a call that prepares nothing


def test_many_inferences_tend_to_the_cost_of_one() -> None:
    def at(inferences: int) -> float:
        return compat.run("pypi", {**KAN, "num_inferences": inferences, "virtualization_overhead": 0.1})[
            "ecal_J_per_bit"
        ]

    one = compat.run("pypi", {**KAN, "num_inferences": 10**12})["inference_process_J"] / 10**12
    assert at(10**12) == pytest.approx(1.1 * one / 640, rel=1e-5)
    assert at(100) > at(1000) > at(10**6) > at(10**12)


def test_ratio_of_two_numbers_of_inferences_follows_the_closed_form() -> None:
    """``(N rho + a)(N + b) / ((N + a)(N rho + b))``, independent of virtualisation and precision."""
    given = {**KAN, "num_samples": 512, "float_precision": 64, "virtualization_overhead": 0.3}
    few, many = (compat.run("pypi", {**given, "num_inferences": n}) for n in (10**5, 10**8))
    development = few["total_J"] / 1.3 - few["inference_process_J"]
    rho = (development / 512) / (many["inference_process_J"] / 10**8)
    expected = (512 * rho + 1e5) * (512 + 1e8) / ((512 + 1e5) * (512 * rho + 1e8))
    assert few["ecal_J_per_bit"] / many["ecal_J_per_bit"] == pytest.approx(expected, rel=1e-6)


def test_inference_crosses_the_last_hop_only() -> None:
    wifi: dict[str, Any] = {**WIFI, "failure_rate": 0.1}
    plain: dict[str, Any] = {}
    there = compat.run("pypi", {**KAN, "transmission_hops": [wifi, plain]})
    back = compat.run("pypi", {**KAN, "transmission_hops": [plain, wifi]})
    assert there["transmission_J"] == pytest.approx(back["transmission_J"], rel=1e-15)
    assert back["inference_process_J"] > 1.9 * there["inference_process_J"]
    assert compat.run("pypi", {**KAN, "transmission_hops": []})["transmission_J"] == 0


def test_the_multihop_tool_sends_its_last_hop_twice() -> None:
    one = {"TRANSMISSON_HOPS": {"only": {"FAILURE_RATE": 0.0}}, "MODEL_NAME": "KAN"}
    assert compat.run("multihop", one)["transmission_J"] == 2 * compat.run("legacy", {})["transmission_J"]


def test_unnamed_hardware_prepares_data_a_thousand_times_slower() -> None:
    plain, named = compat.run("pypi", KAN), compat.run("pypi", {**KAN, "processor_flops_per_second": 1e13})
    assert plain["preprocessing_J"] == pytest.approx(1000 * named["preprocessing_J"], rel=1e-12)
    assert plain["training_J"] == named["training_J"]
    a100 = compat.run("pypi", {**KAN, "hardware": "nvidia_a100_80gb", "processor_max_power": 1})
    assert a100["training_J"] == pytest.approx(plain["training_J"] * 1e13 / 19.5e12 * 4, rel=1e-12)


def test_raid_multiplies_what_is_stored() -> None:
    def stored(level: str, disks: int) -> float:
        return compat.run("historical", {"RAID_LEVEL": level, "NUM_DISKS": disks})["storage"]

    plain = stored("NO_RAID", 1)
    assert plain == pytest.approx(1000 * 100 * 64 * 2.92e-10)
    found = [stored(*each) / plain for each in (("RAID1", 2), ("RAID5", 4), ("RAID6", 4), ("RAID6", 6))]
    assert found == pytest.approx([2, 4 / 3, 2, 1.5])


@pytest.mark.parametrize(
    ("count", "flop"),
    [
        (flops.mlp(num_layers=3, din=10), 440),
        (flops.kan(num_layers=3, grid_size=10, din=10), 81_440),
        (
            flops.transformer(
                context_length=10,
                embedding_size=16,
                num_heads=2,
                num_decoder_blocks=3,
                feed_forward_size=32,
            ),
            142_080,
        ),
        (
            flops.cnn(num_cnv_layers=3, num_pool_layers=3, i_r=10, i_c=1, k_r=3, k_c=1, c_in=1),
            1348,
        ),
        (flops.toy_mlp([1, 10]), 670),
        (flops.toy_mlp([4, 10]), 2680),
        (flops.toy_cnn([1, 1, 10]), 38_880),
    ],
)
def test_reference_counts(count: int, flop: int) -> None:
    assert count == flop


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("legacy", {"NUM_SAMPELS": 3}, r"NUM_SAMPELS: .*Did you mean 'NUM_SAMPLES'"),
    ("legacy", {"FAILURE_RATE": 1.0}, "FAILURE_RATE: .*divide by zero"),
    ("legacy", {"FAILURE_RATE": -0.1}, "FAILURE_RATE"),
    ("legacy", {"MODEL_NAME": "SimpleCNN"}, "INPUT_SIZE"),
    ("legacy", {"MODEL_NAME": "SimpleMLP", "INPUT_SIZE": [1, 11]}, "INPUT_SIZE"),
    ("legacy", {"MODEL_NAME": "resnet18"}, "INPUT_SIZE"),
    ("legacy", {"MODEL_NAME": "SimpleMLP", "INPUT_SIZE": [0, 10]}, "INPUT_SIZE"),
    ("legacy", {"MODEL_NAME": "KANN"}, "MODEL_NAME: .*'KAN'"),
    ("legacy", {"PHYSICAL_PROTOCOLS": "WIFI_MAC"}, "PHYSICAL_PROTOCOLS"),
    ("legacy", {"NUM_SAMPLES": 0}, "NUM_SAMPLES: 0 is out of bounds"),
    ("legacy", {"NUM_SAMPLES": 1.5}, "NUM_SAMPLES: 1.5 is not a whole number"),
    ("legacy", {"NUM_SAMPLES": True}, "NUM_SAMPLES"),
    ("legacy", {"NUM_SAMPLES": "many"}, "NUM_SAMPLES"),
    ("legacy", {"NUM_SAMPLES": [1, 2]}, "array"),
    ("legacy", {"NUM_HEADS": 0}, "NUM_HEADS"),
    ("legacy", {"SPLIT_RATIO": 1.01}, "SPLIT_RATIO"),
    ("legacy", {"PROCESSOR_FLOPS_PER_SECOND": 0}, "PROCESSOR_FLOPS_PER_SECOND"),
    ("legacy", {"PROCESSOR_MAX_POWER": math.nan}, "PROCESSOR_MAX_POWER"),
    ("legacy", {"VIRTUALIZATION_OVERHEAD": 10}, "VIRTUALIZATION_OVERHEAD"),
    ("legacy", {"EVALUATION_STRATEGY": "holdout"}, "EVALUATION_STRATEGY"),
    ("multihop", {"TRANSMISSON_HOPS": {}}, "TRANSMISSON_HOPS"),
    ("multihop", {"TRANSMISSON_HOPS": {"h": {"FAILURE_RATE": 1}}}, r"TRANSMISSON_HOPS\.h\.FAILURE_RATE"),
    ("historical", {"RAID_LEVEL": "RAID5", "NUM_DISKS": 2}, "NUM_DISKS: RAID5 takes at least 3"),
    ("pypi", {}, "model_type"),
    ("pypi", {"model_type": "RNN"}, "model_type"),
    ("pypi", {**KAN, "model_params": {"layers": 3}}, r"model_params\.layers"),
    ("pypi", {**KAN, "model_params": {"din": 0}}, r"model_params\.din"),
    ("pypi", {**KAN, "model_params": 3}, "model_params"),
    ("pypi", {**KAN, "model_params": []}, "model_params"),
    ("pypi", {**KAN, "hardware": "tpu"}, "hardware: .*apple_m2"),
    ("pypi", {**KAN, "num_inferences": -1}, "num_inferences"),
    ("pypi", {**KAN, "transmission_hops": [{"failure_rate": 1}]}, r"transmission_hops\[0\]\.failure_rate"),
    ("pypi", {**KAN, "transmission_hops": [{"phy": "WIFI_PHY"}]}, r"transmission_hops\[0\]\.phy"),
    ("pypi", {**KAN, "transmission_hops": [{}, {"session": "RCP"}]}, r"transmission_hops\[1\]\.session.*RPC"),
    ("pypi", {**KAN, "k_folds": 0}, "k_folds"),
    ("pipy", KAN, "there is no tool 'pipy'.*Did you mean 'pypi'"),
]


@pytest.mark.parametrize(("tool", "inputs", "message"), BAD)
def test_bad_input_is_refused_by_name(tool: str, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compat.run(tool, inputs)


def test_formulas_know_their_names() -> None:
    with pytest.raises(ConfigError, match="PCA"):
        preprocessing_flop("PCA", 10, 10)
    with pytest.raises(ConfigError, match="holdout"):
        training_samples("holdout", 10, 5, 0.8)


@pytest.mark.parametrize(
    ("tool", "inputs", "words"),
    [
        ("pypi", {"model_type": "transformer", "model_params": {"embedding_size": 15}}, "1 of it is lost"),
        ("pypi", {**KAN, "transmission_hops": [{}, {}, {}]}, "last of 3 hops"),
        ("pypi", KAN, "1000 times slower"),
        ("legacy", {"MODEL_NAME": "SimpleMLP", "INPUT_SIZE": [4, 10]}, "batch of 4"),
        ("multihop", {}, "twice"),
    ],
)
def test_silent_effects_are_told_beside_the_answer(tool: str, inputs: dict[str, Any], words: str) -> None:
    assert any(words in note for note in notes(tool, inputs))


def test_nothing_is_told_where_nothing_is_silent() -> None:
    assert notes("legacy", {}) == ()
    assert notes("historical", {}) == ()
    assert notes("pypi", {"model_type": "Transformer", "hardware": "apple_m2"}) == ()


def random_documents(kind: str, count: int) -> list[dict[str, Any]]:
    """Numeric parts of documents, of every size that a user may write."""
    chance = random.Random(kind)
    params = {
        "MLP": {"num_layers": (1, 9), "din": (1, 300)},
        "CNN": {
            "num_cnv_layers": (0, 6), "num_pool_layers": (0, 4), "i_r": (1, 40), "i_c": (1, 40),
            "k_r": (1, 5), "k_c": (1, 5), "c_in": (1, 4),
        },
        "KAN": {"num_layers": (1, 9), "grid_size": (1, 40), "din": (1, 80)},
        "Transformer": {
            "context_length": (1, 600), "embedding_size": (1, 500), "num_heads": (1, 12),
            "num_decoder_blocks": (1, 12), "feed_forward_size": (1, 900),
        },
    }[kind]  # fmt: skip
    return [
        {
            "model_params": {key: chance.randint(*ends) for key, ends in params.items()},
            "num_samples": int(10 ** chance.uniform(0, 6)),
            "sample_size": int(10 ** chance.uniform(0, 3)),
            "num_epochs": chance.randint(0, 90),
            "num_inferences": int(10 ** chance.uniform(0, 8)) - 1,
            "float_precision": chance.choice([1, 7, 8, 16, 32, 64]),
            "k_folds": chance.randint(1, 17),
            "split_ratio": chance.random(),
            "virtualization_overhead": chance.random(),
            "processor_max_power": chance.uniform(1, 500),
            "preprocessing_type": chance.choice(["normalization", "min_max_scaling", "GADF"]),
            "evaluation_strategy": chance.choice(["cross_validation", "train_test_split"]),
            "transmission_hops": [{"failure_rate": chance.random() * 0.95}, WIFI],
        }
        for _ in range(count)
    ]


def transposed(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """One document of columns."""
    first = documents[0]
    columns: dict[str, Any] = {k: [d[k] for d in documents] for k in first if k != "transmission_hops"}
    columns["model_params"] = {
        k: np.array([d["model_params"][k] for d in documents]) for k in first["model_params"]
    }
    losses = np.array([d["transmission_hops"][0]["failure_rate"] for d in documents])
    return {**columns, "transmission_hops": [{"failure_rate": losses}, WIFI]}


@pytest.mark.parametrize("kind", ["MLP", "CNN", "KAN", "Transformer"])
def test_many_at_once_are_one_by_one_bit_for_bit(kind: str) -> None:
    documents = random_documents(kind, 60)
    many = compat.estimate("pypi", {"model_type": kind, **transposed(documents)})
    for index, document in enumerate(documents):
        alone = compat.run("pypi", {"model_type": kind, **document})
        assert {name: column[index] for name, column in many.items()} == alone


def test_kinds_of_model_may_differ_too() -> None:
    kinds = ["MLP", "kan", "Transformer", "CNN", "MLP"]
    many = compat.estimate("pypi", {"model_type": kinds, "num_inferences": [1, 2, 3, 4, 5]})
    for index, kind in enumerate(kinds):
        alone = compat.run("pypi", {"model_type": kind, "num_inferences": index + 1})
        assert {name: column[index] for name, column in many.items()} == alone


@pytest.mark.parametrize("tool", ["legacy", "multihop", "historical"])
def test_the_other_tools_take_columns_too(tool: str) -> None:
    columns = {"NUM_INFERENCES": [0, 7, 10**6], "DIN": [2, 3, 4], "MODEL_NAME": "KAN"}
    many = compat.estimate(tool, columns)
    for index in range(3):
        document = {k: v if isinstance(v, str) else v[index] for k, v in columns.items()}
        assert {name: column[index] for name, column in many.items()} == compat.run(tool, document)


def assert_listed_as_alone(tool: str, documents: list[Any]) -> None:
    """A list of documents gives, in its order, the bits that each gives alone."""
    many = compat.estimate_many(tool, documents)
    for index, document in enumerate(documents):
        assert {name: column[index] for name, column in many.items()} == compat.run(tool, document)


def test_a_list_of_unlike_documents_is_one_by_one_bit_for_bit() -> None:
    documents = [
        {"model_type": kind, **document}
        for kind in ("MLP", "CNN", "KAN", "Transformer")
        for document in random_documents(kind, 25)
    ]
    bare: list[Any] = [KAN, {**KAN, "hardware": None}, {**KAN, "num_samples": 7, "transmission_hops": []}]
    random.Random(1).shuffle(documents)
    assert_listed_as_alone("pypi", [*documents[:50], *bare, *documents[50:], *bare])


@pytest.mark.parametrize(
    ("tool", "documents"),
    [
        # Whole numbers and fractions under one key, and whole numbers that no float holds.
        ("pypi", [{**KAN, "processor_max_power": n} for n in (1, 2.5, 10**17 + 1)]),
        ("pypi", [{**KAN, "num_inferences": n, "sample_size": 9973} for n in (10**15 + 1, 10**30, 5)]),
        # What cannot be a column: shapes, disks of a RAID.
        ("legacy", [{"MODEL_NAME": "SimpleMLP", "INPUT_SIZE": [n, 10]} for n in (1, 2, 3)]),
        ("historical", [{"RAID_LEVEL": "RAID5", "NUM_DISKS": n} for n in (3, 4, 5)]),
        ("multihop", [{"TRANSMISSON_HOPS": {"a": {"FAILURE_RATE": p}}} for p in (0.0, 0.1, 0.25)]),
        ("legacy", [{}, {}]),
    ],
)
def test_what_is_no_column_is_worked_out_alone(tool: str, documents: list[Any]) -> None:
    assert_listed_as_alone(tool, documents)


def test_a_wrong_document_is_named_by_its_place() -> None:
    def refused(documents: list[Any], message: str, tool: str = "pypi") -> None:
        with pytest.raises(ConfigError, match=message):
            compat.estimate_many(tool, documents)

    refused([KAN, KAN, {**KAN, "num_samples": 0}], r"^\[2\]\.num_samples: 0 is out of bounds")
    refused([KAN, {**KAN, "model_params": {"din": math.nan}}], r"^\[1\]\.model_params\.din")
    refused([{**KAN, "model_params": {}}, {**KAN, "model_params": []}], r"^\[1\]\.model_params")
    # An array belongs into `estimate`: here it would be taken for the column of the list.
    refused([{**KAN, "num_samples": [1, 2]}, {**KAN, "num_samples": [1, 2]}], r"^\[0\]: .*array")
    refused([KAN, {**KAN, "num_samples": np.array([1, 2])}], r"^\[1\]: .*array")
    refused([KAN, 3], r"^\[1\]: .*table")
    refused([], "no document")
    refused([KAN], "Did you mean 'pypi'", tool="pipy")
    refused([{"kind": "call"}], "one document at a time", tool="agentic")


@pytest.mark.parametrize("changed", ["num_inferences", "num_samples", "sample_size"])
def test_one_column_beside_shared_numbers(changed: str) -> None:
    assert_listed_as_alone("pypi", [{**KAN, changed: n} for n in (1, 20, 333, 98765)])


def test_payloads_at_the_edge_of_exact_floats() -> None:
    """Walked in floats below the edge and in whole numbers above it, to the same bits."""
    through = stack(GENERIC)
    for bits in (int(through.exact_bits) + step for step in (-1000, -1, 0, 1, 1000)):
        expected, payload = [], bits
        for row in through.rows:
            payload = payload + int(payload * row.data_frac) + int(payload * row.control_frac)
            each = payload * row.sender + payload * row.receiver
            expected.append(each + payload * row.devices * row.device + payload * row.gateways * row.gateway)
        assert walk(through, bits) == (expected, payload)


def test_beyond_exact_floats_whole_numbers_stay_whole() -> None:
    inferences = [10**15 + 1, 10**16 + 3, 5]
    many = compat.estimate("pypi", {**KAN, "num_inferences": inferences, "sample_size": 9973})
    for index, count in enumerate(inferences):
        alone = compat.run("pypi", {**KAN, "num_inferences": count, "sample_size": 9973})
        assert many["total_J"][index] == alone["total_J"]
    assert compat.run("pypi", {**KAN, "num_inferences": 10**18})["inference_bits"] == 640 * 10**18


def test_long_columns_are_worked_through_in_pieces() -> None:
    inferences = np.arange(2 * compat.CHUNK + 5)
    many = compat.estimate("legacy", {"NUM_INFERENCES": inferences})
    assert many["total_J"].shape == inferences.shape
    assert many["inference_bits"].tolist() == (640 * inferences).tolist()


def test_columns_of_unlike_length_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model_params\.din: 3 values here, but num_samples has 2"):
        compat.estimate("pypi", {**KAN, "num_samples": [1, 2], "model_params": {"din": [1, 2, 3]}})
    with pytest.raises(ConfigError, match="num_samples"):
        compat.estimate("pypi", {**KAN, "num_samples": [1, -2]})
    with pytest.raises(ConfigError, match="split_ratio"):
        compat.estimate("pypi", {**KAN, "split_ratio": [0.5, math.nan]})


def test_the_published_figure_and_what_its_headline_is() -> None:
    figure = published.figure_data()
    assert len(figure.points) == 24
    assert max(abs(p.relative_difference) for p in figure.points) == 0.0
    ratios = {(r.model, r.few, r.many): r for r in figure.ratios}
    assert ratios["SimpleMLP", 100, 10_000].ratio == pytest.approx(2.73, abs=0.005)
    assert ratios["SimpleMLP", 100, 1000].ratio == pytest.approx(1.887, abs=0.0005)
    assert all(r.ratio < r.ceiling for r in figure.ratios)
    assert published.ceiling(1000, 100, 1000) == pytest.approx(1.818, abs=0.0005)
    assert len(figure.document()["points"]) == 24


@pytest.mark.parametrize("name", ["ecal_stack", "ecal_hardware", "ecal_figure13", "ecal_agentic"])
def test_every_constant_has_a_source_a_licence_and_a_note(name: str) -> None:
    text = (files("gramwise") / "data" / f"{name}.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == len(table(name)) > 5
    assert all(row["source"] and row["licence"] and row["note"] and row["year"] for row in rows)
