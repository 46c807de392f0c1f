"""From names in a scenario to files: found, or said which key and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError, ModelError
from gramwise.runtime import models

KEY = "models.tiny.variants.full.file"


def resolve(file: str, base: Path) -> Path:
    return models.resolve(file, base, source="tiny.toml", key=KEY)


def test_the_three_kinds_of_names(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(model.name, model.parent) == model
    assert resolve(str(model), Path("/elsewhere")) == model
    monkeypatch.setenv("HOME", str(model.parent))
    assert resolve(f"~/{model.name}", Path("/elsewhere")) == model
    shipped = resolve("package:digits-small.onnx", tmp_path)
    assert shipped.is_file()
    assert shipped.parent.name == "models"


@pytest.mark.parametrize(
    ("file", "kind", "said"),
    [
        ("absent.onnx", ModelError, "absent.onnx. Write the path of an ONNX file, package:NAME or zoo:NAME"),
        (".", ModelError, "there is no file"),
        ("package:digits-fp23.onnx", ConfigError, "Did you mean 'package:digits-fp32.onnx'?"),
        ("package:", ConfigError, "is shipped"),
        ("package:../../cli.py", ConfigError, "is shipped"),
        ("zoo:mobilenetv2-1.0-223", ConfigError, "Did you mean 'mobilenetv2-1.0-224'?"),
    ],
)
def test_what_cannot_be_found_names_file_and_key(
    tmp_path: Path, file: str, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as caught:
        resolve(file, tmp_path)
    assert str(caught.value).startswith(f"tiny.toml: {KEY}: ")
    assert said in str(caught.value)


def test_memory_is_the_runtime_and_the_loaded_file(model: Path) -> None:
    needed = models.memory_bytes(model)
    assert needed == models.RUNTIME_BYTES + 3 * model.stat().st_size
