# Thin: what is done lives in tools/, in CMakePresets.json and in the tests themselves. Every target installs what it
# needs first (tools/setup); `make help` says what each is for.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-unit check check-clang check-tsan check-simulation check-soak check-http-suite check-budget bench bench-parts fuzz lint format serve clean

# Seconds that `make fuzz` and `make check` give to each fuzzer.
FUZZ_SECONDS ?= 60
# Random schedules of make check-simulation.
SCHEDULES ?= 3000
# Passed on: make serve ARGS="--config my.toml", make test PYTEST_ARGS="-k ranges".
ARGS ?=
PYTEST_ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: ## install everything below needs: Debian packages, and Python packages into .venv (root or sudo)
	@tools/setup build python lint test stores clients bench check

build: ## the program, optimised: build/release/forebay
	@tools/setup build
	@tools/build release forebay

demo: ## the main job: real data in a far object store, read by xarray and Dask directly and through a node
	@tools/setup build python test
	@tools/build release
	@.venv/bin/python tests/demo/run.py $(ARGS)

test: test-unit ## everything that must pass: one ASan+UBSan build; unit, scenario and client tests
	@tools/setup clients
	@tools/test-python dev -m "not soak and not public_suite" $(PYTEST_ARGS)

test-unit: ## the part of it in C++: unit tests and the fuzzers' fixed corpora
	@tools/setup build python test
	@tools/build dev
	@ctest --preset dev

check: check-clang check-tsan fuzz check-simulation check-soak check-http-suite check-budget ## what make test has no time for: clang, TSan, fuzzers, long runs

check-clang: ## part of make check: the second compiler, and its unit tests
	@tools/setup build check
	@tools/build clang
	@ctest --preset clang

check-tsan: ## part of make check: unit tests under ThreadSanitizer
	@tools/setup build
	@tools/build tsan
	@ctest --preset tsan

check-simulation: ## part of make check: SCHEDULES (3000) random schedules of the disk tier over a disk that fails
	@tools/setup build check
	@tools/build clang storage_test
	@FOREBAY_SIMULATION_SCHEDULES=$(SCHEDULES) build/clang/src/storage/storage_test --gtest_filter='*_simulation*'

check-soak: ## part of make check: scenarios that take minutes, with the program as users run it
	@tools/setup build python test
	@tools/build release
	@tools/test-python release -m soak $(PYTEST_ARGS)

check-http-suite: ## part of make check: the public suite of HTTP caches
	@tools/setup build python stores
	@tools/build release
	@tools/http-suite release

check-budget: ## part of make check: instructions of hits, beside bench/hit_budget.txt
	@tools/setup build check
	@tools/build release forebay_hit_cost
	@tools/hit-budget

bench: ## beside the servers one would pick instead: hits, cold reads, restarts, overload; ARGS="--rounds 5 --seconds 4"
	@tools/setup build python bench
	@tools/build release
	@.venv/bin/python -m bench.hits $(ARGS)

bench-parts: ## benchmarks of the parts, and restarts beside nginx with 5 GB on disk
	@tools/setup build bench
	@tools/build release
	@tools/bench
	@bench/restart.py

fuzz: ## every fuzzer for FUZZ_SECONDS (60) each
	@tools/setup build check
	@tools/build fuzz
	@tools/fuzz $(FUZZ_SECONDS)

lint: ## formatting, shell and Python checks, types, and the rules of the repository
	@tools/setup python lint
	@tools/lint

format: ## rewrite the C++ and Python files as make lint wants them
	@tools/setup python lint
	@tools/format

serve: build ## a node on this machine, with ARGS
	@build/release/forebay serve $(ARGS)

clean: ## remove what was built; .venv and the compiler cache stay
	rm -rf build dist python/dist .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
