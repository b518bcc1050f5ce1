#!/bin/bash
# The same model, samples and options give the same bytes, whatever the number of threads.
. "$(dirname "$0")/cli.bash"

for run in "1 a" "2 b" "2 c" "5 d"; do
    set -- $run
    NCC_THREADS=$1 "$ncc" compile "$digits/digits.tflite" "$2.kmodel" --dataset "$digits/calib" --quiet || fail "compile"
    NCC_THREADS=$1 "$ncc" infer "$2.kmodel" "$2" --dataset "$digits/calib" --quiet || fail "infer"
    NCC_THREADS=$1 "$ncc" infer "$digits/digits.tflite" "$2.float" --dataset "$digits/calib" --quiet || fail "evaluate"
done
for other in b c d; do
    same a.kmodel $other.kmodel
    diff -r a $other >&2 || fail "results of a and $other differ"
    diff -r a.float $other.float >&2 || fail "float results of a and $other differ"
done

# As a C array: the same bytes.
expect 0 "" compile "$digits/digits.tflite" digits.c --dataset "$digits/calib" -o c
grep -oE '0x[0-9a-f]{2}\b' digits.c | cut -c 3- >from_c
od -An -v -tx1 a.kmodel | tr -s ' ' '\n' | grep . >from_kmodel
same from_c from_kmodel

finish
