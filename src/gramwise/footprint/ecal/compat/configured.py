"""The tools that are steered by a configuration file: what they read, and how it becomes a life to be accounted for.

``legacy`` is sensorlab/eCAL @ 02fc18a (May 2025), ``multihop`` is cfortuna/eCAL @ 71073b0 (October 2025). Names and
defaults are those of their configuration files; ``historical`` shares most of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gramwise.core.errors import ConfigError

from . import flops
from .counting import torchvision_flop
from .inputs import FAILURE, Choice, Count, Field, Raw, Real, Schema, read
from .stack import GENERIC, LAYERS, Stack, Value, stack
from .stages import PREPROCESSING, STRATEGIES, Hop, Life, Machine, by_name

COMMON: dict[str, Field] = {
    "NUM_SAMPLES": Count(1000),
    "SAMPLE_SIZE": Count(10),
    "FLOAT_PRECISION": Count(64),
    "NUM_INFERENCES": Count(10000, low=0),
    "NUM_EPOCHS": Count(50, low=0),
    "BATCH_SIZE": Count(32),
    "EVALUATION_STRATEGY": Choice("cross_validation", STRATEGIES, many=True),
    "K_FOLDS": Count(5),
    "SPLIT_RATIO": Real(0.8, high=1.0),
    "PREPROCESSING_TYPE": Choice("normalization", PREPROCESSING, many=True),
    "NUM_LAYERS": Count(3),
    "GRID_SIZE": Count(10),
    "DIN": Count(10),
    "DOUT": Count(2),
    "NUM_CLASSES": Count(2),
    "INPUT_SIZE": Raw((1, 10)),
}
TRANSFORMER: dict[str, Field] = {
    "CONTEXT_LENGTH": Count(10),
    "EMBEDDING_SIZE": Count(16),
    "NUM_HEADS": Count(2),
    "NUM_DECODER_BLOCKS": Count(3),
    "FEED_FORWARD_SIZE": Count(32),
    "VOCAB_SIZE": Count(2),
}
_PROTOCOL_KEYS = tuple(f"{layer.upper()}_PROTOCOLS" for layer in LAYERS)
STACK: dict[str, Field] = {
    **{key: Raw(name) for key, name in zip(_PROTOCOL_KEYS, GENERIC, strict=True)},
    "FAILURE_RATE": FAILURE,
}
RATE, POWER = Real(1e12, open_low=True), Real(100, open_low=True)
VIRTUAL = Real(0.0, high=1.0)
_HOP = Schema(STACK)
TORCHVISION = ("resnet18", "resnet50", "mobilenet_v2")

LEGACY = Schema(
    {
        **COMMON,
        **TRANSFORMER,
        **STACK,
        "MODEL_NAME": Choice(
            "KAN",
            ("KAN", "SimpleMLP", "SimpleCNN", "SimpleTransformer", "Transformer", *TORCHVISION),
            many=True,
        ),
        "PROCESSOR_FLOPS_PER_SECOND": RATE,
        "PROCESSOR_MAX_POWER": POWER,
        "VIRTUALIZATION_OVERHEAD": VIRTUAL,
    }
)


def legacy(given: Mapping[str, Any]) -> Life:
    """The life that a configuration of the tool of May 2025 describes."""
    v = read(LEGACY, given)
    machine = Machine(v["PROCESSOR_FLOPS_PER_SECOND"], v["PROCESSOR_MAX_POWER"])
    hop = Hop(stack_of(v), v["FAILURE_RATE"])
    return life_of(v, by_name(v["MODEL_NAME"], lambda name: _legacy_flop(name, v)), (machine,) * 3, [hop])


def _legacy_flop(name: str, v: Mapping[str, Any]) -> Value:
    if name == "KAN":
        return flops.kan(num_layers=v["NUM_LAYERS"], grid_size=v["GRID_SIZE"], din=v["DIN"])
    if name.endswith("Transformer"):
        return transformer_flop(v)
    return counted_flop(name, shape_of(v["INPUT_SIZE"]))


def counted_flop(name: str, shape: tuple[int, ...]) -> int:
    """FLOP of one forward pass, as the authors' counter tells them for an input of this shape, the batch first."""
    if name == "SimpleMLP":
        return flops.toy_mlp(shape)
    return flops.toy_cnn(shape) if name == "SimpleCNN" else torchvision_flop(name, shape)


def shape_of(value: Any) -> tuple[int, ...]:
    """``INPUT_SIZE`` as a shape.

    Raises:
        ConfigError: it is not a list of two or more whole numbers above 0.
    """
    if isinstance(value, (list, tuple)) and len(value) >= 2 and all(type(n) is int and n > 0 for n in value):
        return tuple(value)
    raise ConfigError(
        f"{value!r} is not the shape of an input.",
        key="INPUT_SIZE",
        fix="Write a list of whole numbers above 0, the batch first, as in [1, 10].",
    )


