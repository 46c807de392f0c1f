"""What clients may send, each with its limits: unknown keys are refused, and so are numbers that are none."""

from __future__ import annotations

from datetime import datetime
from ipaddress import IPv6Address
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from gramwise.fleet.rows import split_address

from ..ledger.answers import BY
from .carbonaware import LONGEST_WINDOW_MIN, MOST_IN_BATCH, MOST_LOCATIONS

NodeName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
PlanId = Annotated[str, Field(pattern=r"^p[0-9a-f]{24}$")]
Zone = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}$")]
Axis = Annotated[str, Field(pattern=f"^({'|'.join(BY)})$")]
_ADDRESS = r"^https?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})$"
_Label = Annotated[str, Field(max_length=256)]
_UnixS = Annotated[float, Field(ge=0.0, le=4_102_444_800.0)]
_WindowMin = Annotated[int, Field(ge=1, le=LONGEST_WINDOW_MIN)]


class Body(BaseModel):
    """Strict: a number is a number and not its text."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Query(BaseModel):
    """Everything in a query is text, so that numbers are read from it; unknown names are refused all the same."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class AnswerBody(Body):
    """An answer to a question of an earlier reply."""

    question: Annotated[str, Field(max_length=200)]
    about: Annotated[str, Field(max_length=200)]
    text: Annotated[str, Field(max_length=2_000)]


class PlanBody(Body):
    """``POST /v2/plans``: words or a problem, and how to solve it. See docs/method/control-api.md."""

    words: str | None = Field(default=None, description="UTF-8, at most 64 000 bytes")
    problem: dict[str, Any] | None = Field(default=None, description="a gramwise.problem/1 document")
    formulator: Literal["offline", "llm"] = "offline"
    solver: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")] = "auto"
    time_limit_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 10.0
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    zone: Zone | None = None
    answers: Annotated[list[AnswerBody], Field(max_length=200)] = []

    @model_validator(mode="after")
    def _one_of_two(self) -> PlanBody:
        if (self.words is None) == (self.problem is None):
            raise ValueError("write either words or a problem, and not both")
        if self.problem is not None and (self.answers or self.formulator != "offline"):
            raise ValueError("a problem is solved as it stands: leave out answers and formulator")
        return self


class JoinBody(Body):
    """``POST /v2/fleet/nodes``: a node that shall join."""

    name: NodeName
    address: Annotated[str, Field(pattern=_ADDRESS)]
    zone: Zone
    device: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    cpu_share: Annotated[float, Field(gt=0.0, le=4096.0)]
    memory_bytes: Annotated[int, Field(ge=2**20, le=2**50)]
    slots: Annotated[int, Field(ge=1, le=1024)] = 1
    pue: Annotated[float, Field(ge=1.0, le=10.0)] = 1.0
    grpc: Annotated[str, Field(max_length=270)] | None = None
    token: SecretStr | None = Field(default=None, max_length=512)

    @field_validator("address")
    @classmethod
    def _speakable(cls, address: str) -> str:
        found = split_address(address)
        if found is None:
            raise ValueError("write http://HOST:PORT or https://HOST:PORT")
        if ":" in found[0]:
            IPv6Address(found[0])
        return address

    @field_validator("grpc")
    @classmethod
    def _speakable_grpc(cls, grpc: str | None) -> str | None:
        if grpc is not None and (split_address(grpc) is None or "://" in grpc):
            raise ValueError("write HOST:PORT")
        return grpc


class LeaveQuery(Query):
    """``DELETE /v2/fleet/nodes/{name}``."""

    drain_s: Annotated[float, Field(ge=0.0, le=600.0)] = 30.0


class LedgerQuery(Query):
    """A span of the ledger, Unix seconds, and equalities; without a span, since this gateway started."""

    from_s: _UnixS | None = None
    to_s: _UnixS | None = None
    model: _Label | None = None
    node: _Label | None = None
    zone: _Label | None = None
    tenant: _Label | None = None
    variant: _Label | None = None

    def where(self) -> dict[str, str]:
        """The equalities that were given."""
        given = {n: getattr(self, n) for n in ("model", "node", "zone", "tenant", "variant")}
        return {name: value for name, value in given.items() if value is not None}


class RowsQuery(LedgerQuery):
    """The same for single outcomes."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000


class ReceiptQuery(LedgerQuery):
    """The same for a receipt, which has a span."""

    from_s: _UnixS
    to_s: _UnixS


class EmissionsQuery(Query):
    """``GET /emissions/bylocation``."""

    location: Zone
    time: datetime | None = None
    toTime: datetime | None = None  # noqa: N815  the SDK's name


class EmissionsManyQuery(Query):
    """``GET /emissions/bylocations`` and ``/best``."""

    location: Annotated[list[Zone], Field(min_length=1, max_length=MOST_LOCATIONS)]
    time: datetime | None = None
    toTime: datetime | None = None  # noqa: N815


class ForecastQuery(Query):
    """``GET /emissions/forecasts/current``."""

    location: Annotated[list[Zone], Field(min_length=1, max_length=MOST_LOCATIONS)]
    dataStartAt: datetime | None = None  # noqa: N815
    dataEndAt: datetime | None = None  # noqa: N815
    windowSize: _WindowMin | None = None  # noqa: N815


class MeanQuery(Query):
    """``GET /emissions/average-carbon-intensity``, and one entry of its batch."""

    location: Zone
    startTime: datetime  # noqa: N815
    endTime: datetime  # noqa: N815


class ForecastEntry(Query):
    """One entry of ``POST /emissions/forecasts/batch``."""

    requestedAt: datetime  # noqa: N815
    location: Zone
    dataStartAt: datetime | None = None  # noqa: N815
    dataEndAt: datetime | None = None  # noqa: N815
    windowSize: _WindowMin | None = None  # noqa: N815


MeanBatch = Annotated[list[MeanQuery], Field(min_length=1, max_length=MOST_IN_BATCH)]
ForecastBatch = Annotated[list[ForecastEntry], Field(min_length=1, max_length=MOST_IN_BATCH)]
