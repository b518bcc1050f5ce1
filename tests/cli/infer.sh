#!/bin/bash
# Running kmodels and source models: kinds of samples, results, traces.
. "$(dirname "$0")/cli.bash"
models=$PWD/../../import/models

model=$digits/digits.tflite
expect 0 "general RAM" compile "$model" digits.kmodel --dataset "$digits/calib"
mkdir few
cp "$digits"/test/00[0-4]_*.pgm few/

# The same picture as a file of bytes and as pictures.
expect 0 "5, results" infer digits.kmodel pictures --dataset few
mkdir bytes
for f in few/*.pgm; do tail -c 1024 "$f" >"bytes/$(basename "$f" .pgm).bin"; done
expect 0 "5, results" infer digits.kmodel raw --dataset bytes
[ "$(ls pictures | wc -l)" = 5 ] || fail "5 files are expected in pictures/"
for f in pictures/*; do same "$f" "raw/$(basename "$f")"; done
[ "$(stat -c %s pictures/000_*.bin)" = 40 ] || fail "ten floats are expected"

# One file, several folders deep, quiet.
expect 0 "" infer digits.kmodel a/b/c --dataset "$(echo few/000_*)" --quiet
[ -s stdout ] && fail "--quiet prints"
same a/b/c/000_*.bin "$(echo pictures/000_*.bin)"

# The older format of the same net: outputs of the same size, and what is said of it.
expect 0 "v3 runtime" compile "$model" digits3.kmodel --dataset "$digits/calib" --kmodel-version 3
expect 0 "kmodel version 3" inspect digits3.kmodel
expect 0 "v3 runtime" infer digits3.kmodel three --dataset few
[ "$(stat -c %s three/000_*.bin)" = 40 ] || fail "ten floats are expected of a kmodel v3"
expect 0 "softmax_11" eval "$model" digits3.kmodel --dataset few
expect 1 "outputs of a kmodel v3 are floats" compile "$model" no.kmodel --dataset "$digits/calib" --kmodel-version 3 \
    --output-type uint8
absent no.kmodel

# As .npy: a header of 128 bytes, then the same bytes.
expect 0 "" infer digits.kmodel arrays --dataset few --npy
tail -c 40 arrays/000_*.0.npy | cmp - pictures/000_*.bin || fail ".npy and .bin differ"

# Every node of every sample; the KPU's as maps.
expect 0 "" infer digits.kmodel traced --dataset few --trace trace
for f in pictures/*; do same "$f" "traced/$(basename "$f")"; done
nodes=$("$ncc" inspect digits.kmodel | grep -oE '[0-9]+ nodes')
[ "$(ls trace/000_*.npy | wc -l) nodes" = "$nodes" ] || fail "$(ls trace/000_* | wc -l) files for $nodes"
head -c 128 trace/000_*.0000.kpu_conv2d.npy | grep -q "(1, 8, " || fail "the first layer has 8 channels"
expect 2 "is for kmodels" infer "$model" out --dataset few --trace trace2

# Floats for a model that takes bytes.
mkdir floats
head -c 4096 /dev/zero >floats/zero.bin
expect 1 "floats do not say which byte" infer digits.kmodel out --dataset floats
says "--input-mean"
expect 0 "" infer digits.kmodel out --dataset floats --input-mean 0 --input-std 1

# The float model.
expect 0 "" infer "$model" float --dataset few
[ "$(ls float | wc -l)" = 5 ] || fail "5 files are expected in float/"
[ "$(stat -c %s float/000_*.bin)" = 40 ] || fail "ten floats are expected"

# Outputs that are integers, as floats: the index among three channels, of zeros always the first.
if [ -s "$models/arg_max.tflite" ]; then
    mkdir zeros
    head -c 240 /dev/zero >zeros/zero.bin
    expect 0 "" infer "$models/arg_max.tflite" indices --dataset zeros --output-tensor t2
    head -c 48 /dev/zero | cmp - indices/zero.bin || fail "twelve zeros are expected"
    expect 1 "real numbers only" compile "$models/arg_max.tflite" no.kmodel --dataset zeros
    absent no.kmodel
fi

# Inputs that are integers: bytes and floats of the same numbers.
if [ -s "$models/integer_inputs.tflite" ]; then
    mkdir -p few_bytes few_floats
    printf '\003\007\377\000' >few_bytes/a.bin
    printf '\000\000\100\100\000\000\340\100\000\000\177\103\000\000\000\000' >few_floats/a.bin
    expect 0 "" infer "$models/integer_inputs.tflite" from_bytes --dataset few_bytes
    expect 0 "" infer "$models/integer_inputs.tflite" from_floats --dataset few_floats
    same from_bytes/a.bin few_floats/a.bin
    same from_floats/a.bin few_floats/a.bin
fi

# What cannot be written.
: >file
expect 1 "file/out" infer digits.kmodel file/out --dataset few
expect 1 "file/out" infer "$model" file/out --dataset few

# Inspection.
expect 0 "kmodel version 4" inspect digits.kmodel
expect 0 '"kpu_layers"' inspect digits.kmodel --json
expect 0 "image_addr" inspect digits.kmodel --disasm
expect 0 "" check "$model"

finish
