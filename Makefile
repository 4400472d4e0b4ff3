# Each target makes its own virtual environment in .venv, unless one is active: then that one is used.
# The first run installs, later runs start at once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := $(or $(VIRTUAL_ENV),.venv)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --progress-bar off --constraint constraints.txt
# one thread for each worker: arithmetic and timings do not depend on how busy the machine is
export OMP_NUM_THREADS ?= 1

SAMPLE := tests/data/sample.root
WHOLE := tests/data/ntuple.root
DEMO := demo-output
BOUNDS := --bound '*=abs:1e-3' --bound 'pt,mass,leadTrackPt=rel:1e-3'

.PHONY: help
help: ## what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 14

.PHONY: demo
demo: $(VENV)/.hepae-demo ## a whole n-tuple, losslessly and with bounds, then jets with a trained model (about 2 minutes)
	mkdir -p $(DEMO)
	$(BIN)/hepae inspect $(WHOLE)
	$(BIN)/hepae compress $(WHOLE) $(DEMO)/whole.root --force
	$(BIN)/hepae inspect $(DEMO)/whole.root
	$(BIN)/hepae decompress $(DEMO)/whole.root $(DEMO)/original.root --force
	$(BIN)/hepae verify $(WHOLE) $(DEMO)/original.root
	$(BIN)/hepae compress --dry-run $(WHOLE) --bound 'Jet_pt,Jet_mass,Muon_pt=rel:1e-3' --bound 'Vertex_z=abs:1e-2'
	$(BIN)/hepae train $(SAMPLE) -o $(DEMO)/jets.onnx --collection Jet --effort fast $(BOUNDS) --force
	$(BIN)/hepae compress $(SAMPLE) $(DEMO)/small.root --collection Jet --model $(DEMO)/jets.onnx --force
	$(BIN)/hepae decompress $(DEMO)/small.root $(DEMO)/restored.root --force
	$(BIN)/hepae verify $(SAMPLE) $(DEMO)/restored.root $(BOUNDS)
	$(BIN)/hepae verify $(SAMPLE) $(DEMO)/small.root

.PHONY: test
test: lint ## everything that must hold: lint, types, tests
	$(BIN)/python -m pytest -n auto

.PHONY: setup
setup: $(VENV)/.hepae-test ## a virtual environment with hepae and all that its tests need

# no page may need the network, and none may be wrong: --strict makes an error of every warning
.PHONY: docs
docs: $(VENV)/.hepae-docs ## the documentation site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

.PHONY: lint
lint: $(VENV)/.hepae-test ## ruff and mypy --strict
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: bench
bench: $(VENV)/.hepae-test ## size, speed and worst error on the bundled sample, beside the alternatives
	mkdir -p $(DEMO)
	$(BIN)/hepae bench $(SAMPLE) --collection Jet $(BOUNDS) --held-out 0.2 --plot $(DEMO)/bench.png --force

.PHONY: exhaustive
exhaustive: $(VENV)/.hepae-test ## every float32 there is under 15 bounds (20 minutes of a core; resumes where it was stopped)
	$(BIN)/python -m scripts.hardening.exhaustive --state exhaustive.json --evidence docs/evidence/exhaustive.md

.PHONY: corruptions
corruptions: $(VENV)/.hepae-test ## a million damaged frames and models, 140,000 damaged files (an hour of a core)
	$(BIN)/python -m scripts.hardening.corruptions --corruptions 1000000 --evidence docs/evidence/corruptions.md
	$(BIN)/python -m scripts.hardening.fuzz_files --mutations 50000 --codec lifting --evidence docs/evidence/corruptions.md
	$(BIN)/python -m scripts.hardening.fuzz_files --mutations 20000 --codec masked --evidence docs/evidence/corruptions.md
	$(BIN)/python -m scripts.hardening.fuzz_files --mutations 30000 --codec bottleneck --evidence docs/evidence/corruptions.md
	$(BIN)/python -m scripts.hardening.fuzz_files --mutations 20000 --codec whole --evidence docs/evidence/corruptions.md
	$(BIN)/python -m scripts.hardening.fuzz_files --mutations 20000 --codec whole-rntuple --evidence docs/evidence/corruptions.md

.PHONY: native-damage
native-damage: $(VENV)/.hepae-test ## 20,000 damages of each case in the C++ decoders under sanitizers (half an hour of a core)
	$(BIN)/python -m scripts.hardening.native_damage --damages 20000 --evidence docs/evidence/native.md

.PHONY: native-fuzz
native-fuzz: $(VENV)/.hepae-test ## ten minutes of libFuzzer for each part of the C++ decoders (needs clang)
	$(BIN)/python -m scripts.hardening.native_fuzz --seconds 600 --evidence docs/evidence/native_fuzz.md

