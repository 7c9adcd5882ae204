SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

BIN := .venv/bin
READY := .venv/.ready

DOMAIN ?= visits
PARTITION ?= HEI|2024-05
BENCH ?=
SEED ?= 20261124
ROUNDS ?= 1
UV_VERSION := uv>=0.9,<1

.PHONY: help setup run dev test test-fast chaos check lint types arrows contracts-check definitions-check \
	format lock contracts bench sandbox clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv from the lock file (every other target does it too)

run: setup ## Migrate DOMAIN for one PARTITION on a sandbox, then show what became of it
	@$(BIN)/nomis-pipelines demo run --domain "$(DOMAIN)" --partition "$(PARTITION)"

dev: setup ## Dagster's UI, daemon and the sandbox, until Ctrl-C
	@$(BIN)/nomis-pipelines demo dev

test: setup ## All tests: first those without servers, then the others
	@status=0; \
	echo "== tests without servers"; $(BIN)/pytest -n 2 -m "not server" || status=1; \
	echo "== tests with servers"; $(BIN)/pytest -n 2 -m server || status=1; \
	if [ $$status -eq 0 ]; then echo "== all tests passed"; else echo "== SOME TESTS FAILED, see above"; fi; \
	exit $$status

test-fast: setup ## The tests that need no server (a minute and a half on two cores)
	@$(BIN)/pytest -n 2 -m "not server"

chaos: setup ## Break everything in turn while visits migrate, and count what is left: SEED=7 ROUNDS=1
	@NOMIS_PIPELINES_CHAOS_SEED=$(SEED) NOMIS_PIPELINES_CHAOS_ROUNDS=$(ROUNDS) $(BIN)/pytest -s nomis_pipelines_tests/chaos

check: setup ## Lint, format, types, import arrows, generated code, definitions
	@$(MAKE) --keep-going lint types arrows contracts-check definitions-check

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup
	$(BIN)/pyright

arrows: setup
	$(BIN)/lint-imports --no-cache

contracts-check: setup
	$(BIN)/nomis-pipelines contracts generate --check

definitions-check: setup
	@# an empty instance: without DAGSTER_HOME Dagster would take ./dagster.yaml, which needs a database
	@home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; echo "dagster definitions validate"; \
	touch "$$home/dagster.yaml"; DAGSTER_HOME="$$home" $(BIN)/dagster definitions validate --log-level warning -m nomis_pipelines.definitions

format: setup ## Put the code into its one form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

contracts: setup ## Generate nomis_pipelines/contracts from openapi-specs
	$(BIN)/nomis-pipelines contracts generate

bench: setup ## Run the benchmarks, or one of them: BENCH=http_edge
	@for file in benchmarks/$(if $(BENCH),$(BENCH),[a-z]*).py; do \
		grep -q '^if __name__ == "__main__":' "$$file" || continue; \
		echo "== $$file"; $(BIN)/python -m "benchmarks.$$(basename "$$file" .py)"; \
	done

sandbox: setup ## NOMIS, DPS services, auth, SQS and PostgreSQL to run against, until Ctrl-C
	@$(BIN)/nomis-pipelines sandbox

lock: $(BIN)/uv ## Bring requirements.lock in line with pyproject.toml (UPGRADE=1: to the newest versions)
	$(BIN)/uv pip compile --quiet pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		$(if $(UPGRADE),--upgrade) --output-file requirements.lock > /dev/null

clean: ## Remove what the other targets made
	rm -rf .venv .sandbox .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/uv:
	@python=""; \
	for candidate in python3.11 python3.12 python3; do \
		if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then \
			python="$$candidate"; break; \
		fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or 3.12 is needed, as python3.11, python3.12 or python3 on the PATH" >&2; exit 1; \
	fi; \
	"$$python" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '$(UV_VERSION)'

$(READY): pyproject.toml requirements.lock | $(BIN)/uv
	$(BIN)/uv pip sync --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --editable .
	@touch $@
