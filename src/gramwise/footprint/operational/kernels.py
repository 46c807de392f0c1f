"""Kernels: what an inference is made of, as arithmetic and bytes at a given precision, and where each of them runs.

    ops = 2 MAC                bytes = (W b_w + I b_a + O b_a) / 8

with W weights, I and O activations read and written (elements) and b the bits of each. A language model is two
families: *prefill* reads the weights once for the whole prompt, *decode* reads weights and cache for every token, so
that one is bound by arithmetic and the other by memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.model import Layer
from gramwise.core.units import FLOP_PER_MAC

BITS: Mapping[str, tuple[int, int]] = {
    "fp32": (32, 32),
    "fp16": (16, 16),
    "bf16": (16, 16),
    "int8": (8, 8),
    "int4": (4, 16),
}
"""Bits of a weight and of an activation. int4 here means four-bit weights beside 16-bit activations."""

BITS_PER_BYTE = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A piece of an inference that runs as one.

    Attributes:
        family: kernels of one family are predicted by one fit: ``"conv"``, ``"depthwise"``, ``"decode"`` ...
        precision: of its arithmetic, a key of `BITS`.
        ops_flop: operations, two for a multiply-add.
        moved_bytes: weights and activations, each once.
        input_bytes: activations read: what has to cross where the kernel runs on another unit than the one before.
        output_bytes: activations written.
        features: whatever else a residual may learn from, for instance ``{"stride": 2.0}``; non-negative.
    """

    family: str
    precision: str
    ops_flop: float
    moved_bytes: float
    input_bytes: float = 0.0
    output_bytes: float = 0.0
    features: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bits(self.precision)
        for name in ("ops_flop", "moved_bytes", "input_bytes", "output_bytes"):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"must be zero or more, not {getattr(self, name)}.", key=name)
        if not self.ops_flop + self.moved_bytes > 0.0:
            raise ConfigError(f"a {self.family} kernel that computes and moves nothing.", key="ops_flop")


def bits(precision: str) -> tuple[int, int]:
    """Bits of a weight and of an activation.

    Raises:
        ConfigError: unknown precision.
    """
    if precision not in BITS:
        raise ConfigError(
            f"unknown precision {precision!r}.", key="precision", fix=did_you_mean(precision, BITS)
        )
    return BITS[precision]


def kernel(
    family: str,
    precision: str,
    *,
    mac: float,
    weights: float,
    inputs: float,
    outputs: float,
    features: Mapping[str, float] | None = None,
) -> Kernel:
    """A kernel from its shape.

    Args:
        mac: multiply-accumulates.
        weights, inputs, outputs: elements.
    """
    weight_bits, activation_bits = bits(precision)
    read, written = (n * activation_bits / BITS_PER_BYTE for n in (inputs, outputs))
    return Kernel(
        family=family,
        precision=precision,
        ops_flop=FLOP_PER_MAC * mac,
        moved_bytes=weights * weight_bits / BITS_PER_BYTE + read + written,
        input_bytes=read,
        output_bytes=written,
        features=features or {},
    )


def of_layer(layer: Layer, precision: str | None = None) -> Kernel:
    """The kernel of a graph's layer, at its own precision or at another.

    Raises:
        ConfigError: a precision that is not in `BITS`, of either.
    """
    target = precision or layer.precision
    (own_w, own_a), (new_w, new_a) = bits(layer.precision), bits(target)
    scale = new_a / own_a
    read = max(layer.work.read_bytes - layer.weight_bytes, 0.0) * scale
    written = layer.work.write_bytes * scale
    return Kernel(
        family=family_of(layer),
        precision=target,
        ops_flop=layer.work.flop,
        moved_bytes=layer.weight_bytes * new_w / own_w + read + written,
        input_bytes=read,
        output_bytes=written,
    )


