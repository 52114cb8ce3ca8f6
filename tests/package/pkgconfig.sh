#!/bin/bash
# pkg-config from an installed tree: `cc consumer.c $(pkg-config --cflags --libs logctx-core)`, shared, static, and, for
# the core, wholly static. The tree is moved to another place first: what was installed may be packed and unpacked.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

install_tree
mv "$prefix" "$scratch/moved"
libdir=$scratch/moved/${libdir#"$prefix/"}
cc=${CC:-cc}
export PKG_CONFIG_PATH=$libdir/pkgconfig
consumer=$SOURCE_DIR/tests/package/consumer
version=$(pkg-config --modversion logctx-core)
[ "$version" = "${PROJECT_VERSION:?}" ] || fail "logctx-core.pc says version $version, the project $PROJECT_VERSION."

# compile PROGRAM WORD...: the flags come from pkg-config, as one string.
compile() {
    local program=$1
    shift
    quietly "$cc" -Wall -Wextra -Werror -o "$scratch/$program" "$@"
}

flags() {
    pkg-config "$@" || fail "pkg-config $* failed."
}

# shellcheck disable=SC2046
{
    compile core "$consumer/core.c" $(flags --cflags --libs logctx-core)
    LD_LIBRARY_PATH=$libdir run_core "$scratch/core"
    needs "$scratch/core" liblogctx-core || fail "the shared consumer does not need liblogctx-core.so."
    compile core-static -static "$consumer/core.c" $(flags --static --cflags --libs logctx-core)
    run_core "$scratch/core-static"
    ! needs "$scratch/core-static" lib || fail "the static consumer needs shared libraries."
    compile testing "$consumer/testing.c" $(flags --cflags --libs logctx-testing)
    LD_LIBRARY_PATH=$libdir run_testing "$scratch/testing"
    needs "$scratch/testing" liblogctx-testing || fail "the shared consumer does not need liblogctx-testing.so."
    if [ "$OTLP" = ON ]; then
        compile otlp "$consumer/otlp.c" $(flags --cflags --libs logctx-otlp)
        LD_LIBRARY_PATH=$libdir run_otlp "$scratch/otlp"
        needs "$scratch/otlp" liblogctx-otlp || fail "the shared consumer does not need liblogctx-otlp.so."
    fi
    # Where there is nothing of ours but the archives, the linker takes those.
    find "$libdir" -name 'liblogctx-*.so*' -delete
    compile testing-static "$consumer/testing.c" $(flags --cflags --libs logctx-testing) -pthread
    run_testing "$scratch/testing-static"
    ! needs "$scratch/testing-static" liblogctx || fail "the static consumer needs a shared library of ours."
    if [ "$OTLP" = ON ]; then
        mapfile -t packages < <(flags --print-requires-private logctx-otlp)
        compile otlp-static "$consumer/otlp.c" $(flags --cflags --libs logctx-otlp) \
            $(flags --libs "${packages[@]}") -pthread
        run_otlp "$scratch/otlp-static"
        ! needs "$scratch/otlp-static" liblogctx || fail "the static consumer needs a shared library of ours."
    fi
}
