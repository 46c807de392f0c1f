"""The world of families A and B, drawn from the table `offload`: users with a phone, edge sites with cards, a cloud.

A task is a picture made in q denoising steps at one site. Its grams are those of the radio (the user's grid), of the
network towards the cloud, of the accelerator's seconds with their share of idle ones (the site's grid and PUE), and
the embodied grams of the busy seconds:

    g = I_home (P_tx D_up / R_up + P_rx D_down / R_down) + I_s e_net D + I_s PUE_s P_s q t_s + m_s q t_s
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.units import J_PER_KWH
from gramwise.footprint.factors import table

from .case import Instances

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class World(Instances):
    """N tasks and M sites; site 0 is each user's own phone, the last is the cloud.

    Attributes:
        steps: denoising steps asked for, (n, N).
        memory_gb: what the model of a task holds in 16-bit floats, (n, N).
        up_bit, down_bit: to and from the site, (n, N).
        up_bit_per_s, down_bit_per_s: the user's radio, (n, N).
        deadline_s: (n, N).
        intensity_g_per_kwh: of each site's grid; the phone's is that of all users, (n, M).
        step_s: seconds of a step at full clock, (n, M).
        busy_w: at full clock, with the share of idle seconds in ``idle_w``, (n, M).
        idle_w: idle power that each busy second carries, (n, M).
        pue: (n, M); for the phone wall energy over energy at the chip.
        embodied_g_per_s: of a busy second, (n, M).
        round_trip_s: (n, M).
        room_steps: steps a site has room for, infinite for phone and cloud, (n, M).
        shelf_gb: memory for all tasks of a site together, infinite for phone and cloud, (n, M).
    """

    steps: NDArray[np.float64]
    memory_gb: NDArray[np.float64]
    up_bit: NDArray[np.float64]
    down_bit: NDArray[np.float64]
    up_bit_per_s: NDArray[np.float64]
    down_bit_per_s: NDArray[np.float64]
    deadline_s: NDArray[np.float64]
    intensity_g_per_kwh: NDArray[np.float64]
    step_s: NDArray[np.float64]
    busy_w: NDArray[np.float64]
    idle_w: NDArray[np.float64]
    pue: NDArray[np.float64]
    embodied_g_per_s: NDArray[np.float64]
    round_trip_s: NDArray[np.float64]
    room_steps: NDArray[np.float64]
    shelf_gb: NDArray[np.float64]


PER_TASK = ("steps", "memory_gb", "up_bit", "down_bit", "up_bit_per_s", "down_bit_per_s", "deadline_s")
"""Fields that follow the tasks when these are reordered."""


def value(key: str) -> float:
    """A constant of the table."""
    return table("offload")[key].value


def between(rng: Generator, key: str, shape: tuple[int, ...], *, log: bool = False) -> NDArray[np.float64]:
    """Draws between the ends of a row, evenly, or evenly in the logarithm."""
    row = table("offload")[key]
    if log:
        return np.asarray(np.exp(rng.uniform(np.log(row.low), np.log(row.high), shape)))
    return rng.uniform(row.low, row.high, shape)


def draw(rng: Generator, n: int, tasks: int, sites: int, steps: NDArray[np.float64] | None = None) -> World:
    """``n`` instances of users and sites (phone, edge and cloud at least); ``steps`` (n, N) are drawn unless given."""
    per_task, per_site, edges = (n, tasks), (n, sites), sites - 2
    if steps is None:
        steps = np.round(between(rng, "task.steps", per_task))
    large = rng.random((n, edges)) < 0.5  # cards of an edge site: A10 or T4

    def edge(what: str) -> NDArray[np.float64]:
        return np.where(large, value(f"edge_a10.{what}"), value(f"edge_t4.{what}"))

    def all_sites(phone: float, edge_values: NDArray[np.float64], cloud: float) -> NDArray[np.float64]:
        out = np.empty(per_site)
        out[:, 0], out[:, 1:-1], out[:, -1] = phone, edge_values, cloud
        return out

    step_s = np.where(
        large, between(rng, "edge_a10.step_s", large.shape), between(rng, "edge_t4.step_s", large.shape)
    )
    room = between(rng, "site.room_frac", (n, edges)) * steps.sum(1, keepdims=True) / edges
    # Cards enough for the tasks that the room in steps suggests, at least one.
    mean_gb = value("task.memory_gb")
    cards = np.maximum(1.0, np.ceil(tasks * mean_gb / (edges * edge("memory_gb"))))
    idle_share = 1.0 / value("server.use_frac") - 1.0
    server_g_per_s = 1.0 / (value("server.life_s") * value("server.use_frac"))
    world = World(
        steps=steps,
        memory_gb=between(rng, "task.memory_gb", per_task),
        up_bit=between(rng, "task.up_bit", per_task, log=True),
        down_bit=between(rng, "task.down_bit", per_task, log=True),
        up_bit_per_s=between(rng, "device.up_bit_per_s", per_task, log=True),
        down_bit_per_s=between(rng, "device.down_bit_per_s", per_task, log=True),
        deadline_s=np.zeros(per_task),
        intensity_g_per_kwh=between(rng, "site.intensity_g_per_kwh", per_site),
        step_s=all_sites(value("device.step_s"), step_s, value("cloud.step_s")),
        busy_w=all_sites(value("device.busy_w"), edge("busy_w"), value("cloud.busy_w")),
        idle_w=all_sites(0.0, edge("idle_w") * idle_share, value("cloud.idle_w") * idle_share),
        pue=all_sites(
            1.0 / value("device.charge_frac"), between(rng, "edge.pue", (n, edges)), value("cloud.pue")
        ),
        embodied_g_per_s=all_sites(
            value("device.embodied_g") / value("device.life_s"),
            np.full((n, edges), value("edge.embodied_g") * server_g_per_s),
            value("cloud.embodied_g") * server_g_per_s,
        ),
        round_trip_s=all_sites(
            0.0, np.full((n, edges), value("edge.round_trip_s")), value("cloud.round_trip_s")
        ),
        room_steps=all_sites(np.inf, np.round(room), np.inf),
        shelf_gb=all_sites(np.inf, cards * edge("memory_gb"), np.inf),
    )
    patience = between(rng, "task.patience", per_task, log=True)
    world.deadline_s[:] = patience * (transfer_s(world)[..., -1] + steps * world.step_s[:, None, -1])
    return world


def transfer_s(world: World) -> NDArray[np.float64]:
    """Seconds on the radio and on the way, (n, N, M); none for the phone itself."""
    radio = world.up_bit / world.up_bit_per_s + world.down_bit / world.down_bit_per_s
    out = radio[..., None] + world.round_trip_s[:, None, :]
    out[..., 0] = 0.0
    return np.asarray(out)


def transfer_g(world: World) -> NDArray[np.float64]:
    """Grams of radio and network, (n, N, M): the radio by the users' grid, the network by the cloud's."""
    radio_j = value("device.tx_w") * world.up_bit / world.up_bit_per_s
    radio_j = radio_j + value("device.rx_w") * world.down_bit / world.down_bit_per_s
    radio_j = radio_j / value("device.charge_frac")
    out = np.repeat((radio_j * world.intensity_g_per_kwh[:, :1])[..., None], world.step_s.shape[1], axis=2)
    out[..., 0] = 0.0
    network_j = value("cloud.network_j_per_bit") * (world.up_bit + world.down_bit)
    out[..., -1] += network_j * world.intensity_g_per_kwh[:, -1:]
    return np.asarray(out / J_PER_KWH)


def step_g(world: World, clock_frac: NDArray[np.float64] | float = 1.0) -> NDArray[np.float64]:
    """Grams of one step at each site, (n, M), or (n, M, F) for F clocks.

    Power is ``P (a + (1 - a) f^3)`` with the static part a = ``server.static_frac`` and time ``t / f``, so that
    dynamic energy goes with the square of the clock: the usual CMOS model (energy per cycle ~ f^2).
    """
    static = value("server.static_frac")
    f = np.asarray(clock_frac, dtype=np.float64)
    spread = (...,) + (None,) * f.ndim
    watt = world.busy_w[spread] * (static + (1.0 - static) * f**3) + world.idle_w[spread]
    g_per_s = watt * (world.pue * world.intensity_g_per_kwh)[spread] / J_PER_KWH
    return np.asarray((g_per_s + world.embodied_g_per_s[spread]) * world.step_s[spread] / f)


def fits_memory(world: World) -> NDArray[np.bool_]:
    """Whether a task's model fits the phone, or one site's shelf at all, (n, N, M)."""
    most = world.shelf_gb.copy()
    most[:, 0] = value("device.memory_gb") / value("device.memory_frac")
    return np.asarray(world.memory_gb[..., None] <= most[:, None, :])


def reorder(world: World, order: NDArray[np.int64]) -> World:
    """The same instances with their tasks in another order, (n, N)."""
    return replace(world, **{f: np.take_along_axis(getattr(world, f), order, axis=1) for f in PER_TASK})


def task_features(world: World) -> NDArray[np.float64]:
    """What the tasks ask for, over the greatest there can be, (n, N, 4)."""
    steps = world.steps / table("offload")["task.steps"].high
    memory = world.memory_gb / table("offload")["task.memory_gb"].high
    load = world.steps * world.steps.shape[1] / (4.0 * world.steps.sum(1, keepdims=True))
    return np.stack([steps, memory, load, 1.0 / (1.0 + world.deadline_s / 20.0)], axis=-1)


def site_features(world: World) -> NDArray[np.float64]:
    """Room of the edge sites: as share of all steps and of all memory, (n, M - 2, 2)."""
    room = world.room_steps[:, 1:-1] / world.steps.sum(1, keepdims=True)
    shelf = world.shelf_gb[:, 1:-1] / world.memory_gb.sum(1, keepdims=True)
    return np.asarray(np.clip(np.stack([room, shelf], axis=-1), 0.0, 1.5))


def relative(grams: NDArray[np.float64], allowed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Costs over the dearest allowed one of the whole instance, and 1.2 where barred, (n, N, O)."""
    dearest = np.where(allowed, grams, 0.0).max(axis=(1, 2), keepdims=True)
    return np.asarray(np.where(allowed, grams / dearest, 1.2))
