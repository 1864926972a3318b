# Everything runs in .venv, which these targets make by themselves from pyproject.toml and
# constraints.txt. They need Python 3.11 or newer, and make.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PINS := --constraint constraints.txt

.PHONY: find test check format bench truth docs clean

# Finds the learning rate of a digit classifier. Exit code 3 means "uncertain": an answer too.
find: .venv/.run
	$(BIN)/etastar find digits-mlp --out out/digits || [ $$? -eq 3 ]

# Everything CI runs. A document's blocks share their names, so they stay in one process.
test: check docs .venv/.test
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal tests src
	$(BIN)/python -m pytest README.md README.ko.md docs

check: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

format: .venv/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Scores find (three answers per task), its ablations and every other method (one) by the stored
# grids, and draws the pictures. Scores that are kept are not made again: regret.py --fresh.
bench: .venv/.bench
	for half in development held-out; do \
		$(BIN)/python benchmarks/regret.py --tasks $$half --methods find && \
		$(BIN)/python benchmarks/regret.py --tasks $$half --methods ablations --seeds 1 && \
		$(BIN)/python benchmarks/regret.py --tasks $$half --methods baselines --seeds 1 && \
		$(BIN)/python benchmarks/regret.py --tasks $$half --summary --picture || exit 1; \
	done
	$(BIN)/python benchmarks/calibrate.py
	$(BIN)/python benchmarks/range_test_overhead.py

# Makes the grids anew, or goes on where they end: hours, where none is stored.
truth: .venv/.bench
	$(BIN)/python benchmarks/truth.py

docs: .venv/.test
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build

clean:
	rm -rf .venv out build dist docs/_build .pytest_cache .ruff_cache .hypothesis

# pip's own pin comes first: older ones know no dependency groups.
.venv/.pip: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "etastar needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(PIP) $(PINS) pip
	touch $@

.venv/.run: .venv/.pip pyproject.toml
	@echo "Installing etastar with torch into .venv (once) ..."
	$(PIP) $(PINS) --editable '.[torch,data]'
	touch $@

# timm asks for torchvision, which its schedulers do not use.
.venv/.test: .venv/.run
	@echo "Installing the test tools into .venv (once) ..."
	$(PIP) $(PINS) --group test --group check --group docs --group compat
	$(PIP) $(PINS) --no-deps timm
	touch $@

# fastai asks for torchvision and spacy, which its finder does not use; of plotnine only the table
# of diamonds is read.
.venv/.bench: .venv/.run
	@echo "Installing the methods to compare with into .venv (once) ..."
	$(PIP) $(PINS) --group bench
	$(PIP) $(PINS) --no-deps fastai plotnine
	touch $@
