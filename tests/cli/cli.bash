# What the command line tests share. Sourced with the arguments of the script: NCC FOLDER.
#
#     expect 2 "unknown option" compile --datset x      status, text on stdout or stderr ("": any), arguments
#     absent out.kmodel

ncc=$(realpath "$1")
digits=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../examples/digits")
rm -rf "$2"
mkdir -p "$2"
cd "$2" || exit 1
failures=0

fail() {
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
}

# Runs ncc; its output is left in ./stdout and ./stderr.
expect() {
    local status=$1 text=$2 got
    shift 2
    "$ncc" "$@" >stdout 2>stderr </dev/null
    got=$?
    if [ $got != "$status" ]; then
        fail "ncc $*: exit status $got instead of $status"
        cat stdout stderr >&2
    elif [ -n "$text" ] && ! cat stdout stderr | grep -qF -- "$text"; then
        fail "ncc $*: does not say '$text'"
        cat stdout stderr >&2
    fi
}

says() {
    cat stdout stderr | grep -qF -- "$1" || fail "does not say '$1': $(cat stdout stderr)"
}

absent() {
    local file
    for file; do
        [ -e "$file" ] && fail "$file was left behind"
    done
}

same() {
    cmp "$1" "$2" >&2 || fail "$1 and $2 differ"
}

finish() {
    [ $failures = 0 ] && echo "all as expected"
    exit $((failures > 0))
}
