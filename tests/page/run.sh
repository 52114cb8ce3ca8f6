#!/bin/bash
# Runs one test of the page: fetches what the tests use (npm ci, by the lock file, once for each lock file) and lets Node
# run the file. In the build's folder: the tree stays as it is. 77: a program is missing.
# usage: run.sh FOLDER FILE [NAME=VALUE ...]     FILE: setup, or a file of this folder
# SPDX-License-Identifier: Apache-2.0
set -eu -o pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
folder=$1
file=$2
shift 2

for program in node npm chromium; do
    command -v "$program" >/dev/null || { echo "$program is missing; on Debian it is in the package of that name (node: nodejs)."; exit 77; }
done

mkdir -p "$folder"
cp "$here"/*.mjs "$here"/package.json "$here"/package-lock.json "$here"/.npmrc "$folder"
cd "$folder"
if [ ! -d node_modules ] || ! cmp -s package-lock.json node_modules/.lock; then
    npm ci --loglevel=error --prefer-offline
    cp package-lock.json node_modules/.lock
fi
[ "$file" != setup ] || exit 0
# Whoever runs the tests may have a proxy set; what is tested here is on this machine.
exec env -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY -u NODE_OPTIONS "$@" node "$file"
