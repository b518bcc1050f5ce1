#!/bin/bash
# Options: what is wrong with a command line is told with the way out, and ends in status 2.
. "$(dirname "$0")/cli.bash"

expect 2 "usage: ncc COMMAND"
expect 0 "usage: ncc COMMAND" --help
expect 0 "usage: ncc COMMAND" -h
expect 0 "usage: ncc COMMAND" help
expect 0 "ncc 0." --version
expect 0 "ncc 0." -v
expect 2 "no command 'compil'" compil a b
says "try: ncc compile"
expect 2 "no command 'frobnicate'" frobnicate

for command in compile infer eval inspect check ops; do
    expect 0 "usage: ncc $command" $command --help
    expect 0 "ncc 0." $command -v
    [ -s stderr ] && fail "ncc $command -v writes to stderr"
done

# Every option of the help is described and has its place in the manual page.
manual=$(dirname "$digits")/../doc/ncc.1
for command in compile infer eval inspect check ops; do
    "$ncc" $command --help | grep -oE '^ .{5}--[a-z-]+' | grep -oE '[a-z]+[a-z-]*$' | while read -r option; do
        sed 's/\\-/-/g' "$manual" | grep -qE -- "--$option\b" || echo "--$option"
    done
done | sort -u >unknown
[ -s unknown ] && fail "not in ncc.1: $(tr '\n' ' ' <unknown)"

# Every option that the answers name exists.
for command in compile infer eval inspect check ops; do
    "$ncc" $command --help
done >helps
[ -n "$(awk 'length > 100' helps)" ] && fail "the help has long lines: $(awk 'length > 100' helps)"
grep -oE -- '--[a-z][a-z-]+' "$(dirname "$manual")/faq.md" | sort -u | while read -r option; do
    grep -q -- " $option\b" helps || echo "$option"
done >unknown
[ -s unknown ] && fail "in faq.md, but no option: $(tr '\n' ' ' <unknown)"

expect 2 "unknown option '--datset'" compile a b --datset x
says "try: --dataset"
expect 2 "unknown option '-Z'" compile a b -Z
expect 2 "unknown option '--disasm'" compile a b --disasm
expect 2 "OUTPUT is missing" compile a
expect 2 "MODEL OUTPUT is missing" compile
expect 2 "one argument too many: 'c'" compile a b c
expect 2 "one argument too many: 'x'" ops x
expect 2 "--dataset needs PATH" compile a b --dataset
expect 2 "--dataset needs PATH" compile a b --dataset ""
expect 2 "--quiet needs no argument" compile a b --quiet=1
expect 2 "there are no samples" infer a b

expect 2 "needs one of tflite" compile a b -i tensorflow
expect 2 "PaddlePaddle models are not read" compile a b -i paddle
expect 2 "PaddlePaddle models are not read" compile a b --input-format=paddle
expect 2 "needs one of k210 cpu" compile a b -t k230
expect 2 "needs one of uint8 float" compile a b --inference-type int8
expect 2 "version 5 are not written" compile a b --kmodel-version 5
expect 2 "needs a number" compile a b --input-mean 0.5x
expect 2 "needs a number" compile a b --input-mean nan
expect 2 "needs a number" compile a b --input-mean 0.5,,0.5
expect 2 "needs a number" compile a b --input-std 1,0,1
expect 2 "needs a number" compile a b --input-mean 1,2,3,4,5
expect 2 "has 3 numbers" compile a b --input-mean 1,2,3 --input-std 1,2
expect 2 "a number other than 0" compile a b --input-std 0
expect 2 "a whole number" compile a b --output-quantize-threshold 1.5
expect 2 "a whole number" compile a b --output-quantize-threshold -1
expect 2 "a number of seconds" compile a b --max-allocator-solve-secs soon
expect 2 "needs NAME=1,3,224,224" compile a b --input-shape 1,3,224,224
expect 2 "needs NAME=1,3,224,224" compile a b --input-shape x=1,,3
expect 2 "needs NAME=1,3,224,224" compile a b --input-shape x=1,0
expect 2 "needs NAME=1,3,224,224" compile a b --input-shape x=1,2,3,4,5,6,7
absent b

# Both forms of a long option, a letter with its argument attached, and -- before names that begin with a dash.
expect 1 "-x.tflite" compile --dataset=d -itflite -- -x.tflite out
expect 0 "conv2d" ops
expect 0 "| conv2d |" ops --markdown
cmp stdout "$(dirname "$digits")/../doc/ops.md" || fail "doc/ops.md is out of date: ncc ops --markdown > doc/ops.md"

finish
