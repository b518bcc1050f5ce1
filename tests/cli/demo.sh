#!/bin/bash
# The example of the README: both models must be right nearly always.
. "$(dirname "$0")/cli.bash"

NCC=$ncc OUT=$PWD/results "$digits/run.sh" >stdout 2>stderr || fail "run.sh: $(cat stdout stderr)"
for kind in "float model" "kmodel"; do
    right=$(grep "^$kind .* right" stdout | grep -oE '[0-9]+ of' | tr -d ' of')
    [ "${right:-0}" -ge 291 ] || fail "$kind: only ${right:-none} of 300 right"
done
cat stdout

finish
