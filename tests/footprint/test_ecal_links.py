"""Packets, sendings, seconds on the air and joules of links, against hand counts, published examples and chance."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from gramwise.core.errors import ConfigError
from gramwise.footprint.bill import draw
from gramwise.footprint.ecal.airtime import delivered_frac, expected_sends, lora_airtime_s
from gramwise.footprint.ecal.links import TABLE, LinkModel
from gramwise.footprint.ecal.linkspec import TECHNOLOGIES, LinkSpec
from gramwise.footprint.ecal.reading import Amount, strict
from gramwise.footprint.factors import table


def model(**spec: object) -> LinkModel:
    return LinkModel(strict(LinkSpec, spec), "hop")


def values(link: LinkModel) -> dict[str, float]:
    return {f.key: f.value for f in link.factors}


def known_j(joules: object) -> float:
    """Joules that must be known."""
    assert isinstance(joules, float)
    return joules


# retries


@pytest.mark.parametrize(("loss", "limit"), [(0.0, 1), (0.3, 1), (0.3, 4), (0.9, 7), (0.5, None)])
def test_expected_sends_is_the_mean_of_a_truncated_geometric(loss: float, limit: int | None) -> None:
    last = limit or 200
    mean = sum(k * loss ** (k - 1) * (1 - loss) for k in range(1, last)) + last * loss ** (last - 1)
    assert expected_sends(loss, limit) == pytest.approx(mean, rel=1e-12)


def test_sends_and_delivery_agree_with_chance() -> None:
    rng, loss, limit, n = random.Random(1), 0.4, 3, 40_000
    sends = arrived = 0
    for _ in range(n):
        for _attempt in range(limit):
            sends += 1
            if rng.random() >= loss:
                arrived += 1
                break
    assert expected_sends(loss, limit) == pytest.approx(sends / n, rel=0.01)
    assert delivered_frac(loss, limit) == pytest.approx(arrived / n, rel=0.01)


@pytest.mark.parametrize("loss", [1.0, -0.1, 1.5, float("nan")])
def test_a_loss_of_one_or_nonsense_is_refused(loss: float) -> None:
    with pytest.raises(ConfigError, match="loss"):
        expected_sends(loss)
    with pytest.raises(ConfigError, match="loss_frac"):
        model(technology="wifi", loss_frac=loss)


def test_no_sendings_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_sends"):
        delivered_frac(0.1, 0)


def test_a_lossy_link_that_confirms_nothing_needs_a_limit() -> None:
    with pytest.raises(ConfigError, match="max_sends"):
        model(technology="lorawan", loss_frac=0.1)
    assert model(technology="lorawan", loss_frac=0.1, max_sends=3).delivered_frac == pytest.approx(0.999)


# LoRa


@pytest.mark.parametrize(
    ("size", "sf", "seconds"),
    [
        (
            13,
            9,
            0.164864,
        ),  # worked example in public spreadsheets of AN1200.13: 28 symbols after the preamble
        (23, 7, 0.061696),  # 10 bytes of payload at SF7: 12.25 + 48 symbols of 1.024 ms
        (64, 12, 2.793472),  # 51 bytes of payload at SF12: 12.25 + 73 symbols of 32.768 ms
    ],
)
def test_lora_airtime(size: int, sf: int, seconds: float) -> None:
    assert lora_airtime_s(size, sf) == pytest.approx(seconds, rel=1e-9)


def test_lora_airtime_grows_with_everything_that_slows_it() -> None:
    base = lora_airtime_s(20, 9)
    assert lora_airtime_s(40, 9) > base
    assert lora_airtime_s(20, 10) > base
    assert lora_airtime_s(20, 9, 250_000) == pytest.approx(base / 2)
    assert lora_airtime_s(20, 9, coding_rate=4) > base


def test_lorawan_fragments_by_the_data_rate() -> None:
    slow = model(technology="lorawan", spreading_factor=12)
    fast = model(technology="lorawan", spreading_factor=7)
    assert slow.packets(80).number == 2  # 51 bytes a packet
    assert fast.packets(80).number == 1  # 222 bytes a packet
    assert slow.airtime_s(80, values(slow)) == pytest.approx(lora_airtime_s(64, 12) + lora_airtime_s(42, 12))


# packets


@pytest.mark.parametrize(("payload", "number"), [(0, 1), (1, 1), (1472, 1), (1473, 2), (2944, 2), (2945, 3)])
def test_udp_over_wifi_fragments_at_1472_bytes(payload: int, number: int) -> None:
    cut = model(technology="wifi").packets(payload)
    assert cut.number == number
    assert cut.wire_bytes == payload + number * (20 + 8 + 54)
    assert (number - 1) * cut.full_bytes + cut.last_bytes == cut.wire_bytes


def test_headers_of_every_layer_are_counted() -> None:
    link = model(technology="wifi", network="ipv6", transport="tcp", security="tls13", application_bytes=30)
    assert link.packets(100).wire_bytes == 100 + 30 + 40 + 20 + 22 + 54


def test_headers_that_leave_no_room_are_refused() -> None:
    with pytest.raises(ConfigError, match="no room"):
        model(technology="lorawan", spreading_factor=12, network="ipv6", transport="tcp", security="dtls12")


# joules


def test_wifi_joules_by_hand() -> None:
    link = model(
        technology="wifi",
        override={"tx_w": 1.0, "rx_w": 0.5, "peer_tx_w": 2.0, "peer_rx_w": 0.25, "wake_s": 0, "tail_s": 0},
    )
    known = values(link)
    air = 36e-6 + 8 * (80 + 82) / 65e6
    ends = link.up(80, known)
    assert ends.device_j == pytest.approx(air * 1.0 + (28e-6 + 117.5e-6) * 0.5)
    assert ends.peer_j == pytest.approx(air * 0.25 + 28e-6 * 2.0)
    assert ends.network_j is None
    back = link.down(80, known)
    assert back.device_j == pytest.approx((air + 117.5e-6) * 0.5 + 28e-6 * 1.0)
    assert back.peer_j == pytest.approx(air * 2.0 + 28e-6 * 0.25)


def test_waking_and_tail_are_paid_once_a_transfer_and_not_for_the_answer() -> None:
    link = model(technology="nbiot")
    known = values(link)
    session = 2.0 * 0.15 + 20.0 * 0.02
    assert link.session_j(known) == pytest.approx(session)
    quiet = model(technology="nbiot", override={"wake_s": 0.0, "tail_s": 0.0})
    assert link.up(80, known).device_j == pytest.approx(quiet.up(80, values(quiet)).device_j + session)
    assert link.down(80, known) == quiet.down(80, values(quiet))


def test_loss_multiplies_what_is_repeated_and_nothing_else() -> None:
    clean, lossy = model(technology="wifi"), model(technology="wifi", loss_frac=0.5, max_sends=2)
    known = values(clean)
    session = clean.session_j(known)
    assert lossy.up(80, known).device_j - session == pytest.approx(
        1.5 * (clean.up(80, known).device_j - session)
    )
    ack = 28e-6 * 0.594  # of packets that arrived only
    assert lossy.up(80, known).peer_j == pytest.approx(
        1.5 * (known_j(clean.up(80, known).peer_j) - ack) + 0.75 * ack
    )


def test_a_gateway_that_nobody_measured_is_unknown_and_said_so() -> None:
    link = model(technology="5g")
    assert link.up(80, values(link)).peer_j is None
    assert not link.knows("peer")
    assert any("base station" in text for text in link.not_included)
    whole = model(technology="ethernet", network_j_per_bit=1e-8)
    assert whole.knows("peer")
    assert whole.up(100, values(whole)).network_j == pytest.approx(1e-8 * 8 * (100 + 66))
    assert not any("network behind" in text for text in whole.not_included)


def test_processing_above_the_link_is_charged_to_its_own_end() -> None:
    plain = model(technology="ble")
    link = model(technology="ble", sender_processing_j_per_bit=1e-9, receiver_processing_j_per_bit=3e-9)
    known = values(link)
    up, down = link.up(100, known), link.down(100, known)
    before_up, before_down = plain.up(100, known), plain.down(100, known)
    assert up.device_j - before_up.device_j == pytest.approx(800e-9)
    assert known_j(up.peer_j) - known_j(before_up.peer_j) == pytest.approx(2400e-9)
    assert down.device_j - before_down.device_j == pytest.approx(2400e-9)
    assert known_j(down.peer_j) - known_j(before_down.peer_j) == pytest.approx(800e-9)


def test_tcp_costs_more_than_udp_for_its_own_acknowledgements() -> None:
    udp = model(technology="wifi", network="ipv4", transport="udp")
    tcp = model(technology="wifi", network="ipv4", transport="tcp")
    assert known_j(tcp.up(80, values(tcp)).peer_j) > known_j(udp.up(80, values(udp)).peer_j)


def test_lorawan_confirmation_replaces_the_empty_windows() -> None:
    plain = model(technology="lorawan", spreading_factor=9)
    confirmed = model(technology="lorawan", spreading_factor=9, acknowledged=True)
    known = values(plain)
    windows = 8 * (2**9 + 2**12) / 125_000
    air = lora_airtime_s(93, 9)
    assert plain.up(80, known).device_j == pytest.approx(air * 0.0957 + windows * 0.0356)
    ack = lora_airtime_s(12, 9, crc=False)
    assert confirmed.up(80, known).device_j == pytest.approx(air * 0.0957 + ack * 0.0356)


@pytest.mark.parametrize("technology", TECHNOLOGIES)
def test_every_technology_costs_more_for_more_and_can_be_drawn(technology: str) -> None:
    link = model(technology=technology)
    known = values(link)
    few, many = link.up(10, known), link.up(10_000, known)
    assert 0.0 < few.device_j < many.device_j
    drawn = link.up(80, draw(link.factors, 500)).device_j
    assert isinstance(drawn, np.ndarray)
    assert drawn.shape == (500,)
    assert drawn.min() > 0.0
    low, high = sorted((link.up(80, known).device_j, float(drawn.mean())))
    assert high / low < 10.0


# bad input and the table


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ({"technology": "wify"}, "technology"),
        ({"technology": "wifi", "los_frac": 0.1}, "loss_frac"),
        ({"technology": "wifi", "override": {"tx_watt": 1.0}}, "override.tx_watt"),
        ({"technology": "wifi", "override": {"tx_w": -1.0}}, "override.tx_w"),
        ({"technology": "wifi", "override": {"rate_bit_per_s": 0.0}}, "override.rate_bit_per_s"),
        ({"technology": "lorawan", "override": {"rate_bit_per_s": 5e3}}, "override.rate_bit_per_s"),
        ({"technology": "lorawan", "spreading_factor": 13}, "spreading_factor"),
        ({"technology": "lorawan", "override": {"wake_s": 1.0}}, "wake_w"),
        ({"technology": "nbiot", "override": {"peer_rx_w": 1.0}}, "peer_tx_w"),
        ({"technology": "ethernet", "acknowledged": True}, "acknowledged"),
        ({"technology": "wifi", "samples_per_transfer": 0}, "samples_per_transfer"),
    ],
)
def test_bad_links_are_refused_by_name(spec: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=key.replace(".", r"\.")):
        model(**spec)


def test_an_own_constant_brings_its_own_interval() -> None:
    own = Amount(value=0.3, low=0.2, high=0.5, source="our meter", method="measured")
    link = LinkModel(LinkSpec(technology="wifi", override={"tx_w": own}), "hop")
    factor = next(f for f in link.factors if f.key == "link.hop.tx_w")
    assert (factor.low, factor.value, factor.high, factor.source) == (0.2, 0.3, 0.5, "our meter")
    assert "wifi.tx_w" not in link.keys


def test_every_row_has_a_source_and_an_interval_that_holds_its_value() -> None:
    rows = table(TABLE)
    assert len(rows) > 80
    for key, row in rows.items():
        assert len(row.source) > 20, key
        assert row.low <= row.value <= row.high, key
        assert math.isfinite(row.high), key
        if row.spread == "lognormal":
            assert row.value == pytest.approx(math.sqrt(row.low * row.high), rel=0.02), key


def test_the_docs_page_tells_every_technology_as_it_is() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "method" / "ecal.md").read_text("utf-8")
    for technology in TECHNOLOGIES:
        link = model(technology=technology)
        known = values(link)
        session = link.session_j(known)
        rest = link.up(80, known).device_j - session
        row = f"| {technology} | {link.packets(80).wire_bytes:g} | {session:.3g} | {rest:.3g} |"
        assert row in page
