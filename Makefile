# Targets for people and for CI. `make` alone lists them.

BIN     := latency-monitor
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PREFIX  ?= /usr/local
PKG     ?= ./...
BENCH   ?= .
FUZZTIME ?= 10s

.DEFAULT_GOAL := help
.PHONY: help run build install test test-servers check cross bench bench-compare fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

run: ## build, then measure this host against itself on loopback until Ctrl-C
	@echo 'building ./$(BIN) ...' >&2
	@$(MAKE) --no-print-directory build
	@exec ./$(BIN) -c scripts/first-run.toml

build: ## build ./latency-monitor, one static binary
	@CGO_ENABLED=0 go build -buildvcs=false -trimpath \
		-ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/latency-monitor

install: build ## install the binary to PREFIX/bin (PREFIX=/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/$(BIN)

test: ## install what the tests need, run all tests, list the skipped ones (PKG=./...)
	@scripts/install-test-deps.sh
	@scripts/test.sh $(PKG)

test-servers: ## install real metric servers, then run the tests that need them
	@scripts/install-test-deps.sh
	@scripts/install-test-servers.sh
	@scripts/test-servers.sh

check: ## gofmt, vet, staticcheck, tidy, tests with race detector and repository rules, cross-compilation
	@scripts/check.sh

cross: ## compile the program, and type-check all tests, for every supported platform
	@scripts/cross.sh

bench: ## run the benchmarks, however long they take (BENCH=regexp, PKG=./...)
	go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 0 $(PKG)

bench-compare: ## install what the benchmarks compare with, run all, write bench/README.md, as root (COUNT, SPAN, SOAK)
	@scripts/bench-compare.sh

fuzz: ## run every fuzz target for FUZZTIME (10s, PKG=./...)
	@scripts/fuzz.sh $(FUZZTIME) $(PKG)

clean: ## remove what the other targets built
	rm -rf $(BIN) dist
	find . -name .git -prune -o \( -name '*.test' -o -name '*.prof' -o -name '*.out' \) -exec rm -f {} +
