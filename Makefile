# The commands of this project. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

SOURCES := Sources Tests Package.swift
# What `clean` leaves in .build.
KEPT := conformance artifacts checkouts repositories workspace-state.json python python-setup.log setup.lock
# The Python of the demo's kernels and of the tests.
export CELLTOP_PYTHON := $(CURDIR)/.build/python/bin/python

.PHONY: help setup build run test conformance crash fuzz bench format lint clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## set up what is missing, build, and open the console on real kernels
	@exec .build/release/celltop demo

setup: ## install what is missing: system packages and the Python environment
	@.ci/setup

build: setup ## build the tool and the gate in release
	swift build -c release --product celltop
	swift build -c release --product celltop-gate
	@# Swift's backtracer is looked for beside a program that has Swift's libraries inside it.
	@libraries="$$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')"; \
	tracer="$${libraries%/lib/swift}/libexec/swift/linux/swift-backtrace-static"; \
	if [ -x "$$tracer" ]; then ln -sfn "$$tracer" .build/release/swift-backtrace; \
	else echo "there is no $$tracer: a crash of the release build will not be traced" >&2; fi

test: ## build, lint and run every test
	@.ci/setup --tests
	swift build --build-tests --explicit-target-dependency-import-check error
	swift format lint --strict -r $(SOURCES)
	swift test

# CONFORMANCE='--part lab' runs one part, --again all anew, --list lists them; called again it goes on where it stopped.
conformance: build ## run other people's suites, kernels and JupyterLab direct and behind the gate; write Docs/CONFORMANCE.md
	@.ci/setup --tests
	@$(CELLTOP_PYTHON) Tests/Conformance $(CONFORMANCE)

crash: setup ## kill a recording 200 times at moments drawn by lot, and hold what it left against what it had told
	CELLTOP_CRASHES=200 swift test --filter CrashTests

fuzz: setup ## throw malformed, huge, cut, repeated and mixed input at the socket for FUZZ_SECONDS (default an hour)
	CELLTOP_FUZZ_SECONDS=$${FUZZ_SECONDS:-3600} swift test --filter SocketFuzzTests

bench: build ## measure celltop against peers in the same run
	@.ci/bench

format: ## rewrite the sources in the house's format
	swift format --in-place -r $(SOURCES)

lint: ## say where the format or a lint rule is broken
	swift format lint --strict -r $(SOURCES)

# Not `swift package clean`: it would take the Python environment along.
clean: ## remove what was built; fetched packages and the Python environment stay
	@[ ! -d .build ] || find .build -mindepth 1 -maxdepth 1 $(foreach name,$(KEPT),! -name $(name)) -exec rm -rf {} +
