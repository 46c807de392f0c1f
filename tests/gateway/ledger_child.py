"""A gateway that does nothing but write outcomes down: it prints the id of each once it is written, until it is killed.

Arguments: database URL, spool folder, prefix of its ids. Started by the tests of the ledger and by its benchmark.
"""

from __future__ import annotations

import os
import sys
import time

from gramwise.gateway.ledger import Ledger, NodeTime, Row


def main(url: str, spool_dir: str, prefix: str) -> None:
    """Append for ever."""
    ledger = Ledger.open(url, spool_dir, limit_bytes=2**30, segment_bytes=2**16)
    number = 0
    while True:
        name = f"{prefix}-{number}"
        ledger.append_node_time(NodeTime(node="n", start_s=time.time(), end_s=time.time(), idle_j=1.0))
        ledger.append(
            Row(
                request_id=name,
                arrival_s=time.time(),
                status="completed",
                model="m",
                node="n",
                energy_j=1.0,
                attempts=1,
            )
        )
        os.write(1, f"{name}\n".encode())
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
