#!/bin/sh
# Prints a Python that can make virtual environments and is new enough; otherwise one line says what to install.
oldest="3.11"
for python in ${PYTHON:-} python3.11 python3.12 python3.13 python3 python; do
  command -v "$python" >/dev/null 2>&1 || continue
  found=$python
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
  if "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "$python"
    exit 0
  fi
  echo "gramwise: $python cannot make virtual environments. Install its venv package: apt-get install python3-venv" >&2
  exit 2
done
if [ -n "${found:-}" ]; then
  echo "gramwise: $("$found" --version 2>&1) is too old, $oldest or newer is needed. Install: apt-get install python3.11 python3.11-venv" >&2
else
  echo "gramwise: no Python was found. Install: apt-get install python3 python3-venv" >&2
fi
exit 2
