#!/bin/bash
# Builds the OpenTelemetry Collector of builder.yaml and prints the path of the binary as the last line of
# stdout. The binary lives in a cache outside the tree, named after the manifest and the pins, so a second run
# is a file test. One build at a time: a lock on the cache entry; the kernel drops it however the holder ends.
#   build.sh          print the binary's path, building it if it is not there yet
#   build.sh --pin    write go.mod and go.sum anew from builder.yaml (for maintainers, after changing it)
# Exit status: 0 built; 77 there is no usable Go toolchain; 1 anything else.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
umask 077

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=logctx-otelcol
builder=go.opentelemetry.io/collector/cmd/builder

what="OpenTelemetry Collector"
tag=collector
# shellcheck source=../go.sh
. "$here/../go.sh"

manifest_version() { sed -n 's/^  version: *//p' "$here/builder.yaml"; }

# What the binary is made from, and for which machine: a home directory may be shared between machines.
fingerprint() {
    { cat "$here/builder.yaml" "$here/go.mod" "$here/go.sum"; uname -sm; } | sha256sum | cut -c1-12
}

# The manifest names the versions a reader sees and the binary reports, go.mod those that are built.
check_pins() {
    local module version
    while read -r module version; do
        grep -qE "^[[:space:]]$module $version( |\$)" "$here/go.mod" ||
            die "builder.yaml asks for $module $version, but go.mod does not pin that; run build.sh --pin."
    done < <(sed -n 's/^ *- gomod: *//p' "$here/builder.yaml")
}

# Writes the program's source into ./source with the Collector's builder, itself built from the pins.
# The builder's own module resolution is off: it would tidy, which asks for the tests of every dependency.
generate() {
    say "building the Collector's builder ..."
    "$go" build -mod=readonly -p 2 -o builder "$builder" 2>&1 | narrate 'fetched modules:' 10 ''
    ./builder --skip-get-modules --skip-compilation --config="$here/builder.yaml" >builder.log 2>&1 ||
        { cat builder.log >&2; return 1; }
}

# Listing first fetches the modules that are needed and no others, and counts what there is to compile.
compile() {
    cp "$here/go.mod" "$here/go.sum" source/
    cd source
    say "fetching modules ..."
    "$go" list -mod=readonly -deps . 2>&1 >../packages | narrate 'fetched modules:' 25 ''
    "$go" build -mod=readonly -p 2 -v -trimpath -ldflags='-s -w' -o "../$name" . 2>&1 |
        narrate 'compiled packages:' 100 " of at most $(wc -l <../packages)"
}

build() {
    local entry=$1
    rm -rf "$entry/work"
    mkdir "$entry/work"
    cd "$entry/work"
    cp "$here/go.mod" "$here/go.sum" .
    say "building OpenTelemetry Collector $(manifest_version) with $("$go" env GOVERSION), once; it is kept" \
        "in $entry. With an empty Go cache this fetches about 300 modules and takes two to five minutes."
    trap 'say "the build failed; the lines above say why. A first build needs a Go module proxy (GOPROXY)," \
        "later ones need no network."' EXIT
    generate
    compile
    trap - EXIT
    mv -f "$entry/work/$name" "$entry/$name"
    cd /
    rm -rf "$entry/work"
    say "built in $SECONDS s."
}

# Starts from the manifest alone, so that nothing of an earlier release stays behind. Resolved for both
# processors Debian servers have, since each needs checksums of its own.
pin() {
    local version modules
    version=$(manifest_version)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    "$go" run "$builder@v$version" --skip-get-modules --skip-compilation --config="$here/builder.yaml"
    cd source
    mapfile -t modules < <(sed -n 's/^ *- gomod: *\(.*\) \(.*\)/\1@\2/p' "$here/builder.yaml")
    "$go" mod init logctx-otelcol
    "$go" mod edit -go=1.21 # below what any module needs, so that the modules decide and not this toolchain
    "$go" get "${modules[@]}" "go.opentelemetry.io/collector/otelcol@v$version"
    "$go" get -tool "$builder@v$version"
    GOARCH=amd64 "$go" list -mod=mod -deps . "$builder" >/dev/null
    GOARCH=arm64 "$go" list -mod=mod -deps . "$builder" >/dev/null
    cp go.mod go.sum "$here/"
    say "wrote go.mod and go.sum for $version."
}

main() {
    go_environment
    if [ "${1:-}" = --pin ]; then
        go=$(find_go)
        pin
        return
    fi
    [ $# -eq 0 ] || die "unknown argument '$1'; the only one there is, is --pin."

    check_pins
    local root
    root=$(cache_root)
    build_once "$root/otelcol-$(manifest_version)-$(fingerprint)" "$name"
}

main "$@"
