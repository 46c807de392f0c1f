"""What was measured, modelled, assumed, simulated and left out of a run, in sentences for its readers."""

from __future__ import annotations

from collections.abc import Iterator

from gramwise.core.machines import Link
from gramwise.runtime.assembly import Fleet


def sentences(fleet: Fleet, inputs: str, host_measured_j: float | None) -> Iterator[str]:
    """The provenance of a run's figures.

    Args:
        fleet: what served.
        inputs: what the requests carried, in words.
        host_measured_j: what this machine's meter read over the run, joules; None without one.
    """
    yield _measured(fleet, inputs)
    if host_measured_j is not None:
        yield (
            f"Measured beside it: {host_measured_j:.4g} J by this machine's processor energy counters over the whole"
            " run, everything on it included. The nodes stand for other devices, so this is not their energy."
        )
    yield (
        "Modelled: joules = CPU seconds x speed factor x (busy - idle power) of each node's device. Grams are marginal"
        " (dynamic) energy x the intensity of the node's zone; idle is reported apart. What the nodes' counters show"
        " goes through the same model, so the balance checks CPU time, not watts."
    )
    yield from _assumed(fleet)
    yield _simulated(fleet)
    yield from _cut(fleet)
    yield from _missing(fleet)


def _inside(fleet: Fleet) -> bool:
    return fleet.scenario.executor.kind == "in-process"


def _measured(fleet: Fleet, inputs: str) -> str:
    counter = (
        "the process CPU clock" if fleet.executor.caps == "virtual" else "the control group's CPU counter"
    )
    metered = (
        "no counter, since the nodes share this process" if _inside(fleet) else f"{counter} of each node"
    )
    return f"Measured: latency, thread CPU seconds of each inference, {metered}; inputs: {inputs}."


def _assumed(fleet: Fleet) -> Iterator[str]:
    guessed = [n.name for n in fleet.nodes if fleet.price.method(n.name) == "assumed"]
    if guessed:
        yield (
            f"Assumed: the power or the speed of the device behind {', '.join(guessed)} is declared or rests on a"
            " secondary figure; source and interval stand in the table of nodes."
        )
    grids = zip(fleet.nodes, fleet.grids, strict=True)
    declared = [n.name for n, g in grids if g.intensity and g.intensity.method == "assumed"]
    if declared:
        yield f"Assumed: the grid intensity of {', '.join(declared)}, as the scenario declares it."


def _simulated(fleet: Fleet) -> str:
    capped = fleet.executor.caps != "virtual"
    speed = "a kernel quota" if capped else "a declared virtual speed, not a kernel limit"
    made = "sets of threads in one process" if _inside(fleet) else "processes on one machine"
    return (
        f"Simulated: the {len(fleet.nodes)} sites are {made}, each slowed by {speed}; devices and zones are declared."
        " The differences are estimates against the named baseline, not grams saved."
    )


def _cut(fleet: Fleet) -> Iterator[str]:
    if fleet.split is None:
        return
    nodes = " > ".join(stage.node for stage in fleet.split.route.stages)
    moves = fleet.split.route.moves
    kib = sum(fleet.split.nbytes[move.tensor] for move in moves) / 2**10
    yield (
        f"Split: the plan runs its pieces on {nodes}; together they were proved to answer as the whole model. A request"
        f" moves {kib:.4g} KiB in {len(moves)} messages. Declared links are waited out; the tensors themselves pass"
        " through memory that the nodes share."
    )


def _missing(fleet: Fleet) -> Iterator[str]:
    lost = [name for name, alive in fleet.executor.alive().items() if not alive]
    if lost:
        yield f"Lost during the run: {', '.join(lost)}. Whatever was served later had fewer nodes to choose from."
    links = [n.link for n in fleet.nodes]
    if fleet.split is not None:
        links += [fleet.network.links.get((m.start, m.end), Link()) for m in fleet.split.route.moves]
    silent = [link.energy_j_per_byte is None for link in links]
    which = "no link declares its energy" if all(silent) else "some links do not declare their energy"
    first = f"transfer, since {which}; " if any(silent) else ""
    yield f"Not counted: {first}embodied carbon; the energy of the process that decides."
