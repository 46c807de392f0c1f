"""Exporters are found by name, and refuse what they cannot put into their format."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from receipt_bills import receipt

from gramwise.core.errors import ConfigError, DataError
from gramwise.core.receipt import account, item, point
from gramwise.core.receipt import receipt as made_receipt
from gramwise.report.exports import export, names
from gramwise.report.exports.block import yaml as to_yaml


def test_every_format_is_found() -> None:
    assert names() == ["boamps", "codecarbon", "impact-framework", "model-card", "sci"]


@pytest.mark.parametrize("name", ["impact-framwork", "block", "parts", "../sci", ""])
def test_another_format_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no export format"):
        export(receipt(), name)


def _two() -> Any:
    carbon = point(1.0, "g", "modelled", "x")
    books = [
        account(
            name,
            [item("n, serving", "inference", carbon)],
            functional_unit="request",
            units=1,
            boundary="b",
            not_included=[],
        )
        for name in ("one", "two")
    ]
    return made_receipt("run", inputs={}, methods={}, factors={}, accounts=books)


def test_of_several_accounts_one_must_be_named() -> None:
    with pytest.raises(ConfigError, match="one, two"):
        export(_two(), "sci")
    with pytest.raises(ConfigError, match=r"no account 'tow'.*'two'"):
        export(_two(), "sci", account="tow")
    assert '"score"' in export(_two(), "sci", account="two")


def test_unknown_grams_are_not_exported() -> None:
    book = account(
        "a",
        [item("x, serving", "inference", None)],
        functional_unit="r",
        units=1,
        boundary="b",
        not_included=[],
    )
    document = made_receipt("run", inputs={}, methods={}, factors={}, accounts=[book])
    for name in ("sci", "codecarbon", "boamps"):
        with pytest.raises(DataError, match="'x, serving' are unknown"):
            export(document, name)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
_PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
)
_VALUES = st.recursive(
    _PLAIN | _TEXT, lambda v: st.lists(v, max_size=3) | st.dictionaries(_TEXT, v, max_size=3)
)


@given(st.dictionaries(_TEXT, _VALUES, min_size=1, max_size=4))
def test_our_yaml_reads_back(value: dict[str, Any]) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    assert yaml.safe_load(to_yaml(value)) == value


def test_yaml_words_that_mean_something_are_quoted() -> None:
    text = to_yaml({"no": "no", "x": 1e-07, "list": [{"a": 1, "b": []}, "y"], "empty": {}})
    assert text == '"no": "no"\nx: 1.0e-07\nlist:\n  - a: 1\n    b: []\n  - "y"\nempty: {}\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_yaml_refuses_what_it_has_no_word_for(value: Any) -> None:
    with pytest.raises(DataError):
        to_yaml({"x": value})
