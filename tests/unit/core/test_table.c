// The table, as a reader outside sees it: what it says of contexts, kinds, call sites and threads; what it costs when
// contexts and threads come and go; what a child of fork has of it.
//
// SPDX-License-Identifier: Apache-2.0
#include "types.h"

#include "forked.h"
#include "table_map.h"
#include "table_reader.h"

#include <logctx/runtime.h>
#include <logctx/testing.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#define ASAN __has_feature(address_sanitizer)
#else
#define ASAN 0
#endif
#if ASAN
#include <sanitizer/asan_interface.h>
#endif

static struct view now(void)
{
    struct view view = view_process(getpid());
    assert_non_null(view.bytes);
    return view;
}

static uint64_t used_now(void)
{
    struct view view = now();
    uint64_t used = view.header->used;
    view_free(&view);
    return used;
}

static void test_the_header(void **state)
{
    (void)state;
    end(make("so that there is one", NULL));
    logctx_set_table_service("shop");
    struct view view = now();
    const struct logctx_table_header *header = view.header;
    assert_memory_equal(header->magic, LOGCTX_TABLE_MAGIC, 8);
    assert_int_equal(header->version, LOGCTX_TABLE_VERSION);
    assert_int_equal(header->pid, getpid());
    assert_int_equal(header->state, LOGCTX_TABLE_LIVE);
    assert_int_equal(header->base, (uintptr_t)READ_RELAXED(logctx__table.base));
    assert_string_equal(header->executable, "core_table");
    assert_string_equal(header->service, "shop");
    assert_string_equal(header->library, logctx_version());
    assert_int_equal(header->sentinel, (uintptr_t)logctx_sentinel());
    assert_true(header->used <= header->file_size && header->file_size <= view.size);
    for (int i = 0; i < LOGCTX_TABLE_FIELD_COUNT; i++)
        assert_true(header->fields[i].size > 0);
    view_free(&view);
    logctx_set_table_service(NULL);
}

static void test_a_context(void **state)
{
    (void)state;
    logctx_t *ctx = make("GET-4711", NULL);
    const int made_current_at = __LINE__ + 1;
    logctx_enter(ctx);
    struct view view = now();
    const char *slot = find_context(&view, "GET-4711");
    assert_ptr_equal(slot, at_address(&view, (uintptr_t)ctx));
    assert_non_null(slot);
    assert_string_equal(kind_of(&view, slot), "forked");
    assert_int_equal(field(&view, slot, LOGCTX_TABLE_CONTEXT_STARTED), 1);
    assert_int_equal(field(&view, slot, LOGCTX_TABLE_CONTEXT_SWITCHES), 1);
    assert_memory_equal(slot + view.header->fields[LOGCTX_TABLE_CONTEXT_TRACE_ID].offset,
                        logctx_get_span_context(ctx).trace_id, 16);
    const struct logctx_table_site *site = find_site(&view, field(&view, slot, LOGCTX_TABLE_CONTEXT_SWITCHED_AT));
    assert_non_null(site);
    assert_int_equal(site->line, made_current_at);
    assert_non_null(strstr(at_address(&view, site->file), "test_table.c"));
    assert_string_equal(at_address(&view, site->function), "test_a_context");
    const void *thread = at_address(&view, field(&view, slot, LOGCTX_TABLE_CONTEXT_OWNER));
    assert_int_equal(field(&view, thread, LOGCTX_TABLE_THREAD_TID), syscall(SYS_gettid));
    assert_int_equal(field(&view, thread, LOGCTX_TABLE_THREAD_ATTACHED), 1);
    uint32_t newest = (uint32_t)(field(&view, thread, LOGCTX_TABLE_THREAD_RECENT_NEXT) - 1) % view.header->recent_count;
    const char *entry = (const char *)thread + view.header->fields[LOGCTX_TABLE_THREAD_RECENT].offset +
                        (size_t)newest * view.header->recent_size;
    assert_int_equal(field(&view, entry, LOGCTX_TABLE_RECENT_TO), (uintptr_t)ctx);
    assert_int_equal(field(&view, entry, LOGCTX_TABLE_RECENT_FROM), view.header->sentinel);
    uint64_t generation = field(&view, slot, LOGCTX_TABLE_CONTEXT_GENERATION);
    view_free(&view);

    logctx_exit(ctx);
    logctx_unref(ctx);
    view = now();
    assert_null(find_context(&view, "GET-4711"));
    slot = at_address(&view, (uintptr_t)ctx);
    assert_int_equal(field(&view, slot, LOGCTX_TABLE_CONTEXT_GENERATION), generation + 1);
    view_free(&view);
}