def family_of(layer: Layer) -> str:
    """Which fit predicts a layer: conv, depthwise, pointwise, dense, attention, pool or elementwise."""
    op = layer.op.rsplit(".", 1)[-1]
    if "Conv" in op:
        if layer.groups > 1 and layer.kernel[1:2] == (1,):
            return "depthwise"
        return "pointwise" if layer.kernel[2:] and set(layer.kernel[2:]) == {1} else "conv"
    for word, family in (
        ("Attention", "attention"),
        ("MatMul", "dense"),
        ("Gemm", "dense"),
        ("Pool", "pool"),
    ):
        if word in op:
            return family
    return "elementwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """What sizes a decoder-only language model.

    Attributes:
        parameters: weights read for a token (of a mixture of experts, the active ones).
        layers: transformer blocks.
        width: model dimension.
        heads: attention heads; ``width`` is a multiple of them.
        cache_width: width of keys and of values stored per token and layer; ``width`` unless heads share them.
    """

    parameters: float
    layers: int
    width: int
    heads: int
    cache_width: int | None = None

    def __post_init__(self) -> None:
        for name in ("parameters", "layers", "width", "heads"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"must be positive, not {getattr(self, name)}.", key=name)
        if self.width % self.heads:
            raise ConfigError(f"{self.width} is no multiple of the {self.heads} heads.", key="width")
        if self.cache_width is not None and not 0 < self.cache_width <= self.width:
            raise ConfigError(f"must lie in 1 to {self.width}, not {self.cache_width}.", key="cache_width")

    def cache_bytes(self, precision: str) -> float:
        """Bytes of keys and values of one token, all layers."""
        stored = self.cache_width or self.width
        return 2.0 * self.layers * stored * bits(precision)[1] / BITS_PER_BYTE


def prefill(model: LanguageModel, prompt: int, precision: str, batch: int = 1) -> Kernel:
    """Reading a prompt: ``MAC = batch (N p + L d p (p + 1))``, weights moved once, the cache written.

    Each token attends to itself and all before it: ``2 d`` MAC a pair and layer (scores and mix). Source: Kaplan et
    al., "Scaling laws for neural language models", 2020, section 2.1, with the sum over a causal context carried out.
    """
    _positive(prompt=prompt, batch=batch)
    attention = model.layers * model.width * prompt * (prompt + 1.0)
    return Kernel(
        family="prefill",
        precision=precision,
        ops_flop=FLOP_PER_MAC * batch * (model.parameters * prompt + attention),
        moved_bytes=_weights_bytes(model, precision) + batch * prompt * model.cache_bytes(precision),
    )


def decode(model: LanguageModel, prompt: int, generated: int, precision: str, batch: int = 1) -> Kernel:
    """Writing ``generated`` tokens after a prompt: weights moved for every token, the whole cache read for each.

    ``MAC = batch (N g + 2 L d C)``, ``bytes = g W + batch (C + g) kv`` with ``C`` the sum of the context lengths.
    """
    _positive(prompt=prompt, generated=generated, batch=batch)
    context = generated * prompt + 0.5 * generated * (generated + 1.0)
    mac = batch * (model.parameters * generated + 2.0 * model.layers * model.width * context)
    cache = batch * (context + generated) * model.cache_bytes(precision)
    return Kernel(
        family="decode",
        precision=precision,
        ops_flop=FLOP_PER_MAC * mac,
        moved_bytes=generated * _weights_bytes(model, precision) + cache,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A kernel, the unit it runs on, and the bytes that cross between units for it."""

    kernel: Kernel
    unit: str
    crossing_bytes: float


def place(
    kernels: Iterable[Kernel], supported: Iterable[str], unit: str = "npu", host: str = "cpu"
) -> tuple[Placed, ...]:
    """Put each kernel where it can run: on ``unit`` if its family is supported there, else back on the host.

    Data starts and ends on the host; wherever the unit changes, the activations cross. A network whose middle falls
    back therefore pays twice for it, which a sum of kernels alone would not show.

    Args:
        kernels: in the order they run, each feeding the next.
        supported: families that ``unit`` runs.
    """
    able, placed, at = set(supported), list[Placed](), host
    for k in kernels:
        to = unit if k.family in able else host
        placed.append(Placed(kernel=k, unit=to, crossing_bytes=k.input_bytes if to != at else 0.0))
        at = to
    if placed and at != host:
        last = placed.pop()
        back = last.crossing_bytes + last.kernel.output_bytes
        placed.append(Placed(kernel=last.kernel, unit=last.unit, crossing_bytes=back))
    return tuple(placed)


def _weights_bytes(model: LanguageModel, precision: str) -> float:
    return model.parameters * bits(precision)[0] / BITS_PER_BYTE


def _positive(**counts: int) -> None:
    for name, count in counts.items():
        if count <= 0:
            raise ConfigError(f"must be positive, not {count}.", key=name)
