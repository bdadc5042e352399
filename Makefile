# What a person types. Everything lives in .venv and out/; nothing is installed outside this folder.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
CALLS ?= 1

.PHONY: help setup demo test lint run bench clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(READY)  ## make .venv with everything that demo, tests and service need

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Ringmaster needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "This Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[embedded,dev]'
	@touch $@

demo: $(READY)  ## a call, heard, read and seen: out/demo/{call.wav,timeline.svg,report.json}
	@$(PY) -m bench.demo --calls $(CALLS)

test: $(READY)  ## every test, about ten minutes on two cores
	@$(PY) -m pytest

lint: $(READY)  ## formatting, lint and types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

run: $(READY)  ## the service in the foreground, with config/ai-agent.yaml
	@$(VENV)/bin/ringmaster up

bench: $(READY)  ## the load ladder: out/bench/report.{json,html}
	@$(VENV)/bin/ringmaster bench load --standard

clean:  ## remove .venv and out/
	@rm -rf $(VENV) out
