"""What the eCAL tools charge at each stage of a model's life, and how they sum it to joules per bit.

Pure formulas; every argument is a Python number or a float64 array of whole numbers, and both give the same bits, which
is why the order of the floating-point operations is part of the definition here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from gramwise.core.errors import ConfigError, did_you_mean

from .stack import EXACT, Stack, Value, in_order, send


class Machine(NamedTuple):
    """Peak rate and peak power, which the tools charge for every operation: FLOP/s and W."""

    flop_per_s: Value
    power_w: Value


class Hop(NamedTuple):
    """A stack and the probability that a transmission over it is lost."""

    through: Stack
    failure_frac: Value


class Column(NamedTuple):
    """A name for each configuration: the distinct ones, and which of them each has, shape (N,)."""

    names: tuple[str, ...]
    codes: npt.NDArray[np.intp]


Names = str | Column

Formula = TypeVar("Formula", bound=Callable[..., object])


def by_name(names: Names, formula: Callable[[str], Value]) -> Value:
    """``formula`` of each configuration's name, evaluated once a name."""
    if isinstance(names, str):
        return formula(names)
    found = [formula(name) for name in names.names]
    if len(found) == 1:
        return found[0]
    if not any(isinstance(each, np.ndarray) for each in found):
        return np.array(found, np.float64)[names.codes]
    chosen = found[0]
    for code, each in enumerate(found[1:], start=1):
        chosen = np.where(names.codes == code, each, chosen)
    return chosen


def energy_j(flop: Value, machine: Machine) -> Value:
    """``FLOP / rate * power``, in joules."""
    return flop / machine.flop_per_s * machine.power_w


_PREPARING: dict[str, Callable[[Value, Value], Value]] = {
    "normalization": lambda samples, values: 6 * (samples * values) + 1,
    "min_max_scaling": lambda samples, values: 2 * (samples * values) + 1,
    "GADF": lambda samples, values: 2 * (samples * values) + 1 + samples * (values * values + 5 * values),
}
PREPROCESSING = tuple(_PREPARING)


def preprocessing_flop(kind: Names, samples: Value, values: Value) -> Value:
    """Operations of preparing ``samples`` samples of ``values`` values in one call.

    Args:
        kind: ``normalization``: 6 N + 1; ``min_max_scaling``: 2 N + 1; ``GADF`` (Gramian angular difference field):
            ``2 N + 1 + n (S^2 + 5 S)``; N = n S.
        samples: n.
        values: S.

    Raises:
        ConfigError: no such preprocessing.
    """
    if isinstance(kind, str):
        return _named(_PREPARING, kind, "preprocessing")(samples, values)
    return by_name(kind, lambda name: preprocessing_flop(name, samples, values))


_SPLITTING: dict[str, Callable[[Value, Value, Value], tuple[Value, Value]]] = {
    "cross_validation": lambda samples, folds, _: (
        samples * (1 - 1 / folds) * folds,
        samples * (1 / folds) * folds,
    ),
    "train_test_split": lambda samples, _, split: (samples * split, samples * (1 - split)),
}
STRATEGIES = tuple(_SPLITTING)


def training_samples(
    strategy: Names, samples: Value, k_folds: Value, split_frac: Value
) -> tuple[Value, Value]:
    """Samples seen in one epoch, and samples evaluated.

    Args:
        strategy: ``cross_validation``: N (1 - 1/k) k and N (1/k) k; ``train_test_split``: N s and N (1 - s).
        samples: N.
        k_folds: k, at least 1.
        split_frac: s, share that is trained on.

    Raises:
        ConfigError: no such strategy.
    """
    if isinstance(strategy, str):
        return _named(_SPLITTING, strategy, "evaluation strategy")(samples, k_folds, split_frac)
    found = {name: training_samples(name, samples, k_folds, split_frac) for name in strategy.names}
    return by_name(strategy, lambda name: found[name][0]), by_name(strategy, lambda name: found[name][1])


def _named(formulas: Mapping[str, Formula], name: str, what: str) -> Formula:
    try:
        return formulas[name]
    except KeyError:
        raise ConfigError(f"there is no {what} {name!r}.", fix=did_you_mean(name, formulas)) from None


def training_flop(forward_flop: Value, samples: Value, epochs: Value) -> Value:
    """``3 F n epochs``: the backward pass is taken for two forward ones."""
    return 3 * forward_flop * samples * epochs


@dataclass(slots=True, kw_only=True)  # not frozen: that takes as long to build as a payload to walk
class Life:
    """One model's life, or many of one kind.

    Attributes:
        samples, values, bits: N_S development samples of IS values of f bits.
        epochs, inferences: of training; gamma.
        forward_flop: FLOP of one forward pass.
        preprocessing, strategy: see `preprocessing_flop` and `training_samples`.
        k_folds, split_frac: of the strategy.
        prepare_on, train_on, infer_on: machines of the stages; evaluation runs where training does.
        hops: development data crosses all of them, in this order of summation.
        inference_hop: inference data crosses this one only; None where nothing is sent.
        virtualisation_frac: gamma_v.
    """

    samples: Value
    values: Value
    bits: Value
    epochs: Value
    inferences: Value
    forward_flop: Value
    preprocessing: Names
    strategy: Names
    k_folds: Value
    split_frac: Value
    prepare_on: Machine
    train_on: Machine
    infer_on: Machine
    hops: Sequence[Hop]
    inference_hop: Hop | None
    virtualisation_frac: Value


class Inexact(Exception):
    """Arrays whose whole numbers may leave the range in which float64 holds them."""


class Handled(NamedTuple):
    """What some samples cost before a model sees them: their bits, joules of preparing and of sending them, and the
    bits on the wire, each sent once."""

    bits: Value
    prepare_j: Value
    send_j: Value
    wire_bits: Value


def handled(life: Life, samples: Value, hop: Hop | None, values_a_sample: Value | None = None) -> Handled:
    """Prepare and send so many samples in one call each.

    Args:
        life: of the model.
        samples: how many; any shape that goes with the life's.
        hop: what they cross; None for nothing.
        values_a_sample: what a sample counts for in preprocessing: one, but its bits in the historical tool.

    Raises:
        Inexact: an array beyond float64's whole numbers.
    """
    bits = samples * life.values * life.bits
    prepared = samples if values_a_sample is None else samples * values_a_sample
    if isinstance(bits, np.ndarray):
        demand_exact(bits, hop.through.exact_bits if hop else EXACT)
        if life.preprocessing != "normalization":
            demand_exact(prepared * (life.values + 7) * life.values)
    flop = preprocessing_flop(life.preprocessing, prepared, life.values)
    sent = send(hop.through, hop.failure_frac, bits) if hop else (0.0, 0.0)
    return Handled(bits, energy_j(flop, life.prepare_on), *sent)


def both_handled(
    life: Life, hop: Hop | None, values_a_sample: Value | None = None
) -> tuple[Handled, Handled]:
    """`handled` for the development samples and for those of all inferences; two columns share one walk."""
    if not (isinstance(life.samples, np.ndarray) and isinstance(life.inferences, np.ndarray)):
        return (
            handled(life, life.samples, hop, values_a_sample),
            handled(life, life.inferences, hop, values_a_sample),
        )
    both = np.empty((2, life.samples.size))
    both[0], both[1] = life.samples, life.inferences
    each = handled(life, both, hop, values_a_sample)
    first, second = zip(*(v if isinstance(v, np.ndarray) else (v, v) for v in each), strict=True)
    return Handled(*first), Handled(*second)


def demand_exact(number: Value, limit: float = EXACT) -> None:
    """Make sure that an array holds what Python's unlimited integers would.

    Raises:
        Inexact: it may not.
    """
    if isinstance(number, np.ndarray) and not number.item(number.argmax()) < limit:
        raise Inexact


def learned_j(life: Life) -> tuple[Value, Value, Value]:
    """Joules of training, of evaluating once, and of all inferences."""
    forward = life.forward_flop
    demand_exact(forward, EXACT / 3)
    seen, held_out = training_samples(life.strategy, life.samples, life.k_folds, life.split_frac)
    return (
        energy_j(training_flop(forward, seen, life.epochs), life.train_on),
        energy_j(forward * held_out, life.train_on),
        energy_j(forward * life.inferences, life.infer_on),
    )


def account(life: Life) -> dict[str, Value]:
    """The whole account under the authors' output names.

    ``total = (1 + gamma_v) (transmission + preprocessing + training + evaluation + inference process)``; the stages are
    printed without that factor, and the inference is part of its process.

    Returns:
        Joules by stage (``..._J``), bits, and ``ecal_J_per_bit``, total joules over payload bits.
    """
    training, evaluation, inference = learned_j(life)
    last = life.inference_hop
    development, asked = both_handled(life, last)
    sent = in_order(
        [
            development.send_j if hop is last else send(hop.through, hop.failure_frac, development.bits)[0]
            for hop in life.hops
        ]
    )
    process = inference + asked.send_j + asked.prepare_j
    stages = sent + development.prepare_j + training + evaluation + process
    total = (1 + life.virtualisation_frac) * stages
    bits = development.bits + asked.bits
    return {
        "transmission_J": sent,
        "preprocessing_J": development.prepare_j,
        "training_J": training,
        "evaluation_J": evaluation,
        "inference_J": inference,
        "inference_process_J": process,
        "total_J": total,
        "dev_bits": development.bits,
        "inference_bits": asked.bits,
        "total_bits": bits,
        "ecal_J_per_bit": total / bits,
    }
