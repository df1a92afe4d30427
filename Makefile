VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
CONSTRAINTS := .ci/constraints.txt

.PHONY: demo test check bench clean

demo: $(VENV)/installed
	$(BIN)/codesign run mnist1d-asic

test: $(VENV)/installed-dev
	$(BIN)/pytest -n 2 -q

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed
	$(BIN)/codesign bench

$(VENV)/installed: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c $(CONSTRAINTS) -e .
	touch $@

$(VENV)/installed-dev: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c $(CONSTRAINTS) -e ".[dev]"
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build dist
