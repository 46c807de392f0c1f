"""Scenarios small enough to work out by hand: declared costs, declared or invented intensities."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gramwise.fleet.scenario import Scenario
from gramwise.runtime.assembly import read_scenario

START = "2022-06-06T00:00:00Z"

HEAD = """
schema = 1
name = "case"
baseline_node = "a"
[models.digits]
reference = "fp32"
[models.digits.variants.fp32]
file = "package:digits-fp32.onnx"
[models.digits.variants.small]
file = "package:digits-small.onnx"
"""


def node(name: str, zone: str, g_per_kwh: float | None = None, slots: int = 1) -> str:
    """A node on a Raspberry Pi 4."""
    own = (
        f'intensity_g_per_kwh = {g_per_kwh}\nintensity_source = "made up"\n' if g_per_kwh is not None else ""
    )
    return f'[nodes.{name}]\ndevice = "pi4"\nzone = "{zone}"\ncpu_share = 1.0\nmemory = "1 GiB"\nslots = {slots}\n{own}'


def cost(node: str, variant: str = "fp32", latency_s: float = 1.0, energy_j: float = 36.0) -> str:
    """What an inference takes there."""
    return (
        f'[[costs]]\nmodel = "digits"\nvariant = "{variant}"\nnode = "{node}"\nlatency_s = {latency_s}\n'
        f'energy_j = {energy_j}\nsource = "made up"\n'
    )


def costs(*names: str, latency_s: float = 1.0, energy_j: float = 36.0) -> str:
    """The same cost of the reference variant on several nodes, and half of it for the small one."""
    return "".join(
        cost(name, "fp32", latency_s, energy_j) + cost(name, "small", latency_s / 2, energy_j / 2)
        for name in names
    )


def traffic(name: str = "live", rate_per_s: float = 0.05, **more: object) -> str:
    """A class of traffic."""
    lines = "".join(
        f"{key} = {str(value).lower() if isinstance(value, bool) else value}\n" for key, value in more.items()
    )
    return f'[[traffic]]\nname = "{name}"\nmodel = "digits"\nrate_per_s = {rate_per_s}\n{lines}'


def simulation(hours: float = 6.0, **more: object) -> str:
    """The table of the simulation."""
    texts = {key: f'"{value}"' if isinstance(value, str) else value for key, value in more.items()}
    lines = "".join(f"{key} = {value}\n" for key, value in texts.items())
    return f'[simulation]\nstart = "{START}"\nhours = {hours}\n{lines}'


def case(folder: Path, *parts: str) -> Scenario:
    """A scenario of the parts."""
    file = folder / "case.toml"
    file.write_text("\n".join([HEAD, *parts]), encoding="utf-8")
    return read_scenario(file)


def write_trace(folder: Path, zone: str, value: Callable[[datetime], float | None], days: int = 200) -> Path:
    """A trace of the first days of 2022; None leaves an hour out."""
    folder.mkdir(exist_ok=True)
    first = datetime(2022, 1, 1, tzinfo=UTC)
    lines = ["time_utc,lifecycle_g_per_kwh"]
    for hour in range(24 * days):
        moment = first + timedelta(hours=hour)
        g_per_kwh = value(moment)
        lines.append(f"{moment:%Y-%m-%dT%H:%M:%SZ},{'' if g_per_kwh is None else g_per_kwh}")
    (folder / f"{zone}_2022.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
