#!/bin/sh
# The digits example: compiles the model with 40 pictures, runs 300 others through the kmodel in the simulator and
# through the float model, and counts how many each gets right.
#
#   examples/digits/run.sh        uses build/ncc, or $NCC; results go to build/digits, or $OUT
set -e
cd "$(dirname "$0")/../.."
ncc=${NCC:-build/ncc}
out=${OUT:-build/digits}
here=examples/digits

# Prints how many samples of a folder of results have their largest score at the label. Results are ten floats a
# sample; labels.csv and the folder are in the same order.
score() {
    cat "$1"/*.bin | od -An -v -t f4 -w40 | awk -v title="$2" '
        FNR == NR { if (FNR > 1) label[FNR - 1] = $2; next }
        { best = 1; for (i = 2; i <= 10; i++) if ($i + 0 > $best + 0) best = i; right += best - 1 == label[FNR]; n++ }
        END { printf "%-16s %d of %d right, %.1f %%\n", title, right, n, 100 * right / n }
    ' FS=, $here/labels.csv FS=' ' -
}

run() {
    echo
    echo "\$ ncc $*"
    "$ncc" "$@"
}

mkdir -p "$out"
rm -rf "$out/kmodel" "$out/float"
run compile $here/digits.tflite "$out/digits.kmodel" --dataset $here/calib
run infer "$out/digits.kmodel" "$out/kmodel" --dataset $here/test
run infer $here/digits.tflite "$out/float" --dataset $here/test

echo
score "$out/float" "float model"
score "$out/kmodel" "kmodel"
