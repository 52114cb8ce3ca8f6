#!/bin/bash
# find_package(logctx) from an installed tree: a project of somebody else is configured, built and run, with the shared
# libraries and with the static ones.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

install_tree
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
    if [ "$OTLP" = ON ]; then
        run_otlp "$build/otlp"
    fi
done
