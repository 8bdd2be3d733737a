.DEFAULT_GOAL := help
.PHONY: help setup test quick lint bench docs
BIN := $(if $(wildcard .venv/bin/python),.venv/bin/,)

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-8s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## virtual environment in .venv with all that development needs
	python3 -m venv .venv
	.venv/bin/pip install -r requirements-dev.txt

test:  ## all tests, a real browser included
	$(BIN)pytest

quick:  ## tests without the browser's and the slow ones
	$(BIN)pytest -m "not browser and not slow"

lint:  ## ruff and mypy --strict
	$(BIN)ruff check
	$(BIN)ruff format --check
	$(BIN)mypy

bench:  ## list the benchmarks
	$(BIN)python -m benchmarks

docs:  ## run all that the documentation shows, then make its screenshots anew
	$(BIN)pytest tests/test_documentation.py
	$(BIN)python -m docs.make_screenshots
