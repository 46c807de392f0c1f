"""Data path and control API put together: what `gramwise serve` and `gramwise fleet up` run.

The control API's paths are answered on the data path's port, which passes them on to a listener on loopback; a listener
of its own besides is opened where one is named. Secrets are cut out of whatever is logged from here on.
"""

from __future__ import annotations

from collections.abc import Callable

from gramwise.gateway.access.exposure import is_loopback
from gramwise.gateway.access.redaction import guard_logs
from gramwise.gateway.control.beside import Wanted, beside
from gramwise.gateway.front.gateway import Gateway, Listening, run_gateway
from gramwise.gateway.front.settings import Settings


async def serve(
    settings: Settings,
    ready: Callable[[Listening, Gateway], None] | None = None,
    *,
    control: tuple[str, int] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; read the scenario anew on SIGHUP.

    Args:
        settings: see there; without accounting there is no control API.
        ready: called once, when everything can be asked.
        control: host and port of a listener of the control API's own; None, or port 0 of loopback, opens none.

    Raises:
        ConfigError: a file, folder or address that cannot be used.
        SourceUnavailable: an optional library is missing.
    """
    guard_logs()
    own = None if control is None or (control[1] == 0 and is_loopback(control[0])) else control
    await run_gateway(settings, ready, beside(Wanted(address=own)) if settings.accounting else None)
