# qwatch: `make up` runs everything on this machine, `make test` proves that it works.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
PACKAGES := alerts cli collectors compose daemon dashboards emulator examples exporters qrmi reports scheduler telemetry

.DEFAULT_GOAL := help
.PHONY: help up test test-long bench lint format dashboards alerts metrics-reference configuration-reference
.PHONY: system-packages engines wheelhouse clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(VENV)/installed-up ## install and run everything on this machine (ARGS="--for 60")
	@exec $(BIN)/qwatch up $(ARGS)

test: $(VENV)/installed-test system-packages engines ## install what the tests need, and run them
	$(BIN)/python -m pytest -m "not long" -n 2 --dist loadfile $(ARGS)

test-long: $(VENV)/installed-test system-packages ## the longer campaigns (QWATCH_TEST_ROUNDS, QWATCH_TEST_SEED)
	$(BIN)/python -m pytest -m long -s --timeout 3600 $(ARGS)

bench: $(VENV)/installed-test system-packages ## print the figures, with their method
	$(BIN)/python benchmarks/run_all.py $(ARGS)

lint: $(VENV)/installed-test ## style, types, and whether the generated files are fresh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(addprefix -p qwatch.,$(PACKAGES))
	$(BIN)/python -m qwatch.dashboards.generate --check
	$(BIN)/python -m qwatch.alerts.generate --check
	$(BIN)/python -m qwatch.telemetry.reference --check
	$(BIN)/python -m qwatch.daemon.configuration_file.reference --check

format: $(VENV)/installed-test ## mend the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

dashboards: $(VENV)/installed-test ## generate the dashboards' JSON
	$(BIN)/python -m qwatch.dashboards.generate

alerts: $(VENV)/installed-test ## generate the rules
	$(BIN)/python -m qwatch.alerts.generate

metrics-reference: $(VENV)/installed-test ## generate docs/metrics.md
	$(BIN)/python -m qwatch.telemetry.reference

configuration-reference: $(VENV)/installed-test ## generate docs/configuration-keys.md
	$(BIN)/python -m qwatch.daemon.configuration_file.reference

system-packages: ## the Debian packages that the tests use (installed when root, else named)
	@sh tests/system-packages.sh

engines: ## where Go is, the Collector and docker compose for the tests, into build/engines
	@sh tests/engines.sh

wheelhouse: $(BIN)/python ## an archive in dist/ that installs with no network (ARGS="--extras up")
	@$(BIN)/python -m pip install -q --upgrade 'pip>=23.1'
	@$(BIN)/python compose/wheelhouse/build.py $(ARGS)

clean: ## remove what was installed and built
	rm -rf $(VENV) .editable build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "qwatch needs Python 3.11 or newer; name one: make PYTHON=python3.12 up" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv $(VENV) || \
		{ $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(VENV)/bin/python install -q pip; } || \
		{ echo "a virtual environment cannot be made; run: apt-get install python3-venv python3-pip" >&2; exit 1; }

$(VENV)/installed-up: pyproject.toml setup.py | $(BIN)/python
	@echo "installing qwatch into $(VENV) …"
	@$(BIN)/python -m pip install -q --upgrade 'pip>=23.1'
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -e '.[up]'
	@touch $@

$(VENV)/installed-test: pyproject.toml setup.py | $(BIN)/python
	@echo "installing qwatch and what its tests need into $(VENV) …"
	@$(BIN)/python -m pip install -q --upgrade 'pip>=23.1'
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -e '.[test]'
	@touch $@ $(VENV)/installed-up
