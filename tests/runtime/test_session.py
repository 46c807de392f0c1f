"""One model in onnxruntime: what it takes, what it costs, how it fails, and that it is quiet."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gramwise.core.errors import ModelError, Rejected
from gramwise.runtime.session import Session

Images = Callable[[int], tuple[npt.NDArray[Any], npt.NDArray[Any]]]


def test_it_tells_its_inputs_and_answers_rightly(model: Path, some_images: Images) -> None:
    session = Session(str(model))
    assert session.inputs == {"input": ((None, 1, 8, 8), "float32")}
    images, classes = some_images(40)
    outputs, cpu_s = session.run({"input": images})
    np.testing.assert_array_equal(outputs["logits"].argmax(axis=1), classes)
    assert 0 < cpu_s < 1


def test_cpu_seconds_are_those_of_this_thread(model: Path, some_images: Images) -> None:
    session, inputs = Session(str(model)), {"input": some_images(3000)[0]}
    begin_s, process_s = time.perf_counter(), time.process_time()
    cpu_s = sum(session.run(inputs)[1] for _ in range(5))
    assert cpu_s <= time.perf_counter() - begin_s
    assert cpu_s > 0.6 * (time.process_time() - process_s)  # a pool beside the thread would double it


@pytest.mark.parametrize(
    "inputs",
    [
        {"input": np.zeros((2, 1, 8, 7), np.float32)},
        {"input": np.zeros((2, 1, 8, 8), np.int32)},
        {"other": np.zeros((2, 1, 8, 8), np.float32)},
        {},
    ],
)
def test_inputs_that_do_not_fit_are_rejected_in_one_quiet_sentence(
    model: Path, capfd: pytest.CaptureFixture[str], inputs: dict[str, Any]
) -> None:
    session = Session(str(model))
    with pytest.raises(Rejected, match=r"the model refused its inputs: \S") as caught:
        session.run(inputs)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_model_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, content in (("empty.onnx", b""), ("junk.onnx", b"not a model" * 50)):
        (tmp_path / name).write_bytes(content)
    for name in ("empty.onnx", "junk.onnx", "absent.onnx"):
        with pytest.raises(ModelError, match=name) as caught:
            Session(str(tmp_path / name))
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_onnxruntime_reports_to_nobody(model: Path, tmp_path: Path) -> None:
    """Its wheels keep events and a device id under the home directory and send them, unless told not to."""
    code = (
        f"from gramwise.runtime.session import Session; Session({str(model)!r});"
        "import os, threading; print(len(os.listdir('/proc/self/task')))"
    )
    environment = {
        k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "CI", "XDG_CACHE_HOME")
    }
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert list(home.rglob("*")) == []
    assert done.stderr == ""
