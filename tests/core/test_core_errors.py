"""Errors say where, what and what to write instead, and hang on one tree."""

from __future__ import annotations

import inspect
import re

import pytest

from gramwise.core import errors
from gramwise.core.errors import ConfigError, GramwiseError, Infeasible, did_you_mean, nearest


def test_a_config_error_reads_file_key_message_fix() -> None:
    fault = ConfigError(
        "there is no zone 'FRA'.", file="three-sites.toml", key="nodes.a.zone", fix="Did you mean 'FR'?"
    )
    assert str(fault) == "three-sites.toml: nodes.a.zone: there is no zone 'FRA'. Did you mean 'FR'?"
    assert (fault.file, fault.key, fault.fix) == ("three-sites.toml", "nodes.a.zone", "Did you mean 'FR'?")


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ({}, "it is wrong."),
        ({"file": "a.toml"}, "a.toml: it is wrong."),
        ({"key": "slo"}, "slo: it is wrong."),
        ({"fix": "Write 1."}, "it is wrong. Write 1."),
    ],
)
def test_parts_that_are_missing_leave_no_trace(where: dict[str, str], text: str) -> None:
    assert str(ConfigError("it is wrong.", **where)) == text


def test_did_you_mean_names_the_nearest_or_lists_all() -> None:
    names = ["grams", "fastest", "round-robin"]
    assert nearest("gram", names) == "grams"
    assert nearest("zzz", names) is None
    assert did_you_mean("fastet", names) == "Did you mean 'fastest'?"
    assert did_you_mean("zzz", names) == "Write one of: fastest, grams, round-robin."
    assert did_you_mean("zzz", [f"n{i}" for i in range(20)], limit=2) == "Write one of: n0, n1, ...."
    assert did_you_mean("zzz", []) == ""


def test_infeasible_carries_the_verdicts() -> None:
    assert Infeasible("nothing fits.", ["a", "b"]).verdicts == ("a", "b")
    assert Infeasible("nothing fits.").verdicts == ()


def test_every_error_hangs_on_one_tree_and_stands_in_its_picture() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, Exception)]
    assert len(classes) > 15
    drawn = set(re.findall(r"[A-Z]\w+", (errors.__doc__ or "").split("Refusals")[0]))
    for cls in classes:
        assert issubclass(cls, GramwiseError)
        assert cls.__name__ in drawn, f"{cls.__name__} is not in the drawing of the module's docstring"
