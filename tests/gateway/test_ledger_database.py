"""The same ledger in SQLite and in PostgreSQL: nothing twice, nothing lost, sums that survive their rows."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ledger_kit import HOUR_S, KINDS, database_url, refused, row, server_url, sockets
from msgspec import structs
from msgspec.msgpack import encode

from gramwise.core.errors import ConfigError, DataGap, SourceUnavailable
from gramwise.gateway.ledger import (
    Database,
    Ledger,
    LedgerFull,
    NodeTime,
    Row,
    by,
    energy,
    export_csv,
    outcome,
    summary,
)
from gramwise.gateway.ledger.moving import COLUMNS, NODE_TIME, ROW, Mover, Progress
from gramwise.gateway.ledger.records import framed
from gramwise.gateway.ledger.segments import Segments
from gramwise.gateway.ledger.spool import Spool
from gramwise.gateway.ledger.tables import Batch


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return database_url(request.param, tmp_path)


@pytest.fixture
def ledger(url: str, tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(url, tmp_path / "spool")
    yield opened
    opened.close()


def fill(ledger: Ledger, rows: list[Row]) -> list[Row]:
    for each in rows:
        ledger.append(each)
    return rows


def once_told(ledger: Ledger, name: str, limit_s: float = 30.0) -> Mapping[str, Any]:
    """The ledger's status, as soon as it says something under a name."""
    until_s = time.monotonic() + limit_s
    while not (status := ledger.status())[name] and time.monotonic() < until_s:
        time.sleep(0.01)
    return status


def mixture() -> list[Row]:
    """Two hours, two nodes, all statuses, figures that are partly not known."""
    rows = [row(n, node="ab"[n % 2], zone=("FR", "DE")[n % 2]) for n in range(60)]
    rows += [
        row(n, arrival_s=HOUR_S + 3600 + n, tenant="other", attempts=2, late=True) for n in range(60, 80)
    ]
    rows += [row(80, status="lost", energy_j=None, carbon_g=None, attempts=2, latency_s=None)]
    rows += [row(81, status="failed", energy_j=math.nan, carbon_g=math.inf, latency_s=None, http_status=500)]
    return [*rows, refused(82), row(83, energy_low_j=None)]


def test_a_summary_counts_and_adds_every_outcome_once(ledger: Ledger) -> None:
    rows = fill(ledger, mixture())
    with ledger.reading() as book:
        told = summary(book)
    known = [r for r in rows if r.energy_j is not None and math.isfinite(r.energy_j)]
    assert [
        told[name] for name in ("requests", "completed", "failed", "lost", "refused", "retried", "late")
    ] == [*(84, 81, 2, 1, 1, 21, 20)]
    assert told["energy_j"]["value"] == pytest.approx(math.fsum(r.energy_j or 0.0 for r in known), rel=1e-12)
    assert (told["energy_j"]["known"], told["energy_j"]["unknown"]) == (81, 2)
    assert (told["energy_j"]["low"], told["energy_j"]["method"]) == (None, "modelled"), (
        "one row has no low end"
    )
    assert told["carbon_g"]["value"] == pytest.approx(math.fsum(r.carbon_g or 0.0 for r in known), rel=1e-12)
    assert (told["carbon_g"]["signal"], told["carbon_g"]["scope"]) == ("average", "scope 2, location-based")
    assert told["carbon_g"]["low"] == pytest.approx(0.8 * told["carbon_g"]["value"], rel=1e-12)


@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        ("hour", [HOUR_S, HOUR_S + 3600]),
        ("tenant", ["acme", "other"]),
        ("node", ["", "a", "b"]),
        ("zone", ["", "DE", "FR"]),
        ("model", ["digits"]),
        ("status", ["completed", "failed", "lost", "refused"]),
    ],
)
def test_groups_are_disjoint_and_sum_to_the_total(
    ledger: Ledger, dimension: str, values: list[object]
) -> None:
    fill(ledger, mixture())
    with ledger.reading() as book:
        told = by(book, dimension)
    assert [group[dimension] for group in told["groups"]] == values
    assert sum(group["requests"] for group in told["groups"]) == told["requests"] == 84
    joules = [group["energy_j"]["value"] for group in told["groups"]]
    assert math.fsum(j for j in joules if j is not None) == pytest.approx(
        told["energy_j"]["value"], rel=1e-12
    )


