/*
 * logctx/uv_fs.h: libuv's file operations with contexts; a part of logctx/uv.h, which says what holds for all of it.
 *
 * Each is libuv's uv_fs_NAME() with a callback that runs in the context that was current at the call. Without a callback
 * it is libuv's own, which blocks and needs neither a loop nor a context. uv_fs_req_cleanup() and the functions that
 * read a request stay libuv's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOGCTX_UV_FS_H
#define LOGCTX_UV_FS_H

#include <logctx/base.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, (parameters between the request and the callback), (their names)) */
/* clang-format off */
#define LOGCTX_UV_FS(X)                                                                                                \
    X(close, (uv_file file), (file))                                                                                   \
    X(open, (const char *path, int flags, int mode), (path, flags, mode))                                              \
    X(read, (uv_file file, const uv_buf_t bufs[], unsigned int nbufs, int64_t offset), (file, bufs, nbufs, offset))    \
    X(unlink, (const char *path), (path))                                                                              \
    X(write, (uv_file file, const uv_buf_t bufs[], unsigned int nbufs, int64_t offset), (file, bufs, nbufs, offset))   \
    X(copyfile, (const char *path, const char *new_path, int flags), (path, new_path, flags))                          \
    X(mkdir, (const char *path, int mode), (path, mode))                                                               \
    X(mkdtemp, (const char *tpl), (tpl))                                                                               \
    X(mkstemp, (const char *tpl), (tpl))                                                                               \
    X(rmdir, (const char *path), (path))                                                                               \
    X(scandir, (const char *path, int flags), (path, flags))                                                           \
    X(opendir, (const char *path), (path))                                                                             \
    X(readdir, (uv_dir_t *dir), (dir))                                                                                 \
    X(closedir, (uv_dir_t *dir), (dir))                                                                                \
    X(stat, (const char *path), (path))                                                                                \
    X(fstat, (uv_file file), (file))                                                                                   \
    X(rename, (const char *path, const char *new_path), (path, new_path))                                              \
    X(fsync, (uv_file file), (file))                                                                                   \
    X(fdatasync, (uv_file file), (file))                                                                               \
    X(ftruncate, (uv_file file, int64_t offset), (file, offset))                                                       \
    X(sendfile, (uv_file out_fd, uv_file in_fd, int64_t in_offset, size_t length), (out_fd, in_fd, in_offset, length)) \
    X(access, (const char *path, int mode), (path, mode))                                                              \
    X(chmod, (const char *path, int mode), (path, mode))                                                               \
    X(utime, (const char *path, double atime, double mtime), (path, atime, mtime))                                     \
    X(futime, (uv_file file, double atime, double mtime), (file, atime, mtime))                                        \
    X(lutime, (const char *path, double atime, double mtime), (path, atime, mtime))                                    \
    X(lstat, (const char *path), (path))                                                                               \
    X(link, (const char *path, const char *new_path), (path, new_path))                                                \
    X(symlink, (const char *path, const char *new_path, int flags), (path, new_path, flags))                           \
    X(readlink, (const char *path), (path))                                                                            \
    X(realpath, (const char *path), (path))                                                                            \
    X(fchmod, (uv_file file, int mode), (file, mode))                                                                  \
    X(chown, (const char *path, uv_uid_t uid, uv_gid_t gid), (path, uid, gid))                                         \
    X(fchown, (uv_file file, uv_uid_t uid, uv_gid_t gid), (file, uid, gid))                                            \
    X(lchown, (const char *path, uv_uid_t uid, uv_gid_t gid), (path, uid, gid))                                        \
    X(statfs, (const char *path), (path))
/* clang-format on */

#define LOGCTX_UV_UNPAREN(...) __VA_ARGS__
#define LOGCTX_UV_X(name, params, args)                                                                                \
    LOGCTX_API int logctx_uv_fs_##name(uv_loop_t *loop, uv_fs_t *req, LOGCTX_UV_UNPAREN params, uv_fs_cb cb);          \
    LOGCTX_API int logctx_uv_fs_##name##_at(uv_loop_t *loop, uv_fs_t *req, LOGCTX_UV_UNPAREN params, uv_fs_cb cb,      \
                                            const logctx_site_t *site);
LOGCTX_UV_FS(LOGCTX_UV_X)
#undef LOGCTX_UV_X

#define logctx_uv_fs_close(...) logctx_uv_fs_close_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_open(...) logctx_uv_fs_open_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_read(...) logctx_uv_fs_read_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_unlink(...) logctx_uv_fs_unlink_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_write(...) logctx_uv_fs_write_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_copyfile(...) logctx_uv_fs_copyfile_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_mkdir(...) logctx_uv_fs_mkdir_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_mkdtemp(...) logctx_uv_fs_mkdtemp_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_mkstemp(...) logctx_uv_fs_mkstemp_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_rmdir(...) logctx_uv_fs_rmdir_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_scandir(...) logctx_uv_fs_scandir_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_opendir(...) logctx_uv_fs_opendir_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_readdir(...) logctx_uv_fs_readdir_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_closedir(...) logctx_uv_fs_closedir_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_stat(...) logctx_uv_fs_stat_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_fstat(...) logctx_uv_fs_fstat_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_rename(...) logctx_uv_fs_rename_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_fsync(...) logctx_uv_fs_fsync_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_fdatasync(...) logctx_uv_fs_fdatasync_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_ftruncate(...) logctx_uv_fs_ftruncate_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_sendfile(...) logctx_uv_fs_sendfile_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_access(...) logctx_uv_fs_access_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_chmod(...) logctx_uv_fs_chmod_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_utime(...) logctx_uv_fs_utime_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_futime(...) logctx_uv_fs_futime_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_lutime(...) logctx_uv_fs_lutime_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_lstat(...) logctx_uv_fs_lstat_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_link(...) logctx_uv_fs_link_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_symlink(...) logctx_uv_fs_symlink_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_readlink(...) logctx_uv_fs_readlink_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_realpath(...) logctx_uv_fs_realpath_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_fchmod(...) logctx_uv_fs_fchmod_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_chown(...) logctx_uv_fs_chown_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_fchown(...) logctx_uv_fs_fchown_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_lchown(...) logctx_uv_fs_lchown_at(__VA_ARGS__, LOGCTX_HERE)
#define logctx_uv_fs_statfs(...) logctx_uv_fs_statfs_at(__VA_ARGS__, LOGCTX_HERE)

#ifdef __cplusplus
}
#endif
#endif
