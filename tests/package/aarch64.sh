#!/bin/bash
# The core for another processor: built by Debian's cross compiler, and a program with it run by qemu, whose kernel has no
# rseq, so that the CPU clock falls back. 77: there is no cross compiler.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

compiler=aarch64-linux-gnu-gcc
command -v "$compiler" >/dev/null || exit 77
build=$scratch/build
quietly "$CMAKE" -S "$SOURCE_DIR" -B "$build" -G "$(generator)" -DCMAKE_C_COMPILER="$compiler" \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DLOGCTX_WERROR=ON -DLOGCTX_EXPORTER=OFF \
    -DLOGCTX_DEPLOY=OFF -DLOGCTX_TESTS=OFF -DLOGCTX_TESTING=OFF -DLOGCTX_LIBEVENT=OFF -DLOGCTX_GLIB=OFF \
    -DLOGCTX_GIO=OFF -DLOGCTX_UV=OFF
quietly "$CMAKE" --build "$build" -j 2
quietly "$compiler" -static -o "$scratch/core" "$SOURCE_DIR/tests/package/consumer/core.c" \
    -I "$SOURCE_DIR/core/include" "$build/core/liblogctx-core.a"
readelf -h "$scratch/core" | grep AArch64 >/dev/null || fail "that is no program for AArch64."
# The clock's own code is in it: the counter of this processor.
"${compiler%gcc}objdump" -d "$scratch/core" | grep 'mrs.*cntvct_el0' >/dev/null || fail "the CPU clock reads no counter."
if command -v qemu-aarch64 >/dev/null; then
    printf '#!/bin/sh\nexec qemu-aarch64 %s\n' "$scratch/core" >"$scratch/emulated"
    chmod +x "$scratch/emulated"
    run_core "$scratch/emulated"
fi
