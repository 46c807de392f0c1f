"""Three networks that propose decisions: a denoising-diffusion sampler, a product of marginals, and a regressor.

All see the features of an instance, all imitate raw decisions in [-1, 1]^d, and all have the same hidden layers. The
product of marginals draws every block of a decision on its own and is the ablation that a diffusion result must be
shown beside; the regressor gives one answer, spread by noise where several are asked for. Drawing is NumPy alone.
Method: generative planning, sections 2.1, 2.6 and 4.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.random import Generator

from gramwise.core.errors import ConfigError, did_you_mean

from .network import Array, Layers, Slope, forward, fresh
from .schedule import EMBEDDING_WIDTH, Form, embedding, variance_preserving

if TYPE_CHECKING:
    from gramwise.optimize.offload.case import Block

Kind: TypeAlias = Literal["diffusion", "marginals", "regressor"]
KINDS: tuple[Kind, ...] = ("diffusion", "marginals", "regressor")
HIDDEN = (256, 256)
ROWS = 1024
"""Rows drawn at once: their activations fit a core's second-level cache."""
BINS = 16
"""Into how many equal parts a product of marginals cuts a real entry; the first and the last stand for the bounds."""
REACH = 1.3
"""Real entries are stretched by this and clipped: tanh never reaches a bound, and optima often lie on one."""


class Sampler(Protocol):
    """A trainable proposer of raw decisions."""

    layers: Layers

    def draw(self, features: Array, k: int, rng: Generator) -> Array:
        """``k`` raw decisions in [-1, 1] for each row of features (n, F): (n, k, dim)."""
        ...

    def lesson(self, features: Array, target: Array, rng: Generator) -> tuple[Array, Slope]:
        """Inputs and loss of one training batch: imitate ``target`` (n, dim) given features (n, F)."""
        ...

    def settings(self) -> dict[str, Any]:
        """What, beside the weights, makes the sampler again."""
        ...


