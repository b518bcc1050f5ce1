#!/bin/sh
# Sees whether everything in packages.txt is there, and installs what is missing.
#
#   setup.sh build|test|all          installs with apt-get, through sudo when that is needed
#   setup.sh --check build|test|all  installs only as root; others are told what is missing
#
# Each group contains the ones before it. Takes no notable time when nothing is missing.

ask_sudo=yes
[ "$1" = --check ] && { ask_sudo=no; shift; }
case $1 in
build) groups="build" ;;
test) groups="build test" ;;
all) groups="build test all" ;;
*)
    echo "usage: setup.sh [--check] build|test|all" >&2
    exit 2
    ;;
esac
list=$(dirname "$0")/packages.txt

# A header may need others before it: <a.h>,<b.h>.
have_header() {
    echo "$1" | tr ',' '\n' | sed 's/^/#include /' | cc -E -x c - >/dev/null 2>&1
}

have() {
    case $1 in
    pkg:*) pkg-config --exists "${1#pkg:}" 2>/dev/null ;;
    '<'*) have_header "$1" ;;
    file:*) ls ${1#file:} >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# Sets $missing, the packages, and tells of every thing that is not there.
look() {
    missing=
    while read -r group what package; do
        case " $groups " in *" $group "*) ;; *) continue ;; esac
        have "$what" && continue
        echo "missing: $what (package $package)" >&2
        case " $missing " in *" $package "*) ;; *) missing="$missing $package" ;; esac
    done <<END
$(grep -v '^ *\(#\|$\)' "$list")
END
    [ -z "$missing" ]
}

apt() {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >&2
}

look && exit 0
if ! command -v apt-get >/dev/null; then
    echo "there is no apt-get here: install these packages of Debian, or what corresponds to them:$missing" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    sudo=
elif [ $ask_sudo = yes ] && command -v sudo >/dev/null; then
    sudo=sudo
else
    echo "'make setup' installs it, or: apt-get install$missing" >&2
    exit 1
fi

# The lists of packages may be absent, or too old for what they name; getting them takes a while.
ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1 || apt update
# shellcheck disable=SC2086 # a list of words
apt install -y --no-install-recommends $missing || { apt update && apt install -y --no-install-recommends $missing; }
look
