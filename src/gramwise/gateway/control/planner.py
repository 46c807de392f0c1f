"""Plans from words, queued apart from serving: one process plans at a time, few may wait, and none waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gramwise.core.clock import Clock
from gramwise.core.errors import ConfigError, DataGap
from gramwise.core.plugins import names
from gramwise.runtime.ownwork import own_work

from .bodies import PlanBody
from .faults import Fault
from .limits import WORDS_BYTES
from .shelf import Shelf, plan_id

_LONGEST_HEAD_BYTES = 16 * 2**20
_RETRY_AFTER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerSettings:
    """What the operator allows.

    Attributes:
        folder: where plans are kept.
        zone: where this machine stands, for the grams of planning; None where nobody said.
        time_limit_s: of solving, the most that a client may ask for.
        formulating_s: that everything but solving may take.
        waiting: plans that may wait while one is made.
        idle_s: after which the process, which holds some 150 MB, is let go.
        llm: whether an endpoint of a language model is configured.
    """

    folder: Path
    zone: str | None = None
    time_limit_s: float = 60.0
    formulating_s: float = 60.0
    waiting: int = 8
    idle_s: float = 300.0
    llm: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan's answer.

    Attributes:
        id: of the plan.
        http: status.
        document: in JSON, as the client gets it: it may be long, and serving goes on in this process.
        shares: what there is to apply, if anything.
        own: what it took; None where it was kept before.
    """

    id: str
    http: int
    document: bytes
    shares: Mapping[str, Mapping[str, float]] | None
    own: Mapping[str, Any] | None


class Unplanned(Fault):
    """No plan came out; ``own`` is what trying took, as far as it is known."""

    def __init__(self, status: int, sentence: str, own: Mapping[str, Any] | None = None) -> None:
        self.own = own
        super().__init__(status, sentence)


class Planner:
    """Makes plans, one after the other.

    Args:
        settings: what the operator allows.
        clock: for the age of kept plans.
    """

    def __init__(self, settings: PlannerSettings, clock: Clock) -> None:
        self.settings = settings
        self._shelf = Shelf(settings.folder, clock)
        self._turn = asyncio.Lock()
        self._under_way = 0
        self._process: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    def job(self, body: PlanBody) -> dict[str, Any]:
        """What the planner is asked, with what the client left out.

        Raises:
            Fault: 400, 409 or 413: what this operator does not allow.
        """
        if body.words is not None:
            _check_words(body.words)
        if body.formulator == "llm" and not self.settings.llm:
            raise Fault(
                409, 'no language model is configured at this gateway; write "formulator": "offline".'
            )
        if body.time_limit_s > self.settings.time_limit_s:
            raise Fault(
                400, f"time_limit_s: at most {self.settings.time_limit_s:g} s of solving are allowed here."
            )
        zone = body.zone or self.settings.zone
        try:
            own_work(0.0, zone, None)
        except (ConfigError, DataGap) as fault:
            raise Fault(
                400, f"zone: no intensity is known of {zone!r}; leave it out, or write one as 'FR'."
            ) from fault
        return {**body.model_dump(mode="json"), "zone": zone}

    async def plan(self, body: PlanBody, tenant: str) -> Planned:
        """The answer to a client; the kept one where this tenant asked the same within the day.

        Raises:
            Fault: 429, too many wait.
            Unplanned: what the words, the problem or the planner's limits did not allow.
        """
        job = self.job(body)
        name = plan_id(job, version("gramwise"))
        kept = self.kept(tenant, name)
        if kept is not None:
            return kept
        if self._under_way > self.settings.waiting:
            raise Fault(429, f"{self._under_way} plans are being made or wait.", retry_after_s=_RETRY_AFTER_S)
        self._under_way += 1
        try:
            async with self._turn:
                kept = self.kept(tenant, name)  # of the same asked twice at once, one is made
                return kept or await self._make(job, tenant, name)
        finally:
            self._under_way -= 1

    async def _make(self, job: Mapping[str, Any], tenant: str, name: str) -> Planned:
        head, document = await self._run({**job, "plan_id": name})
        if "error" in head:
            raise Unplanned(head["http"], head["error"], head["own"])
        self._shelf.put(tenant, name, head, document)
        return Planned(name, head["http"], document, head["shares"], head["own"])

    def kept(self, tenant: str, name: str) -> Planned | None:
        """A plan of this tenant that is kept; None where there is none, or no longer."""
        found = self._shelf.get(tenant, name)
        return None if found is None else Planned(name, found[0]["http"], found[1], found[0]["shares"], None)

    def solvers(self) -> list[str]:
        """Names of solvers; a name whose library is not installed is refused with what to install. Takes a moment."""
        return names("solver")

    async def close(self) -> None:
        """Stop the process."""
        if self._idle is not None:
            self._idle.cancel()
        await self._stop()

    async def _run(self, job: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        limit_s = job["time_limit_s"] + self.settings.formulating_s
        if self._idle is not None:
            self._idle.cancel()
        try:
            async with asyncio.timeout(limit_s):
                head, document = await self._exchange(json.dumps(job).encode() + b"\n")
        except TimeoutError:
            await self._stop()
            raise Unplanned(504, f"there was no answer within {limit_s:g} s.") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._stop()
            raise Unplanned(
                500, "the planner ended without an answer, perhaps at its memory limit."
            ) from None
        except BaseException:  # a client's task that is cancelled must not leave half a reply in the pipe
            await self._stop()
            raise
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self.settings.idle_s, lambda: loop.create_task(self._retire()))
        return head, document

    async def _exchange(self, line: bytes) -> tuple[dict[str, Any], bytes]:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gramwise.gateway.control.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LONGEST_HEAD_BYTES,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line)
        await self._process.stdin.drain()
        head: dict[str, Any] = json.loads(await self._process.stdout.readuntil())
        return head, await self._process.stdout.readexactly(head["bytes"])

    async def _retire(self) -> None:
        if not self._turn.locked():
            await self._stop()

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _check_words(words: str) -> None:
    try:
        size_bytes = len(words.encode())
    except UnicodeEncodeError:
        raise Fault(400, "words: this is not UTF-8 text.") from None
    if size_bytes > WORDS_BYTES:
        raise Fault(413, f"words: a description has at most {WORDS_BYTES} bytes.")
    if any(c < " " and c not in "\t\n\r\f" for c in words):
        raise Fault(400, "words: this is binary, not text.")
    if not words.strip():
        raise Fault(
            400, "words: there are no words. Say what runs where, what it takes, and what limits there are."
        )
