"""What `gramwise serve` is told when it starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gramwise.core.errors import ConfigError
from gramwise.fleet.rows import split_address

MIB = 1 << 20


class Settings(BaseModel):
    """Settings of a gateway. The limits are choices of this project; each bounds something that a client can make grow.

    Attributes:
        scenario: file with models, nodes and goals.
        overrides: values by dotted key that beat the scenario's, each time that it is read.
        listen: ``host:port`` for HTTP; port 0 takes a free one.
        grpc: ``host:port`` for gRPC; None serves none.
        policy: decides; empty takes `fractions`, or `grams` where there is a plan over several nodes, which shares
            leave out. One that follows plans (`fractions`, ...) gets them.
        waiting_policy: decides when requests start that may wait (``defer_until_unix_s``), and where.
        plan: file of a plan over several nodes (`gramwise cut`), or None.
        intensity: ``annual``; ``trace:DIR``; or the name of a provider.
        intensity_options: more for the provider, such as ``base_url``.
        refresh_s: how often the provider is asked.
        keys: file of API keys; None lets anybody in, which is allowed on loopback only.
        tls_cert, tls_key, client_ca: PEM files; None for plain text.
        ledger: URL of the database; None keeps it as SQLite under ``state``.
        state: folder for ledger, spool and intensities; None takes the user's state folder.
        retention_days: of single outcomes; None keeps them.
        accounting: False serves without ledger, energy and metrics: only to measure what they take.
        patience_s: deadline by which decisions are made for a request that has none, so that queues spread; it is
            told to nobody and enforced nowhere.
        answer_s: longest wait for a node where the request has no deadline.
        longest_defer_s: how far ahead ``defer_until_unix_s`` may lie.
        poll_s: pause between two looks at each node's readiness.
        poll_timeout_s: a look that takes longer has failed.
        profile_runs: requests by which each variant is timed on each node.
        most_body_bytes: of one request.
        most_json_bytes: of one whose tensors are JSON, which is read whole, and gone through before anybody else is
            served.
        most_in_flight: requests at a time; further ones get 429.
        most_connections: of clients.
        drain_s: how long requests in progress may take after SIGTERM.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    scenario: Path
    overrides: dict[str, Any] = Field(default_factory=dict)
    listen: str = "127.0.0.1:8080"
    grpc: str | None = None
    policy: str = ""
    waiting_policy: str = "threshold"
    plan: Path | None = None
    intensity: str = "annual"
    intensity_options: dict[str, Any] = Field(default_factory=dict)
    refresh_s: float = Field(default=300.0, ge=1, le=86_400)
    keys: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    ledger: str | None = None
    state: Path | None = None
    retention_days: float | None = Field(default=None, gt=0)
    accounting: bool = True
    patience_s: float = Field(default=10.0, gt=0, le=3600)
    answer_s: float = Field(default=60.0, gt=0, le=3600)
    longest_defer_s: float = Field(default=86_400.0, ge=0, le=604_800)
    poll_s: float = Field(default=0.5, gt=0, le=60)
    poll_timeout_s: float = Field(default=1.0, gt=0, le=60)
    profile_runs: int = Field(default=4, ge=1, le=100)
    most_body_bytes: int = Field(default=128 * MIB, ge=1)
    most_json_bytes: int = Field(default=16 * MIB, ge=1)
    most_in_flight: int = Field(default=512, ge=1)
    most_connections: int = Field(default=1024, ge=1)
    drain_s: float = Field(default=10.0, ge=0, le=3600)

    @classmethod
    def of(cls, **given: Any) -> Settings:
        """Settings from keywords; those that are None take their defaults.

        Raises:
            ConfigError: a value that cannot be; names the option.
        """
        try:
            settings = cls(**{key: value for key, value in given.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            option = "--" + ".".join(str(part) for part in first["loc"]).replace("_", "-")
            raise ConfigError(f"{first['msg']}.", key=option) from None
        for option in ("listen", "grpc"):
            if getattr(settings, option) is not None:
                settings.address(option)
        if (settings.tls_cert is None) != (settings.tls_key is None):
            raise ConfigError(
                "--tls-cert and --tls-key belong together.", fix="Write the PEM file of each, or neither."
            )
        return settings

    @property
    def deciding(self) -> str:
        """The policy that decides, by its name and with its suffix."""
        return self.policy or ("fractions" if self.plan is None else "grams")

    def address(self, option: str) -> tuple[str, int]:
        """Host and port of ``listen`` or ``grpc``; port 0 is any free one.

        Raises:
            ConfigError: it is no address.
        """
        text = str(getattr(self, option))
        free = text.endswith(":0")
        found = split_address(text[:-1] + "1" if free else text)
        if found is None:
            raise ConfigError(
                f"{text!r} is no address.",
                key=f"--{option}",
                fix="Write HOST:PORT, for instance 127.0.0.1:8080.",
            )
        return found[0], 0 if free else found[1]

    def state_dir(self, name: str) -> Path:
        """The folder for what outlives this process.

        Args:
            name: of the scenario's file, without its ending.
        """
        if self.state is not None:
            return self.state
        home = os.environ.get("XDG_STATE_HOME")
        base = Path(home) if home else Path.home() / ".local" / "state"
        return base / "gramwise" / "serve" / "".join(c if c.isalnum() or c in "-_" else "-" for c in name)
