#!/bin/bash
# Every public header compiles alone, as C11 and as C++; those for firmware also as freestanding C99.
#
#   headers.sh CC
cc=${1:-cc}
cd "$(dirname "$0")/../.." || exit 1
strict="-fsyntax-only -Wall -Wextra -Wpedantic -Werror -Iinclude -I."
bad=0

compiles() {
    local header=$1
    shift
    printf '#include "%s"\nextern int not_an_empty_unit;\n' "$header" | "$@" $strict - && return
    echo "$header: does not compile alone with: $*" >&2
    bad=1
}

for header in include/ncc/*.h runtime/device.h; do
    compiles "$header" "$cc" -x c -std=c11
    if command -v c++ >/dev/null; then
        compiles "$header" c++ -x c++ -std=c++11
    fi
done
for header in include/ncc/status.h include/ncc/runtime.h runtime/device.h kpu/*.h kmodel/kmodel.h; do
    compiles "$header" "$cc" -x c -std=c99 -ffreestanding
done
command -v c++ >/dev/null || echo "skipped: as C++, because there is no c++"
exit $bad
