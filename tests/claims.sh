#!/bin/sh
# What operators say of their TFLite names (and doc/ops.md with them) is what the importer has rows for.
cd "$(dirname "$0")/.." || exit 1
names() {
    sed -n 's/.*\.tflite = "\([A-Z0-9_,]*\)".*/\1/p' compiler/ops/*.c | tr ',' '\n' | sort -u
}
bad=0
[ "$(names | wc -l)" -gt 50 ] || { echo "no names were found"; bad=1; }
for name in $(names); do
    grep -q "^TF_OP([0-9]*, $name," compiler/import/tflite_ops.def && continue
    echo "$name is claimed by an operator, and the importer has no row for it"
    bad=1
done
exit $bad
