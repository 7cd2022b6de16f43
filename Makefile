# Everything a newcomer needs: `make demo` and `make test` do the whole way from a fresh machine.
BUILD ?= build
JOBS  ?= $(shell nproc)

.DEFAULT_GOAL := help
.PHONY: help setup configure programs build test demo stack dashboards bench verify sanitize tidy format clean

help:   ## show this list
	@grep -E '^[a-z]+: .*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup:  ## install the pinned dependencies (cmake/dependencies/)
	@cmake/setup.sh

configure: setup
	@[ -e $(BUILD)/build.ninja ] || cmake -S . -B $(BUILD) -G Ninja --log-level=WARNING -Wno-dev

programs: configure  ## build the three programs into $(BUILD)/
	@ninja -C $(BUILD) -j$(JOBS) besa-coordinator besa-worker besa

build: configure  ## build everything, tests too
	@ninja -C $(BUILD) -j$(JOBS)

test: build  ## build and run every test; GPU tests are skipped, with a reason, where there is no GPU
	@ctest --test-dir $(BUILD) --output-on-failure --no-tests=error -j$(JOBS)

demo: programs  ## prune a real model through the real service on this machine; STORE=s3: on an S3 server
	@deploy/demo.sh $(BUILD)

stack: programs  ## the demo with Prometheus beside it (and Grafana where it is installed), until Ctrl-C
	@STACK=1 deploy/demo.sh $(BUILD)

dashboards: setup  ## write the Grafana dashboards anew from deploy/grafana/dashboards.py
	@.deps/venv/bin/python deploy/grafana/dashboards.py

bench: build  ## run the benchmarks of docs/benchmarks.md that need no GPU
	@$(BUILD)/worker/kernels/kernels_bench
	@$(BUILD)/worker/pruner/pruner_bench
	@$(BUILD)/worker/agent/metrics_bench

verify: build  ## formats and lints: C++, proto, shell, Python
	@tests/verify.sh $(BUILD)

sanitize: setup  ## the unit tests under AddressSanitizer, UBSan and ThreadSanitizer (two builds of their own)
	@tests/sanitize.sh

tidy: build     ## clang-tidy over every C++ file (about half an hour on two cores)
	@tests/tidy.sh $(BUILD)

format: setup  ## format all C++ and Python files in place
	@git ls-files '*.h' '*.cc' '*.cu' '*.cuh' | xargs .deps/venv/bin/clang-format -i
	@.deps/venv/bin/ruff check --quiet --fix --config tests/ruff.toml tests deploy && .deps/venv/bin/ruff format --quiet --config tests/ruff.toml tests deploy

clean:  ## remove what was built
	@rm -rf $(BUILD) build-asan build-tsan .demo
