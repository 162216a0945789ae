# Relais. `make help` says what there is; `make run` and `make test` do all their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CODE := services deploy schemas/relais_contracts tests benchmarks
PORT ?= 8080

.DEFAULT_GOAL := help
.PHONY: help install install-browser run test unit faults security simulation mutations bench check lint format types architecture contracts rules lock clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

install: $(STAMP) ## builds .venv from requirements.lock, and fetches Kafka's jars; costs nothing the second time

$(STAMP): requirements.lock pyproject.toml schemas/pyproject.toml deploy/local/kafka-jars.sha256
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Relais needs Python 3.11 or newer: make install PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e schemas -e .
	$(BIN)/python -m deploy.local.install
	@touch $(STAMP)

install-browser: install ## finds or installs the Chromium that the browser tests drive
	sh deploy/local/install_browser.sh

run: install ## all of Relais on this machine, with a demonstration school: http://127.0.0.1:8080
	$(BIN)/relais up --port $(PORT)

test: install install-browser ## all tests, on real servers and a real browser; each folder has servers of its own
	$(BIN)/python -m tests

unit: install ## the tests that need no server: the rules, the parsers, the structure
	$(BIN)/pytest tests/architecture tests/sessions tests/transfers tests/billing tests/attendance tests/importing tests/contracts -m "not stack"

faults: install ## kills, cuts and delays on real servers, short form; RUNS=200 for the long one, kept in tests/faults/RESULTS.md
	$(BIN)/pytest tests/faults tests/replay/test_while_live_serves.py -s $(if $(RUNS),--runs $(RUNS) --results=tests/faults/RESULTS.md)

security: install ## the corpora of hostile texts, files, tokens, forms, bodies and paths, kept in tests/security/RESULTS.md
	$(BIN)/pytest tests/security --totals=tests/security/RESULTS.md

simulation: install ## relay and inbox on simulated servers, 20,000 seeds; SEEDS=2000 for fewer
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),20000)

mutations: install ## breaks the rules, and takes away each safeguard of an event, one by one; each must be noticed
	$(BIN)/python -m tests.model.mutations
	$(BIN)/python -m tests.simulation --mutations

bench: install ## the speed table, as ratios: benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

check: lint types architecture contracts test ## what CI runs

lint: install
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)

types: install
	$(BIN)/mypy

architecture: install
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/architecture

contracts: install
	$(BIN)/python -m relais_contracts.generate --check
	$(BIN)/python -m tests.rules --check

rules: install ## the table of rules and their tests, anew: docs/rules-and-tests.md
	$(BIN)/python -m tests.rules

format: install ## formats the code and mends what can be mended
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

lock: ## writes requirements.lock anew (needs uv)
	sh deploy/lock.sh

clean: ## removes what was built; data in .relais stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache artifacts
