"""The inputs of an authors' tool as a physical case: what they say is kept, what they leave open is chosen aloud.

The tools name neither how much of its peak a machine reaches, nor which radio a generic stack is, nor how many samples
travel together: `Choices` does. Where an input cannot be taken literally (heads that do not divide a width), it is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gramwise.core.errors import ConfigError, did_you_mean

from .case import Data, Hop, Inference, Location, Machine, PhysicalCase, Preprocessing, Training
from .compat.configured import legacy, multihop
from .compat.pypi import pypi
from .compat.stages import Hop as ToolHop
from .compat.stages import Life
from .compat.stages import Machine as ToolMachine
from .layers import Conv, Dense, Pool
from .linkspec import LinkSpec, Technology
from .models import CnnModel, KanModel, MlpModel, Model, TransformerModel
from .reading import CONFIG, Amount, Count, Number, Some, SomePue, SomeShare, strict

LIVES = {"legacy": legacy, "pypi": pypi, "multihop": multihop}
_RADIO: Mapping[str, Technology] = {"WIFI_PHY": "wifi", "BLUETOOTH": "ble"}
_PREPARED: Mapping[str, Literal["normalisation", "min-max", "gadf"]] = {
    "normalization": "normalisation",
    "min_max_scaling": "min-max",
    "GADF": "gadf",
}
HOME, MACHINE = "site", "processor"


def _one() -> Amount:
    return Amount(value=1.0, source="no overhead beside the machine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the tools' inputs leave open.

    Attributes:
        utilisation_frac: share of the peak rate that the work reaches; small networks reach little.
        intensity_g_per_kwh, pue: of the one site where everything is taken to stand.
        generic_link: technology of a stack whose physical layer is generic.
        samples_per_transfer: development samples sent as one message.
        max_sends: sendings of a packet at most, where the tool has a loss.
        result_bits: of an answer, sent back.
        optimiser, batch: of training; batch None takes the tool's default of 64.
        model: the network, where the tool's inputs do not describe it (a torchvision model).
    """

    __pydantic_config__ = CONFIG

    utilisation_frac: SomeShare
    intensity_g_per_kwh: Some
    pue: SomePue = field(default_factory=_one)
    generic_link: Technology = "wifi"
    samples_per_transfer: Count = 1
    max_sends: Count = 8
    result_bits: Number = 0
    optimiser: Literal["sgd", "momentum", "adam"] = "adam"
    batch: Count | None = None
    model: Model | None = None

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any], file: str | Path | None = None) -> Choices:
        """Read choices from a table; raises ConfigError naming the key."""
        return strict(cls, raw, file)


def life_of(tool: str, inputs: Mapping[str, Any]) -> Life:
    """The tool's own account of its inputs.

    Raises:
        ConfigError: a tool without a physical counterpart, or inputs that the tool does not take.
    """
    if tool not in LIVES:
        raise ConfigError(
            f"there is no physical counterpart of the tool {tool!r}.",
            key="tool",
            fix=did_you_mean(tool, LIVES),
        )
    life = LIVES[tool](inputs)
    many = [f.name for f in fields(life) if isinstance(getattr(life, f.name), np.ndarray)]
    if many or isinstance(life.preprocessing, tuple) or isinstance(life.strategy, tuple):
        raise ConfigError(
            "the inputs hold several configurations.",
            key=many[0] if many else None,
            fix="Give one at a time.",
        )
    return life


def hops_of(tool: str, life: Life) -> list[ToolHop]:
    """The hops that data really crosses: ``multihop`` counts its last one twice (defect T5)."""
    return list(life.hops[1:] if tool == "multihop" else life.hops)


def physical_case(tool: str, inputs: Mapping[str, Any], choices: Choices) -> PhysicalCase:
    """The same life as a physical case, everything at one site.

    A generic physical layer becomes ``choices.generic_link`` (or Ethernet, where the data link is Ethernet); TCP and
    UDP, IPv4 and IPv6 become themselves; TLS and SSL become TLS 1.3 records. Training and inference run on the tool's
    training and inference processor; preprocessing too (defect H2).

    Raises:
        ConfigError: inputs that the tool refuses or that physical mode cannot take literally.
    """
    choices = strict(Choices, choices)
    life = life_of(tool, inputs)
    batch = choices.batch or int(inputs.get("batch_size") or inputs.get("BATCH_SIZE") or 64)
    hops = tuple(_hop(i, hop, choices) for i, hop in enumerate(hops_of(tool, life)))
    machines = {MACHINE: _machine(life.train_on, choices), "inference": _machine(life.infer_on, choices)}
    return strict(
        PhysicalCase,
        PhysicalCase(
            data=Data(
                samples=life.samples,
                values_per_sample=life.values,
                bits_per_value=life.bits,
                result_bits=choices.result_bits,
            ),
            model=choices.model or model_of(tool, inputs),
            locations={HOME: Location(intensity_g_per_kwh=choices.intensity_g_per_kwh, pue=choices.pue)},
            machines=machines,
            preprocessing=Preprocessing(
                kind=_PREPARED[str(life.preprocessing)],
                development_machine=MACHINE,
                inference_machine="inference",
            ),
            training=_training(life, batch, choices),
            inference=Inference(machine="inference", count=float(life.inferences)),
            hops=hops,
            virtualisation_frac=float(life.virtualisation_frac),
        ),
    )


