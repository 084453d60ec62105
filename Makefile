# make demo: install and assess the bundled case. make test: the suite. make help: the rest.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
CASE ?= demo-case
DATA ?= demo-data
EXAMPLE := examples/aneumo-case4
CORE := pyproject.toml $(wildcard core/*)
SLICE ?= 0/1
# What an installation of deploy/Containerfile has, and is listed of.
IMAGE := .[service,dicom,cluster]
SBOM := build/sbom
# Training needs torch, whose small CPU build is served for Python 3.11; use of what was trained needs none of it.
TRAIN := .venv-train
# Flower asks for older versions of some libraries than the system does.
FEDERATED := .venv-federated

.PHONY: help demo serve-demo test test-all test-slow test-demo test-train test-federated lint format docs web sbom sanitize clean
help:
	@echo "make demo      install, assess the bundled case, say where the report is"
	@echo "make serve-demo  the system in a browser with that case in its worklist; prints address and first password"
	@echo "make test      install what the tests need and run the suite (under 15 minutes on 2 cores)"
	@echo "make test-all  the suite with the slow tests on real data; make test-slow SLICE=0/4 runs a quarter of those"
	@echo "make test-train  the tests of network training, with the CPU build of torch under Python 3.11"
	@echo "make test-federated  the tests of training across sites, with Flower, in processes over TLS on this machine"
	@echo "make lint      ruff, mypy, import layers, clang-format"
	@echo "make docs      write the generated pages of docs/ again"
	@echo "make web       build the terminal from web/ into the package (needs node; what is built is committed)"
	@echo "make sbom      what an installation like the image consists of (CycloneDX) and the licenses of it, in build/sbom"
	@echo "make sanitize  the C++ core under address and undefined-behavior sanitizers"

demo: $(VENV)/.installed
	$(BIN)/aneuflow assess $(EXAMPLE)/lumen.nii.gz --settings $(EXAMPLE)/settings.toml -o $(CASE)

serve-demo: $(VENV)/.installed-service demo
	$(BIN)/aneuflow serve --data $(DATA) --case $(CASE)

test: $(VENV)/.installed-dev lint
	$(BIN)/python -m pytest -m "not slow"

test-all: $(VENV)/.installed-dev lint
	$(BIN)/python -m pytest

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow --ignore=tests/test_demo.py --slice $(SLICE)

test-demo: $(VENV)/.installed-dev
	$(BIN)/python -m pytest tests/test_demo.py

test-train: $(TRAIN)/.installed
	PYTHONPATH=src $(TRAIN)/bin/python -m pytest tests/training

# Tuning the surrogate needs torch beside it, and is left out where there is none.
test-federated: $(FEDERATED)/.installed $(if $(shell command -v python3.11),$(TRAIN)/.installed)
	$(FEDERATED)/bin/python -m pytest tests/pipeline/test_secure_sum.py tests/pipeline/test_federated_surrogate.py \
	    tests/pipeline/test_federated_processes.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/clang-format --dry-run -Werror core/*.cpp core/*.hpp

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i core/*.cpp core/*.hpp

docs: $(VENV)/.installed
	$(BIN)/python docs/generate.py

$(VENV)/bin/python:
	@python=$$(scripts/find-python) && echo "Python: $$python" && "$$python" -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip

$(VENV)/.installed: $(VENV)/bin/python $(CORE)
	@scripts/check-libraries
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-service: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[service]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

# The only part that needs node; the built terminal is committed, so that an installation does not.
web:
	cd web && npm ci --no-audit --no-fund && npm run build

$(TRAIN)/.installed: pyproject.toml
	python3.11 -m venv $(TRAIN)
	$(TRAIN)/bin/python -m pip install --quiet --disable-pip-version-check "torch==2.13.0" "numpy>=2.1" "onnx>=1.17" "onnxruntime>=1.20" "torch_geometric>=2.8" pytest
	@touch $@

$(FEDERATED)/.installed: $(CORE)
	@python=$$(scripts/find-python) && "$$python" -m venv $(FEDERATED)
	$(FEDERATED)/bin/pip install --quiet --disable-pip-version-check -e ".[federated]" pytest
	@touch $@

# Of an environment of its own, as that of development has more; and of what of web/ is in the terminal.
sbom: $(VENV)/bin/python
	rm -rf $(SBOM) && mkdir -p $(SBOM)
	$(BIN)/python -m venv $(SBOM)/image && $(SBOM)/image/bin/pip install --quiet --disable-pip-version-check "$(IMAGE)" "psycopg[binary]>=3.2"
	$(BIN)/python -m venv $(SBOM)/tools && $(SBOM)/tools/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom pip-licenses
	$(SBOM)/tools/bin/cyclonedx-py environment $(SBOM)/image/bin/python --pyproject pyproject.toml -o $(SBOM)/python.cdx.json
	$(SBOM)/tools/bin/pip-licenses --python=$(SBOM)/image/bin/python --from=mixed --with-urls --format=csv --output-file=$(SBOM)/licenses.csv
	cd web && npm sbom --package-lock-only --omit=dev --sbom-format=cyclonedx > ../$(SBOM)/web.cdx.json

# A build of its own beside the installed one; the sanitizers' runtime must be loaded before Python.
sanitize: $(VENV)/.installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check --target build/sanitized --no-deps --upgrade . \
	    -Ccmake.define.ANEUFLOW_SANITIZE=ON -Cbuild-dir=build/sanitize
	LD_PRELOAD="$$($${CXX:-c++} -print-file-name=libasan.so) $$($${CXX:-c++} -print-file-name=libubsan.so)" \
	    ASAN_OPTIONS=detect_leaks=0 PYTHONPATH=build/sanitized $(BIN)/python tests/numerics/lattice/sanitize.py

clean:
	rm -rf $(VENV) $(TRAIN) $(FEDERATED) build $(CASE) $(DATA)
