#!/bin/bash
# add_subdirectory(logctx): taken in as a folder it brings its libraries and nothing else, no tests, no programs.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

build=$scratch/build
quietly "$CMAKE" -S "$SOURCE_DIR/tests/package/consumer" -B "$build" -G "$(generator)" \
    -DLOGCTX_SOURCE="$SOURCE_DIR" -DCONSUMER_OTLP="$OTLP"
quietly "$CMAKE" --build "$build" -j 2
run_core "$build/core"
run_testing "$build/testing"
if [ "$OTLP" = ON ]; then
    run_otlp "$build/otlp"
fi
programs=$(find "$build" -type f -name 'logctx-*' -executable ! -name '*.so*')
[ -z "$programs" ] || fail "the folder builds programs that the consumer did not ask for: $programs"
