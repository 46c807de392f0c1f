"""The archive: kept as seen, never overwritten, nothing told that was not known, two processes at once."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from gramwise.core.ahead import Forecast
from gramwise.core.errors import ConfigError, DataError, DataGap, MixedKinds, SourceUnavailable
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series
from gramwise.grid.archive import Archive
from gramwise.testing import check_intensity

H = 3600.0
SRC = Path(__file__).parents[2] / "src"


def series(
    start_s: float,
    *values: float,
    step_s: float = H,
    signal: Signal = "average",
    basis: Basis = "lifecycle",
    source: str = "made up for tests",
    unit: str = "g/kWh",
) -> Series:
    times = tuple(start_s + i * step_s for i in range(len(values)))
    end_s = start_s + len(values) * step_s
    return Series(
        times_s=times, values=values, end_s=end_s, unit=unit, signal=signal, basis=basis, source=source
    )


def foreseen(
    issued_s: float, start_s: float, *values: float, zone: str = "DE", banded: bool = True
) -> Forecast:
    return Forecast(
        zone=zone,
        issued_s=issued_s,
        series=series(start_s, *values),
        low=tuple(v - 10 for v in values) if banded else None,
        high=tuple(v + 10 for v in values) if banded else None,
        coverage_frac=0.8 if banded else None,
    )


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive.sqlite")


def test_history_comes_back_and_holes_stay_holes(archive: Archive) -> None:
    assert archive.put_history("p", "DE", series(0, 100, math.nan, 300), seen_s=3 * H) == 3
    assert archive.put_history("p", "DE", series(5 * H, 600), seen_s=6 * H) == 1
    found = archive.history("DE", -H, 7 * H)
    assert list(found.times_s) == [-H, 0, H, 2 * H, 3 * H, 5 * H, 6 * H]
    assert repr(found.values) == "(nan, 100.0, nan, 300.0, nan, 600.0, nan)"
    assert found.end_s == 7 * H
    assert found.source == "made up for tests"
    assert archive.gaps("p", "DE", -H, 7 * H) == [(-H, 0), (H, 2 * H), (3 * H, 5 * H), (6 * H, 7 * H)]


def test_the_archive_passes_the_conformance_kit(archive: Archive) -> None:
    archive.put_history("p", "DE", series(1_654_041_600.0, *range(100, 124)), seen_s=1.7e9)
    check_intensity(archive, "DE")
    check_intensity(archive.only(provider="p"), "DE")


def test_the_same_again_stores_nothing_and_a_correction_is_kept_beside_it(archive: Archive) -> None:
    archive.put_history("p", "DE", series(0, 100, 200), seen_s=10 * H)
    assert archive.put_history("p", "DE", series(0, 100, 200), seen_s=11 * H) == 0
    assert archive.put_history("p", "DE", series(0, 100, 250), seen_s=12 * H) == 1
    assert archive.history("DE", 0, 2 * H).values == (100, 250)
    assert archive.history("DE", 0, 2 * H, known_s=11 * H).values == (100, 200)
    assert archive.only(known_s=11 * H).history("DE", 0, 2 * H).values == (100, 200)
    with pytest.raises(DataGap):
        archive.history("DE", 0, 2 * H, known_s=9 * H)


def test_what_is_missing_never_takes_the_place_of_what_is_known(archive: Archive) -> None:
    archive.put_history("p", "DE", series(0, math.nan, 200), seen_s=H)
    archive.put_history("p", "DE", series(0, 100, math.nan), seen_s=2 * H)
    assert archive.history("DE", 0, 2 * H).values == (100, 200)


def test_half_hours_after_hours_do_not_overlap(archive: Archive) -> None:
    archive.put_history("p", "DE", series(0, 100, 200), seen_s=2 * H)
    archive.put_history("p", "DE", series(1.5 * H, 50, 60, step_s=H / 2), seen_s=3 * H)
    found = archive.history("DE", 0, 2.5 * H)
    assert (found.times_s, found.values) == ((0, H, 1.5 * H, 2 * H), (100, 200, 50, 60))


def test_the_provider_who_knows_most_answers_and_one_answer_has_one_provider(archive: Archive) -> None:
    archive.put_history("few", "DE", series(0, 1, math.nan), seen_s=2 * H)
    archive.put_history("many", "DE", series(0, 100, 200, source="many's"), seen_s=2 * H)
    assert archive.history("DE", 0, 2 * H).values == (100, 200)
    assert archive.history("DE", 0, 2 * H).source == "many's"
    assert archive.history("DE", 0, H, provider="few").values == (1,)
    assert archive.newest("few", "DE", 5 * H).value == 1  # type: ignore[union-attr]


def test_kinds_never_mix(archive: Archive) -> None:
    archive.put_history("p", "DE", series(0, 100, signal="marginal", basis="direct"), seen_s=H)
    with pytest.raises(MixedKinds, match="DE is held as marginal direct, not as average lifecycle"):
        archive.history("DE", 0, H)
    assert archive.history("DE", 0, H, signal="marginal", basis="direct").values == (100,)
    assert archive.newest("p", "DE", H) is None
    with pytest.raises(MixedKinds, match="lb/MWh"):
        archive.put_history("p", "DE", series(0, 100, unit="lb/MWh"), seen_s=H)


def test_an_unknown_zone_names_the_nearest(archive: Archive) -> None:
    with pytest.raises(ConfigError, match="empty: let a feed fill it"):
        archive.history("DE", 0, H)
    archive.put_history("p", "GB-SCT", series(0, 100), seen_s=H)
    with pytest.raises(ConfigError, match=r"archive\.sqlite: .*'GB-SCO'.*Did you mean 'GB-SCT'"):
        archive.history("GB-SCO", 0, H)


def test_a_series_without_end_is_refused(archive: Archive) -> None:
    with pytest.raises(DataError, match="no begin or no end"):
        archive.put_history("p", "DE", Series.constant(1.0, unit="g/kWh", source="s"), seen_s=0)


def test_forecasts_are_kept_as_issued(archive: Archive) -> None:
    first = foreseen(10 * H, 10 * H, 100, 110, 120)
    second = foreseen(11 * H, 11 * H, 90, 95, 99, banded=False)
    assert archive.put_forecast("p", first, seen_s=10 * H) == 3
    assert archive.put_forecast("p", first, seen_s=10.5 * H) == 0
    assert archive.put_forecast("p", second, seen_s=11 * H) == 3
    changed = foreseen(10 * H, 10 * H, 1, 2, 3, 4)
    assert archive.put_forecast("p", changed, seen_s=12 * H) == 1  # only the step that nobody had seen
    assert [f.issued_s for f in archive.forecasts("DE", 0, 20 * H)] == [10 * H, 11 * H]
    assert next(archive.forecasts("DE", 0, 20 * H)).series.values == (100, 110, 120, 4)
    assert (
        archive.newest_forecast("DE", 10.5 * H) == first
    )  # its interval and coverage, and without the late step
    assert archive.newest_forecast("DE", 11 * H) == second
    assert list(archive.forecasts("DE", 10 * H, 11 * H, provider="other")) == []


def test_no_look_ahead_neither_by_issue_nor_by_sight(archive: Archive) -> None:
    archive.put_forecast("p", foreseen(10 * H, 10 * H, 100), seen_s=14 * H)  # issued at 10, bought at 14
    assert archive.newest_forecast("DE", 13 * H) is None
    assert archive.newest_forecast("DE", 14 * H) is not None
    with pytest.raises(SourceUnavailable, match="had been seen by"):
        archive.forecast("DE", 10 * H, 11 * H, 13 * H)
    with pytest.raises(SourceUnavailable):
        archive.only(known_s=13 * H).forecast("DE", 10 * H, 11 * H, 20 * H)


def test_an_older_issue_may_reach_further(archive: Archive) -> None:
    archive.put_forecast("p", foreseen(8 * H, 8 * H, *range(100, 110)), seen_s=8 * H)
    archive.put_forecast("p", foreseen(10 * H, 10 * H, 1, math.nan), seen_s=10 * H)
    for moment, issued in ((10.5, 10), (11.5, 8), (12.5, 8)):
        found = archive.newest_forecast("DE", 13 * H, covering_s=moment * H)
        assert found is not None
        assert found.issued_s == issued * H
    assert archive.newest_forecast("DE", 30 * H, covering_s=20 * H) is None


def test_a_forecast_is_cut_to_what_was_asked(archive: Archive) -> None:
    archive.put_forecast("p", foreseen(0, 0, 100, 110, 120, 130), seen_s=0)
    cut = archive.forecast("DE", 1.5 * H, 2.5 * H, issued_s=H)
    assert (cut.series.times_s, cut.series.values, cut.series.end_s) == (
        (1.5 * H, 2 * H),
        (110, 120),
        2.5 * H,
    )
    assert (cut.low, cut.high) == ((100, 110), (120, 130))
    with pytest.raises(DataGap, match="reaches from 0 to 14400"):
        archive.forecast("DE", 5 * H, 6 * H, issued_s=H)


def test_pruning_forgets_only_the_old(archive: Archive) -> None:
    archive.put_history("p", "DE", series(0, 1, 2, 3), seen_s=3 * H)
    archive.put_forecast("p", foreseen(0, 0, 1), seen_s=0)
    archive.put_forecast("p", foreseen(H, H, 2), seen_s=H)
    assert archive.prune(observed_before_s=2 * H, issued_before_s=H) == 3
    assert archive.history("DE", 2 * H, 3 * H).values == (3,)
    assert [f.issued_s for f in archive.forecasts("DE", 0, 9 * H)] == [H]
    assert archive.last_seen_s("p", "DE") == H
    assert archive.last_seen_s("p", "FR") is None


def test_it_is_there_after_closing(tmp_path: Path) -> None:
    path = tmp_path / "archive.sqlite"
    with Archive(path) as one:
        one.put_history("p", "DE", series(0, 1), seen_s=H)
    with Archive(path) as two:
        assert two.zones() == ["DE"]
        assert two.history("DE", 0, H).values == (1,)


def test_a_half_written_batch_leaves_nothing(archive: Archive) -> None:
    broken = series(0, 1, 2)
    object.__setattr__(broken, "values", (1.0, object()))  # what SQLite cannot keep, in the second row
    with pytest.raises(DataError):
        archive.put_history("p", "DE", broken, seen_s=H)
    assert archive.zones() == []
    assert (
        archive.put_history("p", "DE", series(0, 1), seen_s=H) == 1
    )  # and the file is free for the next one


@pytest.mark.parametrize(
    "content", [b"this is a page of HTML, not a database " * 40, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "archive.sqlite"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"archive\.sqlite: .*[Mm]ove it away"):
        Archive(path)
    assert path.read_bytes() == content


def test_damage_found_later_is_named_too(tmp_path: Path) -> None:
    path = tmp_path / "archive.sqlite"
    with Archive(path) as one:
        for day in range(40):
            one.put_history("p", "DE", series(day * 24 * H, *range(24)), seen_s=1e9)
    body = bytearray(path.read_bytes())
    body[4096 * 6 :] = b"\xff" * (len(body) - 4096 * 6)  # the tables stand, the rows do not
    path.write_bytes(body)
    with Archive(path) as two, pytest.raises(DataError, match=r"archive\.sqlite: is damaged"):
        two.history("DE", 0, 40 * 24 * H)


def test_other_programs_and_other_versions_are_left_alone(tmp_path: Path) -> None:
    for name, statement, said in (
        ("other", "CREATE TABLE cats (name TEXT)", "belongs to another program"),
        ("newer", "PRAGMA user_version = 99", "is an archive of version 99, this gramwise reads version 1"),
    ):
        path = tmp_path / f"{name}.sqlite"
        if name == "newer":
            Archive(path).close()
        with sqlite3.connect(path) as db:
            db.execute(statement)
        db.close()
        with pytest.raises(DataError, match=said):
            Archive(path)


def test_a_folder_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere/a\.sqlite: cannot be opened\. Make its folder"):
        Archive(tmp_path / "nowhere" / "a.sqlite")


WRITE = """
import os, sys
from gramwise.core.errors import DataError
from gramwise.core.series import Series
from gramwise.grid.archive import Archive

path, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.setuid(int(sys.argv[4]))
try:
    with Archive(path) as archive:
        for i in range(rounds):
            one = Series(times_s=(i * 3600.0,), values=(float(i),), end_s=(i + 1) * 3600.0, unit="g/kWh",
                         signal="average", basis="lifecycle", source="made up for tests")
            archive.put_history(name, "DE", one, seen_s=1e9)
except DataError as fault:
    sys.exit(f"DataError: {fault}")
"""


def process(path: Path, name: str, rounds: int, user: int | None = None) -> subprocess.Popen[str]:
    arguments = [str(path), name, str(rounds), str(os.getuid() if user is None else user)]
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, *arguments],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_begin_and_fill_one_file(tmp_path: Path) -> None:
    path = tmp_path / "archive.sqlite"
    writers = [process(path, name, 200) for name in ("one", "two")]
    said = [writer.communicate(timeout=60)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], said
    with Archive(path) as archive:
        for name in ("one", "two"):
            assert archive.history("DE", 0, 200 * H, provider=name).values == tuple(map(float, range(200)))


def test_threads_share_one_archive(archive: Archive) -> None:
    def fill(name: str) -> None:
        for i in range(50):
            archive.put_history(name, "DE", series(i * H, float(i)), seen_s=1e9)

    threads = [threading.Thread(target=fill, args=(f"p{k}",)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        assert archive.gaps(f"p{k}", "DE", 0, 50 * H) == []


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to run a process as somebody who may not write")
def test_a_file_that_may_not_be_written_is_named_with_what_to_do() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, which nobody else may enter
        Path(folder).chmod(0o755)
        path = Path(folder) / "archive.sqlite"
        Archive(path).close()
        path.chmod(0o444)
        writer = process(path, "nobody", 1, user=65534)
        said = writer.communicate(timeout=60)[1]
    assert writer.returncode == 1
    assert "DataError" in said
    assert "archive.sqlite: cannot be" in said


def test_closing_waits_for_the_threads_that_read(tmp_path: Path) -> None:
    """SQLite crashes the whole process when a connection is closed under a running statement."""
    for turn in range(20):
        kept = Archive(tmp_path / f"{turn}.sqlite")
        started, said = threading.Event(), list[str]()

        def read(kept: Archive = kept, started: threading.Event = started, said: list[str] = said) -> None:
            try:
                while True:
                    kept.newest_forecast("DE", "average", "lifecycle")
                    started.set()
            except DataError as fault:
                said.append(str(fault))

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        started.wait(5.0)
        kept.close()
        kept.close()
        for thread in threads:
            thread.join(5.0)
        assert len(said) == 2
        assert all("was closed" in line for line in said)
