"""Solvers of typed problems, plug-ins of kind ``solver``: one file each, judged by the same evaluator."""