static void test_a_long_name_shows_its_beginning(void **state)
{
    (void)state;
    logctx_t *ctx = make("a name that is much too long to stand in the context itself", NULL);
    struct view view = now();
    assert_non_null(find_context(&view, "a name that is much too long to"));
    view_free(&view);
    end(ctx);
}

static void test_a_return_address(void **state)
{
    (void)state;
    logctx_t *ctx = make("by address", NULL);
    (logctx_set_current)(ctx);
    struct view view = now();
    const void *slot = find_context(&view, "by address");
    const struct logctx_table_site *site = find_site(&view, field(&view, slot, LOGCTX_TABLE_CONTEXT_SWITCHED_AT));
    assert_non_null(site);
    assert_int_equal(site->line, 0);
    assert_non_null(strstr(at_address(&view, site->file), "core_table+0x"));
    view_free(&view);
    logctx_set_current(logctx_sentinel());
    end(ctx);
}

static void test_contexts_that_come_and_go_leave_it_flat(void **state)
{
    (void)state;
    end(make("first", NULL));
    uint64_t used = used_now();
    for (int i = 0; i < 200000; i++)
        end(make("one of many", NULL));
    assert_int_equal(used_now(), used);
    enum { LIVE = 1000 }; // the twin: contexts at the same time need room
    logctx_t *live[LIVE];
    for (int i = 0; i < LIVE; i++)
        live[i] = make("live", NULL);
    assert_true(used_now() >= used + LIVE / 2 * sizeof(struct logctx));
    for (int i = 0; i < LIVE; i++)
        end(live[i]);
}

static void *make_one(void *unused)
{
    (void)unused;
    end(make("on a thread", NULL));
    return NULL;
}

static void test_threads_that_come_and_go_leave_it_flat(void **state)
{
    (void)state;
    uint64_t used = 0;
    size_t threads = 0;
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, make_one, NULL), 0);
        pthread_join(thread, NULL);
        struct view view = now();
        if (i > 0) {
            assert_int_equal(view.header->used, used);
            assert_int_equal(count_elements(&view, LOGCTX_TABLE_THREADS), threads);
        }
        used = view.header->used;
        threads = count_elements(&view, LOGCTX_TABLE_THREADS);
        view_free(&view);
    }
    assert_true(threads >= 2);
}

#if ASAN
static void test_a_freed_slot_is_poisoned(void **state)
{
    (void)state;
    logctx_t *ctx = make("live", NULL);
    assert_false(__asan_address_is_poisoned(&ctx->own));
    assert_false(__asan_address_is_poisoned(&ctx->profile));
    end(ctx);
    assert_true(__asan_address_is_poisoned(&ctx->own));
    assert_true(__asan_address_is_poisoned((char *)(ctx + 1) - 1));
    assert_false(__asan_address_is_poisoned(&ctx->refs)); // what stale handles may read
    assert_false(__asan_address_is_poisoned(&ctx->generation));
    assert_false(__asan_address_is_poisoned(&ctx->owner));
}
#endif

// Fork.

