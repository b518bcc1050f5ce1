#!/bin/sh
# What operators say of their names in the source formats (and doc/ops.md with them) is what the importers have rows for.
cd "$(dirname "$0")/.." || exit 1
bad=0

# The names that operators claim for a format.
names() {
    cat compiler/ops/*.c | tr -d '\n' | sed 's/" *"//g' | grep -o "\.$1 = \"[A-Za-z0-9_,]*\"" | cut -d '"' -f 2 |
        tr ',' '\n' | sort -u
}

# claims FORMAT PATTERN TABLE AT_LEAST: %s in the pattern is the name.
claims() {
    [ "$(names "$1" | wc -l)" -ge "$4" ] || { echo "no names of $1 were found"; bad=1; }
    for name in $(names "$1"); do
        grep -q "$(printf "$2" "$name")" "$3" && continue
        echo "$name is claimed by an operator, and the importer of $1 has no row for it"
        bad=1
    done
}

# limits FORMAT PATTERN TABLE: what limits.def tells of is there.
limits() {
    for name in $(sed -n "s/^LIMIT($1, \([A-Za-z0-9_]*\),.*/\\1/p" compiler/import/limits.def); do
        grep -q "$(printf "$2" "$name")" "$3" && continue
        echo "limits.def tells of $name, and the importer of $1 has no row for it"
        bad=1
    done
}

claims tflite '^TF_.*[( ]%s,' compiler/import/tflite_ops.def 50
claims onnx '^OX_ROW(%s,' compiler/import/onnx_ops.def 60
claims caffe '^CF_OP(%s,' compiler/import/caffe_ops.def 30

limits tflite '^TF_.*[( ]%s,' compiler/import/tflite_ops.def
limits onnx '^OX_ROW(%s,' compiler/import/onnx_ops.def
limits caffe '^CF_OP(%s,' compiler/import/caffe_ops.def

# Layers that become other operators, and are claimed by none.
for type in $(sed -n 's/^CF_OP(\([A-Za-z0-9]*\), \([a-z_]*\),.*/\1 \2/p' compiler/import/caffe_ops.def | sed '/ same$/d; s/ .*//'); do
    names caffe | grep -qx "$type" && continue
    echo "the importer of Caffe has a row for $type, and no operator claims it"
    bad=1
done
exit $bad
