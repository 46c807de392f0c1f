"""The routes of the control API, made with FastAPI: each asks a view and answers JSON. Nothing is decided here.

What routes need stands in framework-free modules beside this one; `guard` has checked the key, the URL and the size of
the body before a route sees a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeAlias

from gramwise.core.clock import Clock
from gramwise.core.errors import GramwiseError, SourceUnavailable

from ..access.denied import Denied
from ..access.door import Door, Identity
from ..access.keys import Right
from ..access.quota import Quotas
from . import openapi
from .bodies import (
    Axis,
    EmissionsManyQuery,
    EmissionsQuery,
    ForecastBatch,
    ForecastQuery,
    JoinBody,
    LeaveQuery,
    LedgerQuery,
    MeanBatch,
    MeanQuery,
    NodeName,
    PlanBody,
    PlanId,
    ReceiptQuery,
    RowsQuery,
)
from .booked import Booked
from .carbonaware import CarbonAware, moment, seconds
from .faults import Fault, answer_of
from .fleet import Fleet
from .guard import IDENTITY, Guard
from .limits import HttpLimits
from .planner import Planned, Planner
from .threads import Threads
from .views import FleetView, GridView, LedgerView

try:
    from fastapi import APIRouter, Body, Depends, FastAPI, Path, Query, Request, Response
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from starlette.exceptions import HTTPException
except ModuleNotFoundError as fault:
    raise SourceUnavailable("the control API needs FastAPI: pip install 'gramwise[serve]'") from fault

Document: TypeAlias = Mapping[str, Any]


def control_app(
    fleet: FleetView,
    ledger: LedgerView,
    door: Door,
    quotas: Quotas,
    planner: Planner,
    grid: GridView,
    clock: Clock,
    *,
    metrics: Callable[[], bytes],
    limits: HttpLimits | None = None,
) -> Guard:
    """The control API as an ASGI application, for `listener.Listener`.

    Args:
        fleet, ledger, grid: what is told and changed.
        door: who may; one that asks for no keys lets anybody do anything.
        quotas: of tenants, for what planning takes.
        planner: of plans from words; whoever made it closes it.
        clock: for now.
        metrics: text of ``/metrics`` in Prometheus' exposition format.
        limits: of requests.
    """
    app = FastAPI(
        title="gramwise control API",
        version="2",
        description="Ledger, fleet, plans from words and grid intensities of one gateway.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    nodes, threads = Fleet(fleet), Threads()
    _faults(app)
    app.include_router(_ledger(ledger, quotas, threads))
    app.include_router(_fleet(nodes))
    app.include_router(_plans(planner, Booked(planner, ledger, quotas, clock), nodes, threads))
    app.include_router(_carbon(CarbonAware(grid, clock), threads))
    app.include_router(_metrics(metrics))
    openapi.finish(app)
    return Guard(app, door, limits or HttpLimits())


def _who(request: Request) -> Identity:
    found: Identity = request.scope[IDENTITY]
    return found


def _needs(*rights: Right) -> Any:
    """A dependency: the key has one of these rights."""

    def check(request: Request) -> None:
        who = _who(request)
        if not who.rights & set(rights):
            who.require(rights[0])

    return Depends(check)


def _plain() -> Any:
    """A dependency: there is no query, for routes that have none."""

    def check(request: Request) -> None:
        for name in request.query_params:
            raise Fault(400, f"query.{name[:60]}: there is no such parameter.")

    return Depends(check)


def _faults(app: FastAPI) -> None:
    async def told(request: Request, fault: Exception) -> Response:
        status, headers, body = answer_of(fault, request.url.path)
        return Response(body, status_code=status, headers=dict(headers))

    async def invalid(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, RequestValidationError)
        return await told(request, Fault(400, openapi.sentence_of(fault.errors())))

    async def http(request: Request, fault: Exception) -> Response:
        assert isinstance(fault, HTTPException)
        said = {404: "there is nothing here.", 405: "this is not done here."}
        answer = await told(request, Fault(fault.status_code, said.get(fault.status_code, str(fault.detail))))
        answer.headers.update(fault.headers or {})
        return answer

    app.add_exception_handler(GramwiseError, told)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, told)


def _ledger(ledger: LedgerView, quotas: Quotas, threads: Threads) -> APIRouter:
    routes = APIRouter(
        prefix="/v2/ledger",
        tags=["ledger"],
        dependencies=[_needs("read", "infer")],
        responses=openapi.EVERYWHERE,
    )

    @routes.get("/summary")
    async def summary(request: Request, asked: Annotated[LedgerQuery, Query()]) -> Document:
        """Completed, failed and retried counts, joules and grams: since this gateway started, or of a span."""
        return await threads.run(ledger.summary, asked.from_s, asked.to_s, _own(request, asked))

    @routes.get("/rows")
    async def rows(request: Request, asked: Annotated[RowsQuery, Query()]) -> Document:
        """Single outcomes, oldest first."""
        return await threads.run(ledger.rows, asked.from_s, asked.to_s, _own(request, asked), asked.limit)

    @routes.get("/by/{axis}")
    async def by(
        request: Request, axis: Annotated[Axis, Path()], asked: Annotated[LedgerQuery, Query()]
    ) -> Document:
        """Totals for each model, node, zone, hour, tenant ..."""
        return await threads.run(ledger.by, axis, asked.from_s, asked.to_s, _own(request, asked))

    @routes.get("/receipt")
    async def receipt(request: Request, asked: Annotated[ReceiptQuery, Query()]) -> Document:
        """The outcomes of a span, sealed by a hash."""
        return await threads.run(ledger.receipt, asked.from_s, asked.to_s, _own(request, asked))

    @routes.get("/budget", dependencies=[_plain()])
    async def budget(request: Request) -> Document:
        """The own tenant's limits, and what of them is spent on this UTC day."""
        return quotas.usage(_who(request).tenant)

    return routes