def _training(life: Life, batch: int, choices: Choices) -> Training:
    split = life.strategy == "train_test_split"
    return Training(
        machine=MACHINE,
        epochs=life.epochs,
        batch=batch,
        strategy="holdout" if split else "cross-validation",
        train_frac=life.split_frac if split else 0.8,
        folds=5 if split else life.k_folds,
        optimiser=choices.optimiser,
    )


def _machine(tool_machine: ToolMachine, choices: Choices) -> Machine:
    return Machine(
        location=HOME,
        peak_flop_per_s=Amount(value=float(tool_machine.flop_per_s)),
        utilisation_frac=choices.utilisation_frac,
        busy_w=Amount(value=float(tool_machine.power_w)),
    )


def _hop(index: int, hop: ToolHop, choices: Choices) -> Hop:
    names = dict(zip(("application", "presentation", "session", "transport", "network", "datalink", "physical"),
                     hop.through.names, strict=True))  # fmt: skip
    technology: Technology = _RADIO.get(names["physical"], choices.generic_link)
    if names["physical"].startswith("Generic") and names["datalink"] == "ETHERNET":
        technology = "ethernet"
    link = LinkSpec(
        technology=technology,
        loss_frac=float(hop.failure_frac),
        max_sends=choices.max_sends if hop.failure_frac else None,
        network={"IPv4": "ipv4", "IPv6": "ipv6"}.get(names["network"]),  # type: ignore[arg-type]
        transport={"TCP": "tcp", "UDP": "udp"}.get(names["transport"]),  # type: ignore[arg-type]
        security="tls13" if names["presentation"] in ("TLS", "SSL") else "none",
        samples_per_transfer=choices.samples_per_transfer,
    )
    return Hop(name=f"hop{index + 1}", sender=HOME, receiver=HOME, link=link)


def model_of(tool: str, inputs: Mapping[str, Any]) -> Model:
    """The network that the inputs describe, with every width in its place.

    An MLP has L hidden layers of the input's width before its output, as the authors' SimpleMLP has; a KAN has L layers
    of which the last is the output; a CNN has its convolutions with the same padding and filters doubling from 3, then
    its poolings by two where there is something to pool, then a dense layer to the classes.

    Raises:
        ConfigError: a network that the inputs only name (give it as ``choices.model``).
    """
    given = {k.lower(): v for k, v in inputs.items() if v is not None}
    params = (
        {k.lower(): v for k, v in (inputs.get("model_params") or {}).items()} if tool == "pypi" else given
    )

    def n(key: str, default: int) -> int:
        return int(params.get(key, default))

    kind = str(given.get("model_type", given.get("model_name", "KAN" if tool == "legacy" else "Transformer")))
    name = kind.lower()
    if name == "mlp":
        d = n("din", 10)
        return MlpModel(widths=(d,) * (n("num_layers", 3) + 1) + (n("dout", 2),))
    if name == "kan":
        d = n("din", 10)
        return KanModel(widths=(d,) * n("num_layers", 3) + (n("dout", 2),), grid=n("grid_size", 10))
    if name.endswith("transformer"):
        return TransformerModel(
            context=n("context_length", 10),
            embedding=n("embedding_size", 16),
            heads=n("num_heads", 2),
            blocks=n("num_decoder_blocks", 3),
            feed_forward=n("feed_forward_size", 32),
            vocabulary=n("vocab_size", 2),
        )
    if name == "cnn":
        return _cnn(
            n("c_in", 1), n("i_r", 10), n("i_c", 1), (n("k_r", 3), n("k_c", 1)),
            n("num_cnv_layers", n("num_conv_layers", 3)), n("num_pool_layers", 3), n("num_classes", 2),
        )  # fmt: skip
    shape = tuple(given.get("input_size", (1, 10)))
    if name == "simplemlp":
        return MlpModel(widths=(10, 10, 10, 10, 2), bias=False)
    if name == "simplecnn":
        return _toy_cnn(int(shape[-1]))
    raise ConfigError(
        f"the inputs name the network {kind!r} and do not describe it.",
        key="MODEL_NAME",
        fix="Give it as choices.model, for instance an ONNX file.",
    )


def _toy_cnn(length: int) -> CnnModel:
    """The authors' SimpleCNN: three blocks of 10, 20 and 20 channels on a series, averaged, two classes, no bias."""
    blocks = [Conv(filters=c, kernel=(1, 3), padding=(0, 1), norm=True) for c in (10, 20, 20)]
    mean = [Pool()] if length > 1 else []
    return CnnModel(input=(1, 1, length), layers=(*blocks, *mean, Dense(width=2, bias=False)))


def _cnn(
    channels: int, height: int, width: int, kernel: tuple[int, int], convs: int, pools: int, classes: int
) -> CnnModel:
    same = (kernel[0] // 2, kernel[1] // 2)
    blocks: list[Conv | Pool | Dense] = [
        Conv(filters=3 * 2**i, kernel=kernel, padding=same) for i in range(convs)
    ]
    h, w = height + (0 if kernel[0] % 2 else convs), width + (0 if kernel[1] % 2 else convs)
    for _ in range(pools):
        window = (min(2, h), min(2, w))
        if window == (1, 1):
            break
        blocks.append(Pool(window=window))
        h, w = h // window[0], w // window[1]
    return CnnModel(input=(channels, height, width), layers=(*blocks, Dense(width=classes)))
