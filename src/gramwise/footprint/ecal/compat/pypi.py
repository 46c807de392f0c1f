"""The PyPI package ecal-energy 0.1.0 (July 2026): the arguments of its ``estimate()`` as a life to be accounted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from gramwise.core.errors import ConfigError
from gramwise.footprint.factors import factor, table

from . import flops
from .configured import TRANSFORMER, VIRTUAL
from .inputs import FAILURE, Choice, Count, Field, Raw, Real, Schema, read
from .stack import GENERIC, LAYERS, Value, stack
from .stages import PREPROCESSING, STRATEGIES, Hop, Life, Machine, Names, by_name

MODEL_PARAMS: dict[str, dict[str, Field]] = {
    "MLP": {"num_layers": Count(3), "din": Count(10), "dout": Count(2)},
    "CNN": {
        "num_cnv_layers": Count(3, low=0),
        "num_pool_layers": Count(3, low=0),
        **{
            key: Count(default)
            for key, default in (("i_r", 10), ("i_c", 1), ("k_r", 3), ("k_c", 1), ("c_in", 1))
        },
    },
    "KAN": {"num_layers": Count(3), "grid_size": Count(10), "din": Count(10), "dout": Count(2)},
    "Transformer": {key.lower(): field for key, field in TRANSFORMER.items()},
}
_READ = {
    kind: tuple(key for key in fields if key not in ("dout", "vocab_size"))
    for kind, fields in MODEL_PARAMS.items()
}
PYPI = Schema(
    {
        "model_type": Choice("", tuple(MODEL_PARAMS), many=True, any_case=True),
        "model_params": Raw(),
        "num_samples": Count(1000),
        "sample_size": Count(10),
        "num_epochs": Count(50, low=0),
        "batch_size": Count(64),
        "num_inferences": Count(10000, low=0),
        "float_precision": Count(64),
        "hardware": Raw(),
        "processor_flops_per_second": Real(None, open_low=True),
        "processor_max_power": Real(None, open_low=True),
        "preprocessing_type": Choice("normalization", PREPROCESSING, many=True),
        "evaluation_strategy": Choice("cross_validation", STRATEGIES, many=True),
        "k_folds": Count(5),
        "split_ratio": Real(0.8, high=1.0),
        "transmission_hops": Raw(),
        "virtualization_overhead": VIRTUAL,
    }
)
_HOP = Schema(
    {
        **{layer: Raw(name) for layer, name in zip(LAYERS, GENERIC, strict=True)},
        "failure_rate": FAILURE,
    }
)


def pypi(given: Mapping[str, Any]) -> Life:
    """The life that the arguments of ``ecal.estimate()`` 0.1.0 describe; inference crosses the last hop only (T4)."""
    v = read(PYPI, given)
    if not v["model_type"]:
        raise ConfigError(
            "the kind of model is missing.",
            key="model_type",
            fix=f"Write one of: {', '.join(MODEL_PARAMS)}.",
        )
    hops = _listed_hops(v["transmission_hops"])
    prepare_on, compute_on = _machines(v)
    return Life(
        samples=v["num_samples"],
        values=v["sample_size"],
        bits=v["float_precision"],
        epochs=v["num_epochs"],
        inferences=v["num_inferences"],
        forward_flop=_pypi_flop(v["model_type"], {} if v["model_params"] is None else v["model_params"]),
        preprocessing=v["preprocessing_type"],
        strategy=v["evaluation_strategy"],
        k_folds=v["k_folds"],
        split_frac=v["split_ratio"],
        prepare_on=prepare_on,
        train_on=compute_on,
        infer_on=compute_on,
        hops=hops,
        inference_hop=hops[-1] if hops else None,
        virtualisation_frac=v["virtualization_overhead"],
    )


def _machines(v: Mapping[str, Any]) -> tuple[Machine, Machine]:
    """Where data is prepared and where the rest runs: 1000 times slower unless somebody says (defect H2)."""
    if v["hardware"] is not None:
        return (profile(v["hardware"]),) * 2
    rate, power = v["processor_flops_per_second"], v["processor_max_power"]
    power = 100 if power is None else power
    return Machine(1e10 if rate is None else rate, power), Machine(1e13 if rate is None else rate, power)


@cache
def _profiles() -> dict[str, Machine]:
    names = dict.fromkeys(key.rsplit(".", 1)[0] for key in table("ecal_hardware"))
    return {
        name: Machine(*(factor("ecal_hardware", f"{name}.{c}").value for c in ("flop_per_s", "power_w")))
        for name in names
    }


def profile(name: object) -> Machine:
    """A machine of the PyPI package by name: FP32 peak and TDP.

    Raises:
        ConfigError: no such profile.
    """
    known = _profiles()
    if not isinstance(name, str) or name not in known:
        raise ConfigError(
            f"there is no hardware profile {name!r}.",
            key="hardware",
            fix=f"Write one of: {', '.join(known)}.",
        )
    return known[name]


@cache
def _plain_hop() -> Hop:
    return Hop(stack(GENERIC), 0.0)


def _listed_hops(given: Any) -> list[Hop]:
    if given is None:
        return [_plain_hop()]
    if not isinstance(given, (list, tuple)):
        raise ConfigError("this is not a list of hops.", key="transmission_hops", fix="Write [{...}, {...}].")
    hops = []
    for index, each in enumerate(given):
        where = f"transmission_hops[{index}]."
        v = read(_HOP, each, where)
        names = tuple(str(v[layer]) for layer in LAYERS)
        hops.append(Hop(stack(names, tuple(where + layer for layer in LAYERS)), v["failure_rate"]))
    return hops


_FORMULAS: dict[str, Callable[..., Value]] = {
    "MLP": flops.mlp,
    "CNN": flops.cnn,
    "KAN": flops.kan,
    "Transformer": flops.transformer,
}


@cache
def _params(kinds: tuple[str, ...]) -> Schema:
    fields = {key: field for kind in kinds for key, field in MODEL_PARAMS[kind].items()}
    return Schema({**fields, "num_classes": Count(2)})


def _pypi_flop(kinds: Names, params: Mapping[str, Any]) -> Value:
    v = read(_params((kinds,) if isinstance(kinds, str) else kinds.names), params, "model_params.")

    def formula(kind: str) -> Value:
        return _FORMULAS[kind](**{key: v[key] for key in _READ[kind]})

    return by_name(kinds, formula)
