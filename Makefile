# Every target sets up what it needs by itself. `make` alone lists them.
PYTHON := .venv/bin/python

.PHONY: help setup demo run test lint bench replay train evaluate

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-24s %s\n", $$1, $$2}'

setup: ## create .venv with everything that the other targets need
	@bash infra/setup.sh

lint: setup ## ruff and strict type checks
	@$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && $(PYTHON) -m mypy

test: lint ## everything that CI runs
	@$(PYTHON) -m pytest -n 2
