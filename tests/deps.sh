#!/bin/bash
# Checks who includes whom (the table of doc/architecture.md), and that names of sources are unique.
#
#   deps.sh [ROOT]
cd "${1:-$(dirname "$0")/..}" || exit 1
bad=0

complain() {
    echo "$1" >&2
    bad=1
}

freestanding="stdint.h stddef.h stdbool.h limits.h float.h string.h math.h"
posix="dirent.h fcntl.h pthread.h strings.h sys/stat.h sys/types.h sys/wait.h time.h unistd.h"
libc="$freestanding assert.h ctype.h errno.h inttypes.h setjmp.h stdalign.h stdarg.h stdatomic.h stdio.h stdlib.h $posix"

# folder | what it may include besides itself: folders, single files, and headers in <>
table="
kpu              |
kmodel           | kpu <ncc/status.h>
runtime          | kpu kmodel <ncc/>
sim              | kpu runtime/device.h compiler/base <ncc/> <immintrin.h> libc
compiler/base    | <cblas.h> <immintrin.h> <omp.h> <zip.h> libc
compiler/data    | compiler/base <ncc/> <stb/> libc
compiler/ir      | compiler/base libc
compiler/ops     | compiler/ir compiler/base kpu libc
compiler/import  | compiler/ir compiler/ops compiler/base <protobuf-c/> <caffe.pb-c.h> <onnx.pb-c.h> libc
compiler/pass    | compiler/ir compiler/ops compiler/base libc
compiler/quant   | compiler/ir compiler/ops compiler/base compiler/data libc
compiler/k210    | compiler/ir compiler/ops compiler/base compiler/pass/rewrite.h compiler/pass/match.h compiler/pass/perm.h kpu runtime/kernels.def runtime/kernels_v3.def libc
compiler/plan    | compiler/ir compiler/ops compiler/base kpu libc
compiler/emit    | compiler/plan compiler/ir compiler/ops compiler/base kpu kmodel libc
compiler/report  | compiler kpu kmodel runtime/kernels.def runtime/kernels_v3.def <ncc/> <cjson/> libc
compiler         | compiler kpu kmodel <ncc/> libc
tools            | <ncc/> <malloc.h> libc
include/ncc      | <ncc/> libc
examples         | <ncc/> libc
"

# Is the include $1 (as "path" or <path>) among the words that follow?
allowed() {
    local include=$1 word
    shift
    for word; do
        case $word in
        '<'*/'>') [[ $include == "${word%>}"* ]] && return ;;
        '<'*) [[ $include == "$word" ]] && return ;;
        *.h | *.def) [[ $include == "$word" ]] && return ;;
        *) [[ $include == "$word"/* ]] && return ;;
        esac
    done
    return 1
}

angled() {
    local word
    for word; do printf '<%s> ' "$word"; done
}

sources() {
    find "$1" -name '*.c' -o -name '*.h' -o -name '*.def' | sort
}

# The folders below compiler/ have rows of their own.
sources_of_row() {
    if [ "$1" = compiler ]; then
        find compiler -maxdepth 1 -name '*.[ch]' | sort
    else
        sources "$1"
    fi
}

check_row() {
    local folder=$1 words
    [ -d "$folder" ] || return
    words="$folder $(angled $freestanding) ${2/ libc/ $(angled $libc)}"
    while IFS=: read -r file line include; do
        allowed "$include" $words || complain "$file:$line: $folder/ may not include $include"
    done < <(sources_of_row "$folder" |
        xargs -r grep -HnoE '^ *# *include *("[^"]+"|<[^>]+>)' | sed -E 's/# *include *//; s/"//g; s/: */:/g')
}

while IFS='|' read -r folder may; do
    [ -n "$folder" ] && check_row "${folder%% *}" "$may"
done <<<"$table"

# A name that occurs twice makes messages, breakpoints and searches ambiguous.
while read -r name; do
    complain "the name of a source occurs twice: $(find . -name "$name" -not -path './build*' | sort | tr '\n' ' ')"
done < <(find . -name '*.c' -not -path './build*' -printf '%f\n' | sort | uniq -d)

[ $bad = 0 ] && echo "includes and names are in order"
exit $bad
