#!/bin/bash
# What takes longer than a person waits: the same fuzz targets for longer and with other random choices each time, the
# thread tests again and again, the demo under load for as long, whose memory has to stay where it is, and a minute of
# 20,000 spans a second for the dashboard.
# SPDX-License-Identifier: Apache-2.0
set -u -o pipefail

usage() {
    cat <<'END'
usage: tests/long.sh [--seconds N] [--no-install] [--stages "NAME ..."]
  --seconds N      for each fuzz target, and for the soak (default 600)
  --stages NAMES   only these of: fuzz repeat soak receive
END
}

root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
seconds=600
stages="fuzz repeat soak receive"
install=()
while [ $# -gt 0 ]; do
    case $1 in
    --no-install) install=(--no-install) ;;
    --seconds | --stages)
        [ $# -gt 1 ] || { echo "tests/long.sh: $1 needs a value." >&2; exit 2; }
        if [ "$1" = --seconds ]; then seconds=$2; else stages=$2; fi
        shift
        ;;
    --help | -h) usage; exit 0 ;;
    *) echo "tests/long.sh: unknown argument '$1'." >&2; usage >&2; exit 2 ;;
    esac
    shift
done
[[ $seconds =~ ^[1-9][0-9]{0,6}$ ]] || { echo "tests/long.sh: --seconds takes a number from 1 up." >&2; exit 2; }
cd "$root" || exit 2
failed=0

# Among the targets is fuzz_model, whose scenarios need such a time: thirty seconds see little more than its corpus.
stage_fuzz() {
    LOGCTX_FUZZ_SECONDS=$seconds LOGCTX_FUZZ_SEED=0 tests/run.sh "${install[@]}" --stages fuzz --filter '^fuzz\.'
}

# Races come by chance: the tests that make threads, many times over.
stage_repeat() {
    tests/run.sh "${install[@]}" --stages tsan --filter '^unit\.' &&
        ctest --test-dir build/tsan -L '^unit$' --repeat "until-fail:$((seconds / 30 + 2))" --output-on-failure \
            -j "$(nproc)"
}

# Resident memory of a process, in kB; nothing if there is no such process.
resident() {
    sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status" 2>/dev/null
}

# The demo under the quickstart's load: what it holds after a third of the time is all it may hold at the end, and 8 MB.
stage_soak() {
    local quickstart demo now started=$SECONDS warm=0 last=0 room=8192
    rm -f build/quickstart/demo.pid
    mkdir -p build
    deploy/quickstart.sh "${install[@]}" --once --seconds "$seconds" >build/soak.log 2>&1 &
    quickstart=$!
    trap 'kill "$quickstart" 2>/dev/null; exit 130' INT TERM HUP
    while kill -0 "$quickstart" 2>/dev/null; do
        sleep 1
        demo=$(cat build/quickstart/demo.pid 2>/dev/null) || { started=$SECONDS; continue; }
        now=$(resident "$demo")
        [ -n "$now" ] || continue
        last=$now
        if [ "$warm" -eq 0 ] && [ $((SECONDS - started)) -ge $((seconds / 3)) ]; then
            warm=$now
        fi
    done
    if ! wait "$quickstart"; then
        tail -n 30 build/soak.log
        return 1
    fi
    sed -n '/^BOOKS/,/^$/p' build/soak.log
    echo "soak: the demo's memory was $warm kB after a third of the time, and $last kB at the end"
    [ "$warm" -gt 0 ] && [ "$((last - warm))" -le "$room" ] && grep -q 'the two agree' build/soak.log
}

# What the dashboard acknowledged has to be in its store, or counted as dropped for its limits.
stage_receive() {
    local program=build/deploy/dashboard/logctx-dashboard
    command -v node >/dev/null || { echo "node is missing (Debian: nodejs)."; return 1; }
    [ -x "$program" ] || cmake --build build --target logctx-dashboard >build/receive.log 2>&1 || {
        tail -n 20 build/receive.log
        return 1
    }
    LOGCTX_DASHBOARD=$program node tests/page/load.mjs 60 20000
}

run_stage() {
    case $1 in
    fuzz) stage_fuzz ;;
    repeat) stage_repeat ;;
    soak) stage_soak ;;
    receive) stage_receive ;;
    esac
}

for stage in $stages; do
    case $stage in
    fuzz | repeat | soak | receive)
        echo "== $stage"
        run_stage "$stage" || { failed=$((failed + 1)); echo "== $stage: FAILED"; }
        ;;
    *) echo "tests/long.sh: there is no stage '$stage'." >&2; exit 2 ;;
    esac
done
[ $failed -gt 0 ] || echo "everything passed"
exit $((failed > 0))
