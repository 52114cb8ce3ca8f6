/*
 * test_uv_work.c: work on libuv's pool runs in a child of the context that queued it; files, names and random bytes come
 * back in the context that asked for them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "uv_support.h"

#include <fcntl.h>
#include <unistd.h>

static uv_work_t work;
static uv_thread_t loop_thread;

// An assertion would jump from one thread to another: what is wrong here is said, which the test then sees.
static void do_work(uv_work_t *req)
{
    uv_thread_t self = uv_thread_self();
    bool on_loop = uv_thread_equal(&self, &loop_thread);
    bool in_child = logctx_is_sentinel(logctx_current()) || logctx_type(logctx_current()) == LOGCTX_TYPE_THREAD;
    say(!on_loop && in_child && req->data == &work ? "work" : "wrong");
}

static void after_work(uv_work_t *req, int status)
{
    assert_ptr_equal(req->data, &work);
    say(status == UV_ECANCELED ? "cancelled" : "after");
}

static int set_up(void **state)
{
    loop_thread = uv_thread_self();
    work.data = &work;
    return uv_setup(state);
}
#define work_test(name) logctx_unit_test_setup_teardown(name, set_up, uv_teardown)

// ---- the pool ----

static void test_work(void **state)
{
    (void)state;
    in("W");
    assert_int_equal(logctx_uv_queue_work(&loop, &work, do_work, after_work), 0);
    leave();
    run();
    assert_said("work:W after:W ");
    assert_int_equal(live(), 0);
    assert_int_equal(logctx_recorder_count(recorder), 2); // the child and its parent
}

static void test_work_without_an_afterwards(void **state)
{
    (void)state;
    in("W");
    assert_int_equal((logctx_uv_queue_work)(&loop, &work, do_work, NULL), 0);
    assert_int_equal(logctx_uv_queue_work(&loop, &work, NULL, after_work), UV_EINVAL);
    leave();
    run();
    assert_said("work:W ");
}

static void test_work_from_the_sentinel(void **state)
{
    (void)state;
    logctx_uv_queue_work(&loop, &work, do_work, after_work);
    int queued_at = __LINE__ - 1;
    run();
    assert_at(take_error(LOGCTX_ERROR_THREADPOOL_FROM_SENTINEL)->found_by, queued_at);
    char copy[256];
    take_said(copy, sizeof copy);
    assert_non_null(strstr(copy, "after:- "));
}

static uv_sem_t hold, held;

static void wait_for_it(uv_work_t *req)
{
    (void)req;
    uv_sem_post(&held);
    uv_sem_wait(&hold);
}

static void nothing_more(uv_work_t *req, int status)
{
    (void)req;
    assert_int_equal(status, 0);
}

// All threads of the pool wait, so that more work can be cancelled.
enum { POOL = 4 };
static uv_work_t blockers[POOL];

static void block_pool(void)
{
    uv_sem_init(&hold, 0);
    uv_sem_init(&held, 0);
    for (size_t i = 0; i < POOL; i++)
        uv_queue_work(&loop, &blockers[i], wait_for_it, nothing_more);
    for (size_t i = 0; i < POOL; i++)
        uv_sem_wait(&held);
}

static void release_pool(void)
{
    for (size_t i = 0; i < POOL; i++)
        uv_sem_post(&hold);
}

static void end_pool(void)
{
    run();
    uv_sem_destroy(&hold);
    uv_sem_destroy(&held);
}

static void on_cancelled_fs(uv_fs_t *req)
{
    assert_int_equal(req->result, UV_ECANCELED);
    say("file");
    uv_fs_req_cleanup(req);
}

static void test_cancelled(void **state)
{
    (void)state;
    uv_work_t plain = {.data = &work};
    uv_fs_t fs;
    block_pool();
    in("W");
    logctx_uv_queue_work(&loop, &work, do_work, after_work);
    leave();
    in("P");
    logctx_uv_queue_work(&loop, &plain, do_work, after_work);
    leave();
    in("F");
    logctx_uv_fs_stat(&loop, &fs, ".", on_cancelled_fs);
    leave();
    assert_int_equal(logctx_uv_cancel((uv_req_t *)&work), 0);
    assert_int_equal(uv_cancel((uv_req_t *)&plain), 0);
    assert_int_equal(uv_cancel((uv_req_t *)&fs), 0);
    release_pool();
    end_pool();
    assert_said("cancelled:W cancelled:P file:F ");
    assert_int_equal(logctx_uv_cancel(NULL), UV_EINVAL);
    take_misuse("logctx_uv_cancel() got NULL");
}

static void on_cancelled_addrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
    (void)req;
    (void)result;
    say(status == UV_EAI_CANCELED ? "address" : "wrong");
}

static void on_cancelled_nameinfo(uv_getnameinfo_t *req, int status, const char *host, const char *service)
{
    (void)req;
    (void)host;
    (void)service;
    say(status == UV_EAI_CANCELED ? "name" : "wrong");
}

static void on_cancelled_random(uv_random_t *req, int status, void *buf, size_t length)
{
    (void)req;
    (void)buf;
    (void)length;
    say(status == UV_ECANCELED ? "random" : "wrong");
}

// A request that gives up cancels what it has asked for, and ends.
static void test_cancelled_and_finished(void **state)
{
    (void)state;
    uv_fs_t fs;
    uv_getaddrinfo_t addrinfo;
    uv_getnameinfo_t nameinfo;
    uv_random_t random;
    struct sockaddr_in address;
    char bytes[8];
    uv_ip4_addr("127.0.0.1", 80, &address);
    block_pool();
    in("R");
    logctx_uv_queue_work(&loop, &work, do_work, after_work);
    logctx_uv_fs_stat(&loop, &fs, ".", on_cancelled_fs);
    logctx_uv_getaddrinfo(&loop, &addrinfo, on_cancelled_addrinfo, "127.0.0.1", NULL, NULL);
    logctx_uv_getnameinfo(&loop, &nameinfo, on_cancelled_nameinfo, (struct sockaddr *)&address, 0);
    logctx_uv_random(&loop, &random, bytes, sizeof bytes, 0, on_cancelled_random);
    assert_int_equal(uv_cancel((uv_req_t *)&work), 0);
    assert_int_equal(uv_cancel((uv_req_t *)&fs), 0);
    assert_int_equal(uv_cancel((uv_req_t *)&addrinfo), 0);
    assert_int_equal(uv_cancel((uv_req_t *)&nameinfo), 0);
    assert_int_equal(uv_cancel((uv_req_t *)&random), 0);
    leave_finished();
    release_pool();
    end_pool();
    assert_said("cancelled:- file:- address:- name:- random:- ");
}

// The contexts are given back at once; the host's functions are still called.
static void test_detached_under_work(void **state)
{
    (void)state;
    block_pool();
    in("W");
    logctx_uv_queue_work(&loop, &work, do_work, after_work);
    leave();
    assert_int_equal(live(), 1);
    logctx_uv_detach(attached);
    attached = NULL;
    assert_int_equal(live(), 0);
    release_pool();
    end_pool();
    assert_said("work:- after:- ");
}

enum { MANY = 1000 };
static int done;

static void a_little(uv_work_t *req)
{
    if (strcmp(logctx_name(logctx_current()), req->data) != 0)
        abort();
}

static void count_it(uv_work_t *req, int status)
{
    assert_int_equal(status, 0);
    assert_string_equal(logctx_name(logctx_current()), req->data);
    done++;
}

static void test_much_work(void **state)
{
    (void)state;
    static uv_work_t many[MANY];
    static char names[MANY][16];
    done = 0;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "W%zu", i);
        many[i].data = names[i];
        in(names[i]);
        logctx_uv_queue_work(&loop, &many[i], a_little, count_it);
        leave();
    }
    run();
    assert_int_equal(done, MANY);
}

// ---- files ----

static const char *expected_name;

static void on_fs(uv_fs_t *req)
{
    assert_ptr_equal(req->data, &work);
    assert_string_equal(logctx_name(logctx_current()), expected_name);
    say("fs");
}

// Each operation in a context of its own; then it is through, and the request used anew. The result is libuv's affair: what
// counts is that each calls the function of its name, which says so in fs_type.
#define ASK(name, type, ...)                                                                                           \
    do {                                                                                                               \
        expected_name = #name;                                                                                         \
        in(#name);                                                                                                     \
        assert_int_equal(logctx_uv_fs_##name(&loop, &fs, __VA_ARGS__, on_fs), 0);                                      \
        leave();                                                                                                       \
        assert_int_equal(live(), 1);                                                                                   \
        run();                                                                                                         \
        assert_said("fs:" #name " ");                                                                                  \
        assert_int_equal(fs.fs_type, type);                                                                            \
        asked++;                                                                                                       \
    } while (0)
#define CLEANUP() uv_fs_req_cleanup(&fs)

static void test_all_files(void **state)
{
    (void)state;
    uv_fs_t fs = {.data = &work};
    size_t asked = 0, all = 0;
#define LOGCTX_UV_X(name, params, args) all++;
    LOGCTX_UV_FS(LOGCTX_UV_X)
#undef LOGCTX_UV_X
    char folder[128], file[160], link_to[160], copied[160], letters = 'x';
    uv_buf_t buf = uv_buf_init(&letters, 1);
    ASK(mkdtemp, UV_FS_MKDTEMP, "/tmp/logctx-uv-XXXXXX");
    snprintf(folder, sizeof folder, "%s", fs.path);
    CLEANUP();
    snprintf(file, sizeof file, "%s/file", folder);
    snprintf(link_to, sizeof link_to, "%s/link", folder);
    snprintf(copied, sizeof copied, "%s/copied", folder);
    ASK(open, UV_FS_OPEN, file, O_RDWR | O_CREAT, 0600);
    uv_file fd = (uv_file)fs.result;
    CLEANUP();
    ASK(write, UV_FS_WRITE, fd, &buf, 1, 0);
    assert_int_equal(fs.result, 1);
    CLEANUP();
    ASK(read, UV_FS_READ, fd, &buf, 1, 0);
    assert_int_equal(fs.result, 1);
    CLEANUP();
    ASK(fstat, UV_FS_FSTAT, fd);
    assert_int_equal(fs.statbuf.st_size, 1);
    CLEANUP();
    ASK(fsync, UV_FS_FSYNC, fd);
    CLEANUP();
    ASK(fdatasync, UV_FS_FDATASYNC, fd);
    CLEANUP();
    ASK(ftruncate, UV_FS_FTRUNCATE, fd, 1);
    CLEANUP();
    ASK(futime, UV_FS_FUTIME, fd, 1.0, 2.0);
    CLEANUP();
    ASK(fchmod, UV_FS_FCHMOD, fd, 0600);
    CLEANUP();
    ASK(fchown, UV_FS_FCHOWN, fd, getuid(), getgid());
    CLEANUP();
    ASK(sendfile, UV_FS_SENDFILE, fd, fd, 0, 0);
    CLEANUP();
    ASK(close, UV_FS_CLOSE, fd);
    assert_int_equal(fs.result, 0);
    CLEANUP();
    ASK(copyfile, UV_FS_COPYFILE, file, copied, 0);
    assert_int_equal(fs.result, 0);
    CLEANUP();
    ASK(rename, UV_FS_RENAME, copied, file);
    CLEANUP();
    ASK(stat, UV_FS_STAT, file);
    assert_int_equal(fs.statbuf.st_size, 1);
    CLEANUP();
    ASK(lstat, UV_FS_LSTAT, file);
    CLEANUP();
    ASK(access, UV_FS_ACCESS, file, R_OK);
    CLEANUP();
    ASK(chmod, UV_FS_CHMOD, file, 0600);
    CLEANUP();
    ASK(utime, UV_FS_UTIME, file, 1.0, 2.0);
    CLEANUP();
    ASK(lutime, UV_FS_LUTIME, file, 1.0, 2.0);
    CLEANUP();
    ASK(chown, UV_FS_CHOWN, file, getuid(), getgid());
    CLEANUP();
    ASK(lchown, UV_FS_LCHOWN, file, getuid(), getgid());
    CLEANUP();
    ASK(link, UV_FS_LINK, file, copied);
    CLEANUP();
    ASK(symlink, UV_FS_SYMLINK, "file", link_to, 0);
    CLEANUP();
    ASK(readlink, UV_FS_READLINK, link_to);
    assert_string_equal(fs.ptr, "file");
    CLEANUP();
    ASK(realpath, UV_FS_REALPATH, link_to);
    CLEANUP();
    ASK(statfs, UV_FS_STATFS, folder);
    CLEANUP();
    ASK(scandir, UV_FS_SCANDIR, folder, 0);
    assert_int_equal(fs.result, 3);
    CLEANUP();
    ASK(opendir, UV_FS_OPENDIR, folder);
    uv_dir_t *dir = fs.ptr;
    uv_dirent_t entries[8];
    dir->dirents = entries;
    dir->nentries = COUNT(entries);
    CLEANUP();
    ASK(readdir, UV_FS_READDIR, dir);
    assert_int_equal(fs.result, 3);
    CLEANUP();
    ASK(closedir, UV_FS_CLOSEDIR, dir);
    CLEANUP();
    ASK(unlink, UV_FS_UNLINK, link_to);
    CLEANUP();
    snprintf(link_to, sizeof link_to, "%s/below", folder);
    ASK(mkdir, UV_FS_MKDIR, link_to, 0700);
    CLEANUP();
    ASK(rmdir, UV_FS_RMDIR, link_to);
    assert_int_equal(fs.result, 0);
    CLEANUP();
    snprintf(link_to, sizeof link_to, "%s/XXXXXX", folder);
    ASK(mkstemp, UV_FS_MKSTEMP, link_to);
    close((int)fs.result);
    unlink(fs.path);
    CLEANUP();
    assert_int_equal(asked, all);
    unlink(file);
    unlink(copied);
    assert_int_equal(rmdir(folder), 0);
}

static void test_files_without_a_callback(void **state)
{
    (void)state;
    uv_fs_t fs;
    in("A");
    assert_int_equal(logctx_uv_fs_stat(NULL, &fs, ".", NULL), 0); // at once, and without a loop
    uv_fs_req_cleanup(&fs);
    assert_int_equal((logctx_uv_fs_stat)(&loop, &fs, "/no/such/file", NULL), UV_ENOENT);
    uv_fs_req_cleanup(&fs);
    assert_int_equal(logctx_uv_fs_stat(NULL, &fs, ".", on_fs), UV_EINVAL);
    take_misuse("logctx_uv_fs_stat() got NULL");
    assert_int_equal(logctx_uv_fs_close(&loop, NULL, 0, on_fs), UV_EINVAL);
    take_misuse("logctx_uv_fs_close() got NULL");
    leave();
}

// ---- names, addresses, random bytes ----

static void on_addrinfo(uv_getaddrinfo_t *req, int status, struct addrinfo *result)
{
    assert_ptr_equal(req->data, &work);
    assert_int_equal(status, 0);
    say("addrinfo");
    uv_freeaddrinfo(result);
}

static void on_nameinfo(uv_getnameinfo_t *req, int status, const char *host, const char *service)
{
    (void)host;
    assert_ptr_equal(req->data, &work);
    assert_int_equal(status, 0);
    assert_string_equal(service, "7");
    say("nameinfo");
}

static void on_random(uv_random_t *req, int status, void *buf, size_t length)
{
    (void)buf;
    assert_ptr_equal(req->data, &work);
    assert_int_equal(status, 0);
    assert_int_equal(length, 8);
    say("random");
}

static void test_lookups(void **state)
{
    (void)state;
    uv_getaddrinfo_t addrinfo = {.data = &work};
    uv_getnameinfo_t nameinfo = {.data = &work};
    uv_random_t random = {.data = &work};
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct sockaddr_in address;
    char bytes[8];
    uv_ip4_addr("127.0.0.1", 7, &address);
    in("A");
    assert_int_equal(logctx_uv_getaddrinfo(&loop, &addrinfo, on_addrinfo, "127.0.0.1", "7", &hints), 0);
    leave();
    run();
    in("N");
    assert_int_equal(logctx_uv_getnameinfo(&loop, &nameinfo, on_nameinfo, (struct sockaddr *)&address,
                                           NI_NUMERICHOST | NI_NUMERICSERV),
                     0);
    leave();
    run();
    in("R");
    assert_int_equal(logctx_uv_random(&loop, &random, bytes, sizeof bytes, 0, on_random), 0);
    leave();
    run();
    assert_said("addrinfo:A nameinfo:N random:R ");
    assert_int_equal(live(), 0);
    in("none"); // without a callback: at once
    assert_int_equal(logctx_uv_getaddrinfo(&loop, &addrinfo, NULL, "127.0.0.1", "7", &hints), 0);
    uv_freeaddrinfo(addrinfo.addrinfo);
    assert_int_equal(logctx_uv_getnameinfo(&loop, &nameinfo, NULL, (struct sockaddr *)&address, NI_NUMERICSERV), 0);
    assert_int_equal(logctx_uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL), 0);
    assert_int_equal(logctx_uv_random(&loop, &random, bytes, sizeof bytes, 99, on_random), UV_EINVAL);
    leave();
    assert_int_equal(live(), 0);
}

static void test_null(void **state)
{
    (void)state;
    assert_int_equal(logctx_uv_queue_work(&loop, NULL, do_work, NULL), UV_EINVAL);
    take_misuse("logctx_uv_queue_work() got NULL");
    assert_int_equal(logctx_uv_getaddrinfo(NULL, NULL, NULL, NULL, NULL, NULL), UV_EINVAL);
    take_misuse("logctx_uv_getaddrinfo() got NULL");
    assert_int_equal(logctx_uv_getnameinfo(NULL, NULL, on_nameinfo, NULL, 0), UV_EINVAL);
    take_misuse("logctx_uv_getnameinfo() got NULL");
    assert_int_equal(logctx_uv_random(&loop, NULL, NULL, 0, 0, on_random), UV_EINVAL);
    take_misuse("logctx_uv_random() got NULL");
}

int main(void)
{
    setenv("UV_THREADPOOL_SIZE", "4", 1);
    const struct CMUnitTest tests[] = {
        work_test(test_work),      work_test(test_work_without_an_afterwards), work_test(test_work_from_the_sentinel),
        work_test(test_cancelled), work_test(test_detached_under_work),        work_test(test_much_work),
        work_test(test_all_files), work_test(test_files_without_a_callback),   work_test(test_lookups),
        work_test(test_null),      work_test(test_cancelled_and_finished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