def _own(request: Request, asked: LedgerQuery) -> Mapping[str, str]:
    """What is asked about; who has no right to read everything sees the own tenant's part."""
    who, where = _who(request), asked.where()
    if "read" in who.rights:
        return where
    if where.get("tenant", who.tenant) != who.tenant:
        raise Denied(403, "this key may see the outcomes of its own tenant only.")
    return {**where, "tenant": who.tenant}


def _fleet(fleet: Fleet) -> APIRouter:
    routes = APIRouter(prefix="/v2/fleet", tags=["fleet"], responses=openapi.EVERYWHERE)

    @routes.get("", dependencies=[_needs("read"), _plain()])
    async def nodes() -> Document:
        """The nodes as decisions see them now, and the version of the snapshot in force."""
        return fleet.document()

    @routes.post(
        "/nodes",
        status_code=201,
        responses=openapi.JOINING,
        dependencies=[_needs("change"), _plain()],
    )
    async def join(node: JoinBody) -> Document:
        """Let a node join: it is asked what it serves and gets work from the next snapshot on."""
        return await fleet.join(node)

    @routes.delete("/nodes/{name}", responses=openapi.LEAVING, dependencies=[_needs("change")])
    async def leave(name: Annotated[NodeName, Path()], asked: Annotated[LeaveQuery, Query()]) -> Document:
        """Let a node leave: it gets nothing new, finishes what it holds, and is forgotten."""
        return await fleet.leave(name, asked.drain_s)

    return routes


def _plans(planner: Planner, booked: Booked, fleet: Fleet, threads: Threads) -> APIRouter:
    routes = APIRouter(
        prefix="/v2/plans", tags=["plans"], dependencies=[_plain()], responses=openapi.EVERYWHERE
    )

    def found(request: Request, plan_id: str) -> Planned:
        kept = planner.kept(_who(request).tenant, plan_id)
        if kept is None:
            raise Fault(404, "there is no such plan, or it is no longer kept.")
        return kept

    @routes.post("", responses=openapi.PLANNING, dependencies=[_needs("infer")])
    async def plan(request: Request, body: PlanBody) -> Response:
        """Make a plan from words or from a typed problem."""
        return _told(await booked.plan(body, _who(request).tenant))

    @routes.get("/solvers", dependencies=[_needs("infer", "read")])
    async def solvers() -> Document:
        """Names for ``solver``."""
        return {"solvers": await threads.run(planner.solvers)}

    @routes.get(
        "/{plan_id}",
        operation_id="kept_plan",
        responses=openapi.PLANNED,
        dependencies=[_needs("infer", "read")],
    )
    async def kept(request: Request, plan_id: Annotated[PlanId, Path()]) -> Response:
        """A plan that this tenant had made within the day."""
        return _told(found(request, plan_id))

    @routes.post(
        "/{plan_id}/apply",
        operation_id="apply_plan",
        responses=openapi.APPLYING,
        dependencies=[_needs("change")],
    )
    async def apply(request: Request, plan_id: Annotated[PlanId, Path()]) -> Document:
        """Put a plan's shares into the next snapshot."""
        return fleet.apply(found(request, plan_id))

    return routes


