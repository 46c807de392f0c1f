"""What an edge board carries: size of the base install, and wheels for x86-64 and aarch64. Needs a package registry."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from record import finish, row

ROOT = Path(__file__).resolve().parents[1]
PLATFORMS = {
    machine: [f"manylinux_2_{glibc}_{machine}" for glibc in (28, 27, 26, 24, 17)]
    + [f"manylinux2014_{machine}"]
    for machine in ("x86_64", "aarch64")
}


def main() -> None:
    """Measure and print."""
    size_mb = installed_mb()
    rows = [row("base install (MB, 10^6 bytes, pip left out)", "< 200", size_mb, size_mb < 200)]
    for machine in PLATFORMS:
        fault = unresolved(machine)
        rows.append(
            row(f"base install from wheels alone, {machine}", "resolves", fault or "resolves", not fault)
        )
    finish("install_size", rows)


def installed_mb() -> float:
    """Size of what ``pip install gramwise`` brings, the package itself included."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "site"
        pip("install", "--target", str(target), "--constraint", str(ROOT / "constraints.txt"), str(ROOT))
        return sum(f.stat().st_size for f in target.rglob("*") if f.is_file() and not f.is_symlink()) / 1e6


def unresolved(machine: str) -> str:
    """Why the base does not resolve from wheels for a machine, or nothing."""
    flags = [f for platform in PLATFORMS[machine] for f in ("--platform", platform)]
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder) / "wheel"
        pip("wheel", "--no-deps", "--wheel-dir", str(wheel), str(ROOT))
        try:
            pip(
                *("install", "--dry-run", "--only-binary=:all:", "--python-version", "3.11"),
                *("--implementation", "cp", "--target", folder, *flags, str(next(wheel.glob("*.whl")))),
            )
        except subprocess.CalledProcessError as fault:
            return str(fault.stderr.strip().splitlines()[-1])
    return ""


def pip(*arguments: str) -> None:
    """Run pip quietly."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)


if __name__ == "__main__":
    main()
