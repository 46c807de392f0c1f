"""What a physical eCAL account is made from, as a user writes it: a tree of frozen records, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gramwise.core.errors import ConfigError, MixedKinds, did_you_mean
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series

from .linkspec import LinkSpec
from .models import Model
from .reading import (
    CONFIG,
    Count,
    Flag,
    Fraction,
    NonNegative,
    Number,
    Positive,
    Some,
    SomePositive,
    SomePue,
    SomeShare,
    strict,
)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]

PREPROCESSING = ("none", "normalisation", "min-max", "gadf")
OPTIMISER_FLOP: Mapping[str, float] = {"sgd": 2.0, "momentum": 4.0, "adam": 14.0}
"""FLOP per parameter and step, counted in the update rules: SGD w -= a g; momentum adds m = b m + g; Adam from Kingma
and Ba, arXiv 1412.6980, Algorithm 1: moments 3 + 4, bias corrections 2, root, sum, quotient, product, difference 5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What a sample is.

    Attributes:
        samples: N_S, for development.
        values_per_sample, bits_per_value: IS and f; their product is the payload that J/bit divides by.
        label_bits: sent with a development sample and not counted as payload.
        result_bits: of one answer; 0 where nothing is sent back.
    """

    __pydantic_config__ = CONFIG

    samples: Count
    values_per_sample: Count
    bits_per_value: Count
    label_bits: Number = 0
    result_bits: Number = 0

    @property
    def payload_bits(self) -> int:
        """Of one sample."""
        return self.values_per_sample * self.bits_per_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where electricity is drawn.

    Attributes:
        intensity_g_per_kwh: a number, one with an interval, or a `Series`.
        pue: power usage effectiveness of the site, at least 1; 1 for a device that stands by itself.
        signal, basis: kind of a plain number; a series brings its own.
        window_s: start and end, Unix seconds, of the span whose mean of a series is used; None for all of it.
    """

    __pydantic_config__ = CONFIG

    intensity_g_per_kwh: Some | Series
    pue: SomePue
    signal: Signal = "average"
    basis: Basis = "lifecycle"
    window_s: Annotated[tuple[float, float], Field(strict=False)] | None = None

    def __post_init__(self) -> None:
        if self.window_s is not None and not self.window_s[0] < self.window_s[1]:
            raise ValueError("window_s ends after it starts")

    @property
    def kind(self) -> tuple[Signal, Basis]:
        """Signal and basis of the intensity."""
        series = self.intensity_g_per_kwh
        return (series.signal, series.basis) if isinstance(series, Series) else (self.signal, self.basis)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A processor.

    Attributes:
        location: name of its location.
        peak_flop_per_s: at the precision that is run.
        utilisation_frac: share of the peak that this work reaches; has no default, because peak over peak is no bound.
        busy_w: while it computes, idle power included.
        idle_w: powered without work; needed where an inference machine is reserved.
        bytes_per_s: memory bandwidth that is reached; with it a pass takes the longer of arithmetic and memory.
    """

    __pydantic_config__ = CONFIG

    location: str
    peak_flop_per_s: SomePositive
    utilisation_frac: SomeShare
    busy_w: SomePositive
    idle_w: Some | None = None
    bytes_per_s: SomePositive | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One link on the way from where data is born to where it is used; results come back by the same hops."""

    __pydantic_config__ = CONFIG

    name: Name
    sender: str
    receiver: str
    link: LinkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How samples are prepared, and on which machines."""

    __pydantic_config__ = CONFIG

    kind: Literal["none", "normalisation", "min-max", "gadf"]
    development_machine: str
    inference_machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How the network is trained, evaluated and kept up to date.

    Attributes:
        machine: that trains and evaluates.
        epochs: as planned.
        epochs_run: as they actually ran, where training stopped early.
        strategy, train_frac, folds: hold-out with a share for training, or k-fold cross-validation.
        refit: after cross-validation, whether the delivered network is trained once more on everything.
        batch: samples a step.
        optimiser: whose update is charged once a step.
        evaluate_each_epoch: else evaluation runs once, at the end.
        retrainings: over the model's life, each a full training on the same number of samples.
        retraining_data_frac: share of the samples that is collected anew for each.
    """

    __pydantic_config__ = CONFIG

    machine: str
    epochs: Count
    batch: Count
    epochs_run: Positive | None = None
    strategy: Literal["holdout", "cross-validation"] = "holdout"
    train_frac: Annotated[float, Field(gt=0, lt=1, strict=True)] = 0.8
    folds: Annotated[int, Field(ge=2, strict=True)] = 5
    refit: Flag = True
    optimiser: Literal["sgd", "momentum", "adam"] = "adam"
    evaluate_each_epoch: Flag = False
    retrainings: Number = 0
    retraining_data_frac: Fraction = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """How the network is used.

    Attributes:
        machine: that runs it.
        count: gamma, inferences over the life.
        samples: N_IP, consumed by one inference.
        hops: crossed by inference data, counted from where it is born; None for all of them.
        reserved_s: seconds for which the machine is kept powered for this service; its idle power is charged for all
            of them, and work on top of it. None charges no idle power.
    """

    __pydantic_config__ = CONFIG

    machine: str
    count: NonNegative
    samples: Count = 1
    hops: Number | None = None
    reserved_s: Positive | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where development data is kept.

    Attributes:
        location: of the disks.
        medium, raid, disks: what is written to; RAID writes more than it was given.
        reads: of everything stored, over the life.
        j_per_bit: own figure instead of the table's.
    """

    __pydantic_config__ = CONFIG

    location: str
    medium: Literal["hdd", "ssd"]
    raid: Literal["none", "0", "1", "5", "6", "10"] = "none"
    disks: Count = 1
    reads: Number = 0
    j_per_bit: SomePositive | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalCase:
    """A whole life cycle.

    Attributes:
        data, model, preprocessing, training, inference: see there.
        locations, machines: by name.
        hops: in the order in which data crosses them.
        storage: None stores nothing.
        virtualisation_frac: gamma_v, energy on top of everything for running it virtualised.

    Raises:
        ConfigError: a name that is not there, hops that do not meet, a machine reserved without idle power.
        MixedKinds: intensities of different kinds.
    """

    __pydantic_config__ = CONFIG

    data: Data
    model: Model
    locations: dict[Name, Location]
    machines: dict[Name, Machine]
    preprocessing: Preprocessing
    training: Training
    inference: Inference
    hops: Annotated[tuple[Hop, ...], Field(strict=False)] = ()
    storage: Storage | None = None
    virtualisation_frac: Fraction = 0.0

    def __post_init__(self) -> None:
        self._check_names()
        self._check_hops()
        self._check_machines()
        kinds = {place.kind for place in self.locations.values()}
        if len(kinds) > 1:
            raise MixedKinds(
                f"locations: intensities of different kinds {sorted(kinds)} cannot stand in one account. "
                "Use one signal and one basis."
            )

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any], file: str | Path | None = None) -> PhysicalCase:
        """Read a case from plain tables, as TOML or JSON give them.

        Args:
            raw: keys as the fields of the records; an amount is a number or a table of value, low, high, source.
            file: it stands in, for messages.

        Raises:
            ConfigError: an unknown key (with the nearest), a missing one, a value out of range; names the key.
            MixedKinds: intensities of different kinds.
        """
        try:
            return strict(cls, raw, file)
        except ConfigError as error:
            if file is None or error.file is not None:
                raise
            raise ConfigError(error.message, file=file, key=error.key, fix=error.fix) from None

    def _check_names(self) -> None:
        machines = {
            "preprocessing.development_machine": self.preprocessing.development_machine,
            "preprocessing.inference_machine": self.preprocessing.inference_machine,
            "training.machine": self.training.machine,
            "inference.machine": self.inference.machine,
        }
        for key, name in machines.items():
            _known(name, self.machines, key, "machine")
        places = {f"machines.{n}.location": m.location for n, m in self.machines.items()}
        for i, hop in enumerate(self.hops):
            places |= {f"hops.{i}.sender": hop.sender, f"hops.{i}.receiver": hop.receiver}
        if self.storage is not None:
            places["storage.location"] = self.storage.location
        for key, name in places.items():
            _known(name, self.locations, key, "location")

    def _check_hops(self) -> None:
        names = [hop.name for hop in self.hops]
        if len(set(names)) < len(names):
            raise ConfigError("two hops have one name.", key="hops", fix="Give every hop a name of its own.")
        for i, (a, b) in enumerate(zip(self.hops, self.hops[1:], strict=False)):
            if a.receiver != b.sender:
                raise ConfigError(
                    f"data arrives at {a.receiver!r} and cannot go on from {b.sender!r}.",
                    key=f"hops.{i + 1}.sender",
                    fix=f"Write {a.receiver!r}.",
                )
        crossed = self.inference.hops
        if crossed is not None and crossed > len(self.hops):
            raise ConfigError(
                f"there are {len(self.hops)} hops, not {crossed}.",
                key="inference.hops",
                fix="Leave it out for all.",
            )

    def _check_machines(self) -> None:
        for name, machine in self.machines.items():
            if machine.idle_w is not None and machine.busy_w.ends[0] < machine.idle_w.ends[1]:
                raise ConfigError(
                    "busy power cannot lie below idle power, ends of the intervals included.",
                    key=f"machines.{name}.busy_w",
                )
        reserved = self.machines[self.inference.machine]
        if self.inference.reserved_s is not None and reserved.idle_w is None:
            raise ConfigError(
                "a machine that is kept powered has an idle power.",
                key=f"machines.{self.inference.machine}.idle_w",
                fix="Write it, or leave out inference.reserved_s.",
            )


def _known(name: str, choices: Mapping[str, object], key: str, what: str) -> None:
    if name not in choices:
        raise ConfigError(f"there is no {what} {name!r}.", key=key, fix=did_you_mean(name, choices))
