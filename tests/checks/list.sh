#!/bin/bash
# Prints the files of the project that a check is about, one a line: list.sh SOURCE-DIR c|sh
# SPDX-License-Identifier: Apache-2.0
set -eu -o pipefail
cd "$1"

# What git knows or would know; in a tree without git, everything but the build.
all() {
    git -c safe.directory='*' ls-files --cached --others --exclude-standard 2>/dev/null ||
        find . -path ./build -prune -o -type f -print | sed 's,^\./,,'
}

is_script() {
    [[ $1 == *.sh ]] || head -c 40 "$1" | head -n 1 | tr -d '\0' | grep -qE '^#!.*[/ ](ba)?sh\b'
}

case $2 in
c) all | grep -E '\.[ch]$' | sort | while read -r file; do [ ! -f "$file" ] || echo "$file"; done ;;
sh) all | grep -vE '\.(c|h|py|md|jsonl?|proto|txt|cmake)$|^tests/fuzz/corpus/' | sort | while read -r file; do
    if [ -f "$file" ] && is_script "$file"; then echo "$file"; fi
done ;;
esac
