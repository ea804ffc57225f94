# Everything runs from .venv, which `setup` makes; no target needs anything else installed.
.DEFAULT_GOAL := help
SHELL := /bin/bash

BIN := .venv/bin
STAMP := .venv/.ready
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))

.PHONY: help setup demo test check fmt kafka bench quality lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(firstword $(MAKEFILE_LIST)) | sort | \
		awk -F ':.*## ' '{ printf "  make %-9s %s\n", $$1, $$2 }'

setup: $(STAMP) ## make .venv with pinned dependencies and .venv/bin/pushwake

$(STAMP): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make setup PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: setup ## replay a recorded istiod upgrade and write demo-out/report.html
	@mkdir -p demo-out
	$(BIN)/pushwake demo --report demo-out/report.html

test: setup ## run the tests
	$(BIN)/pytest -n 3 --dist worksteal -m "not alone"
	$(BIN)/pytest -m alone

check: setup ## what CI runs: style, types, import contracts, tests with coverage
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 3 --dist worksteal -m "not alone" --cov
	$(BIN)/pytest -m alone

fmt: setup ## format the code and repair what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

kafka: setup ## run Apache Kafka on loopback until interrupted (needs Java and Maven)
	$(BIN)/python -m tests.parts.kafka

bench: setup ## lines a second, against other tools
	$(BIN)/python -m benchmarks.parse

quality: setup ## precision, recall, delay and attribution on simulated meshes
	$(BIN)/python -m benchmarks.detection

lock: setup ## pin the newest dependencies that pyproject.toml allows
	rm -rf build/lock
	$(BIN)/python -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	build/lock/bin/uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 \
		--fork-strategy fewest --extra dev --no-header --no-annotate pyproject.toml -o requirements.txt
	build/lock/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --fork-strategy fewest \
		--constraint requirements.txt --no-header --no-annotate pyproject.toml -o deploy/requirements.txt

clean: ## remove .venv and everything made
	rm -rf .venv build demo-out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
