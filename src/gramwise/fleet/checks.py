"""Checks of a scenario that need more than the file: sizes of the models, their accuracies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ByteSize

from gramwise.core.decision import Verdict
from gramwise.core.errors import ConfigError, Infeasible
from gramwise.core.units import BYTES_PER_MIB

if TYPE_CHECKING:
    from .scenario import Scenario


def check_memory(scenario: Scenario, needed_bytes_by_variant: Mapping[str, float]) -> None:
    """Every node must be able to hold at least one variant.

    Args:
        scenario: the loaded scenario.
        needed_bytes_by_variant: bytes that a node must hold for each variant of the workload's model.

    Raises:
        ConfigError: naming ``nodes.<name>.memory``, what is needed and what was given.
    """
    if not needed_bytes_by_variant:
        return
    variant = min(needed_bytes_by_variant, key=lambda name: needed_bytes_by_variant[name])
    needed = needed_bytes_by_variant[variant]
    for name, node in scenario.nodes.items():
        if node.memory < needed:
            raise ConfigError(
                f"{node.memory.human_readable()} cannot hold any variant of {scenario.model!r}: "
                f"the smallest, {variant!r}, needs {ByteSize(math.ceil(needed)).human_readable()}.",
                file=scenario.path,
                key=f"nodes.{name}.memory",
                fix=f'Write memory = "{math.ceil(needed / BYTES_PER_MIB)} MiB" or more,'
                " or split the model: gramwise plan SCENARIO.",
            )


def check_floor(scenario: Scenario) -> None:
    """At least one variant of the workload's model must reach the accuracy floor. Unknown accuracy does not.

    Raises:
        Infeasible: with each variant's accuracy and a verdict for each.
    """
    floor = scenario.goals.accuracy_floor_frac
    variants = scenario.variant_records()
    known = [variant.accuracy_frac for variant in variants if variant.accuracy_frac is not None]
    if floor is None or any(accuracy >= floor for accuracy in known):
        return
    said = {v.name: "unknown" if v.accuracy_frac is None else f"{v.accuracy_frac:.4g}" for v in variants}
    if known:
        fix = (
            f"Write accuracy_floor_frac = {math.floor(max(known) * 1000) / 1000:g} or less, or add a variant."
        )
    else:
        fix = f"Write accuracy_frac and accuracy_source under [models.{scenario.model}.variants.NAME]."
    raise Infeasible(
        f"{scenario.path}: goals.accuracy_floor_frac: no variant of {scenario.model!r} reaches {floor:g}: "
        f"{', '.join(f'{name} {accuracy}' for name, accuracy in said.items())}. {fix}",
        [
            Verdict(
                node="",
                variant=name,
                rejected_by="accuracy",
                reason=f"accuracy {accuracy}, floor {floor:g}",
                scores={},
                chosen=False,
            )
            for name, accuracy in said.items()
        ],
    )
