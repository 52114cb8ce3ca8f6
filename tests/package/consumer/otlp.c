// A program of somebody else that exports: one context becomes one line of OTLP/JSON in the file that it is told.
// SPDX-License-Identifier: Apache-2.0
#include <logctx/logctx.h>
#include <logctx/otlp.h>
#include <stdio.h>

int main(int count, char **words)
{
    if (count != 2) {
        fprintf(stderr, "usage: %s FILE\n", words[0]);
        return 2;
    }
    logctx_otlp_file_opts_t opts = {.struct_size = sizeof opts, .traces_path = words[1], .service_name = "consumer"};
    logctx_otlp_file_t *file = NULL;
    logctx_status_t status = logctx_otlp_file_open(&opts, &file);
    if (!status) {
        {
            LOGCTX_SCOPE(logctx_new(logctx_kind("a span of the consumer"), NULL));
        }
        status = logctx_otlp_file_close(file);
    }
    if (status)
        fprintf(stderr, "The file exporter failed: %s.\n", logctx_strerror(status));
    return status ? 1 : 0;
}
