"""ENTSO-E: from production types to fuels with plain numbers, and through entsoe-py against recorded XML."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from loopback import Answer, Loopback, Question

from gramwise.core import plugins
from gramwise.core.errors import BadReply, ConfigError, DataGap, GramwiseError, SourceUnavailable
from gramwise.grid.http import KeyRefused, QuotaExceeded
from gramwise.grid.sources.entsoe import FUELS, STORAGE, Entsoe, by_fuel
from gramwise.grid.sources.generation_mix import UNATTRIBUTED, factors
from gramwise.testing import check_intensity

# Inside entsoe-py: its way of reading XML, and a habit that pandas 3.1 warns of. Not ours to change.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The inplace keyword"),
    pytest.mark.filterwarnings("ignore:It looks like you're using an HTML parser"),
]

LIFECYCLE = factors("lifecycle")
KEY = "0f0f0f0f-1111-2222-3333-444444444444"
H = 3600.0


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


START_S = at(2022, 6, 1)


def convert(columns: Mapping[str, Mapping[float, float]], hours: int = 2) -> dict[str, list[float]]:
    mix = by_fuel(columns, START_S, START_S + hours * H, LIFECYCLE, "test")
    assert list(mix.times_s) == [START_S + H * i for i in range(hours)]
    return {fuel: list(column) for fuel, column in mix.mw.items()}


# --- from production types to fuels: no library needed ---------------------------------------------------------------


def test_every_production_type_that_has_a_fuel_has_a_factor() -> None:
    assert set(FUELS.values()) <= set(LIFECYCLE)
    assert not STORAGE & set(FUELS)


def test_types_of_one_fuel_add_up_and_storage_is_left_out() -> None:
    hours = {START_S: 10.0, START_S + H: 20.0}
    mw = convert(
        {
            "Hydro Run-of-river and pondage": hours,
            "Hydro Water Reservoir": hours,
            "Hydro Pumped Storage": hours,
            "Energy storage": hours,
        }
    )
    assert mw == {"hydro": [20.0, 40.0]}


def test_types_without_a_factor_are_unattributed() -> None:
    hours = {START_S: 1.0, START_S + H: 2.0}
    mw = convert({"Nuclear": hours, "Waste": hours, "Other": hours, "Fossil Peat": hours})
    assert mw == {"nuclear": [1.0, 2.0], UNATTRIBUTED: [3.0, 6.0]}


def test_quarter_hours_beside_hours() -> None:
    quarters = {START_S + 900.0 * i: float(i) for i in range(8)}
    mw = convert({"Solar": quarters, "Nuclear": {START_S: 5.0, START_S + H: 6.0}})
    assert mw == {"solar": [1.5, 5.5], "nuclear": [5.0, 6.0]}


def test_an_hour_that_lacks_a_step_is_missing_and_not_less() -> None:
    quarters = {START_S + 900.0 * i: 4.0 for i in range(8) if i != 6}
    mw = convert({"Solar": quarters, "Nuclear": {START_S: 5.0, START_S + H: math.nan}})
    assert mw["solar"][0] == 4.0
    assert math.isnan(mw["solar"][1])
    assert math.isnan(mw["nuclear"][1])


def test_a_type_without_any_value_is_no_column_and_no_type_is_a_gap() -> None:
    hours = {START_S: 1.0, START_S + H: 1.0}
    assert convert({"Nuclear": hours, "Marine": dict.fromkeys(hours, math.nan)}) == {"nuclear": [1.0, 1.0]}
    with pytest.raises(DataGap, match="no generation of a known fuel"):
        convert({"Waste": hours})
    with pytest.raises(BadReply, match="steps of 1680 s"):
        convert({"Solar": {START_S: 1.0, START_S + 1680.0: 1.0}})


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENTSOE_TOKEN", raising=False)
    with pytest.raises(SourceUnavailable, match="set the variable ENTSOE_TOKEN"):
        Entsoe().history("FR", START_S, START_S + H)


def test_without_entsoe_py_the_install_command_is_said() -> None:
    program = (
        "import sys; sys.modules['entsoe'] = None\n"
        "from gramwise.core.errors import SourceUnavailable\n"
        "from gramwise.grid.sources.entsoe import Entsoe\n"
        "try: Entsoe(token='x').history('FR', 0.0, 3600.0)\n"
        "except SourceUnavailable as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "asking ENTSO-E needs entsoe-py: pip install 'gramwise[entsoe]'"


# --- through entsoe-py, against recorded XML --------------------------------------------------------------------------


def series_xml(
    psr: str, start: datetime, end: datetime, minutes: int, megawatts: list[float | None], flow: str
) -> str:
    form = "%Y-%m-%dT%H:%MZ"
    points = "".join(
        f"<Point><position>{i}</position><quantity>{mw:g}</quantity></Point>"
        for i, mw in enumerate(megawatts, 1)
        if mw is not None
    )
    return (
        f"<TimeSeries><mRID>1</mRID><businessType>A01</businessType><objectAggregation>A08</objectAggregation>"
        f'<{flow}BiddingZone_Domain.mRID codingScheme="A01">10YFR-RTE------C</{flow}BiddingZone_Domain.mRID>'
        f"<quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name><curveType>A01</curveType>"
        f"<MktPSRType><psrType>{psr}</psrType></MktPSRType>"
        f"<Period><timeInterval><start>{start.strftime(form)}</start><end>{end.strftime(form)}</end></timeInterval>"
        f"<resolution>PT{minutes}M</resolution>{points}</Period></TimeSeries>"
    )


def document(*series: str) -> Answer:
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<GL_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0">'
        f"<type>A75</type>{''.join(series)}</GL_MarketDocument>"
    )
    return Answer(xml, headers={"Content-Type": "application/xml"})


def acknowledgement(text: str, status: int) -> Answer:
    reason = f"<Reason><code>999</code><text>{text}</text></Reason>"
    xml = f"<Acknowledgement_MarketDocument>{reason}</Acknowledgement_MarketDocument>"
    return Answer(xml, status, {"Content-Type": "text/xml"})


def france(question: Question) -> Answer:
    """Nuclear 300 MW and gas 100 MW by the hour, solar by the quarter; pumps draw; over the interval asked for."""
    form = "%Y%m%d%H%M"
    start, end = (
        datetime.strptime(question.params[key], form).replace(tzinfo=UTC)
        for key in ("periodStart", "periodEnd")
    )
    hours = int((end - start).total_seconds() / H)
    return document(
        series_xml("B14", start, end, 60, [300.0] * hours, "in"),
        series_xml("B04", start, end, 60, [100.0] * hours, "in"),
        series_xml("B16", start, end, 15, [40.0, 60.0] * (2 * hours), "in"),
        series_xml("B10", start, end, 60, [70.0] * hours, "in"),
        series_xml("B10", start, end, 60, [90.0] * hours, "out"),
    )


HOURLY = (300 * 12 + 100 * 490 + 50 * 48) / 450


@pytest.fixture
def source(loopback: Loopback) -> Callable[..., Entsoe]:
    pytest.importorskip("entsoe", reason="needs entsoe-py: pip install 'gramwise[entsoe]'")
    loopback.reply = france

    def build(**more: Any) -> Entsoe:
        found = plugins.create(
            "intensity", "entsoe", **({"base_url": f"{loopback.url}/api", "token": KEY} | more)
        )
        assert isinstance(found, Entsoe)
        return found

    return build


def test_generation_becomes_intensity(loopback: Loopback, source: Callable[..., Entsoe]) -> None:
    series = source().history("FR", START_S, START_S + 3 * H)
    assert series.values == pytest.approx((HOURLY,) * 3)
    assert (series.times_s[0], series.end_s) == (START_S, START_S + 3 * H)
    assert (series.unit, series.signal, series.basis) == ("g/kWh", "average", "lifecycle")
    assert "production based" in series.source
    (asked,) = loopback.asked
    assert asked.path == "/api"
    assert asked.params["documentType"] == "A75"
    assert asked.params["in_Domain"] == "10YFR-RTE------C"
    assert (asked.params["periodStart"], asked.params["periodEnd"]) == ("202206010000", "202206010300")
    low, high = source().interval("FR", START_S, START_S + H)
    assert low.values == pytest.approx(((300 * 3.7 + 100 * 410 + 50 * 18) / 450,))
    assert high.values == pytest.approx(((300 * 110 + 100 * 650 + 50 * 180) / 450,))


def test_the_conformance_kit(source: Callable[..., Entsoe]) -> None:
    check_intensity(source(), "FR")
    check_intensity(source(), "FR", start_s=START_S + 600, end_s=START_S + 5000)


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [((2022, 3, 26, 23), (2022, 3, 27, 22), 23), ((2022, 10, 29, 22), (2022, 10, 30, 23), 25)],
    ids=["French day of 23 hours", "French day of 25 hours"],
)
def test_days_on_which_clocks_change(
    source: Callable[..., Entsoe], first: tuple[int, ...], last: tuple[int, ...], hours: int
) -> None:
    """entsoe-py answers in local time; the local day is as long as it is."""
    series = source().history("FR", at(*first), at(*last))
    assert series.times_s == tuple(at(*first) + H * i for i in range(hours))
    assert series.values == pytest.approx((HOURLY,) * hours)


def test_new_year_is_asked_in_two_parts_and_loses_no_hour(
    loopback: Loopback, source: Callable[..., Entsoe]
) -> None:
    start_s, end_s = at(2021, 12, 31, 20), at(2022, 1, 1, 4)
    series = source().history("FR", start_s, end_s)
    assert series.times_s == tuple(start_s + H * i for i in range(8))
    assert not any(math.isnan(value) for value in series.values)


def test_an_hour_without_one_of_the_fuels_is_a_gap(loopback: Loopback, source: Callable[..., Entsoe]) -> None:
    start, end = (datetime(2022, 6, 1, hour, tzinfo=UTC) for hour in (0, 3))
    first_two = datetime(2022, 6, 1, 2, tzinfo=UTC)
    answer = document(
        series_xml("B14", start, end, 60, [300.0] * 3, "in"),
        series_xml("B05", start, first_two, 60, [100.0] * 2, "in"),
    )
    loopback.reply = lambda question: answer
    series = source().history("FR", START_S, START_S + 3 * H)
    assert series.at(START_S + H) == pytest.approx((300 * 12 + 100 * 820) / 400)
    with pytest.raises(DataGap, match="missing"):
        series.at(START_S + 2 * H)


def test_an_unknown_zone_asks_nobody(loopback: Loopback, source: Callable[..., Entsoe]) -> None:
    with pytest.raises(ConfigError, match="ENTSO-E knows no zone 'ATLANTIS'"):
        source().history("ATLANTIS", START_S, START_S + H)
    assert loopback.asked == []


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (acknowledgement("No matching data found for Data item", 200), DataGap, "no generation is known"),
        (acknowledgement("No matching data found for Data item", 400), DataGap, "no generation is known"),
        (Answer("Unauthorized", 401), KeyRefused, "refused the key in ENTSOE_TOKEN"),
        (Answer("Too many", 429, {"Retry-After": "12"}), QuotaExceeded, "quota is spent"),
        (Answer("oh", 503), SourceUnavailable, "it answered 503"),
        (Answer("what?", 400), BadReply, r"refused the question \(400\)"),
        (Answer("<html>sign in</html>"), BadReply, "a page where a document is due: '<html>sign in</html>'"),
        (Answer(""), BadReply, "answered nothing"),
        (document("<TimeSeries></TimeSeries>"), BadReply, "makes no sense to entsoe-py"),
        (Answer("", 302, {"Location": "http://127.0.0.1:1/"}), BadReply, "redirect"),
    ],
)
def test_refusals_and_nonsense(
    loopback: Loopback, source: Callable[..., Entsoe], answer: Answer, error: type[GramwiseError], words: str
) -> None:
    loopback.reply = lambda question: answer
    with pytest.raises(error, match=words) as caught:
        source().history("FR", START_S, START_S + H)
    if isinstance(caught.value, QuotaExceeded):
        assert caught.value.retry_after_s == 12.0


@pytest.mark.parametrize("base_url", [None, "http://127.0.0.1:1/api"], ids=["refused", "nobody there"])
def test_the_key_is_in_no_error_and_no_log(
    loopback: Loopback, source: Callable[..., Entsoe], base_url: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    loopback.always(f"bad token {KEY}", 401)
    with pytest.raises(SourceUnavailable) as caught:
        source(**({"base_url": base_url} if base_url else {})).history("FR", START_S, START_S + H)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "***" in caplog.text
    assert KEY not in caplog.text
