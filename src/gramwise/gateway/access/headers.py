"""The headers that every answer of the control API carries: nothing is cached, framed, guessed or run in a browser."""

from __future__ import annotations

SECURITY_HEADERS: tuple[tuple[str, str], ...] = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)

STRICT_TRANSPORT: tuple[str, str] = ("Strict-Transport-Security", "max-age=31536000")
"""Only over TLS, where it means something (RFC 6797)."""
