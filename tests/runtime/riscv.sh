#!/bin/sh
# Compiles what goes into firmware for RISC-V as freestanding C99, prints its code size, and checks that it asks nothing
# of the C library but a few functions of string.h and float mathematics.
# Usage: riscv.sh SOURCE_FOLDER SCRATCH_FOLDER. 77: there is no cross compiler, or none with a C library's headers.
set -eu
source=$1
scratch=$2
cross=riscv64-linux-gnu
command -v $cross-gcc >/dev/null || exit 77
echo "#include <string.h>" | $cross-gcc -E - >/dev/null 2>&1 || exit 77

rm -rf "$scratch"
mkdir -p "$scratch"
flags="-std=c99 -ffreestanding -Os -ffp-contract=off -ffunction-sections -fdata-sections"
flags="$flags -Wall -Wextra -Wpedantic -Werror"
for file in "$source"/kpu/*.c "$source"/kmodel/*.c "$source"/runtime/*.c "$source"/runtime/kernels/*.c; do
    $cross-gcc $flags -I"$source" -I"$source/include" -c "$file" -o "$scratch/$(basename "$file" .c).o"
done

# Only what opening and running a model on the chip needs.
cat >"$scratch/firmware.c" <<'END'
#include <ncc/k210.h>
#include <ncc/runtime.h>
int firmware(struct ncc_model *m, const void *file, size_t size, void *work, size_t work_size, const void *const *in)
{
    ncc_k210_publish(file, size);
    return ncc_model_open(m, file, size, work, work_size, ncc_k210_device()) || ncc_model_run(m, in);
}
END
$cross-gcc $flags -I"$source/include" -c "$scratch/firmware.c" -o "$scratch/firmware.o"
$cross-ld -r --gc-sections -e firmware "$scratch"/*.o -o "$scratch/firmware"
$cross-size "$scratch/firmware" | tail -1 | {
    read -r text data bss rest
    echo "firmware: text $text data $data bss $bss"
}

needs=$($cross-nm -u "$scratch/firmware" | sed -n 's/^ *U //p' | sort -u)
for symbol in $needs; do
    case $symbol in
    memcpy | memmove | memset | strcmp) ;;
    ceilf | cosf | expf | fabsf | floorf | logf | roundf | sinf | sqrtf) ;;
    *)
        echo "needs $symbol, which is not freestanding"
        exit 1
        ;;
    esac
done
echo "needs:" $needs

# The same models on this machine and on a RISC-V give the same bits.
command -v qemu-riscv64 >/dev/null || exit 0
sources="$source/tests/runtime/riscv_model.c $source/kpu/*.c $source/kmodel/*.c $source/runtime/*.c $source/runtime/kernels/*.c"
for compiler in $cross-gcc cc; do
    # shellcheck disable=SC2086 # words and patterns
    $compiler -std=c99 -O2 -ffp-contract=off -static -I"$source" -I"$source/include" $sources -lm -o "$scratch/$compiler.model"
done
qemu-riscv64 "$scratch/$cross-gcc.model" >"$scratch/riscv.txt"
"$scratch/cc.model" >"$scratch/here.txt"
cmp "$scratch/riscv.txt" "$scratch/here.txt"
[ "$(wc -l <"$scratch/here.txt")" -eq 4 ]
echo "models of versions 3 and 4 give the same bits on RISC-V"
