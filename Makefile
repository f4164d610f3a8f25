# Every target makes what it needs, .venv included. Needs python3.11 (or PYTHON=/path/to/python) and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
TEST := $(VENV)/.test
DEV := $(VENV)/.dev
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test test-slow test-mutants lint docs bench bench-channels bench-acnet bench-compnet build clean
.DELETE_ON_ERROR:

demo: $(CORE) ## fuse the example model that ships with the package, and prove it
	$(BIN)/graphmorph demo

test: $(TEST) ## the whole suite but the tests marked slow
	$(BIN)/python -m pytest -n 2 -m "not slow" $(PYTEST_ARGS)

test-slow: $(TEST) ## the tests marked slow
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

test-mutants: $(TEST) ## break the algebra line by line; every mutant must be caught (writes tests/regions/mutants.md)
	$(BIN)/python -m tests.regions.mutant_list

lint: $(DEV) build ## ruff, then mypy on the package as it is installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/typecheck
	$(BIN)/python -m zipfile -e dist/graphmorph-*.whl build/typecheck
	cd build/typecheck && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p graphmorph

docs: $(TEST) ## regenerate docs/passes.md and docs/torch-rules.md, and the README table from the benchmark results
	$(BIN)/python -m graphmorph.cli.passes_page docs/passes.md
	$(BIN)/python -m graphmorph.cli.torch_rules_page docs/torch-rules.md
	if [ -e benchmarks/results/fuse.json ]; then $(BIN)/python benchmarks/readme_table.py; fi

bench: $(VENV)/.bench ## the comparison with other tools, and the torch door's costs; writes benchmarks/results
	$(BIN)/python -m benchmarks.fuse
	$(BIN)/python -m benchmarks.torch_door

bench-channels: $(VENV)/.bench ## channels: accuracy after pruning, planted channels, and the comparison with other tools; about an hour
	$(BIN)/python -m benchmarks.channels_accuracy
	$(BIN)/python -m benchmarks.channels_exact
	$(BIN)/python -m benchmarks.channels

bench-acnet: $(VENV)/.bench ## ACNet against its baseline on MNIST, five seeds; about ten minutes
	$(BIN)/python -m benchmarks.acnet_mnist

bench-compnet: $(VENV)/.bench ## inserting layers: LeNet4 to 5 and narrow VGGs on MNIST, costs, capture; about two hours
	$(BIN)/python -m benchmarks.compnet_mnist --schedule one-cycle --epochs 3 --seeds 2
	$(BIN)/python -m benchmarks.compnet_vgg --samples 20000 --epochs 2
	$(BIN)/python -m benchmarks.compnet_speed
	$(BIN)/python -m benchmarks.capture

# build/lib outlives a build and would carry deleted modules into the wheel.
build: $(CORE) ## the wheel, in dist/
	rm -rf build dist
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist graphmorph.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(CORE): pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet --editable .
	touch $@

$(TEST): pyproject.toml $(CORE)
	$(PIP) install --quiet torch==2.13.0
	$(PIP) install --quiet --editable ".[test]"
	touch $@

$(DEV): pyproject.toml $(TEST)
	$(PIP) install --quiet --editable ".[dev]"
	touch $@

$(VENV)/.bench: pyproject.toml $(TEST)
	$(PIP) install --quiet --editable ".[test,bench]"
	touch $@
