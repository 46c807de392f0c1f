"""Bounds on everything that a peer can make grow: bytes, counts and seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server grants its clients. Choices of this project, not figures from elsewhere.

    Attributes:
        head_bytes: request line and headers together; more is 431 (the request line alone: 414).
        headers: how many; more is 431.
        body_bytes: of one request; more is 413.
        buffer_bytes: of a body that wait unread, a connection; above it nothing more is read from the peer.
        connections: open at a time; further ones get 503.
        in_flight: requests in handlers at a time; further ones get 429.
        pipelined: requests that wait behind another on one connection; further ones get 429.
        head_s: from a head's first byte to its last; slower is 408.
        body_s: from a head to the last byte of its body; slower is 408. An answer that the client takes more slowly is
            dropped.
        stall_s: longest time without a byte, while a body arrives or an answer is taken.
        idle_s: longest time between two requests on a connection.
        linger_s: how long a connection that is being closed still reads, so that the answer is not lost.
        retry_after_s: what 429 and 503 tell clients to wait.
    """

    head_bytes: int = 32_768
    headers: int = 100
    body_bytes: int = 128 << 20
    buffer_bytes: int = 512 << 10
    connections: int = 1024
    in_flight: int = 1024
    pipelined: int = 64
    head_s: float = 10.0
    body_s: float = 300.0
    stall_s: float = 20.0
    idle_s: float = 75.0
    linger_s: float = 2.0
    retry_after_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamLimits:
    """What a client grants the server that it speaks to.

    Attributes:
        head_bytes, headers: of an answer; more is `Broken`.
        buffer_bytes: of an answer that wait unread; above it nothing more is read.
        connections: open at a time; further requests wait for one.
        connect_s: longest time for a connection to open.
        idle_s: how long an unused connection is kept; below the servers' own keep-alive times.
    """

    head_bytes: int = 65_536
    headers: int = 200
    buffer_bytes: int = 512 << 10
    connections: int = 256
    connect_s: float = 2.0
    idle_s: float = 30.0