def _told(plan: Planned) -> Response:
    return Response(plan.document, status_code=plan.http, media_type="application/json")


def _carbon(carbon: CarbonAware, threads: Threads) -> APIRouter:
    """The routes of the Carbon Aware SDK."""
    routes = APIRouter(tags=["carbon-aware"], dependencies=[_needs("read")], responses=openapi.EMISSIONS)

    @routes.get("/emissions/bylocation")
    async def one(asked: Annotated[EmissionsQuery, Query()]) -> Response:
        """What was observed at one location."""
        times = seconds(asked.time, "time"), seconds(asked.toTime, "toTime")
        return _rows(await threads.run(carbon.emissions, [asked.location], *times))

    @routes.get("/emissions/bylocations")
    async def many(asked: Annotated[EmissionsManyQuery, Query()]) -> Response:
        """What was observed at several locations."""
        times = seconds(asked.time, "time"), seconds(asked.toTime, "toTime")
        return _rows(await threads.run(carbon.emissions, asked.location, *times))

    @routes.get("/emissions/bylocations/best")
    async def best(asked: Annotated[EmissionsManyQuery, Query()]) -> Response:
        """The lowest that was observed at several locations."""
        times = seconds(asked.time, "time"), seconds(asked.toTime, "toTime")
        return _rows(await threads.run(carbon.best, asked.location, *times))

    @routes.get("/emissions/forecasts/current")
    async def foreseen(asked: Annotated[ForecastQuery, Query()]) -> list[Document]:
        """The newest forecast, and the window with the lowest mean."""
        times = seconds(asked.dataStartAt, "dataStartAt"), seconds(asked.dataEndAt, "dataEndAt")
        return [await threads.run(carbon.forecast, zone, *times, asked.windowSize) for zone in asked.location]

    @routes.post("/emissions/forecasts/batch", dependencies=[_plain()])
    async def foreseen_then(batch: Annotated[ForecastBatch, Body()]) -> list[Document]:
        """What was foreseen at moments of the past."""
        return [
            await threads.run(
                carbon.forecast,
                asked.location,
                seconds(asked.dataStartAt, "dataStartAt"),
                seconds(asked.dataEndAt, "dataEndAt"),
                asked.windowSize,
                seconds(asked.requestedAt, "requestedAt"),
            )
            for asked in batch
        ]

    @routes.get("/emissions/average-carbon-intensity")
    async def mean(asked: Annotated[MeanQuery, Query()]) -> Document:
        """The mean over a span."""
        return await threads.run(carbon.mean, *_span(asked))

    @routes.post("/emissions/average-carbon-intensity/batch", dependencies=[_plain()])
    async def means(batch: Annotated[MeanBatch, Body()]) -> list[Document]:
        """The means over several spans."""
        return [await threads.run(carbon.mean, *_span(asked)) for asked in batch]

    @routes.get("/locations", dependencies=[_plain()])
    async def locations() -> Document:
        """Locations that may be asked about."""
        return await threads.run(carbon.locations)

    return routes


def _span(asked: MeanQuery) -> tuple[str, float, float]:
    return asked.location, moment(asked.startTime, "startTime"), moment(asked.endTime, "endTime")


def _rows(rows: list[dict[str, Any]]) -> Response:
    """The SDK answers 204 where nothing is known."""
    return JSONResponse(rows) if rows else Response(status_code=204)


def _metrics(text: Callable[[], bytes]) -> APIRouter:
    routes = APIRouter(
        tags=["metrics"], dependencies=[_needs("read"), _plain()], responses=openapi.EVERYWHERE
    )

    @routes.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """The gateway's metrics in Prometheus' text format."""
        return Response(text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes
