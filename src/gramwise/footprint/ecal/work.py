"""How much work a stage is, before any machine: FLOP of preparing and training, bytes of redundancy."""

from __future__ import annotations

import math

from gramwise.core.errors import ConfigError

from .case import OPTIMISER_FLOP, Training
from .layers import Network

TRAINING_PASSES = 3.0
"""Forward passes that one training pass takes: backward is two (eCAL; Kaplan et al., arXiv 2001.08361, section 2.1)."""

RAID_MINIMUM = {"none": 1, "0": 2, "1": 2, "5": 3, "6": 4, "10": 4}
"""Disks that a level needs (eCAL authors' tool at commit f1902b2)."""


def preprocessing_flop(kind: str, values: float, *, samples: float, fit: bool) -> float:
    """FLOP of preparing samples.

    Normalisation: mean N, deviation 3N + 1, apply 2N. Min-max: extrema 2N, range 1, apply 2N. The Gramian angular
    difference field needs, per sample of S values, scaling 4S + 1, one square root of ``1 - x^2`` a value (3S), and two
    products and a difference an element (3 S^2). A scaler that has been fitted is only applied.

    Args:
        kind: none, normalisation, min-max or gadf.
        values: S, of one sample.
        samples: n; N = n S.
        fit: whether the scaler is fitted on these samples first.
    """
    n = values * samples
    if kind == "none":
        return 0.0
    if kind == "normalisation":
        return 2.0 * n + (4.0 * n + 1.0 if fit else 0.0)
    if kind == "min-max":
        return 2.0 * n + (2.0 * n + 1.0 if fit else 0.0)
    return samples * (4.0 * values + 1.0 + 3.0 * values + 3.0 * values**2)


def raid_factor(raid: str, disks: int) -> float:
    """Bytes written over bytes stored: none and 0: 1; 1 and 10: 2; 5: n/(n-1); 6: n/(n-2).

    Raises:
        ConfigError: fewer disks than the level needs.
    """
    if disks < RAID_MINIMUM[raid]:
        raise ConfigError(
            f"RAID {raid} needs {RAID_MINIMUM[raid]} disks, not {disks}.",
            key="storage.disks",
            fix="Write more disks or another level.",
        )
    if raid == "5":
        return disks / (disks - 1)
    if raid == "6":
        return disks / (disks - 2)
    return 2.0 if raid in ("1", "10") else 1.0


def training_work(
    training: Training, samples: float, network: Network
) -> tuple[tuple[float, float], tuple[float, float]]:
    """(FLOP, bytes) of one training, and of its evaluation.

    Training: ``3 F n epochs`` and one optimiser update a step; cross-validation trains each fold, and with ``refit``
    once more on everything. Bytes scale with the passes, weights read anew by every sample: an upper bound of traffic.

    Args:
        training: how.
        samples: N_S.
        network: whose forward pass takes F.
    """
    epochs = training.epochs if training.epochs_run is None else training.epochs_run
    if training.strategy == "holdout":
        runs, judged = [samples * training.train_frac], samples * (1.0 - training.train_frac)
    else:
        runs, judged = [samples * (1.0 - 1.0 / training.folds)] * training.folds, float(samples)
        runs += [float(samples)] if training.refit else []
    passes = TRAINING_PASSES * epochs * math.fsum(runs)
    steps = epochs * math.fsum(math.ceil(run / training.batch - 1e-9) for run in runs)
    update = steps * OPTIMISER_FLOP[training.optimiser] * network.parameters
    if training.evaluate_each_epoch:
        judged *= epochs
    return (
        (passes * network.flop + update, passes * network.moved_bytes),
        (judged * network.flop, judged * network.moved_bytes),
    )
