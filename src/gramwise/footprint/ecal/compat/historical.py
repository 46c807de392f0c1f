"""The tool of February 2025 (cfortuna/eCAL @ f1902b2): it stores data, charges one constant a layer, and divides by the
bits of every stage. It is the nearest ancestor in code of the paper's first version, not that version itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gramwise.core.errors import ConfigError
from gramwise.footprint.factors import factor

from . import flops
from .configured import COMMON, POWER, RATE, STACK, TORCHVISION, counted_flop, life_of, shape_of, stack_of
from .inputs import Choice, Count, Raw, Schema, read
from .stack import TABLE, Value, in_order, sends
from .stages import Hop, Life, Machine, both_handled, by_name, learned_j

FEWEST_DISKS = {"NO_RAID": 1, "RAID0": 2, "RAID1": 2, "RAID5": 3, "RAID6": 4, "RAID10": 4}
"""RAID levels of the tool and the fewest disks that each takes."""

HISTORICAL = Schema(
    {
        **COMMON,
        **STACK,
        "NUM_EPOCHS": Count(10, low=0),
        "SAMPLE_SIZE": Count(100),
        "NUM_LAYERS": Count(10),
        "DOUT": Count(10),
        "NUM_CLASSES": Count(10),
        "INPUT_SIZE": Raw((1, 3, 224, 224)),
        "MODEL_NAME": Choice("KAN", ("KAN", "SimpleMLP", "SimpleCNN", *TORCHVISION), many=True),
        "PROCESSOR_FLOPS_PER_SECOND": RATE,
        "PROCESSOR_MAX_POWER": POWER,
        "STORAGE_TYPE": Choice("HDD", ("HDD", "SSD")),
        "RAID_LEVEL": Choice("NO_RAID", tuple(FEWEST_DISKS)),
        "NUM_DISKS": Count(1),
    }
)


def historical(given: Mapping[str, Any]) -> dict[str, Value]:
    """The account of the historical tool, under its own output names.

    Args:
        given: its configuration; numbers may be arrays, the RAID's level and disks may not.

    Returns:
        Joules by stage, ``total_bits`` over all stages, ``ecal_J_per_bit``.

    Raises:
        ConfigError: see `inputs.read`; fewer disks than the RAID level takes.
    """
    v = read(HISTORICAL, given)
    machine = Machine(v["PROCESSOR_FLOPS_PER_SECOND"], v["PROCESSOR_MAX_POWER"])
    hop = Hop(stack_of(v, historical=True), v["FAILURE_RATE"])
    life = life_of(v, by_name(v["MODEL_NAME"], lambda name: _flop(name, v)), (machine,) * 3, [hop])
    return _account(life, _copies(v), factor(TABLE, f"historical.{v['STORAGE_TYPE']}.j_per_bit").value)


def _flop(name: str, v: Mapping[str, Any]) -> Value:
    if name != "KAN":
        return counted_flop(name, shape_of(v["INPUT_SIZE"]))
    return flops.historical_kan(
        num_layers=v["NUM_LAYERS"],
        grid_size=v["GRID_SIZE"],
        din=v["DIN"],
        dout=v["DOUT"],
        values=v["SAMPLE_SIZE"],
        classes=v["NUM_CLASSES"],
    )


def _copies(v: Mapping[str, Any]) -> float:
    """Bits written per bit stored: none and 0: 1; 1 and 10: 2; 5: n/(n-1); 6: n/(n-2), 2 up to four disks."""
    level, disks = v["RAID_LEVEL"], v["NUM_DISKS"]
    if not isinstance(disks, int):
        raise ConfigError("one number of disks for all configurations, please.", key="NUM_DISKS")
    if disks < FEWEST_DISKS[level]:
        raise ConfigError(
            f"{level} takes at least {FEWEST_DISKS[level]} disks, not {disks}.",
            key="NUM_DISKS",
            fix="Write more disks or another RAID_LEVEL.",
        )
    if level == "RAID5":
        return disks / (disks - 1)
    if level == "RAID6":
        return disks / (disks - 2) if disks > 4 else 2
    return 2 if level in ("RAID1", "RAID10") else 1


def _account(life: Life, copies: float, stored_j_per_bit: float) -> dict[str, Value]:
    """Stages of development and of inference, which here stores what it is asked as well.

    Preprocessing takes every bit for a value.
    """
    training, evaluation, inference = learned_j(life)
    development, asked = both_handled(life, life.inference_hop, life.bits)
    stored, kept = (each.bits * copies * stored_j_per_bit for each in (development, asked))
    parts = {
        "transmission": development.send_j,
        "storage": stored,
        "preprocessing": development.prepare_j,
        "training": training,
        "evaluation": evaluation,
        "inference": inference,
        "inference_process": inference + asked.send_j + kept + asked.prepare_j,
    }
    total = in_order([value for name, value in parts.items() if name != "inference"])
    # On the wire, stored and prepared; then trained and evaluated on, or inferred from.
    times = sends(life.hops[0].failure_frac)
    bits = in_order(
        [
            part
            for each in (development, asked)
            for part in (each.wire_bits * times, each.bits * copies, 2 * each.bits)
        ]
    )
    return {**parts, "total": total, "total_bits": bits, "ecal_J_per_bit": total / bits}