class Denoiser:
    """Few-step diffusion over raw decisions.

    Args:
        blocks: how a raw decision is laid out.
        layers: weights; input is x_t, the embedding of t, and the features, in this order.
        steps: T.
        form: what the network predicts.
    """

    def __init__(self, blocks: Sequence[Block], layers: Layers, steps: int = 5, form: Form = "start") -> None:
        self.blocks, self.layers, self.form = tuple(blocks), layers, form
        self.dim = sum(b.width for b in blocks)
        self.schedule, self._names = variance_preserving(steps), embedding(steps)
        self._reach = reach(blocks)

    def draw(self, features: Array, k: int, rng: Generator) -> Array:
        """See `Sampler.draw`. The features' share of the first layer is computed once for all k and T."""
        found = np.empty((len(features), k, self.dim), np.float32)
        chunk = max(ROWS // k, 1)
        for at in range(0, len(features), chunk):
            part = features[at : at + chunk]
            x = rng.standard_normal((len(part) * k, self.dim), dtype=np.float32)
            found[at : at + chunk] = self._walk(part, k, x, rng).reshape(len(part), k, self.dim)
        return found

    def _walk(self, features: Array, k: int, x: Array, rng: Generator) -> Array:
        (weight, bias), *rest = self.layers
        given = features @ weight[self.dim + EMBEDDING_WIDTH :] + bias
        named = self._names @ weight[self.dim : self.dim + EMBEDDING_WIDTH]
        for t in range(self.schedule.steps, 0, -1):
            h = x @ weight[: self.dim]
            h.reshape(len(features), k, -1)[...] += (given + named[t - 1])[:, None]
            np.maximum(h, 0, out=h)
            start = self.schedule.start_of(x, np.tanh(forward(rest, h)), t, self.form)
            x = self.schedule.mean(x, np.clip(start, -1, 1), t)
            if t > 1:
                x += self.schedule.spread[t - 1] * rng.standard_normal(x.shape, dtype=np.float32)
        return np.asarray(np.clip(x * self._reach, -1, 1), dtype=np.float32)

    def lesson(self, features: Array, target: Array, rng: Generator) -> tuple[Array, Slope]:
        """See `Sampler.lesson`: squared error of the predicted x_0 (or noise) at a random step."""
        t = rng.integers(1, self.schedule.steps + 1, len(target))
        noise = rng.standard_normal(target.shape, dtype=np.float32)
        x = np.concatenate([self.schedule.noisy(target, noise, t), self._names[t - 1], features], axis=1)
        return x, squared_error(target if self.form == "start" else noise)

    def settings(self) -> dict[str, Any]:
        """See `Sampler.settings`."""
        return {"kind": "diffusion", "steps": self.schedule.steps, "form": self.form}


class Marginals:
    """Every block drawn on its own: choices from a softmax, switches as coins, reals from a histogram.

    Args:
        blocks: how a raw decision is laid out.
        layers: weights; input is the features, output the logits of every block.
    """

    def __init__(self, blocks: Sequence[Block], layers: Layers) -> None:
        self.blocks, self.layers = tuple(blocks), layers
        self.dim = sum(b.width for b in blocks)
        self._heads = heads(blocks)

    def draw(self, features: Array, k: int, rng: Generator) -> Array:
        """See `Sampler.draw`. A choice is the greatest of logits with Gumbel noise; the others keep their place
        behind it, so that a decoder which cannot grant the first sees a proper second draw."""
        logits = forward(self.layers, features)[:, None]
        noise = -np.log(
            rng.standard_exponential((len(features), k, logits.shape[2]), dtype=np.float32) + 1e-30
        )
        z = logits + noise
        found = np.empty((len(features), k, self.dim), np.float32)
        for block, head in zip(self.blocks, self._heads, strict=True):
            to = slice(block.start, block.start + block.width)
            part = z[..., head]
            if block.kind == "choice":
                found[..., to] = 2 * np.exp(part - part.max(axis=-1, keepdims=True)) - 1
            elif block.kind == "switch":
                found[..., block.start] = np.where(part[..., 1] > part[..., 0], 1, -1)
            else:
                bin_, within = part.argmax(axis=-1), rng.random(part.shape[:2], dtype=np.float32)
                inside = 2 * (bin_ + within) / BINS - 1
                found[..., block.start] = np.where(bin_ == 0, -1, np.where(bin_ == BINS - 1, 1, inside))
        return found

    def lesson(self, features: Array, target: Array, rng: Generator) -> tuple[Array, Slope]:
        """See `Sampler.lesson`: cross-entropy of every block, summed."""
        wanted = [self._class_of(target, block) for block in self.blocks]
        rows = np.arange(len(target))

        def slope(logits: Array) -> tuple[float, Array]:
            loss, found = 0.0, np.empty_like(logits)
            for head, right in zip(self._heads, wanted, strict=True):
                part = logits[:, head]
                shares = np.exp(part - part.max(axis=1, keepdims=True))
                shares /= shares.sum(axis=1, keepdims=True)
                loss -= float(np.log(shares[rows, right] + 1e-30).mean())
                shares[rows, right] -= 1
                found[:, head] = shares / len(rows)
            return loss, found

        return features, slope

    @staticmethod
    def _class_of(target: Array, block: Block) -> Any:
        part = target[:, block.start : block.start + block.width]
        if block.kind == "choice":
            return part.argmax(axis=1)
        if block.kind == "switch":
            return (part[:, 0] > 0).astype(np.int64)
        return np.clip((part[:, 0] + 1) / 2 * BINS, 0, BINS - 1).astype(np.int64)

    def settings(self) -> dict[str, Any]:
        """See `Sampler.settings`."""
        return {"kind": "marginals"}


class Regressor:
    """One answer for an instance; where several are asked for, all but the first are shaken by noise.

    Args:
        blocks: how a raw decision is laid out.
        layers: weights; input is the features.
        shake: deviation of the noise.
    """

    def __init__(self, blocks: Sequence[Block], layers: Layers, shake: float = 0.4) -> None:
        self.blocks, self.layers, self.shake = tuple(blocks), layers, shake
        self.dim = sum(b.width for b in blocks)
        self._reach = reach(blocks)

    def draw(self, features: Array, k: int, rng: Generator) -> Array:
        """See `Sampler.draw`."""
        noise = self.shake * rng.standard_normal((len(features), k, self.dim), dtype=np.float32)
        noise[:, 0] = 0
        found = np.tanh(forward(self.layers, features))[:, None] + noise
        return np.asarray(np.clip(found * self._reach, -1, 1))

    def lesson(self, features: Array, target: Array, rng: Generator) -> tuple[Array, Slope]:
        """See `Sampler.lesson`: squared error."""
        return features, squared_error(target)

    def settings(self) -> dict[str, Any]:
        """See `Sampler.settings`."""
        return {"kind": "regressor", "shake": self.shake}


def reach(blocks: Sequence[Block]) -> Array:
    """By what each raw entry is stretched, (dim,): `REACH` for real ones, 1 for scores."""
    return np.concatenate([np.full(b.width, REACH if b.kind == "real" else 1.0, np.float32) for b in blocks])


def heads(blocks: Sequence[Block]) -> list[slice]:
    """Which logits belong to each block of a product of marginals: a switch has two, a real entry `BINS`."""
    widths = [{"choice": b.width, "switch": 2, "real": BINS}[b.kind] for b in blocks]
    ends = np.cumsum(widths).tolist()
    return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]


