# Everything a person or CI runs. `make help` lists the targets.
# The newest promised Python that is present and whole (Debian's lacks ensurepip without python3-venv).
WHOLE := import ensurepip, sqlite3, ssl, sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYENV := $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions
PYTHON ?= $(shell for python in \
	$(foreach v,3.13 3.12 3.11,python$(v) $(wildcard $(PYENV)/$(v).*/bin/python)) python3; do \
	$$python -c "$(WHOLE)" 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --no-deps
COMPILE := $(BIN)/uv pip compile pyproject.toml --python-version 3.11 --quiet --system-certs $(ARGS)
# What runs the night, and what its tests need beside it.
READY := $(VENV)/.ready
READY_TO_TEST := $(VENV)/.ready-to-test
# Libraries are compiled once, into .venv; a night would otherwise spend seconds on that each time.
unexport PYTHONDONTWRITEBYTECODE
AS_OF ?= 2011-12-09
HOME_DIR ?= var
PORT_AIRFLOW ?= 8080
PORT_MLFLOW ?= 5000

.DEFAULT_GOAL := help
.PHONY: help run test check lock prove bench demo-experiment up clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

$(READY): requirements.lock pyproject.toml
	@$(if $(PYTHON),,$(error No whole Python 3.11 to 3.13 found. Install python3-venv, or name one: PYTHON=))
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.13"
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --editable .
	@touch $(READY)

$(READY_TO_TEST): $(READY) requirements-dev.lock
	$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $(READY_TO_TEST)

run: $(READY) ## one whole night on the bundled shop, through the real DAG (AS_OF=, HOME_DIR=)
	@$(BIN)/recsys land online-retail --home $(HOME_DIR)
	@$(BIN)/recsys run --as-of $(AS_OF) --home $(HOME_DIR)

test: $(READY_TO_TEST) ## all tests and doctests, the same command CI runs
	$(BIN)/python -m pytest -n 3 --dist loadgroup --durations 10 --doctest-modules pipelines tests

check: $(READY_TO_TEST) ## format, lint, types, SQL lint, compose file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint dbt_project --disable-progress-bar
	$(BIN)/python -m pytest -q tests/test_compose.py

lock: $(READY) ## lock what pyproject.toml asks for, other versions only where it must (ARGS=--upgrade)
	$(COMPILE) --all-extras -o requirements-dev.lock
	$(COMPILE) --extra postgres -c requirements-dev.lock -o requirements.lock

prove: $(READY_TO_TEST) ## the slow proofs at full size: order of nights, reruns, poisoned days, kills at every step
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m prove tests

bench: $(READY) ## cost of each stage of a night on a generated log (EVENTS=200k|1m|5m|25m)
	$(BIN)/python benchmarks/night.py --events $(or $(EVENTS),1m)

demo-experiment: $(READY) ## a month of a simulated shop with an experiment, through a real API (DAYS=30)
	@$(BIN)/recsys simulate --config docs/demo/shop.toml --home var-demo --days $(or $(DAYS),30) --experiment tastes --http

up: $(READY) ## Airflow and the MLflow UI on loopback, until Ctrl-C
	@$(BIN)/recsys up --home $(HOME_DIR) --airflow-port $(PORT_AIRFLOW) --mlflow-port $(PORT_MLFLOW)

clean: ## remove the environment and everything runs wrote
	rm -rf $(VENV) $(HOME_DIR) var-demo var-bench build *.egg-info
