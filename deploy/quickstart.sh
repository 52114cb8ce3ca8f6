#!/bin/bash
# From a clone to a picture in one command: installs what is missing, builds, starts the dashboard and the demo, sends
# the demo real requests with three bugs among them, and prints what arrived. Everything it leaves is in build/.
# SPDX-License-Identifier: Apache-2.0
set -eu -o pipefail

usage() {
    cat <<'END'
usage: deploy/quickstart.sh [--once] [--seconds N] [--prefix DIR] [--no-install]
  --once         stop everything and end after the summary, also on a terminal
  --seconds N    how long to send requests (default 15)
  --prefix DIR   also install logctx there (cmake --install)
  --no-install   use the packages that are installed; do not call apt-get
END
}

script=$(readlink -f "${BASH_SOURCE[0]}")
root=$(dirname "$(dirname "$script")")
arguments=("$@")
once=no
seconds=15
prefix=
install=yes
while [ $# -gt 0 ]; do
    case $1 in
    --once) once=yes ;;
    --no-install) install=no ;;
    --seconds | --prefix)
        [ $# -gt 1 ] || { echo "quickstart.sh: $1 needs a value." >&2; exit 2; }
        if [ "$1" = --seconds ]; then seconds=$2; else prefix=$(realpath -m "$2"); fi
        shift
        ;;
    --help | -h) usage; exit 0 ;;
    *) echo "quickstart.sh: unknown argument '$1'." >&2; usage >&2; exit 2 ;;
    esac
    shift
done
[[ $seconds =~ ^[1-9][0-9]{0,4}$ ]] || { echo "quickstart.sh: --seconds takes a number from 1 up." >&2; exit 2; }
[ -t 1 ] || once=yes

cd "$root"
# shellcheck source=debian.sh
. deploy/debian.sh
# shellcheck source=progress.sh
. deploy/progress.sh

build=$root/build
state=$root/build/quickstart
store=$state/dashboard.db
demo_pid=
dashboard_pid=
load_pids=()

die() {
    echo "quickstart.sh: $*" >&2
    exit 1
}

# ---- Whatever was started is stopped by its process id: first who sends, then the demo, which exports what it still
# has, then the dashboard that receives it.

stop_load() {
    local pid
    for pid in ${load_pids[@]+"${load_pids[@]}"}; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    load_pids=()
}

# stop PID NAME: asks, waits for at most ten seconds, then insists.
stop() {
    local tries=0
    [ -n "$1" ] || return 0
    kill -TERM "$1" 2>/dev/null || true
    while kill -0 "$1" 2>/dev/null; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ]; then
            echo "$2 does not stop within ten seconds and is killed." >&2
            kill -KILL "$1" 2>/dev/null || true
            break
        fi
        sleep 0.1
    done
    wait "$1" 2>/dev/null || true
}

stop_everything() {
    progress_stop
    stop_load
    stop "$demo_pid" logctx-demo
    demo_pid=
    stop "$dashboard_pid" logctx-dashboard
    dashboard_pid=
}

trap stop_everything EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- The steps

install_packages() {
    [ "$install" = yes ] || return 0
    packages_install "${packages_build[@]}" "${packages_assets[@]}" "${packages_load[@]}" || die "the packages above are needed."
    packages_leave_root "$script" ${arguments[@]+"${arguments[@]}"}
}

build_programs() {
    local generator=() native=()
    mkdir -p "$build"
    [ -d "$state" ] || mkdir -m 700 "$state"
    if command -v ninja >/dev/null && [ ! -e "$build/Makefile" ]; then
        generator=(-G Ninja)
    fi
    # A build that has the tests in it keeps them.
    [ -e "$build/CMakeCache.txt" ] || native=(-DLOGCTX_TESTS=OFF)
    progress_run configuring "$state/configure.log" \
        cmake --preset release "${generator[@]}" -DLOGCTX_EXPORTER=ON -DLOGCTX_DEPLOY=ON \
        ${native[@]+"${native[@]}"} ||
        die "cmake could not configure the build; the lines above say why."
    progress_run building "$state/build.log" \
        cmake --build "$build" -j "$(nproc)" --target logctx-demo logctx-dashboard ||
        die "the build failed; the lines above say why."
    if [ -n "$prefix" ]; then
        progress_run "building the rest" "$state/build.log" cmake --build "$build" -j "$(nproc)" ||
            die "the build failed; the lines above say why."
        progress_run "installing to $prefix" "$state/install.log" cmake --install "$build" --prefix "$prefix" ||
            die "the installation failed; the lines above say why."
    fi
}

# wait_for_port FILE PID NAME LOG: prints the port that the program has written to the file.
wait_for_port() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        if [ -s "$1" ]; then
            cat "$1"
            return 0
        fi
        kill -0 "$2" 2>/dev/null || break
        sleep 0.05
    done
    tail -n 20 "$4" >&2
    echo "$3 did not start; its log, $4, ends as above." >&2
    return 1
}