def squared_error(target: Array) -> Slope:
    """Mean of (tanh(output) - target)^2 and its derivative by the output."""

    def slope(output: Array) -> tuple[float, Array]:
        squashed = np.tanh(output)
        off = squashed - target
        return float((off * off).mean()), (2 / off.size) * off * (1 - squashed * squashed)

    return slope


def new(
    kind: Kind,
    blocks: Sequence[Block],
    features: int,
    rng: Generator,
    *,
    steps: int = 5,
    form: Form = "start",
    hidden: Sequence[int] = HIDDEN,
) -> Sampler:
    """An untrained sampler for raw decisions laid out as ``blocks`` and ``features`` inputs.

    Raises:
        ConfigError: no such kind.
    """
    dim = sum(b.width for b in blocks)
    if kind == "diffusion":
        return Denoiser(blocks, fresh((dim + EMBEDDING_WIDTH + features, *hidden, dim), rng), steps, form)
    if kind == "marginals":
        return Marginals(blocks, fresh((features, *hidden, heads(blocks)[-1].stop), rng))
    if kind == "regressor":
        return Regressor(blocks, fresh((features, *hidden, dim), rng))
    raise ConfigError(f"there is no sampler of kind {kind!r}.", fix=did_you_mean(kind, KINDS))


def save(sampler: Sampler, file: Path, **told: Any) -> str:
    """Write weights (float32) and settings as one npz; returns the SHA-256 of the weights. ``told`` is kept as JSON."""
    arrays = {
        f"{part}{at}": a for at, pair in enumerate(sampler.layers) for part, a in zip("wb", pair, strict=True)
    }
    digest = hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()
    about = json.dumps(sampler.settings() | told | {"sha256": digest}, sort_keys=True)
    np.savez_compressed(file, about=np.array(about), **arrays)  # type: ignore[arg-type]
    return digest


def load(file: Path, blocks: Sequence[Block]) -> tuple[Sampler, dict[str, Any]]:
    """A saved sampler and what was told about it.

    Raises:
        ConfigError: the file is no sampler, its weights are not those it names, or they do not fit ``blocks``.
    """
    try:
        # A handle of our own: NumPy leaves its own open when the file is no archive.
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as held:
            about = json.loads(str(held["about"]))
            layers = [(held[f"w{at}"], held[f"b{at}"]) for at in range((len(held.files) - 1) // 2)]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ConfigError("this is not a saved sampler.", file=file, fix="Train one and save it.") from error
    arrays = {f"{part}{at}": a for at, pair in enumerate(layers) for part, a in zip("wb", pair, strict=True)}
    if hashlib.sha256(b"".join(arrays[n].tobytes() for n in sorted(arrays))).hexdigest() != about.get(
        "sha256"
    ):
        raise ConfigError("the weights are not those that the file names.", file=file, fix="Train it again.")
    dim, out = sum(b.width for b in blocks), layers[-1][0].shape[1]
    if out != (heads(blocks)[-1].stop if about["kind"] == "marginals" else dim):
        raise ConfigError(f"the sampler's decisions have {out} entries, not {dim}.", file=file)
    if about["kind"] == "diffusion":
        return Denoiser(blocks, layers, about["steps"], about["form"]), about
    if about["kind"] == "marginals":
        return Marginals(blocks, layers), about
    return Regressor(blocks, layers, about["shake"]), about
