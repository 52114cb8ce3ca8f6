#!/bin/bash
# An adapter is built where its library is found: also if that is installed only after a first configuration, and not if
# the builder has said no.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

build=$scratch/build
configure() {
    quietly "$@" "$CMAKE" -S "$SOURCE_DIR" -B "$build" -G "$(generator)" -DLOGCTX_EXPORTER=OFF -DLOGCTX_DEPLOY=OFF \
        -DLOGCTX_TESTS=OFF
}

# Parts that the build makes, as its package will name them.
parts() {
    grep -o '^logctx_part([a-z]*' "$build/logctx-config.cmake" | cut -d '(' -f 2 | sort | tr '\n' ' '
}

configure env PKG_CONFIG_LIBDIR="$scratch" # nothing is there
[ "$(parts)" = "core " ] || fail "without their libraries these are built: $(parts)"
configure env
[[ " $(parts)" = *" testing "* ]] || fail "cmocka is there now, and yet only these are built: $(parts)"
quietly "$CMAKE" -DLOGCTX_TESTING=OFF "$build"
configure env
[[ " $(parts)" != *" testing "* ]] || fail "with -DLOGCTX_TESTING=OFF these are built: $(parts)"
