# Every target sets itself up on a bare machine with Python 3.11+, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ARGS ?=

.PHONY: demo dev test test-all bench lint clean

$(INSTALLED): pyproject.toml setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the project and what it needs into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local,dev]'
	@touch $@

demo: $(INSTALLED)
	@$(BIN)/python -m metrics_assets.demo

dev: $(INSTALLED)
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m metrics_assets.dev $(ARGS)

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy -p metrics_assets -p benchmarks
	@$(BIN)/python -m metrics_assets.validate

test: lint
	@$(BIN)/pytest -n 2 --dist loadgroup -m 'not slow and not faults and not browser' $(ARGS)

test-all: test
	@# the browser has the machine for itself: it waits for a daemon, a webserver and minute schedules
	@$(BIN)/pytest -m browser $(ARGS)
	@$(BIN)/pytest -n 2 --dist loadgroup -m '(slow or faults) and not browser' $(ARGS)

bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
