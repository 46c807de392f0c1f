"""What a node is told when it starts, and the checks that need nothing but the telling."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gramwise.core.errors import ConfigError
from gramwise.gateway.access.exposure import check_exposure
from gramwise.gateway.access.tls import TlsFiles

MIB = 1 << 20


class Address(NamedTuple):
    """Host (IPv6 without brackets) and port."""

    host: str
    port: int


class Settings(BaseModel):
    """Settings of a node. The limits are choices of this project; each bounds something that a client can make grow.

    Attributes:
        repository: folder of models, ``<model>/<version>/model.onnx``.
        listen: ``host:port`` for HTTP; port 0 takes a free one.
        grpc: ``host:port`` for gRPC; None serves none.
        name: of the node in metrics; empty takes the scenario's name for it, else the machine's.
        device: the device of the catalogue that this machine is, whose power prices a CPU second.
        scenario, as_node: a scenario file and the node in it that this process stands for; instead of ``device``.
        slots: inferences that run at a time, one thread each.
        most_batch: items of one run at most; 1 batches nothing.
        batch_wait_ms: how long a request waits for others that can share its run. With 0 none waits, and only what is
            queued behind a busy slot runs together.
        virtual_share: CPU cores that this process pretends to have, by resting after each run; None for no pretence.
        token_file: file with the token that clients must send, readable for its user only; None lets anybody in.
        tls_cert, tls_key: PEM files; None for plain text.
        powercap, stat: where the kernel shows the processor's energy counters and its count of CPU time; elsewhere in a
            container that is shown its host's.
        most_body_bytes: of a request.
        most_json_bytes: of a request whose tensors are JSON, which take many times their size in memory.
        most_held_bytes: of all requests at hand; further ones get 429.
        most_tensors: inputs and outputs of a request.
        most_models: folders of the repository.
        most_queued: requests that wait; further ones get 429.
        most_connections: open at a time.
        drain_limit_s: how long requests in progress may take after SIGTERM.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    repository: Path
    listen: str = "127.0.0.1:8000"
    grpc: str | None = None
    name: str = ""
    device: str | None = None
    scenario: Path | None = None
    as_node: str | None = None
    slots: int = Field(default=1, ge=1, le=256)
    most_batch: int = Field(default=8, ge=1, le=4096)
    batch_wait_ms: float = Field(default=0.0, ge=0, le=60_000)
    virtual_share: float | None = Field(default=None, gt=0, le=256)
    token_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    powercap: Path = Path("/sys/class/powercap")
    stat: Path = Path("/proc/stat")
    most_body_bytes: int = Field(default=64 * MIB, ge=1)
    most_json_bytes: int = Field(default=16 * MIB, ge=1)
    most_held_bytes: int = Field(default=256 * MIB, ge=1)
    most_tensors: int = Field(default=256, ge=1)
    most_models: int = Field(default=1024, ge=1)
    most_queued: int = Field(default=256, ge=1)
    most_connections: int = Field(default=512, ge=1)
    drain_limit_s: float = Field(default=10.0, ge=0, le=3600)

    @classmethod
    def of(cls, **given: Any) -> Settings:
        """Settings from keywords; those that are None take their defaults.

        Raises:
            ConfigError: a value that cannot be, or values that do not fit each other; names the key.
        """
        try:
            settings = cls(**{key: value for key, value in given.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"{first['msg']}.", key=_flag(key)) from None
        settings.check()
        return settings

    def check(self) -> None:
        """See that the settings fit each other.

        Raises:
            ConfigError: they do not.
        """
        if self.device is not None and self.scenario is not None:
            raise ConfigError(
                "a node is one device: --device and --scenario both name one.", fix="Leave one of them out."
            )
        if (self.scenario is None) != (self.as_node is None):
            raise ConfigError(
                "--scenario and --as belong together.", fix="Write --scenario FILE --as NODE, or neither."
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError(
                "--tls-cert and --tls-key belong together.", fix="Write the PEM file of each, or neither."
            )
        for flag, address in (("--listen", self.http_address), ("--grpc", self.grpc_address)):
            if address is not None:
                check_exposure(
                    address.host, auth=self.token_file is not None, tls=self.tls is not None, key=flag
                )

    @property
    def http_address(self) -> Address:
        """Where HTTP is served."""
        return _address(self.listen, "--listen")

    @property
    def grpc_address(self) -> Address | None:
        """Where gRPC is served; None for nowhere."""
        return None if self.grpc is None else _address(self.grpc, "--grpc")

    @property
    def node_name(self) -> str:
        """What the node is called."""
        return self.name or self.as_node or platform.node() or "node"

    @property
    def tls(self) -> TlsFiles | None:
        """Certificate and key; None for plain text."""
        return None if self.tls_cert is None else TlsFiles(cert=self.tls_cert, key=self.tls_key)


def _address(text: str, key: str) -> Address:
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(
            f"{text!r} is no address.", key=key, fix="Write HOST:PORT, for instance 127.0.0.1:8000."
        )
    return Address(host, int(port))


def _flag(key: str) -> str:
    return "--as" if key == "as_node" else "--" + key.replace("_", "-")
