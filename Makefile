# Everything sets itself up in .venv: no root, no network beyond installing.
# On a bare Debian 12: apt-get install make python3 python3-venv

VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := PIP_CONSTRAINT=constraints.txt $(PY) -m pip install --quiet --disable-pip-version-check
INPUTS := pyproject.toml constraints.txt tools/find_python.sh

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench evaluate acceptance lock clean

help:
	@echo "make demo    set up, run the main job, print the table, write a run directory with an HTML page"
	@echo "make test    set up, run the tests"
	@echo "make check   format, lint, types, layers"
	@echo "make bench   every benchmark of the README (about an hour); JSON under .cache/benchmarks"
	@echo "make evaluate  put the frozen descriptions to plan --words, print the table"
	@echo "make acceptance  put node and gateway to tritonclient, KServe, MLServer, schemathesis and a fuzzer"
	@echo "make lock    resolve the dependencies anew into constraints.txt"

demo: $(VENV)/.demo
	@$(VENV)/bin/gramwise bench examples/three-sites.toml

test: $(VENV)/.dev
	@$(PY) -m pytest

check: $(VENV)/.dev
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

format: $(VENV)/.dev
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

bench: $(VENV)/.dev
	@$(PY) benchmarks/run.py

evaluate: $(VENV)/.dev
	@$(PY) -m evaluation.words.run

acceptance: $(VENV)/.dev
	@$(PY) acceptance/run.py

lock:
	@sh tools/lock.sh

clean:
	@rm -rf $(VENV) .cache build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# A virtual environment that was half made, or made by another Python, is made anew.
$(VENV)/.made: $(INPUTS)
	@python=$$(sh tools/find_python.sh) || exit 2; \
	 rm -rf $(VENV) && $$python -m venv $(VENV) && touch $@

$(VENV)/.demo: $(VENV)/.made
	@echo "gramwise: installing into $(VENV), once" >&2
	@$(PIP) --editable '.[plan,plot]' && touch $@

$(VENV)/.dev: $(VENV)/.made
	@echo "gramwise: installing into $(VENV), once" >&2
	@$(PIP) --editable '.[plan,plot,nvidia,grid,entsoe,solvers,learn,serve,postgres,dev]' && touch $@ $(VENV)/.demo
