#!/bin/sh
# doc/quantisation.md tells of each step of quantisation what tests/gains.csv has (from bench_quant).
#
#   gains.sh             complains where they differ
#   gains.sh --update    writes the table into the document
cd "$(dirname "$0")/.." || exit 1
doc=doc/quantisation.md
new=$(mktemp) || exit 1
trap 'rm -f "$new"' EXIT

# One row per column of the csv: how many models the option changes, medians and extremes.
table() {
    awk -F , '
        NR == 1 { n = NF; for (i = 3; i <= n; i++) option[i] = $i; next }
        $1 == "median" { for (i = 3; i <= n; i++) all[i] = $i; next }
        $1 == "median of those it changes" { for (i = 3; i <= n; i++) changed[i] = $i; next }
        {
            models++
            for (i = 3; i <= n; i++) {
                count[i] += $i != 0
                if (!(i in least) || $i + 0 < least[i]) least[i] = $i + 0
                if (!(i in most) || $i + 0 > most[i]) most[i] = $i + 0
            }
        }
        END {
            print "| option | models of " models " that it changes | median of these, dB | of all | least | most |"
            print "| --- | --- | --- | --- | --- | --- |"
            for (i = 3; i <= n; i++)
                printf "| `%s` | %d | %s | %s | %+.2f | %+.2f |\n", option[i], count[i], changed[i], all[i], least[i], most[i]
        }' tests/gains.csv
}

table=$(table) awk '
    /^<!-- gains.csv -->$/ { print; print ENVIRON["table"]; inside = 1; next }
    /^<!-- end -->$/ { inside = 0 }
    !inside' "$doc" >"$new"
grep -q '^<!-- gains.csv -->$' "$doc" && grep -q '^| `--' "$new" || { echo "no table in $doc, or none in tests/gains.csv"; exit 1; }
if [ "$1" = --update ]; then
    cat "$new" >"$doc"
elif ! diff "$doc" "$new"; then
    echo "$doc does not say what tests/gains.csv does; tests/gains.sh --update writes its table"
    exit 1
fi