static int make_in_child(void)
{
    logctx_t *ctx = make("of the child", NULL);
    struct view mine = view_process(getpid());
    CHECK(mine.bytes && mine.header->pid == getpid());
    const void *slot = find_context(&mine, "of the child");
    CHECK(slot);
    CHECK(strcmp(kind_of(&mine, slot), "forked") == 0); // a kind that the parent made
    const void *thread = at_address(&mine, field(&mine, slot, LOGCTX_TABLE_CONTEXT_OWNER));
    CHECK(thread && field(&mine, thread, LOGCTX_TABLE_THREAD_PROCESS) == mine.header->process);
    CHECK(!find_context(&mine, "of the parent"));
    CHECK(logctx__table_is_ours(&logctx__table.file));
    view_free(&mine);
    struct view theirs = view_process(getppid());
    CHECK(theirs.bytes && theirs.header->pid == getppid());
    CHECK(!find_context(&theirs, "of the child"));
    CHECK(find_context(&theirs, "of the parent"));
    view_free(&theirs);
    end(ctx);
    return 0;
}

static void test_a_child_has_a_table_of_its_own(void **state)
{
    (void)state;
    logctx_t *ctx = make("of the parent", NULL);
    uint64_t used = used_now();
    assert_int_equal(run_child(make_in_child), 0);
    struct view view = now();
    assert_null(find_context(&view, "of the child"));
    assert_int_equal(view.header->pid, getpid());
    assert_int_equal(view.header->used, used);
    view_free(&view);
    end(ctx);
}

static int pipe_to_child[2], pipe_to_parent[2];
static logctx_t *of_the_parent;

static int wait_and_look(void)
{
    char go;
    CHECK(table_fd(getpid()) < 0); // its parent's is closed
    CHECK(strcmp(logctx_name(of_the_parent), "before the fork") == 0);
    CHECK(write(pipe_to_parent[1], "", 1) == 1 && read(pipe_to_child[0], &go, 1) == 1);
    CHECK(strcmp(logctx_name(of_the_parent), "before the fork") == 0);
    end(make("the child's first", NULL));
    CHECK(table_fd(getpid()) >= 0);
    CHECK(strcmp(logctx_name(of_the_parent), "before the fork") == 0);
    return 0;
}

// What the parent does after a fork is not seen in the child, of what the child has asked for.
static void test_a_child_keeps_what_was_at_the_fork(void **state)
{
    (void)state;
    char asked;
    assert_int_equal(pipe(pipe_to_child), 0);
    assert_int_equal(pipe(pipe_to_parent), 0);
    of_the_parent = make("before the fork", NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(HANGS_AFTER_S);
        _exit(wait_and_look());
    }
    assert_int_equal(read(pipe_to_parent[0], &asked, 1), 1);
    end(of_the_parent);
    logctx_t *again = NULL;
    for (int i = 0; i <= LOGCTX_RESTING && again != of_the_parent; i++) {
        if (again)
            end(again);
        again = make("after the fork", NULL);
    }
    assert_ptr_equal(again, of_the_parent); // the same memory in another use: the twin of what the child finds
    assert_string_equal(logctx_name(of_the_parent), "after the fork");
    assert_int_equal(write(pipe_to_child[1], "", 1), 1);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    end(again);
    for (int i = 0; i < 2; i++) {
        close(pipe_to_child[i]);
        close(pipe_to_parent[i]);
    }
}

static int fork_again(void)
{
    end(make("first generation", NULL));
    logctx_t *ctx = make("of the parent", NULL);
    int status = 1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(make_in_child());
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    end(ctx);
    return 0;
}

static void test_a_child_of_a_child(void **state)
{
    (void)state;
    assert_int_equal(run_child(fork_again), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        logctx_unit_test(test_the_header),
        logctx_unit_test(test_a_context),
        logctx_unit_test(test_a_long_name_shows_its_beginning),
        logctx_unit_test(test_a_return_address),
        logctx_unit_test(test_contexts_that_come_and_go_leave_it_flat),
        logctx_unit_test(test_threads_that_come_and_go_leave_it_flat),
#if ASAN
        logctx_unit_test(test_a_freed_slot_is_poisoned),
#endif
        logctx_unit_test(test_a_child_has_a_table_of_its_own),
        logctx_unit_test(test_a_child_keeps_what_was_at_the_fork),
        logctx_unit_test(test_a_child_of_a_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
