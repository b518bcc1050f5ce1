#!/bin/bash
# General RAM against a board's: to the byte, and what is said when it is too little.
. "$(dirname "$0")/cli.bash"

model=$digits/digits.tflite
calib=$digits/calib
plain="--no-slices --no-fine-outputs" # finer codes are left out near the limit, and sizes then jump

member() {
    sed -n "s/^\s*\"$1\":\s*\([0-9]*\),*$/\1/p" "${sizes:-sizes.json}" | head -n 1
}

expect 0 "" compile "$model" sizes.kmodel --dataset "$calib" $plain --json
cp stdout sizes.json
needed=$(($(member file_bytes) + $(member main_memory_bytes) + $(member input_bytes)))
[ "$needed" -gt 10000 ] || fail "the sizes were not found in the report"
[ "$(member file_bytes)" = "$(stat -c %s sizes.kmodel)" ] || fail "the report's file size is not that of the file"

expect 0 "fits: " compile "$model" just.kmodel --dataset "$calib" $plain --board "mine=$needed"
cp stdout fitting
expect 3 "more general RAM than is there on mine" compile "$model" out.kmodel --dataset "$calib" $plain --board "mine=$((needed - 1))"
says "$needed bytes of $((needed - 1))"
says "weights by layer:"
says "main memory: "
says "--board bare-metal"
absent out.kmodel
same sizes.kmodel just.kmodel

# Weights that can never fit are told before anything long is done.
expect 3 "the weights alone need more" compile "$model" out.kmodel --dataset "$calib" $plain --board "mine=20000"
says "at least "

# What is suggested works: a smaller input, the largest that fits, and a tensor to cut at.
input=$(sed -n 's/^input  *\([^,]*\),.*/\1/p' fitting)
expect 0 "" compile "$model" large.kmodel --dataset "$calib" $plain --input-shape "$input=1,1,128,128" --json
cp stdout sizes128.json
missing="mine=$(($(sizes=sizes128.json member file_bytes) + $(sizes=sizes128.json member main_memory_bytes) + 128 * 128 - 1))"
expect 3 "an input of " compile "$model" out.kmodel --dataset "$calib" $plain --board "$missing" --input-shape "$input=1,1,128,128"
size=$(sed -n 's/.*an input of \([0-9]*x[0-9]*\) .*/\1/p' stderr)
[ "$size" = 96x96 ] || fail "of 32x32, 64x64, 96x96 the last fits, not '$size'"
expect 0 "fits: " compile "$model" smaller.kmodel --dataset "$calib" $plain --board "$missing" --input-shape "$input=1,1,96,96"
missing="mine=$((needed - 1))"
expect 3 "a cut with " compile "$model" out.kmodel --dataset "$calib" $plain --board "$missing"
cut=$(sed -n "s/.*--output-tensor '\([^']*\)'.*/\1/p" stderr)
[ -n "$cut" ] || fail "no tensor to cut at"
expect 0 "fits: " compile "$model" cut.kmodel --dataset "$calib" $plain --board "$missing" --output-tensor "$cut"
expect 3 "fewer or narrower layers" compile "$model" out.kmodel --dataset "$calib" $plain --board mine=36000
cut=$(sed -n "s/.*--output-tensor '\([^']*\)'.*/\1/p" stderr)
expect 0 "fits: " compile "$model" cut.kmodel --dataset "$calib" $plain --board mine=36000 --output-tensor "$cut"

# Rows are made longer in main memory for a quicker upload, where there is room for that: a board that misses it by little is
# fed the picture as it is.
as_96="--input-shape $input=1,1,96,96"
expect 0 "" compile "$model" quick.kmodel --dataset "$calib" $plain $as_96 --json
cp stdout quick.json
quick=$(($(sizes=quick.json member file_bytes) + $(sizes=quick.json member main_memory_bytes) + $(sizes=quick.json member input_bytes)))
expect 0 "" compile "$model" small.kmodel --dataset "$calib" $plain $as_96 --board "mine=$((quick - 2000))" --json
cp stdout small.json
[ $(($(sizes=small.json member main_memory_bytes) + 10000)) -lt "$(sizes=quick.json member main_memory_bytes)" ] ||
    fail "the upload still takes room in main memory"

# Streaming: less than the model, to the byte, and the same results.
stream=$(($(member stream_bytes) + $(member input_bytes)))
[ "$stream" -gt 0 ] && [ "$stream" -lt "$needed" ] || fail "streaming does not help: $stream of $needed"
expect 0 "streaming " compile "$model" streamed.kmodel --dataset "$calib" $plain --stream --board "mine=$stream"
same sizes.kmodel streamed.kmodel
expect 3 "at a time" compile "$model" out.kmodel --dataset "$calib" $plain --stream --board "mine=$((stream - 1))"
expect 3 "(--stream)" compile "$model" out.kmodel --dataset "$calib" $plain --board "mine=$stream"
expect 0 "" infer sizes.kmodel whole --dataset "$digits/test"
expect 0 "read node by node" infer sizes.kmodel parts --dataset "$digits/test" --stream
diff -r whole parts >/dev/null || fail "streaming gives other results"
expect 2 "--stream" infer sizes.kmodel traced --dataset "$digits/test" --stream --trace traces

for board in bare-metal freertos maixpy maixpy-minimum maixduino; do
    expect 0 " on $board " compile "$model" out.kmodel --dataset "$calib" $plain --board $board
done
for board in maix mine= =5 mine=0 mine=-1 mine=5x mine=99999999999999999999; do
    expect 2 "no such board" compile "$model" none.kmodel --dataset "$calib" $plain --board $board
done
absent none.kmodel

finish