.PHONY: fuzz
fuzz: $(VENV)/.hepae-test ## ten minutes of each fuzz target (MINUTES=10)
	$(BIN)/python -m scripts.hardening.fuzz --minutes $(or $(MINUTES),10) --evidence docs/evidence/fuzz.md

.PHONY: bombs
bombs: $(VENV)/.hepae-test ## every attack under a limit of a gigabyte (a minute)
	$(BIN)/python -m scripts.hardening.bombs --evidence docs/evidence/bombs.md

.PHONY: memory
memory: $(VENV)/.hepae-test ## peak memory on two million jets, made of JETS=qcd_jets.root (ten minutes)
	$(BIN)/python -m scripts.hardening.memory $(JETS) --evidence docs/evidence/memory.md
	$(BIN)/python -m scripts.hardening.memory $(JETS) --codec whole --jets 21000000 --evidence docs/evidence/memory.md

.PHONY: kills
kills: $(VENV)/.hepae-test ## 600 kills at every step of writing and at any time (ten minutes)
	$(BIN)/python -m scripts.hardening.kill_writers --kills 600 --evidence docs/evidence/kills.md

.PHONY: attacks
attacks: $(VENV)/.hepae-test ## hostile models, files and texts, and what each gets (half a minute)
	$(BIN)/python -m tests.attacks

.PHONY: coverage
coverage: $(VENV)/.hepae-test ## branches that the tests run: 95 % of all, 100 % of what values depend on
	$(BIN)/coverage erase
	$(BIN)/python -m pytest --cov=hepae --cov-report=
	$(BIN)/coverage json --quiet -o coverage.json
	$(BIN)/python -m scripts.hardening.covered coverage.json --evidence docs/evidence/coverage.md

.PHONY: mutants
mutants: $(VENV)/.hepae-test ## bounds and lattice changed place by place: do the tests notice? (some minutes)
	CI=1 HEPAE_EXAMPLES=12 $(BIN)/mutmut run
	$(BIN)/mutmut results
	$(BIN)/python -m scripts.hardening.survivors --evidence docs/evidence/mutation.md

.PHONY: evidence
evidence: $(VENV)/.hepae-test ## mark the rows of evidence that are of older sources (a second)
	$(BIN)/python -m scripts.hardening.evidence

.PHONY: sample
sample: $(VENV)/.hepae-sample ## make the bundled samples again (Pythia 8, FastJet, ROOT)
	$(BIN)/python -m scripts.make_sample tests/data
	$(BIN)/python -m scripts.make_whole_sample $(SAMPLE) $(WHOLE)

.PHONY: clean
clean: ## remove what the other targets made, the virtual environment too
	rm -rf .venv $(DEMO) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov build dist
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch comes first, with its version: nothing else then chooses a build of it
$(VENV)/.hepae-torch: constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV): torch"
	$(PIP) torch
	@touch $@

$(VENV)/.hepae-demo: pyproject.toml $(VENV)/.hepae-torch
	@echo "installing into $(VENV): hepae"
	$(PIP) --editable '.[cli,train]'
	@touch $@

# no index has hepae-native, the extra `fast`: it is compiled from the sources here, and anew when they have changed
NATIVE := native/pyproject.toml native/CMakeLists.txt $(shell find native/include native/python -type f)

$(VENV)/.hepae-native: $(NATIVE) | $(VENV)/bin/python
	@echo "installing into $(VENV): hepae-native, compiled from native/ (half a minute)"
	@if $(PIP) ./native; then touch $@; else \
	echo "hepae-native COULD NOT BE BUILT, see above: hepae reads and writes with NumPy alone here," >&2; \
	echo "and its C++ is tested where there is a compiler (C++17), with Python's headers" >&2; fi

$(VENV)/.hepae-test: pyproject.toml $(VENV)/.hepae-torch | $(VENV)/.hepae-native
	@echo "installing into $(VENV): hepae and all that its tests need, ROOT included"
	$(PIP) --editable '.[cli,train,hooks,lab,root,testing,dev]'
	@touch $@ $(VENV)/.hepae-demo

$(VENV)/.hepae-docs: pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(VENV): what makes the documentation"
	$(PIP) --editable '.[cli,docs]'
	@touch $@

$(VENV)/.hepae-sample: pyproject.toml $(VENV)/.hepae-demo
	@echo "installing into $(VENV): Pythia, FastJet and ROOT"
	$(PIP) --editable '.[sample,root]'
	@touch $@

BIN_TRAIN = OMP_NUM_THREADS=1 $(BIN)/hepae train $(SAMPLE) --collection Jet --condition MET,METphi
.PHONY: models
models: $(VENV)/.hepae-demo ## train the released models in onnx/ again
	$(BIN_TRAIN) -o onnx/jets-four-vector.onnx --features pt,eta,phi,mass --bound 'pt,mass=rel:1e-3' --bound 'eta,phi=abs:1e-3'
	$(BIN_TRAIN) -o onnx/jets-wide.onnx $(BOUNDS)
