#!/bin/bash
# All C has the layout of .clang-format: format.sh SOURCE-DIR [--fix]. With --fix the files are rewritten.
# SPDX-License-Identifier: Apache-2.0
set -eu -o pipefail

here=$(dirname "$(readlink -f "$0")")
formatter=$(command -v clang-format-14 || command -v clang-format) || {
    echo "clang-format is missing (Debian: apt-get install clang-format)."
    exit 77
}
cd "$1"
mapfile -t files < <("$here/list.sh" . c)
[ "${#files[@]}" -gt 20 ] || { echo "Only ${#files[@]} C files were found; is the path right?"; exit 1; }
if [ "${2:-}" = --fix ]; then
    exec "$formatter" --style=file -i "${files[@]}"
fi
# The twin: a line that has to be refused.
if echo 'int  main( void ){return 0 ;}' | "$formatter" --style=file:.clang-format --dry-run -Werror 2>/dev/null; then
    echo "clang-format refuses nothing; this check is blind."
    exit 1
fi
wrong=0
for file in "${files[@]}"; do
    if ! "$formatter" --style=file --dry-run -Werror "$file" 2>/dev/null; then
        wrong=$((wrong + 1))
        echo "$file"
    fi
done
if [ $wrong -gt 0 ]; then
    echo "$wrong files differ from .clang-format; tests/checks/format.sh . --fix rewrites them."
    exit 1
fi
