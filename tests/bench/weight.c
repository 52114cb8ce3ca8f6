// Four small programs in one file: nothing; a context; a POST by libcurl; a span by the exporter. The argument is where to.
//
// SPDX-License-Identifier: Apache-2.0
#if defined WEIGHT_CORE || defined WEIGHT_EXPORTER
#include <logctx/logctx.h>

static void work(void)
{
    logctx_t *ctx = logctx_new(logctx_kind("weight"), NULL);
    logctx_enter(ctx);
    logctx_exit(ctx);
    logctx_unref(ctx);
}
#endif

#ifdef WEIGHT_EXPORTER
#include <logctx/otlp.h>

int main(int argc, char **argv)
{
    logctx_otlp_t *otlp;
    logctx_otlp_opts_t opts = {.struct_size = sizeof opts,
                               .endpoint = argv[argc - 1],
                               .metrics_off = true, // one POST, as the other program
                               .compression = LOGCTX_COMPRESSION_NONE};
    if (logctx_otlp_start(&opts, &otlp) != LOGCTX_OK)
        return 1;
    work();
    return logctx_otlp_shutdown(otlp, 10000) == LOGCTX_OK ? 0 : 1;
}
#elif defined WEIGHT_CURL
#include <curl/curl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char url[128];
    snprintf(url, sizeof url, "%s/v1/traces", argv[argc - 1]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "some bytes");
    CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    curl_global_cleanup();
    return code == CURLE_OK ? 0 : 1;
}
#elif defined WEIGHT_CORE
int main(void)
{
    work();
    return 0;
}
#else
int main(void)
{
    return 0;
}
#endif
