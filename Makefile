# Needs Python 3.11 or newer, pip and make; everything else goes into .venv.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CHECKS := $(VENV)/.installed-with-checks
LOWEST := .venv-lowest
TORCH_ONLY := .venv-torch
LOADERS := .venv-loaders
RECBOLE := .venv-recbole
MOTO := .venv-moto
LIBRARIES := .venv-libraries
SPARK := .venv-spark
DIST := .venv-dist
DEMO := build/demo
SIZES ?= 20m
TORCH ?= torch==2.13.0+cpu
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PIP := -m pip --disable-pip-version-check --quiet --no-input

.PHONY: help
help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s  %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(INSTALLED)  ## install into .venv, prepare sample_data for training and testing, show both
	@mkdir -p $(DEMO)
	$(BIN)/negprep train sample_data/log.csv $(DEMO)/train.parquet
	$(BIN)/negprep test sample_data/log.csv $(DEMO)/test.parquet --summary $(DEMO)/test.json
	@$(BIN)/python sample_data/show_rows.py $(DEMO)/train.parquet $(DEMO)/test.parquet
	@echo "The files are in $(DEMO), with the facts of the test run as JSON."

.PHONY: test
test: $(CHECKS)  ## run the tests (minutes on two cores)
	$(BIN)/python -m pytest -n auto -m "not heavy and not spark"

.PHONY: test-heavy
test-heavy: $(CHECKS)  ## run the tests that take long
	$(BIN)/python -m pytest -m heavy

.PHONY: test-signals
test-signals: $(CHECKS)  ## send signals at 300 random moments, and print how long each run takes to end
	$(BIN)/python tests/signals.py --moments 300

.PHONY: test-browser
test-browser: $(CHECKS)  ## look at a report in Chromium, which must be there (apt-get install chromium)
	@command -v chromium || command -v chromium-browser || command -v google-chrome || { echo "no Chromium: install it (apt-get install chromium)" >&2; exit 1; }
	$(BIN)/python -m pytest tests/reports/test_browser.py

.PHONY: test-lowest
test-lowest: $(LOWEST)/.installed  ## run the tests with the oldest dependencies that pyproject.toml allows
	$(LOWEST)/bin/python -m pytest -n auto -m "not heavy and not spark"

.PHONY: test-torch
test-torch: $(TORCH_ONLY)/.installed  ## run negprep.torch and the recipes for PyTorch
	$(TORCH_ONLY)/bin/python -m pytest tests/test_torch.py tests/docs/test_loading_doc.py \
		tests/docs/test_experiments.py::test_files_and_loader_give_pytorch_the_same_losses

.PHONY: test-loaders
test-loaders: $(LOADERS)/.installed $(RECBOLE)/.installed $(LIBRARIES)/.installed  ## load what negprep wrote into PyTorch, RecBole, LensKit, Cornac ...
	NEGPREP_RECBOLE=$(RECBOLE)/bin/python NEGPREP_LIBRARIES=$(LIBRARIES)/bin/python \
		$(LOADERS)/bin/python -m pytest tests/docs/test_loading_doc.py tests/test_recbole.py tests/test_libraries.py \
		tests/read/test_tables.py

.PHONY: test-spark
test-spark: $(SPARK)/.installed  ## run every option on Spark, on this machine and on a cluster of three processes (needs Java)
	@test -n "$$JAVA_HOME" || command -v java > /dev/null || { echo "no Java: install it (apt-get install openjdk-17-jre-headless)" >&2; exit 1; }
	$(SPARK)/bin/python -m pytest -m spark tests/spark

.PHONY: test-remote
test-remote: $(CHECKS) $(MOTO)/.installed  ## read and write S3 on a server of this machine, with faults
	NEGPREP_MOTO=$(MOTO)/bin/moto_server $(BIN)/python -m pytest tests/test_object_stores.py

.PHONY: lint
lint: $(CHECKS)  ## check style and form
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(CHECKS)  ## check types, strictly
	$(BIN)/mypy

.PHONY: docs
docs: $(CHECKS)  ## check that docs/reference/cli.md is what the commands say, and that links lead somewhere
	$(BIN)/python docs/make_cli_reference.py --check
	$(BIN)/python docs/check_links.py

.PHONY: bench
bench: $(CHECKS)  ## measure for 25 minutes (with SIZES="1m 20m 100m" also jobs on 1 and 100 million rows)
	$(BIN)/python tests/benchmarks/bench_kernels.py
	$(BIN)/python tests/benchmarks/bench_hard.py
	$(BIN)/python tests/benchmarks/bench_growth.py
	$(BIN)/python tests/benchmarks/bench_verify.py
	$(BIN)/python tests/benchmarks/bench_loader.py
	set -e; for size in $(SIZES); do $(BIN)/python tests/benchmarks/bench_jobs.py --size $$size; done
	set -e; for size in $(filter-out 100m,$(SIZES)); do $(BIN)/python tests/benchmarks/bench_peers.py --size $$size; done

