"""Family C: power of links that disturb each other, with every joule and every bit in grams (non-convex).

L links share a band for one second. What a link sends need not go over the cellular network, which takes ``e`` joules a
bit; what it radiates costs ``1/eta`` joules for each. With the intensity w_i of the link's grid the cost is

    g = sum_i w_i (P p_i / eta  -  e B log2(1 + G_ii p_i / (1 + sum_j!=i G_ij p_j)))

so savings are negative, and a gap is measured over the size of the best known saving. Gains G are over noise at full
power. Decisions are shares of full power, floats (n, k, L) in [0, 1]. Optima are nearly always on or off.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.units import J_PER_KWH

from .case import Block, Instances, Reference
from .sites import between, value

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from gramwise.optimize.typed.record import Problem

SLOT_S = 1.0
_FIRST, _LAST = 0.3, 0.02  # steps of the search, as shares of full power
_MOST_PATTERNS = 12  # links up to which every on/off pattern is tried


@dataclass(frozen=True, slots=True, eq=False)
class Channels(Instances):
    """Gain over noise at full power from sender j to receiver i, ``gain`` (n, L, L); intensity by link (n, L)."""

    gain: NDArray[np.float64]
    intensity_g_per_kwh: NDArray[np.float64]


class Powers:
    """L links in a square; senders anywhere in it, receivers 5 to 25 m from theirs, Rayleigh fading."""

    def __init__(self, links: int = 8) -> None:
        self.links = links
        self.name = f"C-{links}"
        self.dim = links
        self.blocks = tuple(Block("real", i, 1) for i in range(links))
        self.spend_j = value("link.power_w") / value("link.amplifier_frac") * SLOT_S
        self.save_j = value("link.other_j_per_bit") * value("link.bandwidth_hz") * SLOT_S

    def sample(self, rng: Generator, n: int) -> Channels:
        """Log-distance loss and exponential power fading."""
        shape = (n, self.links)
        sender = rng.uniform(0.0, value("link.side_m"), (*shape, 2))
        angle, reach = rng.uniform(0.0, 2 * np.pi, shape), rng.uniform(5.0, 25.0, shape)
        receiver = sender + reach[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        metres = np.linalg.norm(receiver[:, :, None] - sender[:, None], axis=-1)
        loss_db = value("link.loss_1m_db") + 10.0 * value("link.loss_exponent") * np.log10(
            np.maximum(metres, 1.0)
        )
        fading = rng.exponential(1.0, metres.shape)
        gain = value("link.power_w") / value("link.noise_w") * 10.0 ** (-loss_db / 10.0) * fading
        return Channels(gain, between(rng, "site.intensity_g_per_kwh", shape))

    def features(self, instances: Channels) -> NDArray[np.float32]:
        """Gains in decades over noise, over 5; intensities over the dearest there can be; (n, L L + L)."""
        decades = np.log10(1.0 + instances.gain) / 5.0
        parts = [decades.reshape(len(instances), -1), instances.intensity_g_per_kwh / 700.0]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def decode(self, raw: NDArray[Any], instances: Channels) -> NDArray[np.float64]:
        """[-1, 1] to [0, 1]."""
        del instances
        return np.asarray(np.clip(0.5 * (raw + 1.0), 0.0, 1.0), dtype=np.float64)

    def encode(self, decisions: NDArray[Any]) -> NDArray[np.float32]:
        """The other way."""
        return np.asarray(2.0 * decisions - 1.0, dtype=np.float32)

    def cost(self, decisions: NDArray[Any], instances: Channels) -> NDArray[np.float64]:
        """See the module."""
        return _Objective(self, instances).cost(np.asarray(decisions, dtype=np.float64))

    def gradient(self, decisions: NDArray[Any], instances: Channels) -> NDArray[np.float64]:
        """Derivative of the cost by each share, gCO2e, (n, k, L)."""
        return _Objective(self, instances).both(np.asarray(decisions, dtype=np.float64))[1]

    def violations(self, decisions: NDArray[Any], instances: Channels) -> NDArray[np.int64]:
        """Shares outside 0 to 1."""
        del instances
        return np.asarray(((decisions < 0) | (decisions > 1)).sum(axis=-1), dtype=np.int64)

    def polish(self, decisions: NDArray[Any], instances: Channels, steps: int) -> NDArray[np.float64]:
        """Projected descent by the sign of the gradient, with steps that shrink; the best point of each path.

        Slopes differ by orders of magnitude between links, so every link moves by the same share: 0.3 of full power at
        first, 0.02 at last. Scaled by the greatest slope instead, 16 starts of 20 steps ended at 30 % rather than 3.5 %
        (in a square of 60 m).
        """
        objective = _Objective(self, instances, np.float32)
        start = np.asarray(decisions, dtype=np.float32)
        at, best, best_g = start, start.copy(), None
        for length in np.geomspace(_FIRST, _LAST, max(steps, 1)).astype(np.float32)[:steps]:
            grams, slope = objective.both(at)
            best, best_g = _better(at, grams, best, best_g)
            at = np.clip(at - length * np.sign(slope), np.float32(0), np.float32(1))
        best, _ = _better(at, objective.cost(at), best, best_g)
        return self._no_worse(best.astype(np.float64), np.asarray(decisions, dtype=np.float64), instances)

    def _no_worse(
        self, found: NDArray[np.float64], start: NDArray[np.float64], instances: Channels
    ) -> NDArray[np.float64]:
        """Single precision may call a rise a fall; double precision has the last word."""
        objective = _Objective(self, instances)
        rose = objective.cost(found) > objective.cost(start)
        return np.where(rose[..., None], start, found)

    def flip(self, decisions: NDArray[Any], instances: Channels, steps: int) -> NDArray[np.float64]:
        """Another local search: on/off patterns, at each step the flip of one link that saves most."""
        objective = _Objective(self, instances)
        at = np.asarray(np.round(decisions), dtype=np.float64)
        grams = objective.cost(at)
        n, k, links = at.shape
        for _ in range(steps):
            near = np.abs(at[:, :, None] - np.eye(links))
            cost = objective.cost(near.reshape(n, k * links, links)).reshape(n, k, links)
            best = cost.argmin(-1)
            least = np.take_along_axis(cost, best[..., None], -1)[..., 0]
            better = least < grams
            if not better.any():
                break
            at = np.where(better[..., None], np.take_along_axis(near, best[..., None, None], 2)[:, :, 0], at)
            grams = np.minimum(grams, least)
        return at

    def greedy(self, instances: Channels, how: str) -> NDArray[np.float64]:
        """On/off patterns (n, 1, L). ``cheapest``: links by what they save alone, each on where that lowers the sum;
        ``regret``: from all off, the flip that saves most, until none does.
        """
        n, objective = len(instances), _Objective(self, instances)
        at = np.zeros((n, 1, self.links))
        if how == "regret":
            return self.flip(at, instances, 2 * self.links)
        alone = objective.cost(np.broadcast_to(np.eye(self.links), (n, self.links, self.links)))
        grams, row = objective.cost(at)[:, 0], np.arange(n)
        for link in np.argsort(alone, axis=1).T:
            tried = at.copy()
            tried[row, 0, link] = 1.0
            cost = objective.cost(tried)[:, 0]
            at = np.where((cost < grams)[:, None, None], tried, at)
            grams = np.minimum(cost, grams)
        return at

    def mutate(self, decisions: NDArray[Any], instances: Channels, rng: Generator) -> NDArray[np.float64]:
        """One link gets another power: off, full, or anything between."""
        del instances
        n, k, links = decisions.shape
        out = np.array(decisions, dtype=np.float64)
        drawn = np.clip(rng.uniform(-0.5, 1.5, (n, k)), 0.0, 1.0)
        out[np.arange(n)[:, None], np.arange(k)[None], rng.integers(links, size=(n, k))] = drawn
        return out

    def permute(
        self, instances: Channels, decisions: NDArray[Any], rng: Generator
    ) -> tuple[Channels, NDArray[np.float64]]:
        """Links in another order, senders and receivers alike."""
        order = np.argsort(rng.random((len(instances), self.links)), axis=1)
        row = np.arange(len(instances))[:, None, None]
        gain = instances.gain[row, order[:, :, None], order[:, None, :]]
        intensity = np.take_along_axis(instances.intensity_g_per_kwh, order, axis=1)
        return Channels(gain, intensity), np.take_along_axis(decisions, order[:, None, :], axis=2)

    def reference(self, instances: Channels) -> Reference:
        """Best known only: the best of descent, 150 steps, from 64 starts anywhere, from 64 on/off starts, and from the
        best of all on/off patterns (up to 12 links).

        The bound lets every link send without interference, at the power that is best for it alone.
        """
        rng = np.random.default_rng(0)
        grams = np.empty(len(instances))
        for start in range(0, len(instances), 50):
            some = instances.take(slice(start, start + 50))
            starts = rng.random((len(some), 128, self.links))
            starts[:, 64:] = np.round(starts[:, 64:])
            if self.links <= _MOST_PATTERNS:
                starts = np.concatenate([starts, self.patterns(some)], axis=1)
            grams[start : start + 50] = self.cost(self.polish(starts, some, 150), some).min(1)
        bound = self._alone_g(instances)
        how = "best of descent from 128 starts and from the best on/off pattern: best known, not proven"
        return Reference(grams, bound, grams - bound <= 1e-3 * np.abs(grams), how)

    def patterns(self, instances: Channels) -> NDArray[np.float64]:
        """The best on/off pattern of each instance, (n, 1, L)."""
        every = np.array(list(product((0.0, 1.0), repeat=self.links)))
        tried = np.broadcast_to(every, (len(instances), *every.shape))
        return np.asarray(every[self.cost(tried, instances).argmin(1)][:, None])

    def _alone_g(self, instances: Channels) -> NDArray[np.float64]:
        own = np.diagonal(instances.gain, axis1=1, axis2=2)
        # d/dp of (spend p - save log2(1 + G p)) is 0 at p = save / (ln 2 spend) - 1 / G
        power = np.clip(self.save_j / (np.log(2.0) * self.spend_j) - 1.0 / own, 0.0, 1.0)
        joule = self.spend_j * power - self.save_j * np.log2(1.0 + own * power)
        return np.asarray((instances.intensity_g_per_kwh * joule).sum(1) / J_PER_KWH)

    def problem(self, instances: Channels, i: int) -> Problem:
        """See `statements.power_problem`."""
        from .statements import power_problem

        return power_problem(instances.take([i]), self)


class _Objective:
    """Cost and slope of a batch; matrices are prepared once, since a search asks often."""

    def __init__(self, case: Powers, instances: Channels, dtype: Any = np.float64) -> None:
        self.gain = instances.gain.transpose(0, 2, 1).astype(dtype)  # (n, sender, receiver)
        own = np.eye(case.links, dtype=bool)
        self.other = np.where(own, 0, self.gain)
        weight = instances.intensity_g_per_kwh / J_PER_KWH
        self.spend = (weight * case.spend_j)[:, None].astype(dtype)
        self.save = (weight * case.save_j / np.log(2.0))[:, None].astype(dtype)
        self.back, self.back_other = (
            np.ascontiguousarray(g.transpose(0, 2, 1)) for g in (self.gain, self.other)
        )

    def cost(self, share: NDArray[Any]) -> NDArray[Any]:
        return self._cost(share, *self._levels(share))

    def both(self, share: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        total, noise = self._levels(share)
        slope = self.spend - (self.save / total) @ self.back + (self.save / noise) @ self.back_other
        return self._cost(share, total, noise), slope

    def _levels(self, share: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Received power with noise, and without the own signal."""
        return 1 + share @ self.gain, 1 + share @ self.other

    def _cost(self, share: NDArray[Any], total: NDArray[Any], noise: NDArray[Any]) -> NDArray[Any]:
        return np.asarray((self.spend * share - self.save * np.log(total / noise)).sum(-1))


def _better(
    at: NDArray[Any], grams: NDArray[Any], best: NDArray[Any], best_g: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    if best_g is None:
        return at.copy(), grams
    fell = grams < best_g
    return np.where(fell[..., None], at, best), np.minimum(grams, best_g)