start_dashboard() {
    local listen
    # Again from nothing: the summary is about this run.
    rm -f "$store" "$store-wal" "$store-shm" "$state"/*.port
    for listen in 127.0.0.1:4318 127.0.0.1:0; do
        # A session of its own: Ctrl-C is for this script, which stops things in their order.
        setsid "$build/deploy/dashboard/logctx-dashboard" --listen "$listen" --db "$store" \
            --port-file "$state/dashboard.port" >"$state/dashboard.log" 2>&1 </dev/null &
        dashboard_pid=$!
        if dashboard_port=$(wait_for_port "$state/dashboard.port" "$dashboard_pid" logctx-dashboard \
            "$state/dashboard.log" 2>"$state/start.log"); then
            break
        fi
        stop "$dashboard_pid" logctx-dashboard
        dashboard_pid=
        [ "$listen" = 127.0.0.1:0 ] || echo "127.0.0.1:4318 is in use; taking a free port."
    done
    if [ -z "$dashboard_pid" ]; then
        cat "$state/start.log" >&2
        die "the dashboard could not be started."
    fi
    echo "== logctx-dashboard receives on http://127.0.0.1:$dashboard_port, which is also the address of its page"
}

start_demo() {
    local name log=$state/demo.log
    [ "$seconds" -le 60 ] || log=/dev/null # a line for each request would fill a disk
    for name in $(compgen -e OTEL_ || true); do # what the caller exports with is not for this demo
        unset "$name"
    done
    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$dashboard_port OTEL_BSP_SCHEDULE_DELAY=500 \
        OTEL_METRIC_EXPORT_INTERVAL=2000 setsid "$build/deploy/demo/logctx-demo" --port 0 \
        --port-file "$state/demo.port" --stats-file "$state/demo.json" \
        >"$log" 2>&1 </dev/null &
    demo_pid=$!
    echo "$demo_pid" >"$state/demo.pid"
    demo_port=$(wait_for_port "$state/demo.port" "$demo_pid" logctx-demo "$state/demo.log") ||
        die "the demo could not be started."
    demo=http://127.0.0.1:$demo_port
    echo "== logctx-demo serves on $demo"
}

# ---- The load: two clients that fetch rooms, one that searches, one that does everything else. A third of it is part of somebody's trace.

request() {
    curl --silent --show-error --max-time 10 "$@" >/dev/null 2>>"$state/load.log" || true
}

# A W3C traceparent as the caller of a service sends it; ids from the kernel's generator.
traceparent() {
    local ids
    ids=$(od -An -N 24 -tx1 /dev/urandom | tr -d ' \n')
    echo "traceparent: 00-${ids:0:32}-${ids:32:16}-01"
}

fetch_rooms() {
    local round=0
    while [ $SECONDS -lt $deadline ]; do
        round=$((round + 1))
        if [ $((round % 3)) -eq 0 ]; then
            request --header "$(traceparent)" "$demo/rooms/[1-40]"
        else
            request "$demo/rooms/[1-40]"
        fi
    done
}

# More at once than the demo has connections to its database: some wait for one.
search_rooms() {
    while [ $SECONDS -lt $deadline ]; do
        request --parallel --parallel-immediate --parallel-max 5 --header "$(traceparent)" "$demo/search/[1-10]"
        sleep 0.2
    done
}

do_everything_else() {
    local round=0
    while [ $SECONDS -lt $deadline ]; do
        round=$((round + 1))
        request --header "$(traceparent)" --data "Room of round $round" "$demo/rooms"
        request "$demo/rooms/999999"
        [ $((round % 4)) -ne 1 ] || request "$demo/report"
        case $((round % 8)) in
        2) request "$demo/bug/lost" ;;
        4) request "$demo/bug/leaked" ;;
        6) request "$demo/bug/restarted" ;;
        esac
        sleep 0.1
    done
}

send_load() {
    local pid said=$SECONDS
    deadline=$((SECONDS + seconds))
    : >"$state/load.log"
    echo "== sending requests for $seconds s: rooms, searches, transactions, reports, and three bugs"
    fetch_rooms &
    load_pids+=($!)
    fetch_rooms &
    load_pids+=($!)
    search_rooms &
    load_pids+=($!)
    do_everything_else &
    load_pids+=($!)
    while [ $SECONDS -lt $deadline ]; do
        sleep 1
        if ! kill -0 "$demo_pid" 2>/dev/null; then
            tail -n 20 "$state/demo.log" >&2
            die "the demo has ended by itself; its log, $state/demo.log, ends as above."
        fi
        if [ $((SECONDS - said)) -ge 5 ]; then
            said=$SECONDS
            echo "   $((deadline - SECONDS)) s to go"
        fi
    done
    for pid in "${load_pids[@]}"; do # each ends with the request it is at
        wait "$pid" || true
    done
    load_pids=()
}

# Each bug once more for certain, however short or slow the run was; then what is under way arrives: the demo exports
# every half a second, its metrics every two.
finish_load() {
    request "$demo/bug/lost" "$demo/bug/leaked" "$demo/bug/restarted" "$demo/report"
    sleep 3
}

summary() {
    local page="http://127.0.0.1:$dashboard_port/now"
    [ "$once" = no ] || page="$build/deploy/dashboard/logctx-dashboard --db $store, then http://127.0.0.1:4318/now"
    echo
    "$build/deploy/dashboard/logctx-dashboard" --summary "$store" || die "the summary could not be printed."
    cat <<END

Where things are:
  the page           $page
  this summary       $build/deploy/dashboard/logctx-dashboard --summary $store
  the demo's log     $state/demo.log (the bugs are in it, as the library reports them)
  its source         deploy/demo/demo.c
  about an alert     docs/runbook.md
  what to read       docs/guide.md
END
}

serve() {
    cat <<END

Still serving, until Ctrl-C:
  the page           http://127.0.0.1:$dashboard_port/now
  the demo           curl $demo/rooms/1; curl $demo/search/7; curl $demo/bug/lost
  the OTLP endpoint  http://127.0.0.1:$dashboard_port (OTEL_EXPORTER_OTLP_ENDPOINT for programs of your own)
END
    trap 'echo; echo "Stopping."; exit 0' INT
    wait -n "$demo_pid" "$dashboard_pid" || true
    die "the demo or the dashboard has ended by itself; the logs are in $state."
}

install_packages
build_programs
start_dashboard
start_demo
send_load
finish_load
if [ "$once" = yes ]; then
    # The demo's last spans come with its end.
    stop "$demo_pid" logctx-demo
    demo_pid=
    summary
else
    summary
    serve
fi
