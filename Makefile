# Everything a person or CI runs. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Libraries are compiled once, into .venv; a night would otherwise spend seconds on that each time.
unexport PYTHONDONTWRITEBYTECODE
AS_OF ?= 2011-12-09
HOME_DIR ?= var
PORT_AIRFLOW ?= 8080
PORT_MLFLOW ?= 5000

.DEFAULT_GOAL := help
.PHONY: help run test check prove bench demo-experiment up clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.13"
	$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --no-deps -r requirements.lock
	$(BIN)/uv pip install --quiet --system-certs --python $(BIN)/python --no-deps --editable .
	@touch $(READY)

run: $(READY) ## one whole night on the bundled shop, through the real DAG (AS_OF=, HOME_DIR=)
	@$(BIN)/recsys land online-retail --home $(HOME_DIR)
	@$(BIN)/recsys run --as-of $(AS_OF) --home $(HOME_DIR)

test: $(READY) ## all tests and doctests, the same command CI runs
	$(BIN)/python -m pytest -n 2 --dist loadgroup --doctest-modules pipelines tests

check: $(READY) ## format, lint, types, SQL lint, compose file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint dbt_project --disable-progress-bar
	$(BIN)/python -m pytest -q tests/test_compose.py

prove: $(READY) ## the slow proofs at full size: order of nights, reruns, poisoned days, kills at every step
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m prove tests

bench: $(READY) ## cost of each stage of a night on a generated log (EVENTS=200k|1m|5m|25m)
	$(BIN)/python benchmarks/night.py --events $(or $(EVENTS),1m)

demo-experiment: $(READY) ## a month of a simulated shop with an experiment, through a real API (DAYS=30)
	@$(BIN)/recsys simulate --config docs/demo/shop.toml --home var-demo --days $(or $(DAYS),30) --experiment tastes --http

up: $(READY) ## Airflow and the MLflow UI on loopback, until Ctrl-C
	@$(BIN)/recsys up --home $(HOME_DIR) --airflow-port $(PORT_AIRFLOW) --mlflow-port $(PORT_MLFLOW)

clean: ## remove the environment and everything runs wrote
	rm -rf $(VENV) $(HOME_DIR) var-demo var-bench build *.egg-info
