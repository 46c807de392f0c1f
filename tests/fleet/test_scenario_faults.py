"""Every fault of a scenario file is one sentence with the file, the key and what to write."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gramwise.core.errors import ConfigError, nearest
from gramwise.fleet.scenario import load_scenario, scenario_schema

Write = Callable[..., Path]
VALID = (Path(__file__).parent / "valid.toml").read_text("utf-8")


def refused(file: Path, **arguments: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_scenario(file, **({"environ": {}} | arguments))
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("schema = 1\n", "", "schema", "missing. Write for instance schema = 1."),
        ("schema = 1", "schema = 2", "schema", "2 cannot be used: it must be 1"),
        ("schema = 1", 'schema = "1"', "schema", '"1" cannot be used'),
        (
            'name = "three-sites"',
            'nmae = "x"',
            "nmae",
            "the top level has no key 'nmae'. Did you mean 'name'?",
        ),
        ('name = "three-sites"', 'name = "  "', "name", "it is empty"),
        (
            'baseline_node = "lyon"',
            'baseline_node = "lion"',
            "baseline_node",
            "no node 'lion'. Did you mean 'lyon'?",
        ),
        ('baseline_node = "lyon"\n', "", "baseline_node", "this key is missing"),
        ('reference = "fp32"', 'reference = "fp23"', "models.digits.reference", "Did you mean 'fp32'?"),
        ('reference = "fp32"\n', "", "models.digits.reference", 'Write for instance reference = "fp32".'),
        (
            "accuracy_frac = 0.985",
            "accuracy_frac = 98.5",
            "models.digits.variants.fp32.accuracy_frac",
            "98.5",
        ),
        (
            'accuracy_source = "held-out set, 797 images"\n',
            "",
            "models.digits.variants.fp32.accuracy_source",
            "an accuracy needs a source",
        ),
        (
            'precision = "int8"',
            'precision = "int7"',
            "models.digits.variants.int8.precision",
            "'int8'",
        ),
        ('device = "pi4"', 'device = "pi44"', "nodes.lyon.device", "no device 'pi44'. Did you mean 'pi4'?"),
        ('device = "paper-host"', 'device = "paper_host"', "nodes.oslo.device", "Did you mean 'paper-host'?"),
        (
            "cpu_share = 0.4",
            "cpu_share = -0.4",
            "nodes.lyon.cpu_share",
            "-0.4 cannot be used: it must be greater than 0",
        ),
        ("cpu_share = 0.4", "cpu_share = 0", "nodes.lyon.cpu_share", "greater than 0"),
        ("cpu_share = 0.4", "cpu_share = inf", "nodes.lyon.cpu_share", "finite"),
        ("cpu_share = 0.4", "cpu_share = nan", "nodes.lyon.cpu_share", "cannot be used"),
        (
            "cpu_share = 0.4",
            "cpu_share = true",
            "nodes.lyon.cpu_share",
            "true cannot be used: it must be a number",
        ),
        ("cpu_share = 0.4", 'cpu_share = "0.4"', "nodes.lyon.cpu_share", "it must be a number"),
        ("cpu_share = 0.4", "cpu = 0.4", "nodes.lyon.cpu", "Did you mean 'cpu_share'?"),
        ('memory = "512 MiB"', "memory = 0", "nodes.lyon.memory", "cannot hold anything"),
        ('memory = "512 MiB"', "memory = -1", "nodes.lyon.memory", "-1 cannot be used"),
        ('memory = "512 MiB"', 'memory = "-5 MiB"', "nodes.lyon.memory", "a number of bytes"),
        ('memory = "512 MiB"', 'memory = "5 loaves"', "nodes.lyon.memory", "unit"),
        ("slots = 2", "slots = 0", "nodes.oslo.slots", "greater than or equal to 1"),
        ("slots = 2", "slots = 1.5", "nodes.oslo.slots", "whole number"),
        ("pue = 1.2", "pue = 0.9", "nodes.oslo.pue", "greater than or equal to 1"),
        ("speed_factor = 1.5", "speed_factor = 0", "nodes.oslo.speed_factor", "greater than 0"),
        (
            'intensity_source = "published experiment"\n',
            "",
            "nodes.oslo.intensity_source",
            "an intensity needs a source",
        ),
        (
            "intensity_g_per_kwh = 380",
            "intensity_g_per_kwh = 0",
            "nodes.oslo.intensity_g_per_kwh",
            "greater than 0",
        ),
        (
            "[nodes.oslo]",
            "[nodes.lyon.contract]\nintensity_g_per_kwh = 0.0\n[nodes.oslo]",
            "nodes.lyon.contract.source",
            "Write for instance source",
        ),
        (
            "[nodes.oslo]",
            '[nodes.lyon.contract]\nintensity_g_per_kwh = -1\nsource = "x"\n[nodes.oslo]',
            "nodes.lyon.contract.intensity_g_per_kwh",
            "greater than or equal to 0",
        ),
        (
            "[nodes.oslo]",
            '[nodes.lyon.contract]\nintensity = 0.0\nsource = "x"\n[nodes.oslo]',
            "nodes.lyon.contract.intensity",
            "Did you mean 'intensity_g_per_kwh'?",
        ),
        (
            "rtt_s = 0.002",
            "rtt = 0.002",
            "nodes.lyon.link.rtt",
            "[nodes.lyon.link] has no key 'rtt'. Did you mean",
        ),
        (
            "rtt_s = 0.002",
            "energy_j_per_byte = 1e-7",
            "nodes.lyon.link.source",
            "an energy figure needs a source",
        ),
        ("busy_w = 45.0", "busy_w = 5.0", "devices.paper-host.busy_w", "Write busy_w = 10 or more."),
        (
            "busy_w_low = 40.0",
            "busy_w_low = 46.0",
            "devices.paper-host.busy_w_low",
            "46 is above busy_w = 45",
        ),
        (
            "busy_w_high = 50.0",
            "busy_w_high = 44.0",
            "devices.paper-host.busy_w_high",
            "44 is below busy_w = 45",
        ),
        ('source = "assumed for the test"', 'source = ""', "devices.paper-host.source", "it is empty"),
        ('source = "assumed for the test"\n', "", "devices.paper-host.source", "this key is missing"),
        ("idle_w = 10.0", "idle_w = -1.0", "devices.paper-host.idle_w", "greater than or equal to 0"),
        (
            "accuracy_floor_frac = 0.97",
            "accuracy_floor_frac = 97",
            "goals.accuracy_floor_frac",
            "less than or equal to 1",
        ),
        ("accuracy_floor_frac = 0.97", "accuracy_floor_frac = -1", "goals.accuracy_floor_frac", "to 0"),
        (
            "accuracy_floor_frac = 0.97\n",
            "",
            "goals.accuracy_floor_frac",
            "'grams+variants' needs an accuracy floor",
        ),
        ("deadline_s = 0.5", "deadline = 1", "goals.deadline", "Did you mean 'deadline_s'?"),
        ("deadline_s = 0.5", "deadline_s = 0", "goals.deadline_s", "greater than 0"),
        (
            'allowed_zones = ["FR", "NO"]',
            'allowed_zones = ["PL"]',
            "goals.allowed_zones",
            "stand in: FR, NO.",
        ),
        ('allowed_zones = ["FR", "NO"]', 'allowed_zones = "FR"', "goals.allowed_zones", "it must be a list"),
        ('model = "digits"', 'model = "digit"', "workload.model", "no model 'digit'. Did you mean 'digits'?"),
        ('arrivals = "poisson"', 'arrivals = "poison"', "workload.arrivals", "'poisson' or 'closed'"),
        ("rate_per_s = 12.0\n", "", "workload.rate_per_s", "poisson arrivals need a rate"),
        ("requests = 60", "requests = 0", "workload.requests", "greater than or equal to 1"),
        (
            "requests = 60",
            'requests = "60"',
            "workload.requests",
            '"60" cannot be used: it must be a whole number',
        ),
        ('"monolithic", "grams",', '"grams", "grams",', "bench.policies", "'grams' stands there twice"),
        ("[bench]", "[bnech]", "bnech", "Did you mean 'bench'?"),
        ("[nodes.lyon]", "[nodes.'ly on']", "nodes.ly on", "letters, digits"),
        ("[bench]\n", "[executor]\nperiod_s = 5\n[bench]\n", "executor.period_s", "less than or equal to 1"),
        ("[bench]\n", '[executor]\ncaps = "cgroup"\n[bench]\n', "executor.caps", "'cgroup-v2'"),
        ("[bench]\n", "[executor]\nkind = 3\n[bench]\n", "executor.kind", "'processes' or 'in-process'"),
    ],
)
def test_each_fault_names_file_key_and_what_to_write(
    write: Write, old: str, new: str, key: str, says: str
) -> None:
    file = write(old, new)
    error = refused(file)
    assert error.key == key
    assert str(error).startswith(f"{file}: {key}: ")
    assert says in str(error)
    assert error.fix or "after this one" not in str(error)


def test_a_missing_file(tmp_path: Path) -> None:
    error = refused(tmp_path / "none.toml")
    assert (
        str(error)
        == f"{tmp_path / 'none.toml'}: there is no such file. Write one with: gramwise init none.toml"
    )


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert "cannot be read: is a directory" in str(refused(tmp_path))


def test_broken_toml_names_the_line(write: Write) -> None:
    error = refused(write('name = "three-sites"', "name = three-sites"))
    assert "this is not TOML" in str(error)
    assert "line 2" in str(error)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(b'name = "\xff"')
    assert "not UTF-8 text: byte 8" in str(refused(file))


def test_no_nodes_and_no_models(write: Write) -> None:
    text = 'schema = 1\nname = "x"\nbaseline_node = "a"\n'
    error = refused(write(text=text))
    assert error.key == "models"
    assert "Write a table [models.NAME]" in str(error)
    assert "(1 more problem after this one.)" in str(error)
    assert refused(write(text=text + "[models]\n")).message.endswith("it is empty.")


def test_several_models_need_a_choice(write: Write) -> None:
    more = (
        '[models.other]\nreference = "a"\n[models.other.variants.a]\nfile = "zoo:mobilenetv2"\n[nodes.lyon]'
    )
    error = refused(write("[nodes.lyon]", more, text=VALID.replace('model = "digits"\n', "")))
    assert error.key == "workload.model"
    assert "digits, other" in str(error)


def test_the_rest_is_counted(write: Write) -> None:
    text = VALID.replace("cpu_share = 0.4", "cpu_share = -1").replace("slots = 2", "slots = 0")
    error = refused(write(text=text))
    assert error.key == "nodes.lyon.cpu_share"
    assert str(error).endswith("(1 more problem after this one.)")


def test_an_unknown_zone_gets_file_and_key(write: Write) -> None:
    def only_germany(zone: str) -> None:
        if zone != "DE":
            raise ConfigError(f"there is no zone {zone!r}.", fix="Did you mean 'DE'?")

    file = write()
    error = refused(file, known_zones=only_germany)
    assert str(error) == f"{file}: nodes.lyon.zone: there is no zone 'FR'. Did you mean 'DE'?"


@pytest.mark.parametrize(
    ("name", "value", "key", "says"),
    [
        ("GRAMWISE_WORKLOAD__REQUETS", "3", "workload.requets", "Did you mean 'requests'?"),
        ("GRAMWISE_WORKLOAD__REQUESTS", "many", "workload.requests", '"many" cannot be used'),
        ("GRAMWISE_WORKLOAD__REQUESTS", "3\nseed = 4", "workload.requests", "cannot be used"),
        ("GRAMWISE_NODES__LYON__CPU_SHARE", "-1", "nodes.lyon.cpu_share", "greater than 0"),
        ("GRAMWISE_WORKLOD__REQUESTS", "3", None, "no section 'worklod'. Did you mean 'workload'?"),
        ("GRAMWISE_NAME__X", "3", "name", "a value, not a table"),
    ],
)
def test_a_fault_in_the_environment_names_the_variable(
    write: Write, name: str, value: str, key: str | None, says: str
) -> None:
    error = refused(write(), environ={name: value})
    assert error.key == key
    assert str(error).startswith(name)
    assert says in str(error)


def test_a_fault_in_an_override_names_it(write: Write) -> None:
    error = refused(write(), overrides={"workload.repeats": 0})
    assert str(error).startswith("override workload.repeats: workload.repeats: 0 cannot be used")


def tables(node: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every table of a document that has fixed keys: not those whose keys are names."""
    here = [] if path and path[-1] in ("models", "variants", "nodes", "devices") else [path]
    return here + [
        t for key, value in node.items() if isinstance(value, dict) for t in tables(value, (*path, key))
    ]


