#!/bin/bash
# Builds the Prometheus of go.mod, newer than Debian's, which has no OTLP receiver, and prints the path of the binary as
# the last line of stdout. The binary lives in a cache outside the tree, named after the pins; one build at a time.
#   build.sh                print the binary's path, building it if it is not there yet
#   build.sh --pin VERSION  write go.mod and go.sum anew for a version of its module (for maintainers)
# Exit status: 0 built; 77 there is no usable Go toolchain; 1 anything else.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
umask 077

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
what=Prometheus
tag=prometheus
# shellcheck source=../go.sh
. "$here/../go.sh"

name=prometheus
module=github.com/prometheus/prometheus
tags=remove_all_sd # without the discovery of services in clouds, which is most of what there is to compile

version() { sed -n "s,^require $module \([^ ]*\).*,\1,p" "$here/go.mod"; }
fingerprint() { { cat "$here/go.mod" "$here/go.sum"; uname -sm; } | sha256sum | cut -c1-12; }

build() {
    local entry=$1
    rm -rf "$entry/work"
    mkdir "$entry/work"
    cd "$entry/work"
    cp "$here/go.mod" "$here/go.sum" .
    say "building $what $(version) with $("$go" env GOVERSION), once; it is kept in $entry. With an empty Go cache this" \
        "takes two to four minutes."
    trap 'say "the build failed; the lines above say why. A first build needs a Go module proxy (GOPROXY), later ones" \
        "need no network."' EXIT
    "$go" list -mod=readonly -tags "$tags" -deps "$module/cmd/prometheus" 2>&1 >packages | narrate 'fetched modules:' 25 ''
    "$go" build -mod=readonly -p 2 -v -trimpath -ldflags='-s -w' -tags "$tags" -o "$name" "$module/cmd/prometheus" 2>&1 |
        narrate 'compiled packages:' 100 " of at most $(wc -l <packages)"
    trap - EXIT
    mv -f "$name" "$entry/$name"
    cd /
    rm -rf "$entry/work"
    say "built in $SECONDS s."
}

# For both processors Debian servers have, since each needs checksums of its own.
pin() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    "$go" mod init logctx-prometheus
    "$go" mod edit -go=1.21 # below what any module needs, so that the modules decide and not this toolchain
    "$go" get "$module@$1"
    GOARCH=amd64 "$go" list -mod=mod -tags "$tags" -deps "$module/cmd/prometheus" >/dev/null
    GOARCH=arm64 "$go" list -mod=mod -tags "$tags" -deps "$module/cmd/prometheus" >/dev/null
    cp go.mod go.sum "$here/"
    say "wrote go.mod and go.sum for $1."
}

main() {
    go_environment
    if [ "${1:-}" = --pin ]; then
        [ $# -eq 2 ] || die "--pin needs a version, such as v0.316.0."
        go=$(find_go)
        pin "$2"
        return
    fi
    [ $# -eq 0 ] || die "unknown argument '$1'; the only one there is, is --pin."
    local root
    root=$(cache_root)
    build_once "$root/prometheus-$(version)-$(fingerprint)" "$name"
}

main "$@"
