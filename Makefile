# Every target makes its own environment in .venv: nothing but Python (3.11 or newer), make and a package index is needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export NO_MKDOCS_2_WARNING := 1
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test test-newest check format docs certificates names survey fuzz bench clean

demo: $(VENV)/.examples
	$(BIN)/python examples/demo --out out

test: $(VENV)/.examples $(VENV)/.test
	$(BIN)/python -m pytest -n auto --dist worksteal

# A short subset with the newest JAX of the newest interpreter on this machine, where that is newer than the one above.
test-newest:
	$(PYTHON) tests/newest.py

check: $(VENV)/.check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/mkdocs build --strict --quiet

format: $(VENV)/.check
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.check
	$(BIN)/mkdocs build --strict

# Measures what docs/certificates.md shows, and writes its table.
certificates: $(VENV)/.test
	$(BIN)/python -m tests.certificates

# Writes docs/coming-from/optax-names.md.
names: $(VENV)/.test
	$(BIN)/python -m tests.optax_page

# Holds the laws against every factory of Optax, which takes most of an hour, and writes the tables of docs/laws.md.
survey: $(VENV)/.test
	$(BIN)/python -m tests.survey

# Searches for counterexamples to the laws with so many times the examples of the test run, from a seed that it prints.
FUZZ_TIMES ?= 200
SEED ?= $(shell date +%s)
fuzz: $(VENV)/.test
	@echo "seed $(SEED)"
	FUZZ_TIMES=$(FUZZ_TIMES) $(BIN)/python -m pytest -n 0 tests/test_fuzz.py --hypothesis-seed=$(SEED)

bench: $(VENV)/.test
	$(BIN)/python tests/benchmarks

clean:
	rm -rf $(VENV) .venvs .pytest_cache site out

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=25.1"
	touch $@

$(VENV)/.examples: $(VENV)/.made pyproject.toml
	$(PIP) install --quiet --editable ".[examples]"
	touch $@


$(VENV)/.test: $(VENV)/.made pyproject.toml
	$(PIP) install --quiet --group peers --group test --editable ".[examples]"
	touch $@

$(VENV)/.check: $(VENV)/.made pyproject.toml
	$(PIP) install --quiet --group check --group test --group peers --editable ".[examples]"
	touch $@
