"""Tells when a foreign server in this process can be asked: a line of JSON, as our own servers print one."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request


def when_ready(http_port: int, grpc_port: int, model: str) -> None:
    """Look from a thread until the model is ready, then print the addresses."""
    threading.Thread(target=_look, args=(http_port, grpc_port, model), daemon=True).start()


def _look(http_port: int, grpc_port: int, model: str) -> None:
    url = f"http://127.0.0.1:{http_port}/v2/models/{model}/ready"
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    break
        except OSError:
            time.sleep(0.1)
    print(json.dumps({"http": ["127.0.0.1", http_port], "grpc": ["127.0.0.1", grpc_port]}), flush=True)
