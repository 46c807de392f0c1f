"""Waiting costs nothing, time moves by timers only, and the world outside is refused."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from gramwise.sim.loop import NotVirtual, VirtualClock, VirtualLoop, run_virtually


def test_a_year_of_sleep_takes_no_time_and_ends_on_the_second() -> None:
    async def main() -> float:
        await asyncio.sleep(365 * 86_400.0)
        return asyncio.get_running_loop().time()

    begin = time.perf_counter()
    assert run_virtually(main()) == pytest.approx(365 * 86_400.0, abs=1e-6)
    assert time.perf_counter() - begin < 60.0


def test_timers_fire_in_the_order_of_their_times_whatever_the_order_of_setting() -> None:
    seen: list[tuple[float, float]] = []

    async def one(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        seen.append((delay_s, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(*(one(delay_s) for delay_s in (3.0, 0.5, 200_000.0, 1.0, 0.0)))

    run_virtually(main())
    assert [delay for delay, _ in seen] == [0.0, 0.5, 1.0, 3.0, 200_000.0]
    assert all(at == pytest.approx(delay, abs=1e-9) for delay, at in seen)


def test_computing_takes_no_virtual_time() -> None:
    async def main() -> float:
        before = asyncio.get_running_loop().time()
        time.sleep(0.02)
        await asyncio.sleep(0)
        return asyncio.get_running_loop().time() - before

    assert run_virtually(main()) == 0.0


def test_the_clock_counts_from_the_start_that_it_was_given() -> None:
    async def main() -> float:
        clock = VirtualClock(asyncio.get_running_loop(), 1_000.0)
        await asyncio.sleep(2.5)
        return clock.now_s()

    assert run_virtually(main()) == 1_002.5


async def _thread() -> None:
    await asyncio.to_thread(time.sleep, 0.0)


async def _socket() -> None:
    await asyncio.open_connection("127.0.0.1", 9)


async def _server() -> None:
    await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)


async def _subprocess() -> None:
    await asyncio.create_subprocess_exec("true")


async def _shell() -> None:
    await asyncio.create_subprocess_shell("true")


async def _reader() -> None:
    asyncio.get_running_loop().add_reader(0, print)


async def _names() -> None:
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)


@pytest.mark.parametrize("reach", [_thread, _socket, _server, _subprocess, _shell, _reader, _names])
def test_the_world_outside_is_refused_in_words(reach: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await reach()

    with pytest.raises(NotVirtual, match="does not work in virtual time"):
        run_virtually(main())


def test_another_thread_may_not_call_in_but_the_loop_itself_may() -> None:
    async def main() -> tuple[list[str], list[int]]:
        loop = asyncio.get_running_loop()
        faults: list[str] = []
        calls: list[int] = []

        def outside() -> None:
            try:
                loop.call_soon_threadsafe(calls.append, 1)
            except NotVirtual as fault:
                faults.append(str(fault))

        thread = threading.Thread(target=outside)
        thread.start()
        thread.join()
        loop.call_soon_threadsafe(calls.append, 2)
        await asyncio.sleep(0)
        return faults, calls

    faults, calls = run_virtually(main())
    assert len(faults) == 1
    assert "another thread" in faults[0]
    assert calls == [2]


def test_a_dead_end_is_an_error_and_does_not_hang() -> None:
    async def main() -> None:
        await asyncio.sleep(1.0)
        await asyncio.get_running_loop().create_future()

    begin = time.perf_counter()
    with pytest.raises(NotVirtual, match="dead end"):
        run_virtually(main())
    assert time.perf_counter() - begin < 60.0


def test_faults_and_results_come_out_as_they_are() -> None:
    async def fault() -> None:
        await asyncio.sleep(5.0)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run_virtually(fault())


def test_what_is_left_running_is_cancelled_at_the_end() -> None:
    ended: list[str] = []

    async def for_ever() -> None:
        try:
            while True:
                await asyncio.sleep(10.0)
        finally:
            ended.append("cancelled")

    async def main() -> str:
        task = asyncio.get_running_loop().create_task(for_ever())
        await asyncio.sleep(35.0)
        assert not task.done()
        return "over"

    assert run_virtually(main()) == "over"
    assert ended == ["cancelled"]


def test_timeouts_work() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().create_future(), 7.0)
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == pytest.approx(7.0)


def test_a_fresh_loop_begins_at_nought_and_closes() -> None:
    loop = VirtualLoop()
    assert loop.time() == 0.0
    loop.close()
    assert loop.is_closed()