.PHONY: bench-page
bench-page: bench  ## measure, and bring the figures into docs/internals/performance.md
	$(BIN)/python tests/benchmarks/measure/page.py

.PHONY: dist
dist: $(DIST)/.installed  ## build the source distribution and the wheel into dist, and check both
	rm -rf dist
	$(DIST)/bin/python -m build --outdir dist .
	$(DIST)/bin/python -m twine check --strict dist/*

.PHONY: clean
clean:  ## remove what make made
	rm -rf build dist $(VENV) $(LOWEST) $(TORCH_ONLY) $(LOADERS) $(RECBOLE) $(MOTO) $(SPARK) $(DIST)

# An environment that is there already is kept, with what was installed into it. Some systems package Python without the
# pip that a new environment gets: theirs installs it then.
define make_venv
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	@test -x $(1)/bin/python || $(PYTHON) -m venv --clear $(1) || { $(PYTHON) -m venv --clear --without-pip $(1) && $(PYTHON) $(PIP) --python $(1)/bin/python install pip; }
endef

$(VENV)/.made:
	$(call make_venv,$(VENV))
	@touch $@

# The package is installed as a link to this folder, so that only pyproject.toml can make it out of date.
$(INSTALLED): pyproject.toml | $(VENV)/.made
	$(BIN)/python $(PIP) install --editable .
	@touch $@

$(CHECKS): pyproject.toml | $(VENV)/.made
	$(BIN)/python $(PIP) install --editable '.[test,lint]'
	@touch $(INSTALLED) $@

$(LOWEST)/.installed: pyproject.toml tests/lowest_versions.py
	$(call make_venv,$(LOWEST))
	$(LOWEST)/bin/python tests/lowest_versions.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python $(PIP) install --constraint $(LOWEST)/constraints.txt --editable '.[test]'
	@touch $@

$(SPARK)/.installed: pyproject.toml
	$(call make_venv,$(SPARK))
	$(SPARK)/bin/python $(PIP) install --editable '.[test,spark]' grpcio grpcio-status googleapis-common-protos zstandard
	@touch $@

# The server has forty packages of its own, none of which negprep needs.
$(MOTO)/.installed:
	$(call make_venv,$(MOTO))
	$(MOTO)/bin/python $(PIP) install 'moto[server]>=5'
	@touch $@

$(DIST)/.installed:
	$(call make_venv,$(DIST))
	$(DIST)/bin/python $(PIP) install 'build>=1.2' 'twine>=6'
	@touch $@

# Here it is the wheel for CPUs or none: CI goes on without it.
$(TORCH_ONLY)/.installed: pyproject.toml
	$(call make_venv,$(TORCH_ONLY))
	$(TORCH_ONLY)/bin/python $(PIP) install --no-deps --retries 1 --extra-index-url $(TORCH_INDEX) '$(TORCH)'
	$(TORCH_ONLY)/bin/python $(PIP) install --editable '.[test,torch]' torchdata
	@touch $@

# The wheel of torch for CPUs takes a tenth of the space. It is on PyTorch's own index, which has to be reachable (or a folder
# of wheels given by PIP_FIND_LINKS); else the wheel of the default index is taken, with several gigabytes of CUDA libraries.
$(LOADERS)/.installed: pyproject.toml
	$(call make_venv,$(LOADERS))
	$(LOADERS)/bin/python $(PIP) install --no-deps --retries 1 --extra-index-url $(TORCH_INDEX) '$(TORCH)' || $(LOADERS)/bin/python $(PIP) install torch
	$(LOADERS)/bin/python $(PIP) install --editable '.[test,torch]' datasets duckdb polars
	@touch $@

# RecBole 1.2 uses names that numpy 2 and pandas 3 no longer have, and negprep needs numpy 2.
$(RECBOLE)/.installed:
	$(call make_venv,$(RECBOLE))
	$(RECBOLE)/bin/python $(PIP) install 'recbole==1.2.1' 'numpy<2' 'pandas<2.2' 'scipy<1.14'
	@touch $@

# What loads a data set is all that is called of RecPack and Recommenders: their models need more, and other versions.
$(LIBRARIES)/.installed:
	$(call make_venv,$(LIBRARIES))
	$(LIBRARIES)/bin/python $(PIP) install --no-deps --retries 1 --extra-index-url $(TORCH_INDEX) '$(TORCH)' || true
	$(LIBRARIES)/bin/python $(PIP) install 'lenskit==2025.8.1' 'cornac==3.0.1' 'pandas<3' pyyaml tqdm
	$(LIBRARIES)/bin/python $(PIP) install --no-deps 'recpack==0.3.6' 'recommenders==1.2.1'
	@touch $@
