#!/bin/bash
# Runs logctx-bench-growth and draws what it finds, as docs/images/growth-*.svg (gnuplot).
# SPDX-License-Identifier: Apache-2.0
set -eu -o pipefail

root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
program=${1:-$root/build/tests/bench/logctx-bench-growth}
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
command -v gnuplot >/dev/null || { echo "gnuplot is missing (Debian: apt-get install gnuplot-nox)." >&2; exit 1; }
echo "measuring; this takes about a minute"
"$program" >"$data/all"

# series AXIS WHAT THREADS: two columns in a file of that name
series() {
    awk -F '\t' -v axis="$1" -v what="$2" -v threads="$3" \
        '$1 == axis && $4 == what && $3 == threads {print $2, $5}' "$data/all" >"$data/$1-$2-$3"
}

# plot AXIS LABEL
plot() {
    local what threads lines=()
    for threads in 1 2; do
        for what in switch switch_all context; do series "$1" "$what" "$threads"; done
        lines+=("'$data/$1-switch-$threads' with linespoints lw 2 dt $threads pt 7 lc rgb '#2b66d6' title 'switch between two, threads: $threads'")
        [ "$1" != live ] ||
            lines+=("'$data/$1-switch_all-$threads' with linespoints lw 2 dt $threads pt 5 lc rgb '#8a909a' title 'switch through all at random, threads: $threads'")
        lines+=("'$data/$1-context-$threads' with linespoints lw 2 dt $threads pt 9 lc rgb '#b86b00' title 'new, enter, exit, threads: $threads'")
    done
    gnuplot <<GNUPLOT
set terminal svg size 720,360 dynamic font 'sans-serif,12' background rgb 'white'
set output '$root/docs/images/growth-$1.svg'
set logscale x 10
set yrange [0:*]
set xlabel '$2'
set ylabel 'CPU ns for one'
set grid ytics lc rgb '#e3e5e8'
set border 3 lc rgb '#8a909a'
set tics nomirror
set key outside right top
plot $(IFS=,; echo "${lines[*]}")
GNUPLOT
    sed -i 's/[[:space:]]*$//' "$root/docs/images/growth-$1.svg"
}

mkdir -p "$root/docs/images"
plot live "contexts in flight"
plot depth "contexts above, of which each is in the one before"
plot kinds "kinds"
cat "$data/all"
