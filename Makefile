.DEFAULT_GOAL := help
.PHONY: help setup test quick floors lint fuzz audit sbom bench docs
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

# What of the engine's tests wants no dashboard and no cluster. Old versions warn of each other.
FLOORS := tests/engine -m "not browser and not slow" -o filterwarnings=default \
	--ignore=tests/engine/test_wheel.py --ignore=tests/engine/test_start.py \
	--ignore=tests/engine/test_without_posix.py --ignore=tests/engine/methods/probes \
	--ignore=tests/engine/cli/test_probe.py --ignore=tests/engine/neighbors/test_cluster.py \
	--ignore=tests/engine/neighbors/test_two_stage.py

floors:  ## the engine's tests on the lowest versions that pyproject.toml allows; needs uv
	uv venv --quiet --clear .venv-floors
	uv pip install --quiet --python .venv-floors --resolution lowest-direct .
	uv pip freeze --quiet --python .venv-floors --exclude-editable | grep -v wann-explorer > .venv-floors/lowest.txt
	uv pip install --quiet --python .venv-floors --constraint .venv-floors/lowest.txt \
		pytest pytest-xdist hypothesis torch torchvision timm safetensors medmnist
	.venv-floors/bin/python -m pytest $(FLOORS)

lint:  ## ruff and mypy --strict
	$(BIN)ruff check
	$(BIN)ruff format --check
	$(BIN)mypy

fuzz:  ## damaged files of every format, 20,000 of each
	$(BIN)python -m tests.fuzz --inputs 20000

lock:  ## requirements.lock of requirements.txt: every version with the hashes of its files; needs uv
	uv pip compile requirements.txt --quiet --generate-hashes --universal --python-version 3.11 \
		--no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		--output-file requirements.lock

# Without --strict, what the database does not answer for counts as sound.
audit:  ## known vulnerabilities of what requirements.lock names; asks an online database
	$(BIN)python -m pip install --quiet pip-audit
	$(BIN)python -m pip_audit --strict --requirement requirements.lock --no-deps --disable-pip

sbom:  ## list of all that is installed, as sbom.json (CycloneDX)
	$(BIN)python -m pip install --quiet cyclonedx-bom
	$(BIN)python -m cyclonedx_py environment --output-file sbom.json

bench:  ## list the benchmarks
	$(BIN)python -m benchmarks

docs:  ## run all that the documentation shows, then make its screenshots anew
	$(BIN)pytest tests/test_documentation.py
	$(BIN)python -m docs.make_screenshots
