"""An authors' tool beside physical mode, stage by stage, and the difference taken apart defect by defect.

Corrections are switched on one at a time, in the order of `ORDER`; each step's joules are the account after it less the
account before it, so the steps of a stage sum to the whole difference. The first account is the tool's own, the last
one is physical mode's. Another order would share the difference out otherwise; the sum would stay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from .case import PhysicalCase
from .compat.stack import Row, walk
from .compat.stages import Hop, Life, preprocessing_flop, training_flop, training_samples
from .links import LinkModel
from .parts import Physical
from .reading import Amount
from .translate import Choices, hops_of, life_of, physical_case
from .work import preprocessing_flop as physical_preprocessing_flop
from .work import training_work

STAGES = ("collect", "preprocess", "train", "evaluate", "prepare", "infer", "send", "virtualisation")
"""Development; then of all inferences together: preparing, computing, sending; then gamma_v on everything."""

ORDER: Mapping[str, str] = {
    "T8": "overhead bits are not truncated",
    "T5": "no hop is counted twice",
    "T4": "data of inference crosses every hop",
    "T1": "radio energy at the physical layer only, processing above it only",
    "T2": "processing is per bit, not times a hundred nodes",
    "T3": "packets of a real link with sourced joules, instead of placeholders",
    "T9": "retries per packet and bounded, with acknowledgements",
    "wake": "waking the radio for a transfer, and its tail, which no tool has",
    "M1-M6": "layer shapes of the network itself",
    "M8": "optimiser, and the final fit after cross-validation",
    "P1": "a fitted scaler is only applied; extrema are not free",
    "P2": "the field of a Gramian angular difference has three operations an element",
    "H2": "data is prepared on the processor that computes",
    "H1": "the share of the peak that is reached",
}


class Step(NamedTuple):
    """One correction: its defect, and the joules by which it moves each stage (new less old)."""

    defect: str
    what: str
    by_stage_j: Mapping[str, float]

    @property
    def total_j(self) -> float:
        """Over all stages."""
        return math.fsum(self.by_stage_j.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """One stage of the two accounts.

    Attributes:
        stage: one of `STAGES`, or ``total``.
        compat_j, physical_j: joules.
        by_defect_j: what each correction adds; those that move nothing are left out.
    """

    stage: str
    compat_j: float
    physical_j: float
    by_defect_j: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """An account between the two: corrections so far."""

    tool: str
    life: Life
    physical: Physical
    done: frozenset[str] = frozenset()

    def on(self, defect: str) -> bool:
        return defect in self.done


EXAMPLE_INPUTS: Mapping[str, Any] = {
    "model_type": "MLP",
    "num_samples": 256,
    "num_inferences": 10000,
    "evaluation_strategy": "train_test_split",
    "virtualization_overhead": 0.1,
    "transmission_hops": [
        {"datalink": "WIFI_MAC", "physical": "WIFI_PHY", "failure_rate": 0.1},
        {"datalink": "ETHERNET"},
    ],
}
"""Inputs of the PyPI tool with which the documentation shows what each defect is worth: the published case study's data
(256 samples, 0.1 of virtualisation), the packaged MLP, a Wi-Fi hop that loses a tenth, and a wired one behind it."""


def side_by_side(tool: str, inputs: Mapping[str, Any], choices: Choices) -> list[StageRow]:
    """Both accounts of one document, with what explains the difference.

    Args:
        tool: ``pypi``, ``legacy`` or ``multihop``.
        inputs: under the authors' names.
        choices: what the inputs leave open.

    Returns:
        A row a stage and a last one of totals; ``physical_j - compat_j`` is the sum of ``by_defect_j``.

    Raises:
        ConfigError: inputs that either mode refuses; names the key.
    """
    first, steps = decompose(tool, inputs, choices)
    rows = [
        StageRow(
            stage=stage,
            compat_j=first[stage],
            physical_j=math.fsum((first[stage], *(s.by_stage_j[stage] for s in steps))),
            by_defect_j={s.defect: s.by_stage_j[stage] for s in steps if s.by_stage_j[stage] != 0.0},
        )
        for stage in STAGES
    ]
    return [
        *rows,
        StageRow(
            stage="total",
            compat_j=math.fsum(r.compat_j for r in rows),
            physical_j=math.fsum(r.physical_j for r in rows),
            by_defect_j={s.defect: s.total_j for s in steps if s.total_j != 0.0},
        ),
    ]


def decompose(
    tool: str, inputs: Mapping[str, Any], choices: Choices, order: Sequence[str] = tuple(ORDER)
) -> tuple[dict[str, float], list[Step]]:
    """The tool's joules by stage, and the corrections one after the other.

    Args:
        tool, inputs, choices: as `side_by_side`.
        order: in which corrections are switched on; every key of `ORDER` once.
    """
    if sorted(order) != sorted(ORDER):
        raise ValueError(f"every correction once: {', '.join(ORDER)}")
    case = physical_case(tool, inputs, choices)
    state = _State(tool=tool, life=life_of(tool, inputs), physical=Physical(case))
    first = before = _account(state)
    steps = []
    for defect in order:
        state = replace(state, done=state.done | {defect})
        after = _account(state)
        steps.append(Step(defect, ORDER[defect], {s: after[s] - before[s] for s in STAGES}))
        before = after
    return first, steps


def physical_stages(account: Physical) -> dict[str, float]:
    """Joules of a physical account under the names of `STAGES`."""
    names = {"return": "send", "retrain": "train"}
    out = dict.fromkeys(STAGES, 0.0)
    for part in account.parts:
        stage = names.get(part.stage, part.stage)
        if stage == "preprocess" and part.when == "inference":
            stage = "prepare"
        out[stage] += account.times(part) * account.energy_j(part)
    return out


def _account(state: _State) -> dict[str, float]:
    life = state.life
    train, evaluate = _training(state)
    fit, apply = _preparing(state)
    compute = _j_per_flop(state, life.train_on)
    prepare = compute if state.on("H2") else _j_per_flop(state, life.prepare_on)
    serve = _j_per_flop(state, life.infer_on)
    prepare_later = serve if state.on("H2") else prepare
    sent, sent_later = _sending(state)
    parts = {
        "collect": sent,
        "preprocess": fit * prepare,
        "train": train * compute,
        "evaluate": evaluate * compute,
        "prepare": apply * prepare_later,
        "infer": _forward_flop(state) * life.inferences * serve,
        "send": sent_later,
    }
    return {**parts, "virtualisation": life.virtualisation_frac * math.fsum(parts.values())}


def _j_per_flop(state: _State, machine: Any) -> float:
    reached = state.physical.values["machine.processor.utilisation_frac"] if state.on("H1") else 1.0
    return float(machine.power_w / (machine.flop_per_s * reached))


def _forward_flop(state: _State) -> float:
    return state.physical.network.flop if state.on("M1-M6") else float(state.life.forward_flop)


def _training(state: _State) -> tuple[float, float]:
    """FLOP of training and of evaluation."""
    life, case = state.life, state.physical.case
    forward = _forward_flop(state)
    if state.on("M8"):
        network = replace(state.physical.network, flop=forward)
        (train, _), (evaluate, _) = training_work(case.training, case.data.samples, network)
        return train, evaluate
    seen, held_out = training_samples(life.strategy, life.samples, life.k_folds, life.split_frac)
    return float(training_flop(forward, seen, life.epochs)), float(forward * held_out)


def _preparing(state: _State) -> tuple[float, float]:
    """FLOP of preparing development samples, and of preparing all inferences."""
    life = state.life
    corrected = state.on("P2") if life.preprocessing == "GADF" else state.on("P1")
    if not corrected:
        return (
            float(preprocessing_flop(life.preprocessing, life.samples, life.values)),
            float(preprocessing_flop(life.preprocessing, life.inferences, life.values)),
        )
    kind = state.physical.case.preprocessing.kind
    each = physical_preprocessing_flop(kind, life.values, samples=1, fit=False)
    return (
        physical_preprocessing_flop(kind, life.values, samples=life.samples, fit=True),
        each * life.inferences,
    )


def _sending(state: _State) -> tuple[float, float]:
    """Joules of sending the development data, and the data of all inferences."""
    life = state.life
    hops = hops_of(state.tool, life)
    collect = hops if state.on("T5") else list(life.hops)
    later = hops if state.on("T4") else [life.inference_hop] if life.inference_hop is not None else []
    if state.on("T3"):
        models = [model for _, model in state.physical.models]
        return (
            math.fsum(_packets(state, models, hops, hop, once=True) for hop in collect),
            math.fsum(_packets(state, models, hops, hop, once=False) for hop in later),
        )
    bits = life.values * life.bits
    return (
        math.fsum(_layered(state, hop, life.samples * bits) for hop in collect),
        math.fsum(_layered(state, hop, life.inferences * bits) for hop in later),
    )


def _layered(state: _State, hop: Hop, payload_bits: int) -> float:
    """The seven-layer walk with some of its defects mended."""
    sends = 1.0 / (1.0 - hop.failure_frac)
    rows = [_mended(state, row, i == len(hop.through.rows) - 1) for i, row in enumerate(hop.through.rows)]
    if not state.on("T8"):
        energies, _ = walk(replace(hop.through, rows=tuple(rows)), payload_bits)
        return float(math.fsum(energies) * sends)
    bits, spent = float(payload_bits), []
    for row in rows:
        bits *= 1.0 + row.data_frac + row.control_frac
        spent.append(
            bits * (row.sender + row.receiver + row.devices * row.device + row.gateways * row.gateway)
        )
    return float(math.fsum(spent) * sends)


def _mended(state: _State, row: Row, physical: bool) -> Row:
    if state.on("T1"):
        nothing = {"devices": 0, "gateways": 0} if physical else {"sender": 0.0, "receiver": 0.0}
        row = row._replace(**nothing)
    if state.on("T2"):
        row = row._replace(devices=min(1, row.devices), gateways=min(1, row.gateways))
    return row


def _packets(
    state: _State, models: Sequence[LinkModel], hops: Sequence[Hop], hop: Hop, *, once: bool
) -> float:
    """Joules of a hop in packets: of the development data, or of all inferences and their answers."""
    model, repeat = models[next(i for i, known in enumerate(hops) if known is hop)], 1.0
    if not state.on("T9"):
        # whole transfers repeated without limit, as the tool does, on a link that loses and confirms nothing
        repeat = 1.0 / (1.0 - hop.failure_frac)
        model = LinkModel(replace(model.spec, loss_frac=0.0, max_sends=None, acknowledged=False), model.name)
    if not state.on("wake") and model.wakes:
        never = {name: Amount(value=0.0) for name in ("wake_s", "tail_s")}
        model = LinkModel(replace(model.spec, override={**model.spec.override, **never}), model.name)
    values = {factor.key: factor.value for factor in model.factors}
    if once:
        return repeat * state.physical.collected_j(model, values)
    return repeat * state.physical.sent_j(model, values) * state.physical.case.inference.count


def document(tool: str, inputs: Mapping[str, Any], choices: Choices) -> dict[str, Any]:
    """`side_by_side` as plain dicts and numbers for JSON, with the order and words of the corrections."""
    case: PhysicalCase = physical_case(tool, inputs, choices)
    account = Physical(case)
    rows = side_by_side(tool, inputs, choices)
    return {
        "schema": "gramwise.ecal-compare/1",
        "tool": tool,
        "order": dict(ORDER),
        "payload_bits": account.payload_bits(),
        "rows": [
            {
                "stage": r.stage,
                "compat_j": r.compat_j,
                "physical_j": r.physical_j,
                "by_defect_j": dict(r.by_defect_j),
            }
            for r in rows
        ],
        "not_included": list(account.not_included),
    }
