// SPDX-License-Identifier: Apache-2.0
// Who is let in: the token's file, pages of other sites, and the program over sockets with a token. One thread.

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "access.h"
#include "client.h"

#define TOKEN "0123456789abcdef.-_~XYZ"
#define HOST "Host: localhost\r\n"
#define BEARER "Authorization: Bearer " TOKEN "\r\n"
#define EMPTY "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

static char folder[] = "/tmp/logctx-access-XXXXXX";
static char path[128];

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/token", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_token(const char *text, mode_t mode)
{
    unlink(path);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(file, mode), 0);
    close(file);
}

static void not_loaded(const char *words)
{
    char why[400] = "";
    struct access access = {.token = ""};
    assert_false(access_load(&access, path, why, sizeof why));
    assert_string_equal(access.token, "");
    if (strstr(why, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, words);
}

static void test_file(void **state)
{
    (void)state;
    char why[400] = "";
    struct access access = {.token = ""};
    unlink(path);
    not_loaded("No such file");
    write_token(TOKEN "\n", 0640);
    not_loaded("600");
    write_token(TOKEN "\n", 0604);
    not_loaded("600");
    write_token("short\n", 0600);
    not_loaded("16 to 256");
    write_token("with a blank in it\n", 0600);
    not_loaded("16 to 256");
    char large[400];
    memset(large, 'a', sizeof large);
    large[sizeof large - 1] = '\0';
    write_token(large, 0600);
    not_loaded("16 to 256");
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    not_loaded("regular");
    assert_int_equal(rmdir(path), 0);
    write_token(TOKEN "\n", 0600);
    assert_true(access_load(&access, path, why, sizeof why));
    assert_string_equal(access.token, TOKEN);
    large[256] = '\0';
    write_token(large, 0400);
    assert_true(access_load(&access, path, why, sizeof why));
    assert_string_equal(access.token, large);
}

static void test_sites(void **state)
{
    (void)state;
    assert_true(access_is_same_site(NULL, NULL, "localhost:4318"));
    assert_true(access_is_same_site("http://localhost:4318", NULL, "localhost:4318"));
    assert_true(access_is_same_site("http://LocalHost:4318", "same-origin", "localhost:4318"));
    assert_true(access_is_same_site("https://dash.example", "same-origin", "dash.example"));
    assert_true(access_is_same_site(NULL, "none", "localhost:4318"));
    assert_false(access_is_same_site("http://localhost:4317", NULL, "localhost:4318"));
    assert_false(access_is_same_site("http://localhost:43180", NULL, "localhost:4318"));
    assert_false(access_is_same_site("http://evil.example", NULL, "localhost:4318"));
    assert_false(access_is_same_site("null", NULL, "localhost:4318"));
    assert_false(access_is_same_site("", NULL, "localhost:4318"));
    assert_false(access_is_same_site("http://localhost:4318", NULL, NULL));
    assert_false(access_is_same_site(NULL, "cross-site", "localhost:4318"));
    assert_false(access_is_same_site(NULL, "same-site", "localhost:4318"));
}

static void test_token(void **state)
{
    (void)state;
    struct access access = {.token = TOKEN};
    char cookie[400];
    char sent[500];
    access_cookie(&access, 4318, cookie, sizeof cookie);
    assert_non_null(strstr(cookie, "; HttpOnly; SameSite=Strict"));
    *strchr(cookie, ';') = '\0';
    assert_true(access_knows_token(&access, "Bearer " TOKEN, NULL, 4318));
    assert_true(access_knows_token(&access, "bearer " TOKEN, NULL, 4318));
    assert_true(access_knows_token(&access, NULL, cookie, 4318));
    snprintf(sent, sizeof sent, "a=b; %s; c=d", cookie);
    assert_true(access_knows_token(&access, "Bearer wrong", sent, 4318));
    assert_false(access_knows_token(&access, NULL, sent, 4319));
    snprintf(sent, sizeof sent, "x%s", cookie);
    assert_false(access_knows_token(&access, NULL, sent, 4318));
    snprintf(sent, sizeof sent, "%sx", cookie);
    assert_false(access_knows_token(&access, NULL, sent, 4318));
    assert_false(access_knows_token(&access, NULL, NULL, 4318));
    assert_false(access_knows_token(&access, "", "", 4318));
    assert_false(access_knows_token(&access, "Basic " TOKEN, NULL, 4318));
    assert_false(access_knows_token(&access, "Bearer ", NULL, 4318));
    assert_false(access_knows_token(&access, "Bearer 0123456789abcdef.-_~XYz", NULL, 4318));
    assert_false(access_knows_token(&access, "Bearer " TOKEN "x", NULL, 4318));
    assert_false(access_is_token(&access, ""));
    // Without a token nobody needs to know one, and there is none to be guessed.
    struct access open = {.token = ""};
    assert_true(access_knows_token(&open, NULL, NULL, 4318));
    assert_false(access_is_token(&open, ""));
}

static struct dashboard dashboard;

static void start(bool open_ingest)
{
    write_token(TOKEN "\n", 0600);
    dashboard_start(&dashboard, (const char *[]){"--token-file", path, open_ingest ? "--open-ingest" : NULL, NULL});
}

static void stop(void)
{
    int status = dashboard_stop(&dashboard, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    dashboard_remove(&dashboard);
}

static void expect(const char *request, int status)
{
    struct response response = client_once(&dashboard, request);
    if (response.status != status)
        fail_msg("%d instead of %d to %s: %s", response.status, status, request, response.body);
    assert_string_equal(response_header(&response, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(response_header(&response, "Referrer-Policy"), "no-referrer");
    assert_string_equal(response_header(&response, "Cross-Origin-Resource-Policy"), "same-origin");
    assert_non_null(strstr(response_header(&response, "Content-Security-Policy"), "frame-ancestors 'none'"));
    assert_null(response_header(&response, "Access-Control-Allow-Origin"));
    if (status == 401)
        assert_string_equal(response_header(&response, "WWW-Authenticate"), "Bearer");
    response_free(&response);
}

static void test_served_with_token(void **state)
{
    (void)state;
    static const char *const paths[] = {"/", "/now", "/contexts", "/live", "/assets/app.js", "/nothing"};
    char request[512];
    start(false);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", paths[i]);
        expect(request, 401);
    }
    expect("GET /now HTTP/1.1\r\n" HOST BEARER "\r\n", 200);
    expect("GET /healthz HTTP/1.1\r\n" HOST "\r\n", 200);
    expect("POST /v1/traces HTTP/1.1\r\n" HOST EMPTY, 401);
    expect("POST /v1/traces HTTP/1.1\r\n" HOST BEARER EMPTY, 200);
    expect("GET /now HTTP/1.1\r\n" HOST "Authorization: Bearer 0123456789abcdef.-_~XYz\r\n\r\n", 401);
    expect("GET /?token=wrong HTTP/1.1\r\n" HOST "\r\n", 401);
    expect("GET /now?token=" TOKEN " HTTP/1.1\r\n" HOST "\r\n", 401);
    struct response response = client_once(&dashboard, "GET /?token=" TOKEN " HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(response.status, 303);
    assert_string_equal(response_header(&response, "Location"), "/now");
    char cookie[300];
    snprintf(cookie, sizeof cookie, "%s", response_header(&response, "Set-Cookie"));
    *strchr(cookie, ';') = '\0';
    response_free(&response);
    snprintf(request, sizeof request, "GET /now HTTP/1.1\r\n" HOST "Cookie: %s\r\n\r\n", cookie);
    expect(request, 200);
    // A cookie goes along with what a page of another site asks: it must not help there.
    snprintf(request, sizeof request, "GET /now HTTP/1.1\r\n" HOST "Cookie: %s\r\nOrigin: http://evil.example\r\n\r\n",
             cookie);
    expect(request, 403);
    stop();
}

static void test_served_open(void **state)
{
    (void)state;
    start(true);
    expect("POST /v1/traces HTTP/1.1\r\n" HOST EMPTY, 200);
    expect("GET /now HTTP/1.1\r\n" HOST "\r\n", 401);
    stop();
}

static void test_served_to_browsers(void **state)
{
    (void)state;
    dashboard_start(&dashboard, NULL);
    expect("GET /now HTTP/1.1\r\n" HOST "Sec-Fetch-Site: same-origin\r\n\r\n", 200);
    expect("GET /now HTTP/1.1\r\n" HOST "Sec-Fetch-Site: cross-site\r\n\r\n", 403);
    expect("GET /live HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n", 403);
    expect("POST /v1/traces HTTP/1.1\r\n" HOST "Origin: http://localhost\r\n" EMPTY, 200);
    expect("POST /v1/traces HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n" EMPTY, 403);
    expect("POST /v1/metrics HTTP/1.1\r\n" HOST "Sec-Fetch-Site: cross-site\r\n" EMPTY, 403);
    // Who follows a link to the page is let in, to the page alone.
#define LINK "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
    struct response response = client_once(&dashboard, "GET /now HTTP/1.1\r\n" HOST LINK "Accept: text/html\r\n\r\n");
    assert_int_not_equal(response.status, 403);
    response_free(&response);
    expect("GET /now HTTP/1.1\r\n" HOST LINK "Accept: application/json\r\n\r\n", 403);
    expect("GET /now?format=json HTTP/1.1\r\n" HOST LINK "Accept: text/html\r\n\r\n", 403);
    expect("GET /now HTTP/1.1\r\n" HOST "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
           "Sec-Fetch-Dest: iframe\r\nAccept: text/html\r\n\r\n",
           403);
    stop();
}

// An address for everybody needs a token; the program says so and ends.
static void test_needed(void **state)
{
    (void)state;
    char command[512];
    char line[512] = "";
    snprintf(command, sizeof command, "%s --listen 0.0.0.0:0 --db '%s/x.db' 2>&1", DASHBOARD, folder);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    assert_non_null(fgets(line, sizeof line, out));
    assert_int_equal(WEXITSTATUS(pclose(out)), 1);
    assert_non_null(strstr(line, "--token-file"));
    snprintf(command, sizeof command, "%s/x.db", folder);
    assert_int_not_equal(access(command, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),        cmocka_unit_test(test_sites),
        cmocka_unit_test(test_token),       cmocka_unit_test(test_served_with_token),
        cmocka_unit_test(test_served_open), cmocka_unit_test(test_served_to_browsers),
        cmocka_unit_test(test_needed),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
