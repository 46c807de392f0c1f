#!/bin/sh
# Resolves what the make targets install into constraints.txt, from an empty environment.
set -eu
python=$(sh tools/find_python.sh)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$python" -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check '.[plan,plot,nvidia,grid,entsoe,solvers,learn,serve,postgres,ray,dev]' hatchling editables
{
  echo "# What 'make demo', 'make test' and CI install: resolved by 'make lock' with Python 3.11 on Linux x86-64."
  "$place/venv/bin/python" -m pip freeze --exclude gramwise
} >constraints.txt
