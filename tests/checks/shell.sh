#!/bin/bash
# Every shell script of the tree is put to shellcheck: shell.sh SOURCE-DIR
# SPDX-License-Identifier: Apache-2.0
set -eu -o pipefail

here=$(dirname "$(readlink -f "$0")")
command -v shellcheck >/dev/null || { echo "shellcheck is missing (Debian: apt-get install shellcheck)."; exit 77; }
# shellcheck disable=SC2016
if printf '#!/bin/sh\nrm $1/*\n' | shellcheck - >/dev/null; then
    echo "shellcheck refuses nothing; this check is blind."
    exit 1
fi
cd "$1"
mapfile -t files < <("$here/list.sh" . sh)
printf '%s\n' "${files[@]}" | grep -x 'tests/run.sh' >/dev/null || { echo "tests/run.sh is not among the scripts."; exit 1; }
shellcheck -x -P SCRIPTDIR "${files[@]}"
