"""Every part of a life cycle: whose electricity, when it is paid for, and a pure formula of its joules.

``E_D = E_collect + E_store + E_pre + E_train + E_eval`` is paid once, and again for every retraining; one inference
takes ``E_inf = E_collect(1) + E_pre(1) + E_infer(1)`` and sends its result back. Radio energy is charged at the
physical layer only, data of inference crosses the same hops as data of training, and machines are charged for seconds,
not for peaks. Every part belongs to one stage and one location; the parts sum to the total.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor, Phase
from gramwise.core.units import carbon_g
from gramwise.footprint.bill import Formula, Value, Values
from gramwise.footprint.factors import table

from .case import Hop, PhysicalCase
from .layers import Network
from .links import BITS_PER_BYTE, ENDS, TABLE, Ends, LinkModel
from .rates import intensity_key, location_factors, machine_factors, pue_key
from .reading import strict
from .work import preprocessing_flop, raid_factor, training_work

When = Literal["development", "span", "inference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Energy of one stage at one location.

    Attributes:
        name: for a reader.
        stage: collect, store, preprocess, train, evaluate, retrain, infer, send, return, idle or virtualisation.
        phase: of the bill.
        location: whose electricity it is.
        when: development (once), span (once, while the model serves) or inference (for each).
        factors: keys that ``energy_j`` reads.
        energy_j: pure; factors by key to joules at the machine or radio.
    """

    name: str
    stage: str
    phase: Phase
    location: str
    when: When
    factors: tuple[str, ...]
    energy_j: Formula


