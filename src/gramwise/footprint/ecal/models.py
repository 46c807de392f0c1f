"""Networks as a case writes them: one record a kind, each of which counts its forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gramwise.graph.load import load_graph

from .layers import Block, Network, cnn, from_graph, kan, mlp, network_of, transformer
from .reading import CONFIG, Count, Flag, Number, Positive

Widths = Annotated[tuple[Count, ...], Field(min_length=2, strict=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MlpModel:
    """A multi-layer perceptron, see `mlp`."""

    __pydantic_config__ = CONFIG

    widths: Widths
    bias: Flag = True
    value_bytes: Positive = 4.0
    kind: Literal["mlp"] = "mlp"

    def network(self, folder: Path | None = None) -> Network:
        """What a forward pass takes."""
        return network_of(
            "MLP " + "-".join(map(str, self.widths)), mlp(self.widths, bias=self.bias), self.value_bytes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KanModel:
    """A Kolmogorov-Arnold network, see `kan`."""

    __pydantic_config__ = CONFIG

    widths: Widths
    grid: Count
    order: Count = 3
    value_bytes: Positive = 4.0
    kind: Literal["kan"] = "kan"

    def network(self, folder: Path | None = None) -> Network:
        """What a forward pass takes."""
        return network_of(
            "KAN " + "-".join(map(str, self.widths)),
            kan(self.widths, self.grid, self.order),
            self.value_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerModel:
    """A transformer, see `transformer`."""

    __pydantic_config__ = CONFIG

    context: Count
    embedding: Count
    heads: Count
    blocks: Count
    feed_forward: Count
    vocabulary: Number = 0
    head_tokens: Number = 0
    value_bytes: Positive = 4.0
    kind: Literal["transformer"] = "transformer"

    def network(self, folder: Path | None = None) -> Network:
        """What a forward pass over the context takes."""
        costs = transformer(
            self.context, self.embedding, self.heads, self.blocks, self.feed_forward,
            vocabulary=self.vocabulary, head_tokens=self.head_tokens,
        )  # fmt: skip
        return network_of(f"transformer {self.blocks} x {self.embedding}", costs, self.value_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CnnModel:
    """A convolutional network, see `cnn`; ``input`` is channels, height, width."""

    __pydantic_config__ = CONFIG

    input: Annotated[tuple[Count, Count, Count], Field(strict=False)]
    layers: Annotated[tuple[Block, ...], Field(min_length=1, strict=False)]
    value_bytes: Positive = 4.0
    kind: Literal["cnn"] = "cnn"

    def network(self, folder: Path | None = None) -> Network:
        """What a forward pass takes."""
        return network_of(
            f"CNN of {len(self.layers)} layers", cnn(*self.input, self.layers), self.value_bytes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxModel:
    """A network in a file; ``dims`` gives open dimensions by name."""

    __pydantic_config__ = CONFIG

    file: str
    dims: dict[str, Count] | None = None
    kind: Literal["onnx"] = "onnx"

    def network(self, folder: Path | None = None) -> Network:
        """What a forward pass takes; a relative file is looked for in ``folder``."""
        return from_graph(load_graph((folder or Path()) / self.file, dims=self.dims))


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedModel:
    """A network whose counts are known from elsewhere; ``source`` says from where."""

    __pydantic_config__ = CONFIG

    flop: Positive
    parameters: Positive
    moved_bytes: Positive
    source: Annotated[str, Field(min_length=1)]
    kind: Literal["counted"] = "counted"

    def network(self, folder: Path | None = None) -> Network:
        """The counts."""
        return Network(
            name="counted", flop=self.flop, parameters=self.parameters, moved_bytes=self.moved_bytes
        )


Model = Annotated[
    MlpModel | KanModel | TransformerModel | CnnModel | OnnxModel | CountedModel, Field(discriminator="kind")
]
