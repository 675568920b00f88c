# Everything a fresh machine needs is Python 3.11+ and make.
PYTHON ?= python3
BIN    := .venv/bin
export PYTHONPATH :=

.DEFAULT_GOAL := help

.PHONY: help
help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

.venv/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: install
install: .venv/installed ## set up .venv

.PHONY: lock
lock: ## pin the newest versions of everything in requirements.txt (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --upgrade --no-emit-package snapshot-ingest \
		--all-extras --group dev pyproject.toml -o requirements.txt
