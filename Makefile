# SPDX-License-Identifier: Apache-2.0
#
# The one place to start from: `make demo` shows it, `make test` proves it. The build proper is meson's.

BUILD ?= build
PREFIX ?= /usr/local
MESON ?= meson
export CAISSON_BUILD := $(abspath $(BUILD))

all: build

deps:
	tools/install-deps.sh build test

$(BUILD)/build.ninja:
	$(MESON) setup $(BUILD) --prefix=$(PREFIX)

# A prefix that is named is that of a build directory which is there already as well.
build: $(BUILD)/build.ninja
	$(if $(filter file,$(origin PREFIX)),,$(MESON) configure $(BUILD) -Dprefix=$(PREFIX))
	$(MESON) compile -C $(BUILD)

demo: deps build
	demo/demo.sh

test: deps
	tests/run.sh

test-unit: build
	tests/run.sh unit

test-integration: build
	tests/run.sh integration

test-attacks: build
	tests/run.sh attacks

test-vm:
	tools/install-deps.sh build test vm
	tests/vm/run.sh

# The supervisor's workers killed under load, each SOAK_KILLS times in each way. The short form is among the attacks.
SOAK_KILLS ?= 1000
soak: build
	CAISSON_SOAK_KILLS=$(SOAK_KILLS) CAISSON_TEST_TIMEOUT=7200 tests/run.sh tests/attacks/crash.bats

# Address and undefined-behaviour sanitizers: the runtime under real engines, not only the unit tests. They need a
# dynamically linked program; leaks are looked for in the unit tests only, a runtime that exits may leave its memory.
# The supervisor runs where no library is: it is of a static build that traps at undefined behaviour.
UBSAN_SETUP := -Dc_args='-fsanitize=undefined -fsanitize-undefined-trap-on-error'
SUPERVISOR := caisson-monitor caisson-notify caisson-procview
SAN_SETUP := -Db_sanitize=address,undefined -Db_lundef=false -Dstatic=false -Dbuildtype=debugoptimized
SAN_ENV := CAISSON_BUILD=$(abspath build-asan) UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 CAISSON_SANITIZED=1 \
	BATS_TEST_TIMEOUT=600 CAISSON_TEST_SLOW=3
sanitize:
	tools/install-deps.sh build test
	test -e build-ubsan/build.ninja || $(MESON) setup build-ubsan $(UBSAN_SETUP)
	test -e build-asan/build.ninja || $(MESON) setup build-asan $(SAN_SETUP)
	$(MESON) compile -C build-ubsan
	$(MESON) compile -C build-asan
	cp -P $(addprefix build-ubsan/src/bin/,$(SUPERVISOR)) build-asan/src/bin/
	$(SAN_ENV) tests/run.sh unit
	$(SAN_ENV) ASAN_OPTIONS=detect_leaks=0 CAISSON_TEST_TIMEOUT=1500 tests/run.sh integration attacks

bench:
	tools/install-deps.sh build bench
	$(MAKE) build
	bench/run.sh

# A short campaign of every fuzz target, from the corpus: FUZZ_SECONDS each.
FUZZ_SECONDS ?= 60
fuzz:
	tools/install-deps.sh build lint
	test -e build-fuzz/build.ninja || CC=clang $(MESON) setup build-fuzz -Dfuzz=true -Dstatic=false \
		-Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized
	$(MESON) compile -C build-fuzz
	tools/fuzz.sh build-fuzz $(FUZZ_SECONDS)

install: build
	$(MESON) install -C $(BUILD) --no-rebuild

format-check:
	tools/install-deps.sh lint
	@# Headers by the name of a source file: some look like another language to it.
	git ls-files '*.c' '*.h' | while read -r f; do clang-format --dry-run --Werror --assume-filename=x.c <"$$f" || exit 1; done
	git ls-files '*.sh' '*.bash' .ci/run | xargs -r shellcheck -S warning -e SC2034,SC2128,SC2154,SC2178,SC2179

clean:
	rm -rf $(BUILD) build-asan build-ubsan build-fuzz

.PHONY: all deps build demo test test-unit test-integration test-attacks test-vm soak sanitize bench fuzz install format-check clean
