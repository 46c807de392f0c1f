"""Clients that nobody here wrote: tritonclient and schemathesis, against a node and a gateway, as `make acceptance`.

Each runs in a process and an environment of its own, installed with pinned versions where that can be done. The rest
of `make acceptance` (KServe's clients, KServe and MLServer as nodes, the control API, the fuzzer) takes longer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("httptools", reason="the serve extra is not installed")
pytest.importorskip("grpc", reason="the serve extra is not installed")

sys.path.insert(0, str(Path(__file__).parents[2] / "acceptance"))
import jobs
import targets
import venvs
from subject import Served

pytestmark = pytest.mark.network

INSTALL_LIMIT_S = 120.0
EXAMPLES = 5


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Models, keys, and whatever is started."""
    with Served(tmp_path_factory.mktemp("acceptance")) as running:
        yield running


@pytest.fixture(scope="module")
def described(served: Served) -> dict[str, Path]:
    """A node, and a gateway before two more."""
    installed("triton")
    return {"node": targets.on_node(served), "gateway": targets.on_gateway(served)}


def installed(name: str) -> None:
    """Make an environment, or skip."""
    try:
        venvs.python_of(name, limit_s=INSTALL_LIMIT_S)
    except venvs.Unavailable as why:
        pytest.skip(str(why))


def test_our_messages_live_beside_tritonclients_in_one_process(described: dict[str, Path]) -> None:
    found = jobs.client("triton_beside", described["node"])
    assert not found.failures, "\n".join(found.failures)
    assert found.checks == 3


@pytest.mark.parametrize("against", ["node", "gateway"])
@pytest.mark.parametrize("script", ["triton_http", "triton_http_aio", "triton_grpc", "triton_grpc_aio"])
def test_tritonclient_gets_what_it_asks_for(described: dict[str, Path], script: str, against: str) -> None:
    found = jobs.client(script, described[against])
    assert not found.failures, "\n".join(found.failures)
    assert found.checks >= 10


def test_what_the_protocols_description_allows_is_answered_and_the_rest_refused(served: Served) -> None:
    installed("schemathesis")
    node = served.node("near")
    front = served.gateway("front", targets.near(served, node))
    for name, at, token in (
        ("node", node["http"], served.node_token),
        ("gateway", front["http"], served.key),
    ):
        found = jobs.protocol(served, name, at, token, EXAMPLES)
        assert not found.failures, "\n".join(found.failures)
        assert found.checks > 100