SPOTS = tables(tomllib.loads(VALID))
DEFS = scenario_schema()["$defs"]
MODEL_OF = {
    "models": "ModelTable",
    "variants": "VariantTable",
    "nodes": "NodeTable",
    "link": "LinkTable",
    "devices": "DeviceTable",
    "goals": "GoalsTable",
    "workload": "WorkloadTable",
    "bench": "BenchTable",
}


def valid_keys(spot: tuple[str, ...]) -> list[str]:
    if not spot:
        return list(scenario_schema()["properties"])
    name = spot[-1] if spot[-1] in MODEL_OF else spot[-2]
    return list(DEFS[MODEL_OF[name]]["properties"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_unknown_key_anywhere_is_refused_with_the_nearest(data: st.DataObject, tmp_path: Path) -> None:
    spot = data.draw(st.sampled_from(SPOTS))
    known = valid_keys(spot)
    right = data.draw(st.sampled_from(known))
    cut = data.draw(st.integers(0, len(right) - 1))
    letter = data.draw(st.sampled_from("aeiou_xyz"))
    wrong = right[:cut] + letter + right[cut + data.draw(st.integers(0, 1)) :]
    if wrong in known:
        return
    file = tmp_path / "scenario.toml"
    head = f"[{'.'.join(spot)}]" if spot else ""
    file.write_text(
        VALID.replace(head, f"{head}\n{wrong} = 1\n", 1) if head else f"{wrong} = 1\n{VALID}", "utf-8"
    )
    error = refused(file)
    assert error.key == ".".join((*spot, wrong))
    near = next((name for name in known if name.startswith(f"{wrong}_")), None) or nearest(wrong, known)
    assert near is None or f"Did you mean {near!r}?" in str(error)
