"""What decides at a moment: engines and the world that they share. Replaced as a whole, never changed in parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gramwise.core.quantity import Method
from gramwise.runtime.engine import Engine

from .books import Places
from .busyworld import BusyWorld


class Unpriced:
    """Joules are known with their interval when an answer comes, so the engine itself prices nothing."""

    def method(self, node: str) -> Method:
        """See `gramwise.runtime.engine.Joules`."""
        return "assumed"

    def energy_j(self, node: str, cpu_s: float) -> float:
        """Unknown."""
        return math.nan


@dataclass(frozen=True, slots=True)
class InForce:
    """What decides now.

    Attributes:
        engine: for requests that cannot wait.
        patient: on the same world, for those that can.
        world: of both.
        places: of that world.
        staged: a plan of several stages is in it.
    """

    engine: Engine
    patient: Engine
    world: BusyWorld
    places: Places
    staged: bool
