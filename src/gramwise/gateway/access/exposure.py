"""Keys and TLS may be left off on loopback only: checked before a server listens or a gateway connects."""

from __future__ import annotations

import ipaddress

from gramwise.core.errors import ConfigError


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``. A name is not looked up: only ``localhost`` is known to be.

    The empty host and the wildcards ``0.0.0.0`` and ``::`` are every interface, so they are not.
    """
    bare = host.strip().removeprefix("[").removesuffix("]")
    if bare.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def check_exposure(host: str, *, auth: bool, tls: bool, key: str = "--listen") -> None:
    """Refuse to listen where others can come without keys or without TLS.

    Args:
        host: that is listened on.
        auth: whether keys or a token are asked for.
        tls: whether connections are encrypted.
        key: option or key of the scenario that named the host, for the error.

    Raises:
        ConfigError: what is missing, and what to write.
    """
    if is_loopback(host):
        return
    missing = [
        *([] if auth else ["keys (--keys FILE; for a node --token-file FILE)"]),
        *([] if tls else ["TLS (--tls-cert FILE --tls-key FILE)"]),
    ]
    if missing:
        raise ConfigError(
            f"{host or 'every interface'} can be reached from other machines, which needs {' and '.join(missing)}.",
            key=key,
            fix="Give these, or listen on 127.0.0.1.",
        )


def check_upstream(host: str, *, tls: bool, key: str) -> None:
    """Refuse to send a node's token and people's data in the clear to another machine.

    Args:
        host: of the node.
        tls: whether its address says ``https``.
        key: of the scenario, for the error, as ``nodes.NAME.address``.

    Raises:
        ConfigError: not on loopback and no TLS.
    """
    if not tls and not is_loopback(host):
        raise ConfigError(
            f"{host} is another machine and would be spoken to in the clear.",
            key=key,
            fix="Write the address as https://HOST:PORT and give the node a certificate.",
        )