def test_what_nobody_knows_is_none_and_never_0(ledger: Ledger) -> None:
    fill(ledger, [row(0, energy_j=None, carbon_g=None, latency_s=None, status="lost")])
    with ledger.reading() as book:
        told = summary(book)
        empty = summary(book, from_s=HOUR_S - 7200, to_s=HOUR_S - 3600)
    for each, unknown in ((told, 1), (empty, 0)):
        assert each["energy_j"]["value"] is None
        assert each["carbon_g"]["value"] is None
        assert each["energy_j"]["unknown"] == unknown
        assert (each["latency_s"]["p50"], each["latency_s"]["mean"]) == (None, None)
        assert each["carbon_market_g"]["value"] is None


def test_average_and_marginal_grams_are_never_added(ledger: Ledger) -> None:
    fill(ledger, [row(0), row(1, signal="marginal")])
    with ledger.reading() as book:
        told = by(book, "signal")
    assert told["carbon_g"]["value"] is None
    assert told["carbon_g"]["mixed"] == ["average/lifecycle", "marginal/lifecycle"]
    assert [group["carbon_g"]["value"] for group in told["groups"]] == [row(0).carbon_g, row(1).carbon_g]


@pytest.mark.parametrize(
    ("methods", "told"),
    [
        (("measured", "modelled"), "modelled"),
        (("measured", "assumed"), "assumed"),
        (("measured", ""), "measured"),
        (("measured", "guessed"), None),
    ],
)
def test_a_total_is_as_sure_as_its_least_sure_part(
    tmp_path: Path, methods: tuple[str, ...], told: str | None
) -> None:
    ledger = Ledger.open(database_url("sqlite", tmp_path), tmp_path / "spool")
    fill(ledger, [row(n, energy_method=method) for n, method in enumerate(methods)])
    with ledger.reading() as book:
        assert summary(book)["energy_j"]["method"] == told
    ledger.close()


def test_market_based_carbon_stands_apart_and_is_unknown_without_a_factor(ledger: Ledger) -> None:
    fill(ledger, [row(0, carbon_market_g=0.0, market_intensity_g_per_kwh=0.0), row(1)])
    with ledger.reading() as book:
        told = summary(book)
    assert told["carbon_market_g"] == {
        "value": 0.0,
        "unit": "g",
        "known": 1,
        "unknown": 1,
        "scope": "scope 2, market-based",
    }
    assert told["carbon_g"]["value"] == pytest.approx(math.fsum([row(0).carbon_g or 0, row(1).carbon_g or 0]))


def test_an_id_counts_once_whoever_brings_it_again(url: str, tmp_path: Path) -> None:
    one = Ledger.open(url, tmp_path / "one")
    fill(one, [row(n) for n in range(450)] + [row(3, energy_j=99.0)])
    assert one.close()
    two = Ledger.open(url, tmp_path / "two")
    fill(two, [row(n, energy_j=77.0) for n in range(448, 452)])
    with two.reading() as book:
        told = summary(book)
        mine = summary(book, where={"run": two.run})
    assert (told["requests"], mine["requests"]) == (452, 2)
    first = math.fsum(row(n).energy_j or 0.0 for n in range(450))
    assert told["energy_j"]["value"] == pytest.approx(first + 2 * 77.0, rel=1e-12)
    assert (two.status()["moved"], two.status()["doubled"]) == (2, 2)
    two.close()


def test_a_span_that_cuts_hours_is_counted_from_its_rows(ledger: Ledger) -> None:
    rows = fill(ledger, [row(n, arrival_s=HOUR_S + 60.0 * n) for n in range(300)])
    for from_s, to_s in ((90.0, 16_000.0), (90.0, 100.0), (3600.0, 7200.0), (0.0, 3601.0), (100.0, 3500.0)):
        with ledger.reading() as book:
            told = summary(book, from_s=HOUR_S + from_s, to_s=HOUR_S + to_s)
        asked = [r for r in rows if from_s <= r.arrival_s - HOUR_S < to_s]
        assert told["requests"] == len(asked)
        joules = math.fsum(r.energy_j or 0.0 for r in asked)
        assert told["energy_j"]["value"] == (pytest.approx(joules, rel=1e-12) if asked else None)


