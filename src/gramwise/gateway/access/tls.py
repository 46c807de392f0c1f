"""TLS for both sides: contexts of at least TLS 1.2 from PEM files, with client certificates where wanted."""

from __future__ import annotations

import logging
import os
import ssl
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from gramwise.core.errors import ConfigError

_LARGEST_BYTES = 4_000_000
_LOOK_EVERY_S = 1.0

_log = logging.getLogger("gramwise.gateway.access")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files of one side.

    Attributes:
        cert: own certificate with its chain; a server has one, a client only where servers ask for it.
        key: its private key, without a passphrase, readable for its user only.
        ca: who is trusted. A server that is given one asks every client for a certificate by it; a client that is
            given one trusts it instead of the system's.
    """

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    def server(self) -> ssl.SSLContext:
        """A server's context. Files that are replaced on disk serve the connections to come, within about a second.

        Raises:
            ConfigError: a file that is missing, readable for others, not PEM, or not of the other.
        """
        if self.cert is None or self.key is None:
            raise ConfigError(
                "a server's TLS has a certificate and a key.",
                key="--tls-cert",
                fix="Write --tls-cert and --tls-key.",
            )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _floor(context)
        context.set_alpn_protocols(["http/1.1"])
        self.load(context)
        if self.ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        context.sni_callback = _Renewal(self)
        return context

    def client(self) -> ssl.SSLContext:
        """A client's context, which checks the server's certificate and name. There is no way to leave that off.

        Raises:
            ConfigError: as `server`'s; a certificate without its key.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _floor(context)
        context.set_alpn_protocols(["http/1.1"])
        if self.ca is None:
            context.load_default_certs()
        self.load(context)
        return context

    def load(self, context: ssl.SSLContext) -> None:
        """Put the files, as they are now, into a context.

        Raises:
            ConfigError: as `server`'s.
        """
        if (self.cert is None) != (self.key is None):
            raise ConfigError(
                "a certificate and its key come together.",
                key="--tls-key",
                fix="Write --tls-cert and --tls-key.",
            )
        if self.cert is not None and self.key is not None:
            _read(self.cert)
            _read(self.key, private=True)
            try:
                context.load_cert_chain(self.cert, self.key, password=_no_passphrase)
            except (ssl.SSLError, ValueError) as fault:
                raise ConfigError(
                    f"this certificate and {self.key} do not work together: {_reason(fault)}.",
                    file=self.cert,
                    fix="Give PEM files of one pair, the key without a passphrase.",
                ) from None
        if self.ca is not None:
            _read(self.ca)
            try:
                context.load_verify_locations(self.ca)
            except (ssl.SSLError, ValueError) as fault:
                raise ConfigError(
                    f"no certificates can be read: {_reason(fault)}.", file=self.ca, fix="Give a PEM file."
                ) from None

    def pem(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Key, certificate chain and trusted certificates as bytes: what gRPC's credentials take.

        Raises:
            ConfigError: a file that cannot be read, or a key that is readable for others.
        """
        return (
            None if self.key is None else _read(self.key, private=True),
            None if self.cert is None else _read(self.cert),
            None if self.ca is None else _read(self.ca),
        )


class _Renewal:
    """Called at each handshake, whether or not the client names a server: looks whether files were replaced."""

    def __init__(self, files: TlsFiles) -> None:
        self._files, self._stamp, self._looked_s = files, _stamped(files), time.monotonic()

    def __call__(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext
    ) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s, stamp = now_s, _stamped(self._files)
        if stamp == self._stamp:
            return
        try:
            # A pair of which only one half is there yet must not reach the context in use.
            self._files.load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self._files.load(context)
        except ConfigError as fault:
            _log.error("certificates stay as they were: %s", fault)
        else:
            self._stamp = stamp
            _log.info("certificates were read anew: %s", self._files.cert)


def _stamped(files: TlsFiles) -> tuple[tuple[int, int], ...]:
    seen = []
    for path in (files.cert, files.key, files.ca):
        if path is not None and path.exists():
            state = path.stat()
            seen.append((state.st_mtime_ns, state.st_ino))
    return tuple(seen)


def _floor(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _read(path: Path, *, private: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(_LARGEST_BYTES)
    except FileNotFoundError:
        raise ConfigError("there is no such file.", file=path, fix="Name a PEM file.") from None
    except OSError as fault:
        raise ConfigError(f"cannot be read: {fault.strerror}.", file=path) from None
    if private and mode & (stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP):
        raise ConfigError(
            "others on this machine may open this private key.", file=path, fix=f"Write: chmod 600 {path}"
        )
    return raw


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")


def _reason(fault: Exception) -> str:
    return str(getattr(fault, "reason", None) or fault).rstrip(".")
