"""A tiny network whose right answers are known, images for it, and a scenario of three nodes that serves it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper, numpy_helper, save

CLASSES = 4
"""An image of class k is bright in its quadrant k."""

WRONG_EVERY = 10
"""Every tenth label is wrong on purpose, so that the accuracy of the full network is known: 0.9."""

SCENARIO = (Path(__file__).parent / "e2e" / "tiny.toml").read_text("utf-8")

Array = npt.NDArray[Any]
Write = Callable[..., Path]


def _quadrants() -> Array:
    masks = np.zeros((CLASSES, 1, 8, 8), np.float32)
    for k in range(CLASSES):
        masks[k, 0, 4 * (k // 2) : 4 * (k // 2) + 4, 4 * (k % 2) : 4 * (k % 2) + 4] = 1.0
    return masks


def write_model(file: Path, *, channels: int = 32, blind: bool = False, batch: int | str = "batch") -> Path:
    """Save a network (batch, 1, 8, 8) -> (batch, 4) that tells the quadrants apart, and burns time in convolutions.

    ``blind`` makes one that always answers class 0: a variant of accuracy 1/4.
    """
    rng = np.random.default_rng(0)
    answers = np.array([[1.0, 0, 0, 0]] * 64) if blind else _quadrants().reshape(CLASSES, 64).T
    constants = {
        "c1": rng.standard_normal((channels, 1, 3, 3)),
        "c2": rng.standard_normal((channels, channels, 3, 3)),
        "w": rng.standard_normal((channels, CLASSES)) * 1e-9,
        "answers": answers,
    }
    nodes = [
        helper.make_node("Conv", ["input", "c1"], ["h1"], pads=[1] * 4),
        helper.make_node("Relu", ["h1"], ["h2"]),
        helper.make_node("Conv", ["h2", "c2"], ["h3"], pads=[1] * 4),
        helper.make_node("Relu", ["h3"], ["h4"]),
        helper.make_node("GlobalAveragePool", ["h4"], ["h5"]),
        helper.make_node("Flatten", ["h5"], ["h6"]),
        helper.make_node("MatMul", ["h6", "w"], ["burnt"]),
        helper.make_node("Flatten", ["input"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "answers"], ["seen"]),
        helper.make_node("Add", ["seen", "burnt"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(np.ascontiguousarray(v, dtype=np.float32), k) for k, v in constants.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), file)
    return file


def quadrant_images(n: int) -> tuple[Array, Array]:
    """Images (n, 1, 8, 8) and their true classes (n,)."""
    classes = np.arange(n) % CLASSES
    noise = np.random.default_rng(0).random((n, 1, 8, 8), np.float32) * np.float32(0.1)
    return noise + _quadrants()[classes], classes


def furnish(folder: Path) -> Path:
    """Put the models and the images that the scenario names into a folder."""
    write_model(folder / "full.onnx")
    write_model(folder / "blind.onnx", channels=4, blind=True)
    images, labels = quadrant_images(40)
    labels[::WRONG_EVERY] = (labels[::WRONG_EVERY] + 1) % CLASSES
    np.savez(folder / "images.npz", images=images, labels=labels)
    return folder


def scenario_text(*changes: str) -> str:
    """The scenario with texts replaced, given as old, new, old, new; each old one must occur."""
    text = SCENARIO
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text, f"{old!r} is not in the scenario, so the test would test nothing"
        text = text.replace(old, new, 1)
    return text


@pytest.fixture(scope="session")
def save_tiny() -> Write:
    """`write_model`."""
    return write_model


@pytest.fixture(scope="session")
def some_images() -> Callable[[int], tuple[Array, Array]]:
    """`quadrant_images`."""
    return quadrant_images


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The tiny network in a file."""
    return write_model(tmp_path / "tiny.onnx")


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models and images, made once; tests write their scenarios elsewhere and name it."""
    return furnish(tmp_path_factory.mktemp("furnished"))


@pytest.fixture
def write_scenario(tmp_path: Path, furnished: Path) -> Write:
    """``write_scenario(old, new, ...)``: the scenario with texts replaced, in a folder with its models."""

    def write(*changes: str) -> Path:
        for file in furnished.iterdir():
            if not (tmp_path / file.name).exists():
                os.link(file, tmp_path / file.name)
        scenario = tmp_path / "tiny.toml"
        scenario.write_text(scenario_text(*changes), "utf-8")
        return scenario

    return write


def groups() -> set[Path]:
    """Control groups of gramwise nodes that exist now."""
    top = Path("/sys/fs/cgroup")
    return {p for depth in range(6) for p in top.glob("*/" * depth + "gramwise-[0-9]*") if p.is_dir()}


def children(parent: int) -> set[int]:
    """Process ids of a process's children, zombies included."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text("utf-8", errors="replace").rpartition(")")
        except OSError:
            continue
        if int(rest.split()[1]) == parent:
            found.add(int(stat.parent.name))
    return found


@pytest.fixture(scope="session")
def groups_now() -> Callable[[], set[Path]]:
    """`groups`."""
    return groups


@pytest.fixture(scope="session")
def children_of() -> Callable[[int], set[int]]:
    """`children`."""
    return children


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The gateway's tests come last: gRPC's threads and descriptors stay in a process that has used it once.

    Tests of other parts count descriptors, fork, and start Ray.
    """
    items.sort(key=lambda item: "gateway" in item.path.parts)


def _descriptors() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{entry.name}:{entry.readlink()}")
        except OSError:
            continue
    return found


def _own_groups() -> set[Path]:
    return {p for p in groups() if p.name.startswith(f"gramwise-{os.getpid()}-")}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fails the test when it leaves child processes, control groups or descriptors behind."""
    before = _own_groups(), children(os.getpid()), _descriptors()
    yield
    assert _own_groups() - before[0] == set()
    assert children(os.getpid()) - before[1] == set()
    assert _descriptors() - before[2] == set()
