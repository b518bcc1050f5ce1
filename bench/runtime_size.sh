#!/bin/bash
# Size of the runtime as compiled for the chip. `make bench` calls it.
set -e
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
echo
echo "runtime for the chip"
sh tests/runtime/riscv.sh . "$out" || echo "not measured: there is no riscv64-linux-gnu-gcc"
