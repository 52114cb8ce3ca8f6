// Another library with a thread context of its own, as agents and other SDKs bring one: who comes first in the order of the
// loader provides the pointer for all. Unlike the core it lets the loader choose where its thread-local data lies.
//
// SPDX-License-Identifier: Apache-2.0

__attribute__((visibility("default"))) extern _Thread_local void *otel_thread_ctx_v1;
_Thread_local void *otel_thread_ctx_v1;

__attribute__((visibility("default"))) void **other_library(void);
void **other_library(void)
{
    return &otel_thread_ctx_v1;
}
