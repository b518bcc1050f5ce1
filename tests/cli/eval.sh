#!/bin/bash
# A kmodel against its source model.
. "$(dirname "$0")/cli.bash"

model=$digits/digits.tflite
expect 0 "" compile "$model" a.kmodel --dataset "$digits/calib"

# With the samples of the compilation: every layer.
expect 0 "layer " eval "$model" a.kmodel --dataset "$digits/test" --calibration "$digits/calib" --labels "$digits/labels.csv"
says "300 labelled samples"
says "conv 3x3"
says "what costs the outputs most"
says "%  softmax_11"
grep -q "not shown" stdout && fail "layers are not shown"
agreement=$(awk '/^softmax_11 .*%/ { sub(/\..*/, "", $NF); print $NF; exit }' stdout)
[ "${agreement:-0}" -ge 98 ] || fail "float model and kmodel agree on ${agreement:-0} %"

# Without: the outputs, and it says why no more.
expect 0 "layers           not shown" eval "$model" a.kmodel --dataset "$digits/test"
says "--calibration"
expect 0 "not shown" eval "$model" a.kmodel --dataset "$digits/calib" --calibrate-method minmax

# A quantised model, compiled without samples.
models=$PWD/../../import/models
if [ -s "$models/fixed_point.tflite" ]; then
    mkdir -p twenty_bytes
    printf '\001\100\200\377\003\007\011\140\240\300\320\330\340\350\360\362\364\366\370\372' >twenty_bytes/a.bin
    expect 0 "" compile "$models/fixed_point.tflite" quantised.kmodel
    expect 0 "layer " eval "$models/fixed_point.tflite" quantised.kmodel --dataset twenty_bytes
    grep -q "not shown" stdout && fail "layers of a quantised model are not shown"
    expect 0 "" compile "$models/fixed_point.tflite" quantised.kmodel --dataset twenty_bytes
    expect 0 "layer " eval "$models/fixed_point.tflite" quantised.kmodel --dataset twenty_bytes
    grep -q "not shown" stdout && fail "layers of a quantised model compiled with samples are not shown"
fi

# As JSON, and as a file.
expect 0 '"worst_cosine"' eval "$model" a.kmodel --dataset "$digits/calib" --json --report eval.json
same stdout eval.json
for member in version model kmodel samples outputs sqnr_error_db layers layer_samples effect_samples own_db total_db outputs_db share_percent each_output_db reason; do
    grep -q "\"$member\":" eval.json || fail "no member $member"
done

# As a page.
expect 0 "" eval "$model" a.kmodel --dataset "$digits/calib" --quiet --report eval.html
grep -q '</html>' eval.html && grep -q '<polyline' eval.html || fail "the page has no plot"

# The number of threads does not show.
for n in 1 3; do
    NCC_THREADS=$n "$ncc" eval "$model" a.kmodel --dataset "$digits/calib" --json >$n.json || fail "$n threads"
done
same 1.json 3.json

# Bytes as output: their meaning comes from the compilation.
expect 0 "" compile "$model" u8.kmodel --dataset "$digits/calib" --output-type uint8
expect 0 "top-1" eval "$model" u8.kmodel --dataset "$digits/test" --calibration "$digits/calib" --output-type uint8
expect 1 "an output is bytes" eval "$model" u8.kmodel --dataset "$digits/test" --calibration "$digits/calib"

# Every step of quantisation can be left out, and what it gains is told.
for option in --no-equalise --no-channel-scales --no-bias-correction "--adaptive-rounding none" "--adaptive-rounding thorough"; do
    expect 0 "" compile "$model" other.kmodel --dataset "$digits/calib" $option
    cmp -s a.kmodel other.kmodel && fail "$option changes nothing"
    expect 0 "conv 3x3" eval "$model" other.kmodel --dataset "$digits/calib" $option
done
NCC_THREADS=1 "$ncc" compile "$model" 1.kmodel --dataset "$digits/calib" --adaptive-rounding thorough --quiet || fail compile
same 1.kmodel other.kmodel
expect 0 "steps of quantisation" eval "$model" a.kmodel --dataset "$digits/test" --calibration "$digits/calib" --gains
for option in --no-slices --no-fine-outputs --no-equalise "--equalise no-relu" "--equalise +concat" "--equalise +prelu" "--joint-scales no-concat" "--joint-scales no-sum" --no-channel-scales --no-bias-correction --no-truncation-correction --no-fitted-tables "--adaptive-rounding none"; do
    says "$option"
done
expect 0 "" compile "$model" seen.kmodel --dataset "$digits/calib" --no-channel-reach
cmp -s a.kmodel seen.kmodel && fail "--no-channel-reach changes nothing"

# What equalising may go through: a list, or all but some.
expect 0 "" compile "$model" whole.kmodel --dataset "$digits/calib" --equalise all
same a.kmodel whole.kmodel
expect 0 "" compile "$model" none.kmodel --dataset "$digits/calib" --no-equalise
for kinds in concat,sum no-all,prelu no-relu; do
    expect 0 "" compile "$model" some.kmodel --dataset "$digits/calib" --equalise $kinds
    same none.kmodel some.kmodel