def test_totals_are_identical_once_the_rows_are_gone(ledger: Ledger) -> None:
    fill(ledger, mixture())
    with ledger.reading() as book:
        before = [summary(book), by(book, "hour"), by(book, "node"), summary(book, where={"run": ledger.run})]
    assert ledger.database.prune(HOUR_S + 3600 + 1800) == 64, "whole hours alone"
    assert ledger.database.prune(HOUR_S + 3600) == 0
    with ledger.reading() as book:
        assert [
            summary(book),
            by(book, "hour"),
            by(book, "node"),
            summary(book, where={"run": ledger.run}),
        ] == before
        assert outcome(book, "r00000000") is None
        assert outcome(book, "r00000070") is not None
        for from_s, to_s in ((HOUR_S + 1.0, HOUR_S + 7200), (HOUR_S, HOUR_S + 10.0)):
            with pytest.raises(DataGap, match="are gone, by the ledger's retention"):
                summary(book, from_s=from_s, to_s=to_s)
        with pytest.raises(DataGap):
            export_csv(book, io.StringIO())
        assert summary(book, from_s=HOUR_S + 3600 + 60, to_s=HOUR_S + 7200)["requests"] == 20


def test_rows_that_come_late_into_a_pruned_hour_are_counted_too(ledger: Ledger) -> None:
    fill(ledger, [row(0)])
    assert ledger.settle()
    ledger.database.prune(HOUR_S + 3600)
    fill(ledger, [row(1)])
    with ledger.reading() as book:
        assert summary(book)["requests"] == 2


def test_the_rows_come_out_as_they_went_in(ledger: Ledger) -> None:
    odd = row(7, model="m\0\ud800'\"; DROP TABLE x; --é", late=True, tenant="t" * 300, deferred_s=12.5)
    fill(ledger, [odd, refused(8)])
    out = io.StringIO(newline="")
    with ledger.reading() as book:
        found = outcome(book, odd.request_id)
        assert export_csv(book, out) == 2
    assert found is not None
    assert found["model"] == "m\ufffd?'\"; DROP TABLE x; --é"
    assert found["tenant"] == "t" * 256
    same = ("late", "arrival_s", "energy_j", "http_status", "start_s", "status", "deferred_s")
    assert {name: found[name] for name in same} == {name: getattr(odd, name) for name in same}
    assert found["run"] == ledger.run
    first, second = csv.DictReader(io.StringIO(out.getvalue(), newline=""))
    assert (float(first["energy_j"]), second["energy_j"], second["http_status"]) == (odd.energy_j, "", "429")


def test_every_cell_comes_out_as_it_went_in_however_alike_the_rows_are(ledger: Ledger) -> None:
    rows = [
        row(
            n,
            node="abc"[n % 3],
            tenant=f"t{n // 170}",
            attempts=1 + (n > 250),
            late=n % 50 == 0,
            http_status=None if n == 399 else 200,
            deferred_s=n / 7.0 if n > 300 else None,
            carbon_market_g=0.5 if n < 90 else None,
        )
        for n in range(400)
    ]
    fill(ledger, [*rows, refused(400)])
    with ledger.reading() as book:
        kept = list(book.rows(0.0, 1e11, {}))
    assert kept[:400] == [(*structs.astuple(each), ledger.run) for each in rows]
    assert len(kept) == 401


def test_requests_and_idle_and_overhead_are_what_was_metered(ledger: Ledger) -> None:
    for n in range(120):
        known = {"metered_j": 10.0, "requests_j": 4.0, "idle_j": 5.0, "overhead_j": 0.9}
        start_s = HOUR_S + 60.0 * n
        stretch = NodeTime(
            node="a", zone="FR", start_s=start_s, end_s=start_s + 60.0, method="measured", **known
        )
        ledger.append_node_time(stretch)
        ledger.append_node_time(
            NodeTime(node="b", start_s=start_s, end_s=start_s + 60.0, idle_j=3.0, method="modelled")
        )
    with ledger.reading() as book:
        a, b = energy(book)["nodes"]
        hour = energy(book, from_s=HOUR_S + 10, to_s=HOUR_S + 20, where={"node": "a"})
    assert a["metered_j"] == 1200.0
    assert a["unexplained_j"] == pytest.approx(12.0)
    assert a["closure_frac"] == pytest.approx(0.99)
    assert (a["duration_s"], a["method"]) == (7200.0, "measured")
    assert (b["idle_j"], b["metered_j"], b["requests_j"], b["unexplained_j"]) == (360.0, None, None, None)
    assert [node["metered_j"] for node in hour["nodes"]] == [600.0]
    assert hour["span"] == {"from_s": HOUR_S, "to_s": HOUR_S + 3600}


