"""A receipt of the ledger is what it says, or it says that it is not."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger_kit import HOUR_S, KINDS, database_url, refused, row

from gramwise.core.errors import BadReply, ConfigError, DataGap
from gramwise.core.receipt import canonical, seal
from gramwise.gateway.ledger import Ledger, parse, receipt, receipts, verify

Document = dict[str, Any]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = filled(Ledger.open(str(tmp_path / "ledger.db"), tmp_path / "spool"))
    yield opened
    opened.close()


def filled(ledger: Ledger) -> Ledger:
    for n in range(40):
        ledger.append(row(n, node="ab"[n % 2]))
    ledger.append(refused(40))
    ledger.append(row(41, intensity_g_per_kwh=None, node="a > b", zone="FR > DE"))
    return ledger


@pytest.fixture
def issued(ledger: Ledger) -> Document:
    with ledger.reading() as book:
        return receipt(book, HOUR_S, HOUR_S + 3600)


def test_a_receipt_holds_alone_and_against_its_ledger(ledger: Ledger, issued: Document) -> None:
    assert (issued["count"], issued["totals"]["completed"], len(issued["rows"])) == (42, 41, 42)
    alone = verify(parse(json.dumps(issued)))
    assert alone["valid"] is True
    assert "1 rows record grams without their terms" in alone["checks"][-1]["said"]
    with ledger.reading() as book:
        told = verify(issued, book)
        assert (told["valid"], len(told["checks"])) == (True, 6)
        assert receipt(book, HOUR_S, HOUR_S + 3600) == issued


def test_the_chain_can_be_followed_with_sha256_and_json_alone(issued: Document) -> None:
    head = {name: issued[name] for name in ("schema", "span", "where", "columns")}
    link = "sha256:" + hashlib.sha256(canonical(head)).hexdigest()
    for each in issued["rows"]:
        link = "sha256:" + hashlib.sha256(link.encode() + canonical(each)).hexdigest()
    assert link == issued["chain"]


def _swap(document: Document) -> None:
    document["rows"][3], document["rows"][4] = document["rows"][4], document["rows"][3]


def _drop(document: Document) -> None:
    del document["rows"][3]


def _double(document: Document) -> None:
    document["rows"].append(document["rows"][-1])


def _cheapen(document: Document) -> None:
    document["rows"][3][document["columns"].index("carbon_g")] *= 0.5


def _total(document: Document) -> None:
    document["totals"]["energy_j"]["value"] *= 0.999


def _span(document: Document) -> None:
    document["span"]["to_s"] += 1


def _word(document: Document) -> None:
    document["rows"][3][0] = None


def _columns(document: Document) -> None:
    document["columns"].reverse()


def _no_totals(document: Document) -> None:
    del document["totals"]


@pytest.mark.parametrize(
    "change", [_swap, _drop, _double, _cheapen, _total, _span, _word, _columns, _no_totals]
)
@pytest.mark.parametrize("sealed", [False, True])
def test_a_changed_receipt_is_found_out_even_where_it_is_sealed_anew(
    issued: Document, change: Callable[[Document], None], sealed: bool
) -> None:
    document = copy.deepcopy(issued)
    change(document)
    told = verify(seal(document) if sealed else document)
    assert told["valid"] is False
    assert [check["ok"] for check in told["checks"] if check["name"] == "hash"] == [sealed]


def test_grams_that_do_not_follow_from_their_joules_are_found_out_in_a_whole_chain(
    tmp_path: Path, ledger: Ledger
) -> None:
    ledger.append(row(50, carbon_g=1.0))
    with ledger.reading() as book:
        told = verify(receipt(book, HOUR_S, HOUR_S + 3600))
    assert (told["valid"], told["checks"][-1]["name"]) == (False, "grams")
    assert "r00000050" in told["checks"][-1]["said"]


def test_a_receipt_without_rows_is_checked_against_its_ledger_as_long_as_that_has_them(
    ledger: Ledger,
) -> None:
    with ledger.reading() as book:
        bare = receipt(book, HOUR_S, HOUR_S + 3600, where={"node": "a"}, with_rows=False)
        assert (bare["rows"], bare["count"]) == (None, 20)
        assert verify(bare)["valid"] is None
        assert verify(bare, book)["valid"] is True
        assert verify(seal({**bare, "where": {"node": "b"}}), book)["valid"] is False
        assert verify(seal({**bare, "where": {"nodes": "b"}}), book)["valid"] is False
    ledger.database.prune(HOUR_S + 3600)
    with ledger.reading() as book:
        assert verify(bare, book)["valid"] is None
        with pytest.raises(DataGap):
            receipt(book, HOUR_S, HOUR_S + 3600)


def test_a_ledger_that_has_changed_contradicts_its_receipt(ledger: Ledger, issued: Document) -> None:
    ledger.append(row(60))
    with ledger.reading() as book:
        told = verify(issued, book)
    assert [check["ok"] for check in told["checks"]] == [True, True, True, True, False, False]


def test_a_receipt_of_many_rows_leaves_them_in_the_ledger(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "MOST_ROWS", 41)
    with ledger.reading() as book:
        assert receipt(book, HOUR_S, HOUR_S + 3600)["rows"] is None
        assert len(receipt(book, HOUR_S, HOUR_S + 10)["rows"]) == 40


def test_the_same_rows_give_the_same_chain_in_every_database(tmp_path: Path) -> None:
    chains = set()
    for kind in KINDS:
        ledger = filled(Ledger.open(database_url(kind, tmp_path), tmp_path / kind))
        for n, odd in enumerate(("b", "A", "é", "Z", "\U0001f600", "\uff00")):
            ledger.append(row(70 + n, request_id=odd, arrival_s=HOUR_S))
        with ledger.reading() as book:
            made = receipt(book, HOUR_S, HOUR_S + 3600)
        ids = [each[0] for each in made["rows"] if each[1] == HOUR_S]
        assert ids == ["A", "Z", "b", "r00000000", "é", "\uff00", "\U0001f600"]
        rows = [[*each[:-1], "run"] for each in made["rows"]]
        chains.add(hashlib.sha256(canonical(rows)).hexdigest())
        ledger.close()
    assert len(chains) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "this is no receipt"),
        ("[]", "its schema is not"),
        ('{"schema": "gramwise.receipt/1"}', "its schema is not gramwise.ledger-receipt/1"),
        ('{"schema": "x", "schema": "gramwise.ledger-receipt/1"}', "a key stands twice"),
        ("[" * 200_000, "this is no receipt"),
    ],
)
def test_what_is_no_receipt_is_said_to_be_none(text: str, said: str) -> None:
    with pytest.raises(BadReply, match=said):
        parse(text)


def test_a_span_that_is_none_gets_no_receipt(ledger: Ledger) -> None:
    with ledger.reading() as book:
        for from_s, to_s in ((2.0, 1.0), (0.0, float("inf"))):
            with pytest.raises(ConfigError, match="Write two moments in Unix seconds"):
                receipt(book, from_s, to_s)
        with pytest.raises(ConfigError, match="where: the ledger has no 'colour'"):
            receipt(book, 0.0, 1.0, where={"colour": "red"})