done
for kinds in relu,depthwise +concat,+pool; do
    expect 0 "" compile "$model" some.kmodel --dataset "$digits/calib" --equalise $kinds
    same a.kmodel some.kmodel
done
expect 0 "" compile "$model" some.kmodel --dataset "$digits/calib" --equalise no-relu,+relu
same a.kmodel some.kmodel
for kinds in everything "relu," no-nothing + ""; do
    expect 2 "one of relu depthwise" compile "$model" x.kmodel --dataset "$digits/calib" --equalise "$kinds"
done

# Precision is told; and if more is wanted than codes give, a part of the model stays in floating point.
expect 0 "dB signal to noise of the worst output" compile "$model" a2.kmodel --dataset "$digits/calib"
same a.kmodel a2.kmodel
# In front of the softmax that makes the output: what eval measures on that sample, to a tenth.
mkdir first_sample
cp "$(LC_ALL=C ls "$digits"/calib/* | head -1)" first_sample
expect 0 "in front of its softmax, on 1 sample" compile "$model" a2.kmodel --dataset "$digits/calib" --report told.json
expect 0 "" eval "$model" a2.kmodel --dataset first_sample --calibration "$digits/calib" --report judged.json
told=$(grep -o '"worst_sqnr_db":[^,]*' told.json | grep -oE '[0-9]+([.][0-9]+)?' | head -1)
judged=$(grep -o '"sqnr_db":[^,]*' judged.json | grep -oE '[0-9]+([.][0-9]+)?' | head -1)
awk -v a="$told" -v b="$judged" 'BEGIN { exit !(a > 0 && a - b < 0.1 && b - a < 0.1) }' ||
    fail "compile tells $told dB, eval $judged"
expect 0 "worst output, on 1 sample" compile "$model" some.kmodel --dataset "$digits/calib" --output-type uint8
expect 0 "" compile "$model" same.kmodel --dataset "$digits/calib" --min-sqnr 30
same a.kmodel same.kmodel
expect 0 "nodes stay in floating point" compile "$model" precise.kmodel --dataset "$digits/calib" --min-sqnr 100 --report precise.json
worst=$(grep -o '"worst_sqnr_db":[^,]*' precise.json | grep -oE '[0-9]+' | head -1) # nothing: exact
[ "${worst:-1000}" -ge 100 ] || fail "--min-sqnr 100 gives $worst dB"
expect 0 "conv 3x3" eval "$model" a.kmodel --dataset "$digits/calib" --min-sqnr 30
expect 2 "decibels" compile "$model" x.kmodel --dataset "$digits/calib" --min-sqnr -3

# Weights of 16 bits, in version 3.
for bits in 8 16; do
    expect 0 "" compile "$model" w$bits.kmodel --dataset "$digits/calib" --kmodel-version 3 --weights-bits $bits
    expect 0 "conv 3x3" eval "$model" w$bits.kmodel --dataset "$digits/calib" --kmodel-version 3 --weights-bits $bits \
        --report w$bits.json
done
[ "$(stat -c %s w16.kmodel)" -gt "$(stat -c %s w8.kmodel)" ] || fail "16 bits take no more bytes"
db() { grep -o '"own_db":[^,]*' "$1" | grep -oE '[0-9.]+' | awk '{ sum += $1 } END { print sum / NR }'; } # mean of the layers
[ "$(awk -v a="$(db w8.json)" -v b="$(db w16.json)" 'BEGIN { print (b > a + 0.2) }')" = 1 ] || fail "16 bits are no better"
expect 0 "conv 3x3" inspect w16.kmodel --disasm
grep -q "refused\|untested" stdout && fail "layers with 16-bit weights are refused"
expect 2 "sets the KPU to 8 bits" compile "$model" x.kmodel --dataset "$digits/calib" --weights-bits 16
expect 2 "weights-bits" compile "$model" x.kmodel --dataset "$digits/calib" --weights-bits 12

# What is wrong.
expect 2 "no samples" eval "$model" a.kmodel
expect 1 "nowhere.kmodel" eval "$model" nowhere.kmodel --dataset "$digits/calib"
expect 1 "cannot be run" eval "$model" "$model" --dataset "$digits/calib"
head -c 3000 a.kmodel >half.kmodel
expect 1 "cannot be run" eval "$model" half.kmodel --dataset "$digits/calib"
expect 1 "a label must be" eval "$model" a.kmodel --dataset "$digits/calib" --labels "$digits/run.sh"
echo stranger,1 >strangers.csv
expect 1 "no sample has a label" eval "$model" a.kmodel --dataset "$digits/calib" --labels strangers.csv
expect 1 "not one of this model" eval "$model" a.kmodel --dataset "$digits/calib" --output-tensor mean_9

finish
