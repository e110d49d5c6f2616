# Everything a contributor needs; `make help` lists it. Only Python >= 3.11 and make have to be there.
PYTHON ?= python3
PROFILE ?= redis
STATE ?= sqlite
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# On a terminal, and in its foreground, Ctrl-C is for the program alone: make then ends as the program does.
ALONE := case "$$(ps -o stat= -p $$$$ 2>/dev/null)" in *+*) set -m;; esac;

.DEFAULT_GOAL := help
.PHONY: help setup run demo run-dapr test test-fast test-long lint format bench chaos docs dapr kafka lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("pillion needs Python 3.11 or newer, this is " + sys.version) if sys.version_info < (3, 11) else 0'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

setup: $(READY)  ## Make .venv with the pinned dependencies and the SDK

run: setup  ## Run the shop in one process, with its gateway on 127.0.0.1:8080
	@$(ALONE) $(BIN)/python -m services.shop; exit $$?

demo: setup  ## Place an order through every service and print each message
	@$(BIN)/python -m services.demo

run-dapr: setup dapr  ## Run the shop as a process and a sidecar per service (PROFILE=redis STATE=sqlite)
	@mkdir -p data
	@$(ALONE) $(BIN)/pillion dev -f dapr.yaml --profile $(PROFILE) --profile state/$(STATE); exit $$?

test: setup  ## Run all tests; those that need a sidecar or a broker skip with the reason
	$(BIN)/python -m pytest

test-fast: setup  ## Run the tests that need nothing installed and take no seconds; under a minute
	$(BIN)/python -m pytest -m "not slow and not daprd and not redis and not rabbitmq and not postgresql and not kafka and not mqtt and not nats"

test-long: setup  ## Run the behaviours that `make test` leaves out: all of them on every real broker
	$(BIN)/python -m pytest -m long

lint: setup  ## Check format, style, types and import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

format: setup  ## Put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

chaos: setup dapr  ## Kill things while orders are handled (PROFILE=redis SEED=1 MESSAGES=500 FAULT=daprd)
	@$(BIN)/python -m tests.chaos.run --profile $(PROFILE) --state $(STATE) --seed $(or $(SEED),1) \
	  --messages $(or $(MESSAGES),500) $(addprefix --fault ,$(FAULT)) $(addprefix --markdown ,$(MARKDOWN))

bench: setup  ## Measure, beside the peers, and write benchmarks/results.json
	@$(BIN)/python -m benchmarks.run

docs: setup  ## Write the generated pages of docs/
	@$(BIN)/python -m tools.capabilities

dapr:  ## Build daprd, placement and scheduler from the pinned Go module (once)
	@tools/dapr/build

kafka:  ## Fetch Kafka with Maven, for the tests over it (once; needs Java)
	@tools/kafka/fetch

lock:  ## Pin the dependencies anew
	$(PYTHON) tools/lock.py

clean:  ## Remove what was built
	rm -rf $(VENV) data .pytest_cache .mypy_cache .ruff_cache .hypothesis
