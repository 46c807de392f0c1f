"""A profile holds what was timed on real nodes, piece by piece, and is refused where it does not belong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from gramwise.core.errors import ConfigError, ModelError
from gramwise.fleet.scenario import Scenario, load_scenario
from gramwise.runtime.layerprofile import Effort, profile_model
from gramwise.runtime.profilefile import profile_path, read_profile
from gramwise.runtime.subject import subject_of

QUICK = Effort(runs=3, least_s=0.0, hop_runs=3)

SIDE = 1024
"""A matrix of this side is 4 MiB, so a node needs 12 MiB for each."""

SCENARIO = """
schema = 1
name = "two"
baseline_node = "a"
[models.net]
reference = "v"
[models.net.variants.v]
file = "net.onnx"
[nodes.a]
device = "pi4"
zone = "FR"
cpu_share = 1.0
memory = "512 MiB"
speed_factor = 1.0
[nodes.b]
device = "pi5"
zone = "NO"
cpu_share = 0.5
memory = "512 MiB"
speed_factor = 1.0
[executor]
kind = "in-process"
"""


def network(path: Path, layers: int, side: int) -> Path:
    """A chain of products, each with its Relu, which the runtime keeps apart from a product of matrices."""
    rng = np.random.default_rng(0)
    nodes, weights, name = [], [], "x"
    for i in range(layers):
        matrix = rng.standard_normal((side, side)).astype(np.float32) / np.sqrt(side)
        weights.append(numpy_helper.from_array(matrix.astype(np.float32), f"w{i}"))
        nodes.append(helper.make_node("MatMul", [name, f"w{i}"], [f"m{i}"], name=f"product{i}"))
        name = f"r{i}"
        nodes.append(helper.make_node("Relu", [f"m{i}"], [name], name=f"relu{i}"))
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, ["batch", side])],
        [helper.make_tensor_value_info(name, kind, ["batch", side])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Scenario]:
    def scenario(layers: int = 3, side: int = 64, **overrides: Any) -> Scenario:
        file = tmp_path / "two.toml"
        file.write_text(SCENARIO, "utf-8")
        network(tmp_path / "net.onnx", layers, side)
        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        return load_scenario(file, dotted, environ={})

    return scenario


def measure(scenario: Scenario, model: str | None = None, **options: Any) -> dict[str, Any]:
    return asyncio.run(profile_model(scenario, model, **({"effort": QUICK} | options)))


def test_every_piece_is_timed_on_every_node_and_the_pieces_are_the_network(
    scenario: Callable[..., Scenario],
) -> None:
    read = scenario()
    said: list[tuple[str, float]] = []
    document = measure(read, tell=lambda text, done: said.append((text, done)))
    assert document["schema"] == "gramwise.profile/1"
    assert (document["model"], document["variant"], document["count"], document["level"]) == (
        "net",
        "v",
        1,
        "all",
    )
    names = [layer.name for layer in subject_of(read, None, None).graph.layers]
    assert [name for piece in document["pieces"] for name in piece["layers"]] == names
    assert len(document["pieces"]) == len(names) > 1
    for before, after in zip(document["pieces"], document["pieces"][1:], strict=False):
        assert before["outputs"] == after["inputs"]
        assert before["send_bytes"] == after["receive_bytes"] == 64 * 4
    for name, share in (("a", 1.0), ("b", 0.5)):
        node = document["nodes"][name]
        assert (node["cpu_share"], node["caps"]) == (share, "virtual")
        for i, piece in enumerate(node["pieces"]):
            assert (piece["first"], piece["last"]) == (i, i)
            assert piece["runs"] == 3
            assert 0 < piece["cpu_s"]["min"] <= piece["cpu_s"]["median"] <= piece["cpu_s"]["max"]
        (whole,) = node["longest"]
        assert (whole["first"], whole["last"]) == (0, len(names) - 1)
        assert "the whole model" in node["stretch_of"]
        assert node["rested"]["last"] == len(names) - 1
    # Half a CPU takes at least twice the seconds; sleeping is never shorter than asked.
    assert document["nodes"]["b"]["stretch"] > 1.9
    assert document["border"]["fixed_s"] >= 0
    hop = document["hop"]
    assert (hop["sender"], hop["receiver"]) == ("a", "b")
    assert hop["fixed_s"] >= 0
    assert [done for _, done in said] == sorted(done for _, done in said)


def test_the_same_network_is_timed_in_fewer_pieces_too(scenario: Callable[..., Scenario]) -> None:
    document = measure(scenario(layers=4))
    for row in document["nodes"]["a"]["between"]:
        assert [t["first"] for t in row] == [0, *(t["last"] + 1 for t in row[:-1])]
        assert row[-1]["last"] == len(document["pieces"]) - 1
        assert 1 < len(row) < len(document["pieces"])
    assert len(document["nodes"]["a"]["between"]) == 2


def test_it_lies_beside_the_scenario_under_the_name_of_both_and_reads_back(
    scenario: Callable[..., Scenario],
) -> None:
    read = scenario()
    document = measure(read)
    path = profile_path(read, "net", document["digest"])
    assert path == read.path.parent / f"two-net-{document['digest'][:8]}.profile.json"
    assert document["file"] == str(path)
    back = read_profile(path, document["digest"], ["a", "b"])
    assert back.nodes["b"].stretch == document["nodes"]["b"]["stretch"]
    assert back.nodes["a"].whole is not None
    assert json.loads(path.read_text("utf-8"))["schema"] == "gramwise.profile/1"
    measure(read)  # the same model again replaces it


def test_a_network_that_fits_nowhere_is_timed_as_far_as_the_memory_goes(
    scenario: Callable[..., Scenario],
) -> None:
    # 80 MiB for the runtime and 12 MiB for each of four products: two of them fit.
    read = scenario(layers=4, side=SIDE, nodes__a__memory="110 MiB")
    document = measure(read)
    small, large = document["nodes"]["a"], document["nodes"]["b"]
    assert [timed["first"] for timed in small["longest"]] == [0, small["longest"][0]["last"] + 1]
    assert small["longest"][-1]["last"] == len(document["pieces"]) - 1
    assert all(small["pieces"])
    assert "as one model" in small["stretch_of"]
    assert len(large["longest"]) == 1


def test_a_piece_that_fits_no_memory_has_no_figure(scenario: Callable[..., Scenario]) -> None:
    document = measure(scenario(layers=1, side=SIDE, nodes__a__memory="90 MiB"))
    assert document["nodes"]["a"]["pieces"][0] is None
    assert document["nodes"]["a"]["pieces"][1]["cpu_s"]["median"] > 0
    assert all(document["nodes"]["b"]["pieces"])


def test_a_node_that_holds_nothing_is_refused(scenario: Callable[..., Scenario]) -> None:
    with pytest.raises(ConfigError, match=r"two\.toml: nodes\.a\.memory: 80 MiB hold no piece") as caught:
        measure(scenario(layers=1, nodes__a__memory="80 MiB"))
    assert caught.value.key == "nodes.a.memory"


@pytest.mark.parametrize("caps", ["virtual", "auto"])
def test_real_processes_are_timed_too(scenario: Callable[..., Scenario], caps: str) -> None:
    document = measure(scenario(layers=2, executor__kind="processes", executor__caps=caps, workload__count=3))
    assert document["count"] == 3
    assert document["pieces"][0]["send_bytes"] == 3 * 64 * 4
    for node in document["nodes"].values():
        assert all(piece["cpu_s"]["median"] > 0 for piece in node["pieces"])


def test_a_file_a_package_and_a_model_of_the_scenario_can_be_named(scenario: Callable[..., Scenario]) -> None:
    read = scenario()
    by_name = subject_of(read, "net", "v")
    by_path = subject_of(read, str(read.path.parent / "net.onnx"), None)
    shipped = subject_of(read, "package:digits-small.onnx", None)
    assert (by_name.model, by_name.variant) == ("net", "v")
    assert by_path.model == "net"
    assert by_path.graph.digest == by_name.graph.digest
    assert (shipped.model, shipped.variant) == ("digits-small", "digits-small")


def test_names_that_do_not_exist_say_what_there_is(scenario: Callable[..., Scenario]) -> None:
    read = scenario()
    with pytest.raises(ConfigError, match=r"has no variant 'w'\. Write one of: v"):
        subject_of(read, "net", "w")
    with pytest.raises(ModelError, match="there is no file nett"):
        subject_of(read, "nett", None)
    with pytest.raises(ConfigError, match="is not a model of the scenario"):
        subject_of(read, "package:digits-small.onnx", "v")


def test_what_is_no_profile_of_this_model_is_never_replaced(
    scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    read = scenario()
    notes = tmp_path / "notes.json"
    notes.write_text('{"schema": "mine"}', "utf-8")
    with pytest.raises(ConfigError, match="is not a profile, so it was left as it is"):
        measure(read, out=notes)
    assert notes.read_text("utf-8") == '{"schema": "mine"}'
    with pytest.raises(ConfigError, match="there is no such folder"):
        measure(read, out=tmp_path / "none" / "p.json")
    other = tmp_path / "p.json"
    measure(read, out=other)
    before = other.read_bytes()
    network(tmp_path / "net.onnx", 2, 32)
    with pytest.raises(ConfigError, match="is a profile of another model, net/v"):
        measure(read, out=other)
    assert other.read_bytes() == before


def test_each_refusal_to_read_says_what_to_do(scenario: Callable[..., Scenario], tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    digest = measure(scenario(layers=1), out=path)["digest"]

    def refused(file: Path, digest: str = digest, nodes: tuple[str, ...] = ("a", "b")) -> str:
        with pytest.raises(ConfigError) as caught:
            read_profile(file, digest, nodes)
        assert str(caught.value).startswith(str(file))
        return str(caught.value)

    assert "there is no such profile. Write one: gramwise profile" in refused(tmp_path / "none.json")
    assert "is a directory" in refused(tmp_path)
    assert "a profile of net/v with the digest" in refused(path, digest="0" * 64)
    assert "no figures for c, only for a, b" in refused(path, nodes=("a", "c"))
    changed = tmp_path / "changed.json"
    document = json.loads(path.read_text("utf-8"))
    for change, says in (
        ({"schema": "gramwise.profile/9"}, "this is 'gramwise.profile/9', not 'gramwise.profile/1'"),
        ({"schema": "gramwise.plan/1"}, "this is 'gramwise.plan/1'"),
        ({"nodes": 3}, "this is not a profile: Expected `object`, got `int` - at `$.nodes`"),
        ({"pieces": []}, "the profile has 0 pieces and not as many of a"),
    ):
        changed.write_text(json.dumps(document | change), "utf-8")
        assert says in refused(changed)
    changed.write_text("not JSON", "utf-8")
    assert "this is not a profile" in refused(changed)
    del document["nodes"]["a"]["stretch"]
    changed.write_text(json.dumps(document), "utf-8")
    assert "missing required field `stretch`" in refused(changed)
