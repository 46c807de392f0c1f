"""Trains, quantises, measures and writes the digits model that gramwise ships.

Three variants of one classifier of handwritten digits: a MobileNetV2 of width 0.35 at 96x96 (fp32), the same
quantised to int8, and a much smaller convolutional network. The held-out images are used once, at the end,
for the accuracies; training, calibration and every choice made on the way saw the training part only
(``--validate`` shows how a choice fares on a fifth of it). Development only: needs ``pip install
'gramwise[plan,train]'``.

Run: ``python tools/train_digits.py``; about six minutes on one core. Same machine and versions give the same
files; another processor may round differently, which is why the digests of the shipped files are recorded
beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import platform
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

from gramwise.graph.inspect import inspect_model
from gramwise.graph.zoo import mobilenetv2
from gramwise.graph.zoo.emit import Emitter, Layers

SEED = 20_260
HELD_OUT = 797
LEARNING_RATE = 2e-3
DIVIDE_BY, REPEAT = 16, 12
SIZE = 8 * REPEAT
EPOCHS = {"fp32": 40, "small": 100}
DATA = Path(__file__).resolve().parents[1] / "src" / "gramwise" / "data"
CREDIT = (
    "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak (1998), "
    "UCI Machine Learning Repository, https://doi.org/10.24432/C50P49, CC BY 4.0; "
    "as carried by scikit-learn's load_digits"
)


def emit_fp32(net: Layers) -> str:
    """MobileNetV2, width 0.35, 10 classes."""
    return mobilenetv2.emit(net, width=0.35, classes=10)


def emit_small(net: Layers) -> str:
    """A stride-4 stem and three stride-2 convolutions: 96 -> 24 -> 12 -> 6 -> 3 pixels."""
    x = net.relu(net.conv("input", "stem", 8, 7, stride=4))
    for index, channels in enumerate((16, 32, 64), start=1):
        x = net.relu(net.conv(x, f"conv{index}", channels, 3, stride=2))
    return net.dense(net.flatten(x, 64 * 3 * 3), "classifier", 10)


ARCHITECTURES = {"fp32": emit_fp32, "small": emit_small}


class Trainable(nn.Module):  # type: ignore[misc, unused-ignore]
    """`Layers` as a torch network: batch normalisation follows each convolution, the rest is as named."""

    def __init__(self, emit: Any) -> None:
        super().__init__()
        self.parts = nn.ModuleDict()
        self._steps: list[tuple[str, Any, tuple[str, ...]]] = []
        self._channels = {"input": 1}
        self._last = emit(self)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 1, 96, 96) to logits (N, 10)."""
        values = {"input": image}
        for name, function, inputs in self._steps:
            values[name] = function(*(values[i] for i in inputs))
        return values[self._last]

    def channels(self, x: str) -> int:
        return self._channels[x]

    def conv(self, x: str, name: str, out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> str:
        conv = nn.Conv2d(self._channels[x], out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out")
        return self._part(name, nn.Sequential(conv, nn.BatchNorm2d(out)), x, out)

    def dense(self, x: str, name: str, out: int) -> str:
        dropped = nn.Sequential(nn.Dropout(0.2), nn.Linear(self._channels[x], out))
        return self._part(name, dropped, x, out)

    def relu(self, x: str) -> str:
        return self._step(f"{x}.relu", functional.relu, (x,), self._channels[x])

    def relu6(self, x: str) -> str:
        return self._step(f"{x}.relu6", functional.relu6, (x,), self._channels[x])

    def add(self, a: str, b: str, name: str) -> str:
        return self._step(name, torch.add, (a, b), self._channels[a])

    def max_pool(self, x: str, name: str, kernel: int, stride: int) -> str:
        return self._part(name, nn.MaxPool2d(kernel, stride, (kernel - 1) // 2), x, self._channels[x])

    def mean(self, x: str) -> str:
        return self._step(f"{x}.mean", lambda value: value.mean((2, 3)), (x,), self._channels[x])

    def flatten(self, x: str, features: int) -> str:
        return self._step(f"{x}.flat", lambda value: value.flatten(1), (x,), features)

    def _part(self, name: str, module: nn.Module, x: str, out: int) -> str:
        self.parts[name.replace(".", "_")] = module
        return self._step(name, module, (x,), out)

    def _step(self, name: str, function: Any, inputs: tuple[str, ...], out: int) -> str:
        self._steps.append((name, function, inputs))
        self._channels[name] = out
        return name

    def weights(self, name: str, shape: tuple[int, ...], rectified: bool) -> tuple[Any, Any]:
        """Weight and bias of a layer, with its batch normalisation folded in."""
        part: Any = self.parts[name.replace(".", "_")]
        if isinstance(part[1], nn.Linear):
            return part[1].weight.detach().numpy(), part[1].bias.detach().numpy()
        conv, norm = part
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = conv.weight * scale[:, None, None, None]
        return weight.detach().numpy(), (norm.bias - norm.running_mean * scale).detach().numpy()


def preprocess(images: Any) -> Any:
    """uint8 (N, 8, 8) with values 0 to 16, to float32 (N, 1, 96, 96) with values 0 to 1."""
    block = np.ones((1, REPEAT, REPEAT), dtype=np.float32)
    return np.kron(images.astype(np.float32) / DIVIDE_BY, block)[:, None]


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn by up to 10 degrees, scale and shear by up to 15 %, shift by up to a pixel of the 8x8 image.

    The 8x8 image is warped, then enlarged exactly as `preprocess` does: training sees the blocks that serving
    sees.
    """

    def draw(limit: float) -> torch.Tensor:
        return (torch.rand(len(images), generator=generator) * 2 - 1) * limit

    angle, shear, scale_x, scale_y = draw(math.radians(10)), draw(0.15), 1 + draw(0.15), 1 + draw(0.15)
    # affine_grid counts in half widths: a pixel of eight is 0.25.
    first = torch.stack([scale_x * angle.cos(), -angle.sin() + shear, draw(0.25)], dim=1)
    second = torch.stack([angle.sin(), scale_y * angle.cos(), draw(0.25)], dim=1)
    grid = functional.affine_grid(
        torch.stack([first, second], dim=1), [len(images), 1, 8, 8], align_corners=False
    )
    warped = functional.grid_sample(images[:, None] / DIVIDE_BY, grid, align_corners=False)
    return warped.repeat_interleave(REPEAT, 2).repeat_interleave(REPEAT, 3)


def train(emit: Any, images: Any, labels: Any, epochs: int, batch: int = 25) -> Trainable:
    """Train a network for a fixed number of epochs; the last state is the result, nothing is selected."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    net: Trainable = Trainable(emit).to(memory_format=torch.channels_last)  # a third faster here, same result
    pixels, targets = torch.from_numpy(images.astype(np.float32)), torch.from_numpy(labels.astype(np.int64))
    steps = -(-len(targets) // batch) * epochs
    optimiser = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=LEARNING_RATE, total_steps=steps, pct_start=0.2
    )
    started = time.perf_counter()
    for epoch in range(1, epochs + 1):
        net.train()
        for index in torch.randperm(len(targets), generator=generator).split(batch):
            warped = augment(pixels[index], generator).contiguous(memory_format=torch.channels_last)
            loss = functional.cross_entropy(net(warped), targets[index], label_smoothing=0.05)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
        if epoch % 10 == 0:
            spent_s = time.perf_counter() - started
            print(f"  epoch {epoch}/{epochs}: loss {loss.item():.3f}, {spent_s:.0f} s", flush=True)
    net.eval()
    return net


def metadata(variant: str) -> dict[str, str]:
    """What the ONNX file says about itself."""
    return {
        "gramwise.model": "digits",
        "gramwise.variant": variant,
        "gramwise.seed": str(SEED),
        "gramwise.preprocess": f"8x8 / {DIVIDE_BY}, each pixel repeated {REPEAT}x{REPEAT}, float32 NCHW",
        "gramwise.training_data": CREDIT,
    }


def export(net: Trainable, emit: Any, variant: str, file: Path) -> None:
    """Write the trained network as ONNX, batch normalisation folded."""
    emitter = Emitter(f"digits-{variant}", channels=1, size=SIZE, weights=net.weights)
    onnx.save(emitter.finish(emit(emitter), metadata(variant)), file)


class Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Training images, in batches, for the quantiser's ranges."""

    def __init__(self, images: Any, batch: int = 50) -> None:
        pieces = np.split(images, range(batch, len(images), batch))
        self._batches: Iterator[dict[str, Any]] = iter([{"input": preprocess(piece)} for piece in pieces])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)


def quantise(source: Path, target: Path, images: Any) -> None:
    """Static int8 quantisation in QDQ form, weights per channel.

    Weights take seven bits (``reduce_range``): with eight, processors without int8 dot products saturate when
    they multiply unsigned by signed, and answer differently. Source: onnxruntime documentation, "Quantize
    ONNX models".
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            target,
            Calibration(images),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
    model = onnx.load(target)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata("int8"))
    onnx.save(model, target)


def correct_answers(file: Path, images: Any, labels: Any) -> int:
    """How many images the file itself classifies correctly, in onnxruntime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"input": preprocess(images)})
    return int((logits.argmax(axis=1) == labels).sum())


def wilson(correct: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share of ``n``. Source: E. B. Wilson, JASA 22 (1927), 209-212."""
    share = correct / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def describe(file: Path, variant: str, images: Any, labels: Any) -> dict[str, Any]:
    """The row of ``digits.json`` for one file."""
    cost = inspect_model(file)
    correct = correct_answers(file, images, labels)
    low, high = wilson(correct, len(labels))
    return {
        "name": variant,
        "file": file.name,
        "sha256": cost["digest"],
        "precision": "int8" if variant == "int8" else "fp32",
        "multiply_adds": cost["multiply_adds"],
        "weight_bytes": cost["weight_bytes"],
        "accuracy_frac": correct / len(labels),
        "accuracy_low_frac": round(low, 6),
        "accuracy_high_frac": round(high, 6),
        "correct": correct,
        "n": len(labels),
    }


def split() -> tuple[Any, Any, Any, Any]:
    """Training images, held-out images, training labels, held-out labels; stratified by digit."""
    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.uint8)
    parts = train_test_split(images, labels, test_size=HELD_OUT, stratify=labels, random_state=SEED)
    return tuple(parts)


def build(folder: Path, images: Any, labels: Any) -> dict[str, Path]:
    """Train and write the three variants; returns the files by variant, the reference first."""
    files = {variant: folder / f"digits-{variant}.onnx" for variant in ("fp32", "int8", "small")}
    for variant, emit in ARCHITECTURES.items():
        print(f"{variant}: {len(labels)} training images, {EPOCHS[variant]} epochs", flush=True)
        export(train(emit, images, labels, EPOCHS[variant]), emit, variant, files[variant])
    quantise(files["fp32"], files["int8"], images)
    return files


def document(files: dict[str, Path], images: Any, labels: Any, trained_on: int) -> dict[str, Any]:
    """What ``digits.json`` says: the variants and how they came about."""
    packages = ("torch", "scikit-learn", "numpy", "onnx", "onnxruntime")
    return {
        "schema": "gramwise.model/1",
        "model": "digits",
        "task": "classify handwritten digits 0 to 9",
        "reference": "fp32",
        "input": {"name": "input", "shape": ["batch", 1, SIZE, SIZE], "dtype": "float32"},
        "output": {"name": "logits", "shape": ["batch", 10], "dtype": "float32"},
        "preprocess": {"divide_by": DIVIDE_BY, "repeat": REPEAT},
        "data": CREDIT,
        "split": {
            "train": trained_on,
            "held_out": len(labels),
            "stratified": True,
            "seed": SEED,
            "held_out_file": "digits/heldout.npz",
            "held_out_sha256": pixels_digest(images, labels),
        },
        "interval": "Wilson, 95 %",
        "seed": SEED,
        "script": "tools/train_digits.py",
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "variants": [describe(file, variant, images, labels) for variant, file in files.items()],
    }


def pixels_digest(images: Any, labels: Any) -> str:
    """SHA-256 of the images' bytes followed by the labels' bytes, both uint8 in C order."""
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()


def main() -> None:
    """Train, quantise, measure and write; with ``--validate``, judge a recipe on training images alone."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--validate", type=int, metavar="SEED", help="judge on a fifth of the training part")
    fold = parser.parse_args().validate
    torch.set_num_threads(1)  # one order of summation, so the same result every time
    torch.use_deterministic_algorithms(True)
    train_images, held_images, train_labels, held_labels = split()
    if fold is not None:
        parts = train_test_split(
            train_images, train_labels, test_size=0.2, stratify=train_labels, random_state=fold
        )
        train_images, held_images, train_labels, held_labels = parts
        with tempfile.TemporaryDirectory() as folder:
            files = build(Path(folder), train_images, train_labels)
            for variant, file in files.items():
                right = correct_answers(file, held_images, held_labels)
                print(f"{variant}: {right} of {len(held_labels)} right ({right / len(held_labels):.3f})")
        return
    (DATA / "models").mkdir(exist_ok=True)
    (DATA / "digits").mkdir(exist_ok=True)
    files = build(DATA / "models", train_images, train_labels)
    np.savez_compressed(DATA / "digits" / "heldout.npz", images=held_images, labels=held_labels)
    described = document(files, held_images, held_labels, len(train_labels))
    (DATA / "models" / "digits.json").write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    for row in described["variants"]:
        print(
            f"{row['name']}: {row['accuracy_frac']:.4f} of {row['n']}, {row['multiply_adds']} multiply-adds"
        )


if __name__ == "__main__":
    main()
