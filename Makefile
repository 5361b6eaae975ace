# Everyday commands. Each makes .venv first if it is not there, which takes a minute once.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: walk test test-newest matrix check test-slow test-browser campaign nightly bench docs clean

walk: $(STAMP) ## teach the robot to walk; writes a run folder under runs/
	$(BIN)/wildrobot-eqx run recipes/walk.py

test: $(STAMP) ## the fast tests, a worker per core
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-newest: ## a few of them on the newest versions that pyproject.toml allows, in .venv-newest
	$(PYTHON) tests/newest.py

matrix: $(STAMP) ## the same on every Python that is there, with the oldest, pinned and newest versions; needs a registry
	$(BIN)/python -m nox

check: $(STAMP) ## style and static types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test-slow: $(STAMP) ## everything that the fast tests leave out, a worker per core
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile --no-loadscope-reorder

test-browser: $(STAMP) ## the page of `view` in headless Chromium, which must be installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt playwright
	$(BIN)/python -m pytest -m browser tests/view

campaign: $(STAMP) ## kill, fill, spoil and move what trainings write, for an hour: nothing may be lost; its table in docs/reliability.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[sweep]'
	$(BIN)/python tools/campaign --write

nightly: $(STAMP) ## all of the above that is slow, and what got worse than the figures of docs/nightly.json; hours
	$(BIN)/python tools/nightly.py

bench: $(STAMP) ## the figures of docs/benchmarks.md, on this machine
	$(BIN)/wildrobot-eqx bench

docs: $(STAMP) ## the documentation as a site, in site/; warnings and broken links are errors
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/python -m mkdocs build

clean: ## remove what the commands above made, runs excepted
	rm -rf .venv .venv-newest .nox .cache .pytest_cache .ruff_cache .mypy_cache site

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)
