#!/bin/bash
# Every public header compiles alone, in every language and by both compilers that we promise, without a warning.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

# compiles COMPILER LANGUAGE STANDARD HEADER: as the only thing a file includes, and twice. libuv's own header asks for
# more than a strict C standard shows.
compiles() {
    local posix=()
    case $4 in logctx/uv*) posix=(-D_POSIX_C_SOURCE=200809L) ;; esac
    printf '#include <%s>\n#include <%s>\nint logctx_header_used;\n' "$4" "$4" |
        "$1" -fsyntax-only -x "$2" -std="$3" -Wall -Wextra -Wconversion -pedantic -Werror "${posix[@]}" "${include[@]}" -
}

include=(-I "$scratch")
echo 'static inline int cut(long x) {return x;}' >"$scratch/lossy.h"
! compiles gcc c c11 lossy.h 2>/dev/null || fail "a header with a warning is not refused."

include=(-I "$SOURCE_DIR/core/include" -I "$SOURCE_DIR/exporter/include")
# Adapters show their loop's types. Its headers are its own affair: only ours must be without a warning.
for flag in $(pkg-config --cflags-only-I gio-2.0); do
    include+=(-isystem "${flag#-I}")
done
count=0
cd "$SOURCE_DIR"
for folder in core/include exporter/include core/adapters/*/include; do
    include+=(-I "$SOURCE_DIR/$folder")
    while read -r header; do
        for standard in c11 c17 gnu2x; do
            compiles gcc c $standard "$header" || fail "$header is no $standard for gcc."
            compiles clang c $standard "$header" || fail "$header is no $standard for clang."
        done
        compiles g++ c++ c++17 "$header" || fail "$header is no C++17 for g++."
        compiles clang++ c++ c++17 "$header" || fail "$header is no C++17 for clang++."
        count=$((count + 1))
    done < <(cd "$SOURCE_DIR/$folder" && find . -name '*.h' | sed 's,^\./,,' | sort)
done
[ "$count" -ge 10 ] || fail "only $count headers were found; is the path still right?"
echo "$count headers"
