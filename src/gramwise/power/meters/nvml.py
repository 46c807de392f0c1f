"""NVML: the energy counters of NVIDIA GPUs, through the driver's own library.

``nvmlDeviceGetTotalEnergyConsumption`` counts millijoules of a GPU with its memory and circuitry since the
driver was loaded, on Volta and later. It counts the whole card, whoever uses it. GPUs without the counter are
left out; a machine on which none has it has no such meter.

Source: NVIDIA, NVML API reference, device queries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from gramwise.core.clock import Clock, SystemClock
from gramwise.core.errors import MeterAbsent, MeterDenied, MeterError, SourceUnavailable
from gramwise.core.protocols import Reading
from gramwise.core.quantity import Boundary, Method

_J_PER_MJ = 1e-3
_DRIVER_TRACES = ("proc/driver/nvidia", "dev/nvidiactl", "dev/dxg")
"""What a loaded driver leaves: on Linux the first two, under Windows' Linux subsystem the last."""


class Nvml:
    """Joules of each NVIDIA GPU since it was opened.

    Args:
        root: top of the file tree that is searched for traces of the driver.
        clock: stamps the readings.

    Raises:
        MeterAbsent: no driver, no GPU, or none with an energy counter.
        MeterDenied: the driver refuses this user.
        SourceUnavailable: there is a driver and the Python library is not installed: the command.
    """

    name = "nvml"
    method: ClassVar[Method] = "measured"
    boundary: ClassVar[Boundary] = "board"

    def __init__(self, root: str | Path = "/", clock: Clock | None = None) -> None:
        if not any((Path(root) / trace).exists() for trace in _DRIVER_TRACES):
            raise MeterAbsent("no NVIDIA driver is loaded.")
        self._clock = clock or SystemClock()
        self._nvml = _library()
        self._gpus = self._counting_gpus()
        self._first_mj = {name: self._energy_mj(gpu) for name, gpu in self._gpus.items()}

    def read(self) -> Reading:
        """Joules since the meter was opened, by GPU: ``gpu-0``, ``gpu-1`` ...

        Raises:
            MeterError: a GPU has fallen off the bus or the driver was unloaded.
        """
        joules = {
            name: (self._energy_mj(gpu) - self._first_mj[name]) * _J_PER_MJ
            for name, gpu in self._gpus.items()
        }
        return Reading(at_s=self._clock.now_s(), joules=joules)

    def _counting_gpus(self) -> dict[str, Any]:
        nvml, found = self._nvml, {}
        try:
            nvml.nvmlInit()
            count = nvml.nvmlDeviceGetCount()
            for index in range(count):
                gpu = nvml.nvmlDeviceGetHandleByIndex(index)
                try:
                    nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
                except nvml.NVMLError_NotSupported:
                    continue
                found[f"gpu-{index}"] = gpu
        except nvml.NVMLError_NoPermission as fault:
            raise MeterDenied(f"the NVIDIA driver refuses this user: {fault}.") from fault
        except nvml.NVMLError as fault:
            raise MeterAbsent(f"the NVIDIA library does not start: {fault}.") from fault
        if not found:
            raise MeterAbsent(f"none of {count} NVIDIA GPUs counts energy; that came with Volta.")
        return found

    def _energy_mj(self, gpu: Any) -> int:
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu))
        except self._nvml.NVMLError as fault:
            raise MeterError(f"an NVIDIA GPU no longer tells its energy: {fault}") from fault


def _library() -> Any:
    try:
        import pynvml
    except ImportError as fault:
        raise SourceUnavailable(
            "reading NVIDIA energy counters needs the nvidia-ml-py package."
            " Run: pip install 'gramwise[nvidia]'"
        ) from fault
    return pynvml


PLUGIN = Nvml