def transformer_flop(v: Mapping[str, Any]) -> Value:
    """FLOP of a transformer from the authors' keys; its vocabulary does not count in their formula."""
    return flops.transformer(**{key.lower(): v[key] for key in TRANSFORMER if key != "VOCAB_SIZE"})


def stack_of(v: Mapping[str, Any], where: str = "", historical: bool = False) -> Stack:
    """The protocols that a configuration names; ``where`` stands before its keys in errors."""
    names = tuple(str(v[key]) for key in _PROTOCOL_KEYS)
    return stack(names, tuple(where + key for key in _PROTOCOL_KEYS), historical)


def life_of(
    v: Mapping[str, Any],
    forward_flop: Value,
    machines: Sequence[Machine],
    hops: Sequence[Hop],
    inference_hop: int = -1,
) -> Life:
    """The life that a configuration, read by its schema, describes.

    Args:
        v: by the authors' keys.
        forward_flop: of one forward pass, scalar or shape (N,).
        machines: that prepare, train and infer.
        hops: that development data crosses, each as often as it is billed.
        inference_hop: place in ``hops`` of the one that is billed for inference.
    """
    return Life(
        samples=v["NUM_SAMPLES"],
        values=v["SAMPLE_SIZE"],
        bits=v["FLOAT_PRECISION"],
        epochs=v["NUM_EPOCHS"],
        inferences=v["NUM_INFERENCES"],
        forward_flop=forward_flop,
        preprocessing=v["PREPROCESSING_TYPE"],
        strategy=v["EVALUATION_STRATEGY"],
        k_folds=v["K_FOLDS"],
        split_frac=v["SPLIT_RATIO"],
        prepare_on=machines[0],
        train_on=machines[1],
        infer_on=machines[2],
        hops=hops,
        inference_hop=hops[inference_hop],
        virtualisation_frac=v.get("VIRTUALIZATION_OVERHEAD", 0.0),
    )


MULTIHOP = Schema(
    {
        **COMMON,
        **TRANSFORMER,
        "BATCH_SIZE": Count(64),
        "MODEL_NAME": Choice("Transformer", ("MLP", "CNN", "KAN", "Transformer"), many=True),
        "NUM_CONV_LAYERS": Count(3, low=0),
        "NUM_POOL_LAYERS": Count(3, low=0),
        "I_R": Count(10),
        "I_C": Count(1),
        "K_R": Count(3),
        "K_C": Count(1),
        "C_IN": Count(1),
        "TRANSMISSON_HOPS": Raw({"hop1": {"FAILURE_RATE": 0.0}, "hop2": {"FAILURE_RATE": 0.2}}),
        **{
            f"{stage}_PROCESSOR_{name}": field
            for stage, rate in (("DP", 1e10), ("TR", 1e13), ("INF", 1e13))
            for name, field in (("FLOPS_PER_SECOND", Real(rate, open_low=True)), ("MAX_POWER", POWER))
        },
        "VIRTUALIZATION_OVERHEAD": VIRTUAL,
    }
)


def multihop(given: Mapping[str, Any]) -> Life:
    """The life that a configuration of the tool of October 2025 describes; it sends the last hop twice (defect T5)."""
    v = read(MULTIHOP, given)
    machines = [
        Machine(v[f"{stage}_PROCESSOR_FLOPS_PER_SECOND"], v[f"{stage}_PROCESSOR_MAX_POWER"])
        for stage in ("DP", "TR", "INF")
    ]
    hops = _named_hops(v["TRANSMISSON_HOPS"])
    return life_of(
        v, by_name(v["MODEL_NAME"], lambda name: _multihop_flop(name, v)), machines, [hops[-1], *hops]
    )


def _named_hops(given: Any) -> list[Hop]:
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(
            "there is no hop.", key="TRANSMISSON_HOPS", fix="Write {hop1: {...}}, in the order of travel."
        )
    hops = []
    for name, each in given.items():
        where = f"TRANSMISSON_HOPS.{name}."
        v = read(_HOP, each, where)
        hops.append(Hop(stack_of(v, where), v["FAILURE_RATE"]))
    return hops


def _multihop_flop(name: str, v: Mapping[str, Any]) -> Value:
    if name == "MLP":
        return flops.mlp(num_layers=v["NUM_LAYERS"], din=v["DIN"])
    if name == "KAN":
        return flops.kan(num_layers=v["NUM_LAYERS"], grid_size=v["GRID_SIZE"], din=v["DIN"])
    if name == "Transformer":
        return transformer_flop(v)
    sizes = {key.lower(): v[key] for key in ("NUM_POOL_LAYERS", "I_R", "I_C", "K_R", "K_C", "C_IN")}
    return flops.cnn(num_cnv_layers=v["NUM_CONV_LAYERS"], **sizes)
