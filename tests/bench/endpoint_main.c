// The bench's endpoint as a program, for peers: prints its port, and, when its standard input ends, how many requests and
// bytes it got.
//
// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>

int main(void)
{
    uint64_t requests, bytes;
    printf("%u\n", bench_endpoint_start());
    fflush(stdout);
    while (getchar() != EOF)
        ;
    bench_endpoint_stop(&requests, &bytes);
    printf("%" PRIu64 " %" PRIu64 "\n", requests, bytes);
    return 0;
}
