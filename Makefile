# For people; the build itself is CMakeLists.txt.
#
#   make            build/ncc
#   make demo       compile, simulate and score the digits example
#   make check      all tests
#   make check-all  the tests again with sanitizers, and those that need a RISC-V compiler and QEMU
#   make fuzz       10 000 damaged models of each format with sanitizers (FUZZ_COUNT)
#   make bench      speed against a matrix product, estimated against published times, accuracy, size of the runtime
#   make install    to PREFIX (/usr/local), with DESTDIR in front of it
#   make setup      install what is missing (scripts/packages.txt)
#   make clean

BUILD    ?= build
SANITIZE ?= $(BUILD)-sanitize
PREFIX   ?= /usr/local
JOBS     ?= $(shell nproc 2>/dev/null || echo 2)
FUZZ_COUNT ?= 10000

CONFIGURE = cmake -S . -B
CTEST     = ctest -j $(JOBS) --output-on-failure --test-dir

all:
	@scripts/setup.sh --check build
	@[ -f $(BUILD)/build.ninja ] || $(CONFIGURE) $(BUILD) -G Ninja -DNCC_TESTS=OFF
	@cmake --build $(BUILD) --target ncc

setup:
	@scripts/setup.sh all

demo: all
	@NCC=$(BUILD)/ncc OUT=$(BUILD)/digits examples/digits/run.sh

check:
	@scripts/setup.sh --check test
	$(CONFIGURE) $(BUILD) -G Ninja -DNCC_TESTS=ON
	@cmake --build $(BUILD)
	@$(CTEST) $(BUILD)

check-all:
	@scripts/setup.sh --check all
	$(CONFIGURE) $(SANITIZE) -G Ninja -DNCC_TESTS=ON -DNCC_SANITIZE=ON
	@cmake --build $(SANITIZE)
	@NCC_FUZZ_COUNT=$(FUZZ_COUNT) NCC_PLAN_GRAPHS=1000 NCC_ROW_NETS=40 NCC_NETS=720 $(CTEST) $(SANITIZE)
	@$(MAKE) check

fuzz:
	@scripts/setup.sh --check test
	$(CONFIGURE) $(SANITIZE) -G Ninja -DNCC_TESTS=ON -DNCC_SANITIZE=ON
	@cmake --build $(SANITIZE) --target test_import_caffe_layers test_import_caffe_axes
	@$(SANITIZE)/tests/import/test_import_caffe_layers >/dev/null
	@$(SANITIZE)/tests/import/test_import_caffe_axes >/dev/null
	@NCC_FUZZ_COUNT=$(FUZZ_COUNT) cmake --build $(SANITIZE) --target fuzz

bench:
	@scripts/setup.sh --check build
	$(CONFIGURE) $(BUILD) -G Ninja -DNCC_BENCH=ON
	@cmake --build $(BUILD) --target bench ncc
	@bench/runtime_size.sh

install:
	@scripts/setup.sh --check build
	$(CONFIGURE) $(BUILD) -G Ninja -DNCC_TESTS=OFF -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	@cmake --build $(BUILD)
	@cmake --install $(BUILD)

clean:
	rm -rf $(BUILD) $(SANITIZE)

.PHONY: all setup demo check check-all fuzz bench install clean
