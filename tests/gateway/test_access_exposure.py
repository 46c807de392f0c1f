"""What may be left off where: keys and TLS on loopback only, whatever the host is called."""

from __future__ import annotations

import pytest

from gramwise.core.errors import ConfigError
from gramwise.gateway.access.exposure import check_exposure, check_upstream, is_loopback

HERE = ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "::1", "[::1]", "::ffff:127.0.0.1"]
ELSEWHERE = [
    "0.0.0.0",
    "::",
    "[::]",
    "",
    "10.0.0.4",
    "192.168.1.9",
    "::ffff:10.0.0.4",
    "fe80::1%eth0",
    "edge-1",
]
TRICKS = ["127.0.0.1.nip.io", "localhost.evil.example", "0", "2130706433", "127.1", " 0.0.0.0 "]


@pytest.mark.parametrize("host", HERE)
def test_on_loopback_everything_may_be_off(host: str) -> None:
    assert is_loopback(host)
    check_exposure(host, auth=False, tls=False)
    check_upstream(host, tls=False, key="nodes.a.address")


@pytest.mark.parametrize("host", [*ELSEWHERE, *TRICKS])
def test_elsewhere_both_are_needed_and_the_error_says_what_to_write(host: str) -> None:
    assert not is_loopback(host)
    check_exposure(host, auth=True, tls=True)
    with pytest.raises(ConfigError, match="--keys FILE"):
        check_exposure(host, auth=False, tls=True)
    with pytest.raises(ConfigError, match="--tls-cert FILE --tls-key FILE"):
        check_exposure(host, auth=True, tls=False)
    with pytest.raises(ConfigError, match=r"--listen: .*keys.* and TLS.*127\.0\.0\.1"):
        check_exposure(host, auth=False, tls=False)
    check_upstream(host, tls=True, key="nodes.a.address")
    with pytest.raises(ConfigError, match=r"nodes\.a\.address: .*https://"):
        check_upstream(host, tls=False, key="nodes.a.address")
