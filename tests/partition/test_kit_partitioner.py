"""The kit's check of partitioners: every method of ours passes, and broken ones are caught."""

from __future__ import annotations

import pytest

from gramwise.core import plugins
from gramwise.partition.problem import Problem, Split
from gramwise.testing import check_partitioner


@pytest.mark.parametrize("name", plugins.names("partitioner"))
def test_our_methods_keep_the_contract(name: str) -> None:
    check_partitioner(plugins.create("partitioner", name), seeds=2)


class _First:
    """Everything on the first node, and sure of it."""

    name, exact = "first", True

    def why_not(self, problem: Problem) -> str:
        return ""

    def split(self, problem: Problem) -> Split:
        return Split((0,) * problem.n, 0.0, True)


class _Short(_First):
    def split(self, problem: Problem) -> Split:
        return Split((0,), 0.0, False)


class _Boastful(_First):
    def split(self, problem: Problem) -> Split:
        return Split((0,) * problem.n, 1e9, False)


class _Picky(_First):
    def why_not(self, problem: Problem) -> str:
        return "it is Monday"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (_First(), "called .* the best of"),
        (_Short(), "did not place every layer"),
        (_Boastful(), "is possible"),
        (_Picky(), "answered none"),
    ],
)
def test_broken_ones_are_caught(broken: _First, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        check_partitioner(broken, seeds=2)
