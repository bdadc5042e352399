# What a person types. Everything lives in .venv and out/; nothing is installed outside this folder.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
LOCAL := $(VENV)/.ready-local
EVERYTHING := $(VENV)/.ready-everything
CALLS ?= 1
ENGINES ?= embedded
# Where pip finds llama-cpp-python compiled, for machines without a compiler or in a hurry; empty: it is compiled here.
#   make local WHEELS=https://abetlen.github.io/llama-cpp-python/whl/cpu
WHEELS ?=

PIP := $(PY) -m pip install --quiet --disable-pip-version-check $(if $(WHEELS),--extra-index-url $(WHEELS) --prefer-binary)

.PHONY: help setup local demo test lint run bench model-setup tiny-models clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: $(READY)  ## make .venv with everything that the demo and the service need

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Ringmaster needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "This Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(PIP) --editable '.[embedded,dev]'
	@touch $@

local: $(LOCAL)  ## add Vosk, llama.cpp and Piper: a few minutes, for llama.cpp is compiled

$(LOCAL): $(READY)
	@test -n "$(WHEELS)" || command -v c++ >/dev/null || \
		{ echo "llama.cpp is compiled here, and there is no C++ compiler: apt install g++, or make local WHEELS=... (see the Makefile)"; exit 1; }
	@echo "installing Vosk, llama.cpp and Piper into $(VENV): llama.cpp is compiled, which takes a few minutes ..."
	@$(PIP) --editable '.[embedded,dev,local]'
	@touch $@

$(EVERYTHING): $(LOCAL)
	@$(PIP) --editable '.[embedded,dev,local,sherpa,tiny]'
	@touch $@

demo: $(if $(filter local,$(ENGINES)),$(LOCAL),$(READY))  ## a call, heard, read and seen: out/demo/{call.wav,timeline.svg,report.json}; ENGINES=local: real models
	@$(PY) -m bench.demo --calls $(CALLS) --engines $(ENGINES)

test: $(EVERYTHING)  ## every test, about twenty minutes on two cores
	@$(PY) -m pytest

lint: $(EVERYTHING)  ## formatting, lint and types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

run: $(READY)  ## the service in the foreground, with config/ai-agent.yaml
	@$(VENV)/bin/ringmaster up

bench: $(READY)  ## the load ladder: out/bench/report.{json,html}
	@$(VENV)/bin/ringmaster bench load --standard

model-setup: $(LOCAL)  ## measure this machine, choose models for it and fetch them
	@$(VENV)/bin/ringmaster models setup

tiny-models: $(EVERYTHING)  ## make the models in models/tiny anew: several minutes
	@$(PY) -m bench.tiny.vosk --out models/tiny/vosk
	@$(PY) -m bench.tiny.llm --out models/tiny/llm
	@$(PY) -m bench.tiny.voice --out models/tiny/voice

clean:  ## remove .venv and out/
	@rm -rf $(VENV) out
