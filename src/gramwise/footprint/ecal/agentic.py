"""Agentic eCAL, one call at a time: what a language-model call and a retrieval cost on an accelerator.

The model of sensorlab/a-eCAL (arXiv 2609.18283) with its constants, which its authors call a research draft.
`agentic_workflow` builds workflows of calls, `agentic_links` sends their messages.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.footprint.factors import factor, table

TABLE = "ecal_agentic"


def default(name: str) -> float:
    """A constant of the authors' model that has no other home, from the table ``ecal_agentic``."""
    return factor(TABLE, f"default.{name}").value


class Accelerator(NamedTuple):
    """What serves: peak FLOP/s, board power in W, memory bytes/s, and the share of the peak that retrieval reaches."""

    peak_flop_per_s: float
    power_w: float
    memory_bytes_per_s: float
    retrieval_mfu_frac: float


class LanguageModel(NamedTuple):
    """Open weights: parameters active for a token, layers, width of keys (and of values), J of training or None."""

    active_parameters: float
    layers: float
    kv_width: float
    training_j: float | None


class Rates(NamedTuple):
    """Measured J/token: of prefill, of decoding divided by the batch, and what no batch saves."""

    prefill_j_per_token: float
    decode_j_per_token: float
    floor_j_per_token: float


def accelerator(name: str) -> Accelerator:
    """An accelerator of the authors' table. Raises ConfigError: there is none of this name."""
    _known("accelerator", name, "hw")
    return Accelerator(*(factor(TABLE, f"accelerator.{name}.{f}").value for f in Accelerator._fields))


def language_model(name: str) -> LanguageModel:
    """A model of the authors' table. Raises ConfigError: there is none of this name."""
    _known("model", name, "model")
    parameters, layers, width = (
        factor(TABLE, f"model.{name}.{field}").value for field in LanguageModel._fields[:3]
    )
    trained = table(TABLE).get(f"model.{name}.training_j")  # not published for every model
    return LanguageModel(parameters, layers, width, None if trained is None else trained.value)


def measured_rates(name: str) -> Rates:
    """Rates measured on one A100 for a model. Raises ConfigError: nobody measured it."""
    _known("measured", name, "model")
    return Rates(*(factor(TABLE, f"measured.{name}.{f}").value for f in Rates._fields))


def _known(kind: str, name: object, key: str) -> None:
    names = dict.fromkeys(k.split(".")[1] for k in table(TABLE) if k.startswith(f"{kind}."))
    if not isinstance(name, str) or name not in names:
        raise ConfigError(f"there is no {kind} {name!r}.", key=key, fix=did_you_mean(str(name), names))


def cache_bytes_per_token(model: LanguageModel, element_bytes: float) -> float:
    """Bytes of keys and values per token of context: ``2 layers d_kv beta``."""
    return 2 * model.layers * model.kv_width * element_bytes


class Call(NamedTuple):
    """One call: J/token of prefill and of decoding, joules of both, seconds on the accelerator."""

    prefill_j_per_token: float
    decode_j_per_token: float
    prefill_j: float
    decode_j: float
    latency_s: float

    @property
    def energy_j(self) -> float:
        """Of the whole call."""
        return self.prefill_j + self.decode_j


def call(
    model: LanguageModel,
    hw: Accelerator,
    tokens_in: float,
    tokens_out: float,
    batch: float = 1,
    rates: Rates | None = None,
) -> Call:
    """One call of a language model, by the two-rate model or by measured rates.

    ``E = c_pre p_in + c_dec p_out`` with ``c_pre = 2 N P / (eta Pi)`` and
    ``c_dec = P / (eps B) (N beta / max(b, 1) + kv ctx)``, ``ctx = p_in + p_out / 2``. The authors' draft prints
    2 N beta there; their code and tests use N beta, the bytes that are read. With ``rates``: ``c_dec = a / b + floor``.

    Args:
        model: with N active parameters.
        hw: with power P, peak Pi, memory bandwidth B.
        tokens_in, tokens_out: p_in, p_out; zero or more.
        batch: b, requests that are served together.
        rates: measured ones, which replace both rates but not the latency.

    Returns:
        The call; the latency is the model's in either case, never validated by its authors.
    """
    eta, eps, beta = (default(f"{n}") for n in _EFFICIENCIES)
    served = max(batch, 1)
    context = tokens_in + tokens_out / 2
    cache = cache_bytes_per_token(model, beta) * context
    read = model.active_parameters * beta
    prefill_s = 2 * model.active_parameters / (eta * hw.peak_flop_per_s)
    if rates is None:
        prefill = prefill_s * hw.power_w
        decode = hw.power_w / (eps * hw.memory_bytes_per_s) * (read / served + cache)
    else:
        prefill = rates.prefill_j_per_token
        decode = rates.decode_j_per_token / served + rates.floor_j_per_token
    latency = prefill_s * tokens_in + tokens_out * (read + served * cache) / (eps * hw.memory_bytes_per_s)
    return Call(prefill, decode, prefill * tokens_in, decode * tokens_out, latency)


_EFFICIENCIES = ("prefill_efficiency_frac", "decode_efficiency_frac", "cache_bytes")


def decode_rates(model: LanguageModel, hw: Accelerator) -> tuple[float, float]:
    """The derived twins of measured rates: J/token of prefill, and of decoding one request without context."""
    alone = call(model, hw, 0, 0)
    return alone.prefill_j_per_token, alone.decode_j_per_token


def implied_batch(
    model: LanguageModel, hw: Accelerator, tokens_in: float, tokens_out: float, j_per_token: float
) -> float:
    """The batch at which a call costs so many joules per generated token, everything counted.

    Solves ``(c_pre p_in + c_dec(b) p_out) / p_out = j`` for b, which stands in one term only.

    Raises:
        ConfigError: not even an endless batch gets there.
    """
    endless = call(model, hw, tokens_in, tokens_out, math.inf)
    left = j_per_token - endless.energy_j / tokens_out
    if left <= 0:
        raise ConfigError(f"{j_per_token} J/token cannot be reached by batching.", key="j_per_token")
    return decode_rates(model, hw)[1] / left


def retrieval_j(hw: Accelerator, vectors: float | None = None, *, exhaustive: bool = False) -> float:
    """Joules of one retrieval: embedding the query, then searching an index.

    ``(2 N_emb q + 2 w log2(max(n, 2))) / (Pi mfu) P``, where an exhaustive search costs ``2 w n`` instead.

    Args:
        hw: where it runs.
        vectors: n in the index; None for the authors' million.
        exhaustive: compare with every vector.
    """
    n = default("vectors") if vectors is None else vectors
    width = 2 * default("vector_width")
    search = width * n if exhaustive else width * math.log2(max(n, 2))
    flop = 2 * default("embedder_parameters") * default("query_tokens") + search
    return flop / (hw.peak_flop_per_s * hw.retrieval_mfu_frac) * hw.power_w
