"""TLS over real sockets: at least 1.2, names checked, client certificates where asked, unfit files refused."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError
from gramwise.gateway.access.tls import TlsFiles

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")


def openssl(*words: str, cwd: Path) -> None:
    subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a server for localhost and a client, signed by it; and a stranger who signs himself."""
    folder = tmp_path_factory.mktemp("tls")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    for name in ("ca", "stranger"):
        openssl(
            *("req", "-x509", *key, "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", f"{name}.key", "-out", f"{name}.pem"),
            cwd=folder,
        )
    for name in ("server", "client"):
        subject = ("-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("req", *key[:-2], *subject, cwd=folder)
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1", "utf-8")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-days", "2", "-extfile", "names", "-out", f"{name}.pem"),
            cwd=folder,
        )
    for file in folder.glob("*.key"):
        file.chmod(0o600)
    return folder


def files(folder: Path, name: str, ca: str = "") -> TlsFiles:
    return TlsFiles(
        cert=folder / f"{name}.pem", key=folder / f"{name}.key", ca=folder / f"{ca}.pem" if ca else None
    )


def spoken(server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost") -> str | None:
    """The version that both agree on over a real connection; None where either refuses."""
    refused: list[Exception] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            try:
                with server.wrap_socket(connection, server_side=True) as secured:
                    secured.sendall(b"x")
            except OSError as fault:
                refused.append(fault)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with (
                socket.create_connection(listening.getsockname(), timeout=5) as plain,
                client.wrap_socket(plain, server_hostname=host) as secured,
            ):
                return secured.version() if secured.recv(1) == b"x" else None
        except OSError:
            return None
        finally:
            thread.join(5)


def test_a_trusted_server_is_spoken_to_and_a_stranger_or_another_name_is_not(made: Path) -> None:
    server, client = files(made, "server").server(), TlsFiles(ca=made / "ca.pem").client()
    assert spoken(server, client) in ("TLSv1.2", "TLSv1.3")
    assert spoken(server, client, "127.0.0.1") is not None
    assert spoken(server, client, "elsewhere.example") is None
    assert spoken(files(made, "stranger").server(), client) is None
    assert spoken(server, TlsFiles().client()) is None, "the system trusts no authority of ours"


def test_nothing_older_than_1_2_is_spoken(made: Path) -> None:
    server = files(made, "server").server()
    assert server.minimum_version == ssl.TLSVersion.TLSv1_2
    old = TlsFiles(ca=made / "ca.pem").client()
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    assert spoken(server, old) is None


def test_a_server_with_an_authority_asks_every_client_for_a_certificate(made: Path) -> None:
    server = files(made, "server", "ca").server()
    assert spoken(server, files(made, "client", "ca").client()) is not None
    assert spoken(server, TlsFiles(ca=made / "ca.pem").client()) is None
    stranger = TlsFiles(cert=made / "stranger.pem", key=made / "stranger.key", ca=made / "ca.pem").client()
    assert spoken(server, stranger) is None


def test_files_that_are_replaced_serve_the_connections_to_come_and_a_half_pair_changes_nothing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gramwise.gateway.access.tls._LOOK_EVERY_S", 0.0)

    def put(name: str, kind: str) -> None:
        shutil.copy(made / f"{name}.{kind}", tmp_path / f"new.{kind}")
        (tmp_path / f"new.{kind}").rename(tmp_path / f"now.{kind}")

    for kind in ("pem", "key"):
        put("server", kind)
    server, client = files(tmp_path, "now").server(), TlsFiles(ca=made / "ca.pem").client()
    stranger = TlsFiles(ca=made / "stranger.pem").client()
    assert spoken(server, client) is not None
    put("stranger", "pem")
    assert spoken(server, client) is not None
    assert spoken(server, client, "127.0.0.1") is not None
    assert "certificates stay as they were" in caplog.text
    put("stranger", "key")
    spoken(server, stranger)
    assert spoken(server, stranger) is not None
    assert spoken(server, client) is None


def test_files_that_are_missing_mismatched_or_open_to_others_are_refused_by_name(
    made: Path, tmp_path: Path
) -> None:
    open_key = tmp_path / "open.key"
    shutil.copy(made / "server.key", open_key)
    open_key.chmod(0o644)
    locked = tmp_path / "locked.key"
    openssl(
        "ec",
        "-aes256",
        "-passout",
        "pass:x1234",
        "-in",
        str(made / "server.key"),
        "-out",
        str(locked),
        cwd=made,
    )
    locked.chmod(0o600)
    none, cert = tmp_path / "none.pem", made / "server.pem"
    for tls, said in (
        (TlsFiles(), "a certificate and a key"),
        (TlsFiles(cert=cert), "a certificate and a key"),
        (TlsFiles(cert=none, key=made / "server.key"), "none.pem: there is no such file"),
        (TlsFiles(cert=cert, key=made / "client.key"), "do not work together"),
        (TlsFiles(cert=cert, key=open_key), f"chmod 600 {open_key}"),
        (TlsFiles(cert=cert, key=locked), "do not work together"),
        (TlsFiles(cert=cert, key=made / "server.key", ca=made / "server.key"), "no certificates"),
    ):
        with pytest.raises(ConfigError, match=said):
            tls.server()
    with pytest.raises(ConfigError, match="come together"):
        TlsFiles(cert=cert).client()


def test_grpc_gets_the_same_files_as_bytes(made: Path) -> None:
    key, cert, ca = files(made, "server", "ca").pem()
    assert key is not None
    assert key.startswith(b"-----BEGIN")
    assert cert == (made / "server.pem").read_bytes()
    assert ca == (made / "ca.pem").read_bytes()
    assert TlsFiles().pem() == (None, None, None)
