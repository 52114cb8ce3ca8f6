#!/bin/sh
# Brings what the docs quote, and what is generated, up to date with the code: tests/docs/update.sh [BUILD]
# BUILD is the build folder (default: build), built already.
# SPDX-License-Identifier: Apache-2.0
set -eu
here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
build=$(readlink -f "${1:-$root/build}")
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE

python3 "$here/quotes.py" --write "$root"
python3 "$here/slip.py" --write "$root" "$build/tests/docs/example_testing_slip"
python3 "$here/logged.py" --write "$root" "$build/docs/examples"
python3 "$here/generated.py" --write "$root" "$build/tests/docs/gen_telemetry" "$build/tests/docs/gen_configuration" \
    "$build/tests/docs/gen_errors"
python3 "$here/bugs.py" --write "$root" "$build/deploy/demo/logctx-demo"
python3 "$here/capture.py" --write "$root" "$build/deploy/demo/logctx-demo" "$build/deploy/dashboard/logctx-dashboard"
python3 "$root/tests/checks/alert_rules.py" --write "$root" "$build/deploy/alerts/gen_rules"
