#!/bin/bash
# The core with another libc: built by musl-gcc, and a program linked with nothing but it and run.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

build=$scratch/build
quietly "$CMAKE" -S "$SOURCE_DIR" -B "$build" -G "$(generator)" -DCMAKE_C_COMPILER=musl-gcc -DLOGCTX_WERROR=ON \
    -DLOGCTX_EXPORTER=OFF -DLOGCTX_DEPLOY=OFF -DLOGCTX_TESTS=OFF -DLOGCTX_TESTING=OFF -DLOGCTX_LIBEVENT=OFF \
    -DLOGCTX_GLIB=OFF -DLOGCTX_GIO=OFF -DLOGCTX_UV=OFF
quietly "$CMAKE" --build "$build" -j 2
quietly musl-gcc -static -o "$scratch/core" "$SOURCE_DIR/tests/package/consumer/core.c" \
    -I "$SOURCE_DIR/core/include" "$build/core/liblogctx-core.a"
run_core "$scratch/core"
readelf -p .comment "$scratch/core" >/dev/null
! needs "$scratch/core" lib || fail "the program needs shared libraries."
