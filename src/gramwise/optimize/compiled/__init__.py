"""From a bound problem to what solvers take: exact rewrites, matrices, a black box, and the judge of them all."""