def test_a_record_that_makes_no_sense_is_set_aside_and_holds_nothing_up(
    ledger: Ledger, tmp_path: Path
) -> None:
    wrong = [
        row(1, attempts=2**64 - 1),
        row(2, request_id="x" * 257),
        row(3, arrival_s=math.nan),
        row(4, count=-1),
    ]
    fill(ledger, [row(0), *wrong, row(5, status="eaten"), row(6)])
    with ledger.reading() as book:
        assert summary(book)["requests"] == 2
    assert ledger.status()["unreadable"] == 5
    assert (tmp_path / "spool" / "unreadable.log").stat().st_size > 500


def test_a_record_of_another_version_is_read_by_the_names_of_its_columns(url: str, tmp_path: Path) -> None:
    old = Spool(tmp_path / "spool", {"1": ["request_id", "status", "colour", "arrival_s", "energy_j"]})
    old.append(framed(1, encode(["old", "completed", "red", HOUR_S, 2])))
    old.close()
    ledger = Ledger.open(url, tmp_path / "spool")
    with ledger.reading() as book:
        found = outcome(book, "old")
    assert found is not None
    assert (found["energy_j"], found["model"], found["run"] == ledger.run) == (2.0, "", False)
    ledger.close()


def test_rows_go_after_their_retention_and_their_sums_stay(url: str, tmp_path: Path) -> None:
    one = Ledger.open(url, tmp_path / "spool")
    fill(one, [row(0, arrival_s=time.time() - 3 * 86_400.0), row(1, arrival_s=time.time())])
    assert one.close()
    two = Ledger.open(url, tmp_path / "spool", retention_days=1.0)
    found: object = "not looked yet"
    until_s = time.monotonic() + 30.0
    while found is not None and time.monotonic() < until_s:
        with two.reading() as book:
            found, kept, total = (
                outcome(book, "r00000000"),
                outcome(book, "r00000001"),
                summary(book)["requests"],
            )
    assert (found, kept is None, total) == (None, False, 2)
    two.close()


def test_a_closed_ledger_takes_nothing(url: str, tmp_path: Path) -> None:
    ledger = Ledger.open(url, tmp_path / "spool")
    ledger.close()
    with pytest.raises(LedgerFull, match="the ledger is closed"):
        ledger.append(row(0))


def test_questions_that_make_no_sense_are_refused_in_a_sentence(ledger: Ledger) -> None:
    with ledger.reading() as book:
        with pytest.raises(ConfigError, match=r"by: the ledger has no 'modle'\. Did you mean 'model'\?"):
            by(book, "modle")
        with pytest.raises(ConfigError, match=r"where: the ledger has no 'nod'\. Did you mean 'node'\?"):
            summary(book, where={"nod": "a"})
        for odd in ("\0", "\ud800"):
            assert outcome(book, odd) is None
            with pytest.raises(ConfigError, match=r"where\.model: .* is no text that a ledger holds"):
                summary(book, where={"model": odd})
        with pytest.raises(ConfigError, match="ends before it begins"):
            summary(book, from_s=2.0, to_s=1.0)


class Wavering(Database):
    """Takes its first batches and says that it failed, takes nothing of the second ones, and then behaves."""

    turns = 0

    def put(self, batches: Iterable[Batch]) -> int:
        self.turns += 1
        if self.turns == 2:
            raise SourceUnavailable("the link broke before the commit")
        new = super().put(batches)
        if self.turns == 1:
            raise SourceUnavailable("the link broke after the commit")
        return new


def test_a_commit_of_which_nobody_heard_is_not_counted_twice(url: str, tmp_path: Path) -> None:
    spool = Spool(tmp_path, COLUMNS, segment_bytes=10_000)
    told: list[Progress] = []
    database = Wavering(url)
    mover = Mover(spool.id, Segments(spool.folder, spool.before), database, told.append)
    for first in (0, 50):
        for n in range(first, first + 50):
            spool.append(framed(ROW, encode(row(n))))
            stretch = NodeTime(node="a", start_s=HOUR_S, end_s=HOUR_S + 1.0, idle_j=1.0)
            spool.append(framed(NODE_TIME, encode(stretch)))
        with pytest.raises(SourceUnavailable, match="the link broke") as caught:
            mover.move(lambda: False)
        mover.failed(caught.value)
    mover.move(lambda: False)
    assert told[-1].position == spool.end
    assert [each.fault for each in told if each.fault] == [
        "the link broke after the commit",
        "the link broke before the commit",
    ]
    with database.reading() as book:
        assert summary(book)["requests"] == 100
        assert energy(book)["nodes"][0]["idle_j"] == 100.0
    assert sum(each.doubled for each in told) == 0
    assert len(list(tmp_path.glob("spool-*.log"))) == 1, (
        "what is in the database is deleted, also after a fault"
    )
    spool.close()
    database.close()


