# shellcheck shell=bash
# Running a long command so that a person sees that it moves: its output goes to a log, and a line now and then says
# how far it is. Sourced by deploy/quickstart.sh and tests/run.sh; it only defines things.
# SPDX-License-Identifier: Apache-2.0

progress_child=

# progress_run WHAT LOG COMMAND...: the command's exit status; on failure the end of the log is printed.
progress_run() {
    local what=$1 log=$2 started=$SECONDS status
    shift 2
    echo "== $what ..."
    "$@" >"$log" 2>&1 </dev/null &
    progress_child=$!
    progress_watch "$what" "$log" "$started"
    wait "$progress_child"
    status=$?
    progress_child=
    if [ "$status" -ne 0 ]; then
        grep -nE 'error|Error|FAILED' "$log" | head -n 40
        echo "--- the end of $log"
        tail -n 40 "$log"
    fi
    return "$status"
}

# The last step that ninja or make has announced, such as [12/80] or [ 15%]: on a terminal in a line that is written
# over, elsewhere as a line each ten seconds.
progress_watch() {
    local what=$1 log=$2 started=$3 said=$SECONDS steps=0
    while kill -0 "$progress_child" 2>/dev/null; do
        sleep 0.2
        if [ -t 1 ]; then
            steps=1
            printf '\r   %s: %d s %s ' "$what" $((SECONDS - started)) "$(progress_step "$log")"
        elif [ $((SECONDS - said)) -ge 10 ]; then
            said=$SECONDS
            echo "   $what: $((SECONDS - started)) s $(progress_step "$log")"
        fi
    done
    [ $steps -eq 0 ] || echo
}

progress_step() {
    tail -c 4096 "$1" | grep -aoE '^\[[ 0-9/%]+\]' | tail -n 1
}

# For a trap: a background command does not get the terminal's Ctrl-C.
progress_stop() {
    if [ -n "$progress_child" ]; then
        kill "$progress_child" 2>/dev/null
        wait "$progress_child" 2>/dev/null
        progress_child=
    fi
}
