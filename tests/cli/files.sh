#!/bin/bash
# Files that are missing, damaged, of the wrong kind, or cannot be written. Nothing is left behind.
. "$(dirname "$0")/cli.bash"

model=$digits/digits.tflite
calib=$digits/calib

# Models.
expect 1 "nowhere.tflite" compile nowhere.tflite out.kmodel --dataset "$calib"
expect 1 "a file is needed, not a folder" compile . out.kmodel --dataset "$calib"
: >empty.tflite
expect 1 "empty.tflite" compile empty.tflite out.kmodel --dataset "$calib"
head -c 5000 "$model" >half.tflite
expect 1 "half.tflite" compile half.tflite out.kmodel --dataset "$calib"
head -c 20000 /dev/urandom >noise.tflite
expect 1 "noise.tflite" compile noise.tflite out.kmodel --dataset "$calib"
expect 1 "noise.tflite" compile noise.tflite out.kmodel --dataset "$calib" -i tflite
absent out.kmodel
echo "hello world" >text.onnx
expect 1 "not a model of a known format" compile text.onnx out.kmodel --dataset "$calib"
says "give a .tflite or .onnx file"
expect 1 "model in ONNX" compile text.onnx out.kmodel --dataset "$calib" -i onnx

# Samples.
expect 2 "needs samples" compile "$model" out.kmodel
expect 1 "nothing" compile "$model" out.kmodel --dataset nothing
mkdir none
expect 1 "none" compile "$model" out.kmodel --dataset none
says "samples are jpg"
expect 1 "none" infer "$model" results --dataset none
absent results
mkdir bad
echo "no picture" >bad/a.png
expect 1 "bad/a.png" compile "$model" out.kmodel --dataset bad
mkdir raw
head -c 1000 /dev/zero >raw/a.bin
expect 1 "raw/a.bin" compile "$model" out.kmodel --dataset raw
absent out.kmodel

# Output. Folders that cannot be made are below a regular file, so that it fails for root too.
: >file
expect 1 "file/out.kmodel" compile "$model" file/out.kmodel --dataset "$calib"
expect 1 "missing/out.kmodel" compile "$model" missing/out.kmodel --dataset "$calib"
says "make the folder first"
mkdir out.kmodel
expect 1 "out.kmodel" compile "$model" out.kmodel --dataset "$calib"
[ -z "$(ls out.kmodel)" ] || fail "something is in out.kmodel/"
rmdir out.kmodel
expect 1 "file/report.json" compile "$model" out2.kmodel --dataset "$calib" --report file/report.json
absent out2.kmodel
# It is told before the work, with what else is wrong.
expect 1 "missing/out.kmodel" compile nowhere.tflite missing/out.kmodel --dataset "$calib"
says "nowhere.tflite"
expect 1 "no-pictures" compile nowhere.tflite out.kmodel --dataset no-pictures
says "nowhere.tflite"
[ "$(grep -c "error:" stderr)" = 2 ] || fail "two files are missing, which is told $(grep -c "error:" stderr) times"
expect 1 "no-pictures" compile "$model" out.kmodel --dataset no-pictures
[ "$(grep -c "error:" stderr)" = 1 ] || fail "one folder is missing, which is told $(grep -c "error:" stderr) times"
expect 1 "a folder for the results" infer "$model" file --dataset "$digits/test"
expect 0 "" compile "$model" out3.kmodel --dataset "$calib" --quiet --report page.html
grep -q '</html>' page.html || fail "there is no page"
grep -q 'What became of the model' page.html || fail "the page does not tell of the source model"
rm out3.kmodel page.html
if [ -w /dev/full ]; then
    "$ncc" ops >/dev/full 2>stderr && fail "a full disk is not noticed"
fi
absent ./*.tmp* ./.*.tmp*

# An older output survives a compilation that fails.
echo older >kept.kmodel
expect 1 "half.tflite" compile half.tflite kept.kmodel --dataset "$calib"
[ "$(cat kept.kmodel)" = older ] || fail "kept.kmodel was touched"

# kmodels.
expect 1 "nowhere.kmodel" inspect nowhere.kmodel
expect 1 "not a folder" inspect .
expect 1 "not a kmodel" inspect "$model"
says "ncc check"
expect 0 "general RAM" compile "$model" good.kmodel --dataset "$calib"
expect 1 "compiled already" compile good.kmodel out.kmodel --dataset "$calib"
expect 1 "compiled already" check good.kmodel
expect 1 "compiled already" eval good.kmodel "$model" --dataset "$calib"
expect 1 "second file" eval "$model" "$model" --dataset "$calib"
head -c 3000 good.kmodel >half.kmodel
expect 1 "half.kmodel" inspect half.kmodel
expect 1 "half.kmodel" infer half.kmodel results --dataset "$digits/test"
printf '\3\0\0\0\1\0\0\0\0\0\0\0' >three.kmodel
expect 1 "version 3" inspect three.kmodel
expect 1 "three.kmodel" infer three.kmodel results --dataset "$digits/test"
absent results

finish
