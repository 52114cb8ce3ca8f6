#!/bin/bash
# The same spans by this library and by OpenTelemetry's SDKs for Go, JavaScript and Rust, to the same endpoint, in turns, one run
# after the other on this machine. Takes the toolchains that are there; their packages come by name, with fixed versions.
# SPDX-License-Identifier: Apache-2.0
set -eu -o pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(dirname "$(dirname "$(dirname "$here")")")
build=${BUILD:-$root/build}
spans=${SPANS:-200000}
rounds=${ROUNDS:-3}
work=$build/peers
mkdir -p "$work"

# A peer that is built: prints how it is started. Fails, saying so, if it cannot be had.
prepare_go() {
    command -v go >/dev/null || { echo "go is not installed; its SDK is left out" >&2; return 1; }
    (cd "$here/go" && go build -o "$work/peer-go" .) >&2
}
prepare_node() {
    command -v npm >/dev/null || { echo "npm is not installed; the JavaScript SDK is left out" >&2; return 1; }
    rm -rf "$work/node" && cp -r "$here/node" "$work/node" && (cd "$work/node" && npm ci --silent --no-fund --no-audit) >&2
}

prepare_rust() {
    command -v cargo >/dev/null || { echo "cargo is not installed; the Rust SDK is left out" >&2; return 1; }
    mkdir -p "$work/rust" && cp -r "$here/rust/." "$work/rust" && (cd "$work/rust" && cargo build --release --quiet) >&2
}

# with_endpoint PROGRAM ARGUMENT...: runs it with the endpoint's address and the number of spans
with_endpoint() {
    local port input pid
    coproc endpoint { "$build/tests/bench/logctx-bench-endpoint"; }
    input=${endpoint[1]} pid=${endpoint_PID:?}
    read -r port <&"${endpoint[0]}"
    "$@" "http://127.0.0.1:$port" "$spans"
    exec {input}>&-
    wait "$pid" || true
}

peers=()
if prepare_go; then peers+=(go); fi
if prepare_node; then peers+=(node); fi
if prepare_rust; then peers+=(rust); fi
for ((round = 0; round < rounds; round++)); do
    "$build/tests/bench/logctx-bench" --json --filter context_span
    "$build/tests/bench/logctx-bench" --json --filter end_to_end
    for peer in "${peers[@]}"; do
        case $peer in
        go) with_endpoint "$work/peer-go" ;;
        node) with_endpoint node "$work/node/peer.mjs" ;;
        rust) with_endpoint "$work/rust/target/release/peer-rust" ;;
        esac
    done
done