def test_two_gateways_share_a_database(url: str, tmp_path: Path) -> None:
    ledgers = [Ledger.open(url, tmp_path / name) for name in "ab"]
    for n in range(300):
        ledgers[n % 2].append(row(n, request_id=f"{n % 2}-{n}"))
    for each in ledgers:
        assert each.settle(20.0), each.status()
    with ledgers[0].reading() as book:
        assert [group["requests"] for group in by(book, "run")["groups"]] == [150, 150]
        assert len(by(book, "hour")["groups"]) == 1
    for each in ledgers:
        assert each.close()


def test_a_server_that_is_away_costs_nothing_until_the_spool_is_full(tmp_path: Path) -> None:
    real = sockets()
    database_url("postgresql", tmp_path)
    away = tmp_path / "run"
    url = server_url(away, "public")
    ledger = Ledger.open(url, tmp_path / "spool", limit_bytes=80_000, segment_bytes=20_000)
    written = 0
    while ledger.accepts:
        ledger.append(row(written))
        written += 1
    assert not ledger.settle(0.0)
    with pytest.raises(SourceUnavailable, match="the ledger's database is behind"), ledger.reading(0.1):
        pass
    with contextlib.suppress(LedgerFull):
        for _ in range(100):
            ledger.append(row(written))
            written += 1
    with pytest.raises(LedgerFull, match="nothing is dropped"):
        ledger.append(row(written))
    status = once_told(ledger, "database_fault")
    assert (status["appended"], status["moved"], status["refused"], status["accepts"]) == (
        written,
        0,
        2,
        False,
    )
    assert "failed" in status["database_fault"]
    away.symlink_to(real)
    assert ledger.settle(30.0)
    with ledger.reading() as book:
        assert summary(book)["requests"] == written
    assert (ledger.accepts, ledger.status()["database_fault"]) == (True, None)
    ledger.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u:secret@h/x", "mysql with this name is no database for a ledger. Write sqlite:///FILE"),
        ("sqlite://", "sqlite with this name is no database"),
        ("sqlite:///:memory:", "sqlite with this name is no database"),
        ("postgresql://u:secret@h:port/x", "the ledger's database URL cannot be read"),
    ],
)
def test_an_url_that_is_none_is_refused_without_its_secret(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Database(url)
    assert "secret" not in str(caught.value)


def test_no_secret_is_told(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    database = Database(f"postgresql://user:s3cr%20t@/name?host={tmp_path}")
    with pytest.raises(SourceUnavailable) as caught:
        database.prepare()
    assert "s3cr" not in str(caught.value) + database.shown
    database.close()


def test_a_file_that_is_no_database_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(SourceUnavailable, match="file is not a database"):
        Ledger.open(str(tmp_path / "x.db"), tmp_path / "spool")
    with pytest.raises(SourceUnavailable, match="unable to open database file"):
        Ledger.open(str(tmp_path / "nowhere" / "x.db"), tmp_path / "spool")


FULL_DISK = """
import resource, sys, time
from gramwise.gateway.ledger import Ledger, Row, summary
folder = sys.argv[1]
ledger = Ledger.open(folder + "/ledger.db", folder + "/spool", segment_bytes=50_000)
assert ledger.settle(60.0)
mover, hard = ledger.status()["mover_pid"], resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.prlimit(mover, resource.RLIMIT_FSIZE, (120_000, hard))
for number in range(3_000):
    ledger.append(Row(request_id=str(number), arrival_s=1.79e9 + number, status="completed"))
while ledger.status()["database_fault"] is None:
    time.sleep(0.01)
print(ledger.settle(0.0), ledger.status()["database_fault"])
assert ledger.status()["mover_pid"] == mover
resource.prlimit(mover, resource.RLIMIT_FSIZE, (hard, hard))
with ledger.reading(60.0) as book:
    print(summary(book)["requests"], ledger.status()["database_fault"])
ledger.close()
"""


def test_a_disk_that_is_full_under_the_database_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path], check=True, capture_output=True, text=True, timeout=120
    )
    first, second = done.stdout.splitlines()
    assert first.startswith("False the ledger's database sqlite:///")
    assert second == "3000 None"
