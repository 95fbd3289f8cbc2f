# Each line also works by hand. `make run` and `make test` bring what they need; nothing else does.
SHELL := /bin/bash
export PATH := $(CURDIR)/.tools/bin:$(HOME)/.cargo/bin:$(PATH)
unexport CARGO_TARGET_DIR
export SQLX_OFFLINE ?= true

.PHONY: help run test chaos check fmt end2end bench dist build setup deny clean-data

help:        ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## */  make \1\t/p' Makefile | expand -t 20

run: build   ## build what changed and start the demo: a living fleet in the browser
	target/release/flotilla demo

test:        ## everything that must pass: formatting, lints, tests, browser journeys
	scripts/test

chaos: setup ## the chaos scenarios in full size, with what they measured (an hour); ARGS="k1 n6" chooses
	scripts/chaos $(ARGS)

check: setup ## formatting and lints alone
	scripts/check

fmt:         ## format the code (leptosfmt first, if you have it)
	cargo fmt --all && cargo fmt --manifest-path scripts/site-bindgen/Cargo.toml

end2end: build ## browser journeys alone, on the release build; ARGS="-g claim" chooses
	scripts/setup tests && scripts/end2end $(ARGS)

bench: build ## claims, refill, sweep and memory beside what the machine can do (half an hour); ARGS="--chapter claims" chooses
	cargo bench --quiet --bench fleet -- $(ARGS)

dist: build  ## the archive that is installed, in target/dist: program, unit, completions, manual, alert rules, dashboard
	scripts/dist

build: setup ## the release build, if a source has changed
	scripts/build

setup:       ## toolchain and build tools, if they are missing
	scripts/setup

deny:        ## licences, sources and duplicates of all dependencies
	scripts/deny

clean-data:  ## forget the demo's data and start over
	cargo run --quiet --package embedded-postgres --bin erase-postgres -- .flotilla/postgres && rm -rf .flotilla