class Physical:
    """A case worked out.

    Args:
        case: the life cycle.
        folder: where relative model files are looked for.

    Raises:
        ConfigError: the case contradicts itself.
        DataGap: a series does not cover its window.
    """

    def __init__(self, case: PhysicalCase, folder: str | Path | None = None) -> None:
        self.case: PhysicalCase = strict(PhysicalCase, case)
        self.network: Network = self.case.model.network(Path(folder) if folder is not None else None)
        self._factors: dict[str, Factor] = {}
        self.models = [(hop, LinkModel(hop.link, hop.name)) for hop in self.case.hops]
        for _, model in self.models:
            self._factors |= {f.key: f for f in model.factors}
        for name, machine in self.case.machines.items():
            self._factors |= machine_factors(name, machine)
        for name, place in self.case.locations.items():
            self._factors |= location_factors(name, place)
        self.parts = tuple(self._all_parts())
        self.check_reserved(self.case.inference.count)

    # what the account rests on

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Every factor that a part may read."""
        return tuple(self._factors.values())

    @cached_property
    def values(self) -> dict[str, float]:
        """Best estimates by key."""
        return {f.key: f.value for f in self.factors}

    @property
    def not_included(self) -> tuple[str, ...]:
        """What the account leaves out, in words."""
        out = [text for _, model in self.models for text in model.not_included]
        if self.case.inference.reserved_s is None:
            out.append("idle power of the inference machine")
        if self.case.storage is None:
            out.append("storage")
        return (*out, *self.network.not_counted, "embodied carbon of the hardware")

    @property
    def delivered_frac(self) -> float:
        """Share of packets that arrive over all hops, retries included."""
        return math.prod(model.delivered_frac for _, model in self.models)

    # joules and grams at the best estimates

    def energy_j(self, part: Part, *, site: bool = False) -> float:
        """Joules of a part, once or for one inference; with ``site`` those of the building (PUE included)."""
        joules = float(part.energy_j({k: self.values[k] for k in part.factors}))
        return joules * (self.values[pue_key(part.location)] if site else 1.0)

    def carbon_g(self, part: Part) -> float:
        """Grams of a part, once or for one inference."""
        return carbon_g(self.energy_j(part, site=True), self.values[intensity_key(part.location)])

    def times(self, part: Part) -> float:
        """How often a part is paid for in the life of the case."""
        return self.case.inference.count if part.when == "inference" else 1.0

    def total(self, amount: Callable[[Part], float], when: When | None = None) -> float:
        """Sum of an amount over the life, or, where ``when`` is given, over those parts once."""
        if when is not None:
            return math.fsum(amount(p) for p in self.parts if p.when == when)
        return math.fsum(self.times(p) * amount(p) for p in self.parts)

    def payload_bits(self, inferences: float | None = None) -> float:
        """``f IS (N_S + gamma N_IP)``: what J/bit divides by, as eCAL defines it."""
        data, use = self.case.data, self.case.inference
        count = use.count if inferences is None else inferences
        return data.payload_bits * (data.samples + count * use.samples)

    # parts

    def _all_parts(self) -> list[Part]:
        parts = [*self._collect(), *self._store(), *self._prepare(), *self._learn(), *self._use()]
        if self.case.virtualisation_frac > 0.0:
            parts += [_virtual(part, self.case.virtualisation_frac) for part in parts]
        return parts

    def _collect(self) -> list[Part]:
        """Development samples over all hops, and again the share that is new for each retraining."""
        training = self.case.training
        again = training.retrainings * training.retraining_data_frac
        parts: list[Part] = []
        for hop, model in self.models:
            for end in ENDS:
                parts += self._hop_part(hop, model, end, "collect", "data", 1.0)
                if again > 0.0:
                    parts += self._hop_part(hop, model, end, "retrain", "tuning", again)
        return parts

    def _hop_part(
        self, hop: Hop, model: LinkModel, end: str, stage: str, phase: Phase, scale: float
    ) -> list[Part]:
        def energy(values: Values) -> Value:
            return scale * self._collected_j(model, end, values)

        return self._link_parts(hop, model, end, stage, phase, "development", energy)

    def _collected_j(self, model: LinkModel, end: str, values: Values) -> Value:
        """Joules of one end for all development samples, so many to a transfer, the last transfer smaller."""
        data, together = self.case.data, model.spec.samples_per_transfer
        bits = data.payload_bits + data.label_bits
        full, rest = divmod(data.samples, together)
        spent: Value = 0.0
        for number, samples in ((full, together), (1, rest)):
            if number and samples:
                size = math.ceil(samples * bits / BITS_PER_BYTE)
                spent = spent + number * _end(model.up(size, values), end)
        return spent

    def _link_parts(
        self, hop: Hop, model: LinkModel, end: str, stage: str, phase: Phase, when: When, energy: Formula
    ) -> list[Part]:
        if not model.knows(end, down=stage == "return"):
            return []
        return [
            Part(
                name=f"{stage}, {hop.name}, {end}",
                stage=stage,
                phase=phase,
                location=hop.sender if end == "device" else hop.receiver,
                when=when,
                factors=model.keys,
                energy_j=energy,
            )
        ]

    def _store(self) -> list[Part]:
        store = self.case.storage
        if store is None:
            return []
        data = self.case.data
        bits = data.samples * (data.payload_bits + data.label_bits)
        times = raid_factor(store.raid, store.disks) + store.reads
        key = f"storage.{store.medium}_j_per_bit"
        factor = (
            table(TABLE)[key]
            if store.j_per_bit is None
            else store.j_per_bit.factor("storage.j_per_bit", "J/bit")
        )
        self._factors[factor.key] = factor
        used = factor.key
        return [
            Part(
                name=f"store, {store.medium}",
                stage="store",
                phase="storage",
                location=store.location,
                when="development",
                factors=(used,),
                energy_j=lambda values: bits * times * values[used],
            )
        ]

    def _prepare(self) -> list[Part]:
        data, how, training = self.case.data, self.case.preprocessing, self.case.training
        if how.kind == "none":
            return []
        values = float(data.values_per_sample)
        fit = preprocessing_flop(how.kind, values, samples=data.samples, fit=True)
        apply = preprocessing_flop(how.kind, values, samples=self.case.inference.samples, fit=False)
        # every value is read and written once
        fit_bytes = 2.0 * data.samples * data.payload_bits / BITS_PER_BYTE
        apply_bytes = 2.0 * self.case.inference.samples * data.payload_bits / BITS_PER_BYTE
        machine = how.development_machine
        again = training.retrainings * training.retraining_data_frac
        parts = [self._work(machine, "preprocess", "data", "development", fit, fit_bytes)]
        if again > 0.0:
            parts.append(
                self._work(machine, "retrain", "tuning", "development", again * fit, again * fit_bytes)
            )
        parts.append(
            self._work(how.inference_machine, "preprocess", "inference", "inference", apply, apply_bytes)
        )
        return parts

    def _learn(self) -> list[Part]:
        training = self.case.training
        train, evaluate = training_work(training, self.case.data.samples, self.network)
        machine, again = training.machine, training.retrainings
        parts = [
            self._work(machine, "train", "training", "development", *train),
            self._work(machine, "evaluate", "training", "development", *evaluate),
        ]
        if again:
            flop, moved = (again * (a + b) for a, b in zip(train, evaluate, strict=True))
            parts.append(self._work(machine, "retrain", "tuning", "development", flop, moved))
        return parts

    def _use(self) -> list[Part]:
        use = self.case.inference
        crossed = len(self.models) if use.hops is None else use.hops
        sent, back = self._message_bytes()
        parts: list[Part] = []
        for hop, model in self.models[:crossed]:
            for end in ENDS:
                parts += self._link_parts(
                    hop, model, end, "send", "network", "inference", _sending(model, end, sent, down=False)
                )
                if back:
                    parts += self._link_parts(
                        hop,
                        model,
                        end,
                        "return",
                        "network",
                        "inference",
                        _sending(model, end, back, down=True),
                    )
        flop, moved = use.samples * self.network.flop, use.samples * self.network.moved_bytes
        reserved = use.reserved_s is not None
        parts.append(
            self._work(use.machine, "infer", "inference", "inference", flop, moved, above_idle=reserved)
        )
        if use.reserved_s is not None:
            seconds, key = use.reserved_s, f"machine.{use.machine}.idle_w"
            parts.append(
                Part(
                    name=f"idle, {use.machine}",
                    stage="idle",
                    phase="idle",
                    location=self.case.machines[use.machine].location,
                    when="span",
                    factors=(key,),
                    energy_j=lambda values: values[key] * seconds,
                )
            )
        return parts

    def _message_bytes(self) -> tuple[int, int]:
        """Bytes of one inference on its way up, and of its result on its way down."""
        data, use = self.case.data, self.case.inference
        up = math.ceil(use.samples * data.payload_bits / BITS_PER_BYTE)
        return up, math.ceil(data.result_bits / BITS_PER_BYTE)

    def collected_j(self, model: LinkModel, values: Values) -> float:
        """Joules of all known ends for the development samples over a link."""
        return math.fsum(float(self._collected_j(model, e, values)) for e in ENDS if model.knows(e))

    def sent_j(self, model: LinkModel, values: Values) -> float:
        """Joules of all known ends for one inference over a link, its result included."""
        up, down = self._message_bytes()
        there = [_end(model.up(up, values), e) for e in ENDS if model.knows(e)]
        back = [_end(model.down(down, values), e) for e in ENDS if down and model.knows(e, down=True)]
        return math.fsum(float(j) for j in (*there, *back))

    def _work(
        self,
        machine: str,
        stage: str,
        phase: Phase,
        when: When,
        flop: float,
        moved_bytes: float,
        *,
        above_idle: bool = False,
    ) -> Part:
        """Arithmetic on a machine: seconds times busy power, or what that is above idle power."""
        watt = (f"machine.{machine}.busy_w", *((f"machine.{machine}.idle_w",) if above_idle else ()))

        def energy(values: Values) -> Value:
            power = values[watt[0]] - (values[watt[1]] if above_idle else 0.0)
            return self.busy_s(machine, flop, moved_bytes, values) * power

        return Part(
            name=f"{stage}, {machine}, {when}",
            stage=stage,
            phase=phase,
            location=self.case.machines[machine].location,
            when=when,
            factors=(*self._time_keys(machine), *watt),
            energy_j=energy,
        )

    def _time_keys(self, machine: str) -> tuple[str, ...]:
        keys = (f"machine.{machine}.{w}" for w in ("peak_flop_per_s", "utilisation_frac", "bytes_per_s"))
        return tuple(key for key in keys if key in self._factors)

    def busy_s(self, machine: str, flop: float, moved_bytes: float, values: Values) -> Value:
        """Seconds of work: ``max(flop / (peak u), bytes / bandwidth)``, a roofline; without bandwidth the first."""
        key = f"machine.{machine}"
        seconds = flop / (values[f"{key}.peak_flop_per_s"] * values[f"{key}.utilisation_frac"])
        if f"{key}.bytes_per_s" not in self._factors:
            return seconds
        memory_s = moved_bytes / values[f"{key}.bytes_per_s"]
        longer: Value = np.maximum(seconds, memory_s)
        return longer

    def check_reserved(self, inferences: float) -> None:
        """Refuse a number of inferences that takes longer than the machine is reserved."""
        use = self.case.inference
        if use.reserved_s is None:
            return
        flop, moved = use.samples * self.network.flop, use.samples * self.network.moved_bytes
        busy_s = inferences * float(self.busy_s(use.machine, flop, moved, self.values))
        if busy_s > use.reserved_s:
            raise ConfigError(
                f"{inferences:g} inferences keep {use.machine!r} busy for {busy_s:.3g} s, "
                "longer than it is reserved.",
                key="inference.reserved_s",
                fix=f"Write at least {busy_s:.3g}.",
            )


def _sending(model: LinkModel, end: str, size: int, *, down: bool) -> Formula:
    send = model.down if down else model.up
    return lambda values: _end(send(size, values), end)


def _end(ends: Ends, end: str) -> Value:
    joules: Value | None = getattr(ends, f"{end}_j")
    if joules is None:
        raise AssertionError(f"nobody knows the joules of the {end}, so no part should ask")
    return joules


def _virtual(part: Part, frac: float) -> Part:
    return Part(
        name=f"virtualisation of {part.name}",
        stage="virtualisation",
        phase=part.phase,
        location=part.location,
        when=part.when,
        factors=part.factors,
        energy_j=lambda values: frac * part.energy_j(values),
    )
