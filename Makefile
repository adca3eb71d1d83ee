# Livlina: every command of the README. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes --no-warn-script-location

.DEFAULT_GOAL := help
.PHONY: help setup run test check proof bench assets system-packages lock clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 18

setup: $(VENV)/.setup assets ## make .venv/bin/livlina and everything that make run needs

$(VENV)/.setup: requirements/build.txt requirements/run.txt requirements/demo.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Livlina needs Python 3.11 or newer: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements/build.txt
	$(PIP) -r requirements/run.txt -r requirements/demo.txt
	$(BIN)/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(VENV)/.test: $(VENV)/.setup requirements/test.txt
	$(PIP) -r requirements/test.txt
	@touch $@

assets: $(VENV)/.assets

run: setup ## the whole way of a press: PostgreSQL, fleet server, centre and 25 real units; Ctrl-C ends it
	$(BIN)/livlina demo

clean: ## remove what set-up and runs have made, data (var/) excepted
	rm -rf $(VENV) build node_modules fleet/web/static/vendor
