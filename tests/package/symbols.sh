#!/bin/bash
# What our shared libraries show and need: nothing but logctx_* and the profilers' symbol is visible, no internal logctx__*, the core needs libc
# alone, and none can be unmapped. Each check is first shown a library that it has to refuse.
#   symbols.sh CORE.so [OTHER.so ...]
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

foreign_symbols() {
    nm -D --defined-only "$1" | awk '{print $NF}' | grep -vE '^(logctx_[a-z0-9]|otel_thread_ctx_v1$)' || true
}

foreign_libraries() {
    readelf -d "$1" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vE '^(libc\.so\.6|ld-linux.*|libc\.musl.*)$' || true
}

stays_mapped() {
    readelf -d "$1" | grep 'Flags:.*NODELETE' >/dev/null
}

printf '%s\n' '#include <math.h>' 'int logctx_right(void) {return 1;}' 'int logctx__inner(void) {return 1;}' \
    'double stray(double x) {return pow(x, 0.3);}' >"$scratch/stray.c"
quietly "${CC:-cc}" -shared -fPIC -o "$scratch/stray.so" "$scratch/stray.c" -lm
[ "$(foreign_symbols "$scratch/stray.so" | sort | tr '\n' ' ')" = "logctx__inner stray " ] ||
    fail "the check of symbols does not see symbols that it should."
[ "$(foreign_libraries "$scratch/stray.so")" = libm.so.6 ] || fail "the check of libraries does not see libm."
! stays_mapped "$scratch/stray.so" || fail "the check of NODELETE takes anything."

core=$1
libraries=$(foreign_libraries "$core")
[ -z "$libraries" ] || fail "the core needs more than libc: $libraries"
for library in "$@"; do
    nm -D --defined-only "$library" | grep ' logctx_' >/dev/null || fail "$library shows no function of ours."
    symbols=$(foreign_symbols "$library")
    [ -z "$symbols" ] || fail "$library shows symbols that are not for users: $symbols"
    stays_mapped "$library" || fail "$library can be unmapped; link it with -z nodelete."
done
