# One line per thing you can do; `make` lists them.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types fast isa bench fidelity corpus tutorial pictures wheel clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

$(READY): pyproject.toml .ci/setup
	@PYTHON="$(PYTHON)" bash .ci/setup $(VENV)
	@touch $(READY)

demo: $(READY) ## the main job: one kernel checked, run against NumPy, profiled
	@$(BIN)/nki-sim check kernels/softmax.py::softmax
	@$(BIN)/nki-sim run kernels/softmax.py::softmax
	@$(BIN)/nki-sim profile kernels/softmax.py::softmax

test: $(READY) ## all tests
	@$(BIN)/python -m pytest -n $(JOBS)

check: $(READY) lint types fast ## ruff, mypy and the fast tests

lint: $(READY) ## ruff alone
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY) ## mypy alone
	@$(BIN)/mypy

fast: $(READY) ## the tests that take no seconds (tests/slow.py lists the others)
	@$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

isa: $(READY) ## regenerate nki_sim/isa, the instruction table and docs/isa from the .isa files
	@$(BIN)/python -m nki_sim.instructions.generate

bench: $(READY) ## speed ratios, with the machine's line
	@$(BIN)/python -m benchmarks

fidelity: $(READY) ## simulated times beside published measurements
	@$(BIN)/python -m benchmarks.fidelity

corpus: $(READY) ## run public kernels: make corpus SDK=path/to/aws-neuron-sdk SAMPLES=path/to/nki-samples
	@$(BIN)/python -m tests.corpus --write $(if $(SDK),--sdk $(SDK)) $(if $(SAMPLES),--samples $(SAMPLES))

tutorial: $(READY) ## refresh the outputs shown in tutorials/
	@$(BIN)/python tutorials/refresh.py

pictures: $(READY) ## redraw the pictures of the README and the documents
	@$(BIN)/python docs/pictures/make.py
	@$(BIN)/python docs/pictures/app.py

wheel: $(READY) ## build the wheel into dist/
	@$(BIN)/python -m build --wheel

clean: ## remove everything that was made
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
