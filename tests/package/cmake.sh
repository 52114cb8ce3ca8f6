#!/bin/bash
# find_package(logctx) from an installed tree: a project of somebody else is configured, built and run, with the shared
# libraries and with the static ones.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

install_tree
if [ "$OTLP" = ON ] && [ -d "$BUILD_DIR/deploy/top" ]; then
    "${prefix:?}/bin/logctx-top" --version | grep -x "logctx-top $PROJECT_VERSION" >/dev/null || fail "logctx-top does not run."
    [ -s "$prefix/share/man/man1/logctx-top.1" ] || fail "logctx-top has no man page."
fi
for static in OFF ON; do
    build=$scratch/build-$static
    quietly "$CMAKE" -S "$SOURCE_DIR/tests/package/consumer" -B "$build" -G "$(generator)" \
        -DCMAKE_PREFIX_PATH="$prefix" -DCONSUMER_STATIC=$static -DCONSUMER_OTLP="$OTLP"
    quietly "$CMAKE" --build "$build"
    run_core "$build/core"
    if [ $static = OFF ]; then
        needs "$build/core" liblogctx-core || fail "the shared consumer does not need liblogctx-core.so."
    else
        ! needs "$build/core" liblogctx || fail "the static consumer needs a shared library of ours."
    fi
    run_testing "$build/testing"
    if [ "$OTLP" = ON ]; then
        run_otlp "$build/otlp"
    fi
done

# Where cmocka is not installed there is no part `testing`, and the rest is as it was. The twin shows that it is cmocka.
cat >"$scratch/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(parts LANGUAGES C)
find_package(logctx REQUIRED COMPONENTS ${PARTS})
file(WRITE core.c "int main(void) {return 0;}")
add_executable(core core.c)
target_link_libraries(core PRIVATE logctx::core)
END
finds() {
    rm -rf "$scratch/parts"
    "$CMAKE" -S "$scratch" -B "$scratch/parts" -G "$(generator)" -DCMAKE_PREFIX_PATH="$prefix" -DPARTS="$1" \
        >"$scratch/output" 2>&1
}
finds "core;testing" || fail "the parts core and testing are not found: $(cat "$scratch/output")"
export PKG_CONFIG_LIBDIR=$scratch/nothing
finds core || fail "the core is not found without cmocka: $(cat "$scratch/output")"
! finds "core;testing" || fail "the part testing is found without cmocka."
