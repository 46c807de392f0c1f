"""Which autodiff library trains the samplers: JAX, torch on the CPU, or gradients written out in NumPy.

Each library does the same two training updates in a process of its own, on one thread: the denoising update of
self-imitation (x0 prediction, 256-256 Mish, batch 512), and the actor update of the critic-trained form (batch 256,
gradients through five denoising steps, twin critics). CPU-seconds an update are medians over blocks, after compiling
and warming up; import and compile seconds and installed bytes stand beside them. A library that is not installed says
so. NumPy does the first update only: gradients through a chain are not worth writing by hand.

Run with an interpreter that has the library: ``python benchmarks/autodiff_choice.py [--only jax|torch|numpy]``, or
hand over others: ``--with jax=/path/to/python``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np

LIBRARIES = {
    "jax": ("jax", "jaxlib", "ml_dtypes", "opt_einsum"),
    "torch": ("torch", "sympy", "networkx", "mpmath"),
}
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
FEATURES, DIM, HIDDEN, STEP_WIDTH, CHAIN = 60, 24, 256, 16, 5
IMITATION_BATCH, CRITIC_BATCH = 512, 256
BLOCKS, UPDATES = 7, 20
SHAPES = ((FEATURES + DIM + STEP_WIDTH, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, DIM))
CRITIC_SHAPES = ((FEATURES + DIM, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1))
RATE = 3e-4


def weights(shapes: Sequence[tuple[int, int]], seed: int) -> list[tuple[Any, Any]]:
    """Weights and biases of a net, from a seed."""
    rng = np.random.default_rng(seed)
    return [
        ((rng.standard_normal(s) / np.sqrt(s[0])).astype(np.float32), np.zeros(s[1], np.float32))
        for s in shapes
    ]


def batch(rows: int) -> tuple[Any, Any, Any]:
    """Features, decisions and noise of one batch."""
    rng = np.random.default_rng(7)
    return (
        rng.random((rows, FEATURES), dtype=np.float32),
        rng.uniform(-1, 1, (rows, DIM)).astype(np.float32),
        rng.standard_normal((rows, DIM)).astype(np.float32),
    )


def measure(update: Callable[[], Any]) -> dict[str, Any]:
    """CPU-seconds of the first call and, as a median over blocks, of one later call."""
    begun = time.process_time()
    update()
    first_s = time.process_time() - begun
    update()
    blocks = []
    for _ in range(BLOCKS):
        begun = time.process_time()
        for _ in range(UPDATES):
            update()
        blocks.append((time.process_time() - begun) / UPDATES)
    return {"first_cpu_s": first_s, "update_cpu_s": statistics.median(blocks), "blocks_cpu_s": blocks}


def with_jax() -> dict[str, Any]:
    """Both updates in JAX, compiled; Adam by hand."""
    begun = time.process_time()
    import jax
    import jax.numpy as jnp

    import_s = time.process_time() - begun

    def net(layers: Any, x: Any) -> Any:
        for w, b in layers[:-1]:
            h = x @ w + b
            x = h * jnp.tanh(jax.nn.softplus(h))
        return x @ layers[-1][0] + layers[-1][1]

    def adam(state: Any, grads: Any) -> Any:
        params, m, v, t = state
        m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
        v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, grads)
        scale = RATE * jnp.sqrt(1 - 0.999 ** (t + 1)) / (1 - 0.9 ** (t + 1))
        params = jax.tree.map(lambda p, a, b: p - scale * a / (jnp.sqrt(b) + 1e-8), params, m, v)
        return params, m, v, t + 1

    def start(layers: Any) -> Any:
        layers = jax.tree.map(jnp.asarray, layers)
        zeros = jax.tree.map(jnp.zeros_like, layers)
        return layers, zeros, zeros, jnp.float32(0)

    f, x, z = batch(IMITATION_BATCH)
    step = np.ones((IMITATION_BATCH, STEP_WIDTH), np.float32)

    @jax.jit  # type: ignore[untyped-decorator, unused-ignore]
    def imitation(state: Any) -> Any:
        def loss(p: Any) -> Any:
            return jnp.mean((jnp.tanh(net(p, jnp.concatenate([0.5 * x + 0.8 * z, step, f], 1))) - x) ** 2)

        return adam(state, jax.grad(loss)(state[0]))

    cf, cx, cz = batch(CRITIC_BATCH)
    cstep = np.ones((CRITIC_BATCH, STEP_WIDTH), np.float32)

    def chain(p: Any) -> Any:
        a = cz
        for _ in range(CHAIN):
            a = 0.6 * jnp.tanh(net(p, jnp.concatenate([a, cstep, cf], 1))) + 0.3 * a + 0.1 * cz
        return a

    @jax.jit  # type: ignore[untyped-decorator, unused-ignore]
    def critic(actor: Any, first: Any, second: Any) -> Any:
        seen, target = jnp.concatenate([cx, cf], 1), cz[:, :1]
        fresh = []
        for q in (first, second):
            fresh.append(adam(q, jax.grad(lambda p: jnp.mean((net(p, seen) - target) ** 2))(q[0])))

        def loss(p: Any) -> Any:
            both = jnp.concatenate([chain(p), cf], 1)
            return -jnp.mean(jnp.minimum(net(fresh[0][0], both), net(fresh[1][0], both)))

        return (adam(actor, jax.grad(loss)(actor[0])), *fresh)

    held: dict[str, Any] = {
        "i": start(weights(SHAPES, 0)),
        "c": (start(weights(SHAPES, 0)), start(weights(CRITIC_SHAPES, 1)), start(weights(CRITIC_SHAPES, 2))),
    }

    def do_imitation() -> None:
        held["i"] = jax.block_until_ready(imitation(held["i"]))

    def do_critic() -> None:
        held["c"] = jax.block_until_ready(critic(*held["c"]))

    return {"import_cpu_s": import_s, "imitation": measure(do_imitation), "critic": measure(do_critic)}


def with_torch() -> dict[str, Any]:
    """Both updates in torch, eager; its own Adam in the fused form."""
    begun = time.process_time()
    import torch

    import_s = time.process_time() - begun
    torch.set_num_threads(1)

    def build(layers: Any) -> Any:
        return [torch.nn.Parameter(torch.from_numpy(a)) for pair in layers for a in pair]

    def net(p: Any, x: Any) -> Any:
        for at in range(0, len(p) - 2, 2):
            x = torch.nn.functional.mish(torch.addmm(p[at + 1], x, p[at]))
        return torch.addmm(p[-1], x, p[-2])

    def optimiser(p: Any) -> Any:
        return torch.optim.Adam(p, lr=RATE, fused=True)

    actor, q1, q2 = (
        build(weights(SHAPES, 0)),
        build(weights(CRITIC_SHAPES, 1)),
        build(weights(CRITIC_SHAPES, 2)),
    )
    over_actor, over_q = optimiser(actor), optimiser([*q1, *q2])
    f, x, z = (torch.from_numpy(a) for a in batch(IMITATION_BATCH))
    step = torch.ones(IMITATION_BATCH, STEP_WIDTH)

    def do_imitation() -> None:
        out = torch.tanh(net(actor, torch.cat([0.5 * x + 0.8 * z, step, f], 1)))
        over_actor.zero_grad(set_to_none=True)
        ((out - x) ** 2).mean().backward()
        over_actor.step()

    cf, cx, cz = (torch.from_numpy(a) for a in batch(CRITIC_BATCH))
    cstep = torch.ones(CRITIC_BATCH, STEP_WIDTH)

    def do_critic() -> None:
        seen = torch.cat([cx, cf], 1)
        over_q.zero_grad(set_to_none=True)
        sum(((net(q, seen) - cz[:, :1]) ** 2).mean() for q in (q1, q2)).backward()
        over_q.step()
        a = cz
        for _ in range(CHAIN):
            a = 0.6 * torch.tanh(net(actor, torch.cat([a, cstep, cf], 1))) + 0.3 * a + 0.1 * cz
        both = torch.cat([a, cf], 1)
        over_actor.zero_grad(set_to_none=True)
        (-torch.minimum(net(q1, both), net(q2, both)).mean()).backward()
        over_actor.step()

    return {"import_cpu_s": import_s, "imitation": measure(do_imitation), "critic": measure(do_critic)}


def with_numpy() -> dict[str, Any]:
    """The imitation update with its gradient written out (the same Mish, tanh and Adam)."""
    layers = [[w.copy(), b.copy()] for w, b in weights(SHAPES, 0)]
    moments = [[np.zeros_like(a) for a in pair] for pair in layers]
    squares = [[np.zeros_like(a) for a in pair] for pair in layers]
    f, x, z = batch(IMITATION_BATCH)
    step = np.ones((IMITATION_BATCH, STEP_WIDTH), np.float32)
    done = 0

    def update() -> None:
        nonlocal done
        done += 1
        inputs, slopes = [np.concatenate([0.5 * x + 0.8 * z, step, f], 1)], []
        for w, b in layers[:-1]:
            h = inputs[-1] @ w + b
            e = np.exp(np.minimum(h, 20))
            tanh = (e * (e + 2)) / (e * (e + 2) + 2)
            slopes.append(tanh + h * (1 - tanh * tanh) * (e / (1 + e)))
            inputs.append(h * tanh)
        out = np.tanh(inputs[-1] @ layers[-1][0] + layers[-1][1])
        delta = (2 / out.size) * (out - x) * (1 - out * out)
        scale = RATE * np.sqrt(1 - 0.999**done) / (1 - 0.9**done)
        for at in range(len(layers) - 1, -1, -1):
            grads = (inputs[at].T @ delta, delta.sum(0))
            if at:
                delta = (delta @ layers[at][0].T) * slopes[at - 1]
            for part, grad in enumerate(grads):
                m, v = moments[at][part], squares[at][part]
                m *= 0.9
                m += 0.1 * grad
                v *= 0.999
                v += 0.001 * grad * grad
                layers[at][part] -= (scale * m / (np.sqrt(v) + 1e-8)).astype(np.float32)

    return {"import_cpu_s": 0.0, "imitation": measure(update), "critic": None}


WAYS = {"jax": with_jax, "torch": with_torch, "numpy": with_numpy}


def installed_bytes(packages: Sequence[str]) -> int:
    """Bytes of the installed files of ``packages``; those that are absent count nothing."""
    total = 0
    for package in packages:
        try:
            files = distribution(package).files or []
        except PackageNotFoundError:
            continue
        total += sum(p.stat().st_size for f in files if (p := Path(str(f.locate()))).exists())
    return total


def alone(name: str) -> None:
    """Measure one library in this process and print it."""
    if name != "numpy" and importlib.util.find_spec(name) is None:
        print(json.dumps({"absent": f"{name} is not installed"}))
        return
    size = installed_bytes(LIBRARIES.get(name, ()))
    print(json.dumps(WAYS[name]() | {"installed_mb": round(size / 1e6, 1)}))


def main() -> None:
    """Measure each library in a process of its own, print JSON and a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--only", choices=sorted(WAYS))
    parser.add_argument("--with", dest="interpreters", action="append", default=[], metavar="NAME=PYTHON")
    asked = parser.parse_args()
    if asked.only:
        alone(asked.only)
        return
    from record import finish, row

    interpreters = dict(item.split("=", 1) for item in asked.interpreters)
    found = {}
    for name in WAYS:
        command = [interpreters.get(name, sys.executable), __file__, "--only", name]
        done = subprocess.run(
            command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True
        )
        found[name] = json.loads(done.stdout)
    rows = []
    for name, what in found.items():
        if "absent" in what:
            rows.append(row(name, "", what["absent"], None))
            continue
        rows.append(
            row(f"{name}: import CPU-s, MB installed", "", [what["import_cpu_s"], what["installed_mb"]], None)
        )
        for part in ("imitation", "critic"):
            if what[part]:
                took = [1e3 * what[part]["update_cpu_s"], what[part]["first_cpu_s"]]
                rows.append(row(f"{name}: {part} update, ms; first call, s", "", took, None))
    finish("autodiff_choice", rows, details=found)


if __name__ == "__main__":
    main()
