# shellcheck shell=bash
# What the tests that build foreign Go programs share: finding a Go toolchain, and a cache outside of the tree, where each
# program is built once. Sourced by collector/build.sh and prometheus/build.sh, which set `here` (their folder, with go.mod
# and go.sum), `what` (the program's name for people) and `tag` (for the front of each line).
# SPDX-License-Identifier: Apache-2.0

# shellcheck disable=SC2154
say() { printf '%s: %s\n' "$tag" "$*" >&2; }
die() { say "$*"; exit 1; }

wanted_go() { sed -n 's/^go //p' "$here/go.mod"; }

cache_root() {
    if [ -n "${LOGCTX_CACHE:-}" ]; then
        printf '%s\n' "$LOGCTX_CACHE"
    elif [ -n "${XDG_CACHE_HOME:-}${HOME:-}" ]; then
        printf '%s\n' "${XDG_CACHE_HOME:-$HOME/.cache}/logctx"
    else
        die "neither LOGCTX_CACHE, XDG_CACHE_HOME nor HOME is set; set LOGCTX_CACHE to a directory that may" \
            "hold 80 MB."
    fi
}

# The version is asked inside the module: a Go that can fetch a newer toolchain for itself answers with that
# one, and one that cannot answers with its own, which is then too old.
# shellcheck disable=SC2154
find_go() {
    local candidate version wanted
    wanted=$(wanted_go)
    for candidate in ${LOGCTX_GO:-"$(type -P go || true)" /usr/local/go/bin/go /usr/lib/go-*/bin/go}; do
        [ -x "$candidate" ] || continue
        version=$(cd "$here" && "$candidate" env GOVERSION 2>/dev/null) || continue
        version=${version#go}
        if printf '%s\n' "$wanted" "$version" | sort -V -C; then
            printf '%s\n' "$candidate"
            return
        fi
        say "$candidate is Go ${version:-of an unknown version}, which is too old for this $what."
    done
    say "*** SKIPPED: the $what cannot be built, because there is no Go toolchain of" \
        "version $wanted or later. Debian 12's golang (1.19) is too old: unpack a current one of go.dev/dl" \
        "to /usr/local/go, or put its bin directory in PATH, or set LOGCTX_GO to its go program. ***"
    exit 77
}

# Turns the go command's stream of names into a line now and then; whatever is not a name is passed on.
narrate() {
    local verb=$1 step=$2 total=$3 count=0 line
    while IFS= read -r line; do
        case $line in
        'go: downloading '*) ;;
        *[[:space:]]*) say "$line"; continue ;;
        esac
        count=$((count + 1))
        [ $((count % step)) -ne 0 ] || say "$verb $count$total ..."
    done
}

# No cgo: one static binary, no C compiler needed. The rest keeps a developer's own settings out.
go_environment() {
    export CGO_ENABLED=0 GO111MODULE=on GOWORK=off GOFLAGS="${GOFLAGS:-} -buildvcs=false"
    unset GOOS GOARCH
}

# shellcheck disable=SC2034
# build_once ENTRY NAME: runs the caller's `build ENTRY` unless ENTRY/NAME is there, one at a time, and prints its path.
build_once() {
    local entry=$1 name=$2 lock
    if [ ! -x "$entry/$name" ]; then
        go=$(find_go) # for build()
        mkdir -p "$entry" || die "cannot create the cache directory $entry; set LOGCTX_CACHE to another one."
        exec {lock}>"$entry/lock"
        flock -n "$lock" || { say "another build of this $what is under way; waiting." && flock "$lock"; }
        [ -x "$entry/$name" ] || build "$entry"
    fi
    printf '%s\n' "$entry/$name"
}
