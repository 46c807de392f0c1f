"""The one spelling of a JSON value: examples from RFC 8785, and what it refuses."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.errors import DataError
from gramwise.core.receipt import canonical, fingerprint, seal

_SAMPLES = [
    (0.0, "0"),
    (-0.0, "0"),
    (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (9007199254740992.0, "9007199254740992"),
    (295147905179352830000.0, "295147905179352830000"),
    (9.999999999999997e22, "9.999999999999997e+22"),
    (1e23, "1e+23"),
    (999999999999999700000.0, "999999999999999700000"),
    (1e21, "1e+21"),
    (9.999999999999997e-7, "9.999999999999997e-7"),
    (0.000001, "0.000001"),
    (333333333.3333332, "333333333.3333332"),
    (-0.0000033333333333333333, "-0.0000033333333333333333"),
    (1424953923781206.2, "1424953923781206.2"),
    (1e-7, "1e-7"),
    (100, "100"),
    (1.5, "1.5"),
]
"""Doubles and their spelling, most from RFC 8785, appendix B."""


@pytest.mark.parametrize(("value", "text"), _SAMPLES)
def test_numbers_are_spelt_as_ecmascript_does(value: float, text: str) -> None:
    assert canonical(value).decode() == text


def test_keys_are_sorted_by_utf16_units_and_text_stays_as_it_is() -> None:
    # U+1F600 is D83D DE00 in UTF-16 and sorts before U+FB33, though its code point is larger.
    document = {"\ufb33": 1, "\U0001f600": 2, "\r": 3, "1": 4, "\u20ac": 5}
    assert canonical(document).decode() == '{"\\r":3,"1":4,"\u20ac":5,"\U0001f600":2,"\ufb33":1}'


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself(value: float) -> None:
    assert float(canonical(value).decode()) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    )
)
def test_layout_and_order_do_not_count(value: Any) -> None:
    spaced = json.loads(json.dumps(value, indent=3, sort_keys=True))
    assert canonical(spaced) == canonical(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53 + 1, {1: 2}, {"a": {3}}, "\ud800", [object()]])
def test_what_json_has_no_word_for_is_refused(value: object) -> None:
    with pytest.raises(DataError):
        canonical(value)


def test_a_seal_is_over_everything_but_itself() -> None:
    sealed = seal({"b": 1, "a": [1.0, None]})
    assert sealed["hash"] == fingerprint({"a": [1, None], "b": 1.0})
    assert seal(sealed) == sealed


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here to compare with")
def test_another_language_spells_the_same() -> None:
    values = [value for value, _ in _SAMPLES] + [0.1 + 0.2, 1 / 3, 6.02e23, 123456789012345680000.0]
    script = (
        "const v=JSON.parse(require('fs').readFileSync(0,'utf8'));process.stdout.write(JSON.stringify(v))"
    )
    done = subprocess.run(
        ["node", "-e", script], input=json.dumps(values), capture_output=True, text=True, check=True
    )
    assert done.stdout == canonical(values).decode()
