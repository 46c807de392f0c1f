"""CMA-ES on raw vectors through the shared decoder; the one module that imports ``cma``.

Evolution strategy with adapted covariance (Hansen 2016, arXiv 1604.00772). Nothing is proved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.errors import SourceUnavailable

from ..compiled.blackbox import BlackBox
from ..compiled.solution import Run
from .local import Search

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

    from ..compiled.solution import Solution
    from ..typed.bind import Bound


class CmaesSolver:
    """CMA-ES with the library's own population size and restarts until the time is up.

    Args:
        evaluations: at most so many decisions in all.
    """

    def __init__(self, evaluations: int = 20_000) -> None:
        self.evaluations = evaluations

    def solve(
        self, bound: Bound, *, time_limit_s: float = 10.0, seed: int = 0, start: Floats | None = None
    ) -> Solution:
        """See `Solver`; a start is kept as the first incumbent.

        Raises:
            SourceUnavailable: ``cma`` is not installed.
        """
        cma = _cma()
        run = Run("cmaes", time_limit_s, seed, "cma")
        box = BlackBox(bound)
        search = Search(box)
        best = box.decode(np.zeros((1, box.dim)))[0] if start is None else start
        key, asked, restart = float(search.keys(best[None])[0]), 0, 0
        while asked < self.evaluations and run.left_s > 0:
            options = {"seed": 1 + seed * 1000 + restart, "verbose": -9, "bounds": [-4, 4]}
            strategy = cma.CMAEvolutionStrategy(np.zeros(max(2, box.dim)), 0.8, options)
            while not strategy.stop() and asked < self.evaluations and run.left_s > 0:
                raw = strategy.ask()
                points = box.decode(np.array(raw)[:, : box.dim])
                keys = search.keys(points)
                asked += len(raw)
                strategy.tell(raw, keys.tolist())
                if keys.min() < key:
                    best, key = points[keys.argmin()], float(keys.min())
            restart += 1
        return run.judged(box.evaluator, best)


def _cma() -> Any:
    try:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns when matplotlib is missing, which nothing here needs
            import cma
    except ImportError as fault:
        raise SourceUnavailable("CMA-ES needs the cma package: pip install 'gramwise[solvers]'") from fault
    return cma


PLUGIN = CmaesSolver
