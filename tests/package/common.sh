# shellcheck shell=bash
# What the package tests share: a scratch folder that goes away, a sentence and the end, and how the programs of
# consumer/ are run. Sourced; it expects nothing but the environment that tests/package/CMakeLists.txt sets:
# SOURCE_DIR the tree, BUILD_DIR its build, CMAKE, OTLP = ON where the exporter was built.
# SPDX-License-Identifier: Apache-2.0
set -eu -o pipefail

: "${SOURCE_DIR:?}" "${BUILD_DIR:?}" "${CMAKE:=cmake}" "${OTLP:=ON}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# quietly COMMAND...: its output is shown only if it fails.
quietly() {
    if ! "$@" >"$scratch/output" 2>&1; then
        tail -n 60 "$scratch/output" >&2
        fail "$*"
    fi
}

generator() {
    if command -v ninja >/dev/null; then echo Ninja; else echo "Unix Makefiles"; fi
}

# Into $scratch/prefix, as `cmake --install` does it.
install_tree() {
    prefix=$scratch/prefix
    quietly "$CMAKE" --install "$BUILD_DIR" --prefix "$prefix"
    # shellcheck disable=SC2034
    libdir=$(dirname "$(find "$prefix" -name 'liblogctx-core.a')")
}

run_core() {
    "$1" | grep -x 'logctx [0-9.]*' >/dev/null || fail "$1 printed something else than its version."
}

run_otlp() {
    rm -f "$scratch/traces"
    "$1" "$scratch/traces" || fail "$1 ended with status $?."
    grep -q 'a span of the consumer' "$scratch/traces" || fail "$1 wrote no span."
}

# A test that passes, and one that has to fail.
run_testing() {
    "$1" >"$scratch/output" 2>&1 || fail "$1 ended with status $?: $(cat "$scratch/output")"
    if "$1" lose >"$scratch/output" 2>&1; then
        fail "$1 lets a test pass that loses its context."
    fi
    grep -q 'Expected logging context GET /-[0-9]* was lost' "$scratch/output" || fail "$1 does not say what was lost."
}

# needs PROGRAM LIBRARY: whether it is loaded with that library.
needs() {
    readelf -d "$1" | grep "NEEDED.*\[$2" >/dev/null
}
