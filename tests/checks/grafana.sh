#!/bin/bash
# The dashboards against Grafana's own types and grammar, from npm: grafana.sh SOURCE-DIR FOLDER
# FOLDER, in the build, gets the packages, of the versions and checksums in grafana/package-lock.json; once.
# Exit status 77: there is no npm.
# SPDX-License-Identifier: Apache-2.0
set -eu -o pipefail

here=$(dirname "$(readlink -f "$0")")
command -v npm >/dev/null || { echo "npm is missing (Debian: apt-get install npm)."; exit 77; }
mkdir -p "$2"
cp "$here"/grafana/* "$2"
dashboards=$(readlink -f "$1")/deploy/grafana/dashboards
cd "$2"
if ! cmp -s package-lock.json installed; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    cp package-lock.json installed
fi
exec node check.mjs "$dashboards"
