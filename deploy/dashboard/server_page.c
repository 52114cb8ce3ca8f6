// SPDX-License-Identifier: Apache-2.0
// What is read: the page with its files, and the views as JSON. A request is the server thread's; while it is suspended, a
// reader's.

#include "server_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "put.h"

#define HTML "text/html"
#define JSON "application/json"

// Nothing is loaded from anywhere else, and nobody frames it: names that were sent here cannot become code.
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                             "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

static const struct asset *find_asset(const char *name)
{
    for (size_t i = 0; i < page_asset_count; i++)
        if (strcmp(page_assets[i].name, name) == 0)
            return &page_assets[i];
    return NULL;
}

static bool accepts_html(const struct request *request)
{
    const char *accept = server__header(request, MHD_HTTP_HEADER_ACCEPT);
    return accept != NULL && strcasestr(accept, HTML) != NULL;
}

static bool asks_for_json(const struct request *request)
{
    for (const char *at = request->query; at != NULL; at = strchr(at, '&')) {
        at += *at == '&';
        if (strncmp(at, "format=json", 11) == 0 && (at[11] == '&' || at[11] == '\0'))
            return true;
    }
    return false;
}

static bool reads_method(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

bool server__reads(struct request *request, const char *method)
{
    if (reads_method(method))
        return true;
    request->allow = "GET, HEAD";
    server__refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "This can be read with GET; %.20s does nothing here.", method);
    return false;
}

static void give_asset(struct request *request, const struct asset *asset)
{
    const char *known = server__header(request, MHD_HTTP_HEADER_IF_NONE_MATCH);
    bool same = known != NULL && (strstr(known, asset->etag) != NULL || strcmp(known, "*") == 0);
    request->asset = asset;
    request->outcome.status = same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK;
}

static void route_asset(struct request *request, const char *name)
{
    const struct asset *asset = find_asset(name);
    if (asset != NULL)
        give_asset(request, asset);
    else
        server__refuse(request, MHD_HTTP_NOT_FOUND, "The page has no file of this name.");
}

static bool is_page(const char *url)
{
    const char *rest;
    return strcmp(url, "/") == 0 || view_find(url, &rest) != NULL;
}

// A link on another site may lead to a page here; what that page then loads comes from here.
static bool is_followed_link(const struct request *request, const char *url, const char *method)
{
    const char *mode = server__header(request, "Sec-Fetch-Mode");
    const char *place = server__header(request, "Sec-Fetch-Dest");
    return reads_method(method) && is_page(url) && accepts_html(request) && !asks_for_json(request) && mode != NULL &&
           strcmp(mode, "navigate") == 0 && place != NULL && strcmp(place, "document") == 0 &&
           server__header(request, MHD_HTTP_HEADER_ORIGIN) == NULL;
}

unsigned server__port(const struct server *server)
{
    return ntohs(server->address.socket.any.sa_family == AF_INET6 ? server->address.socket.v6.sin6_port
                                                                  : server->address.socket.v4.sin_port);
}

// The way in for a browser: /?token=... once, and then the cookie.
static bool comes_with_token(const struct request *request, const char *url)
{
    static const char name[] = "token=";
    const char *query = request->query;
    return strcmp(url, "/") == 0 && query != NULL && strncmp(query, name, sizeof name - 1) == 0 &&
           access_is_token(&request->server->options.access, query + sizeof name - 1);
}

bool server__admits(struct request *request, const char *url, const char *method)
{
    const struct access *access = &request->server->options.access;
    const char *origin = server__header(request, MHD_HTTP_HEADER_ORIGIN);
    const char *site = server__header(request, "Sec-Fetch-Site");
    bool ingest = strncmp(url, "/v1/", 4) == 0;
    const char *rest;
    request->json = !accepts_html(request) && view_find(url, &rest) != NULL;
    if (!access_is_same_site(origin, site, server__header(request, MHD_HTTP_HEADER_HOST)) &&
        !is_followed_link(request, url, method)) {
        server__refuse(request, MHD_HTTP_FORBIDDEN, "Pages of other sites may neither read here nor send.");
        return false;
    }
    if (strcmp(url, "/healthz") == 0 || (ingest && access->open_ingest) ||
        access_knows_token(access, server__header(request, MHD_HTTP_HEADER_AUTHORIZATION),
                           server__header(request, MHD_HTTP_HEADER_COOKIE), server__port(request->server)))
        return true;
    if (comes_with_token(request, url) && reads_method(method)) {
        request->set_cookie = true;
        request->location = "/now";
        request->text = "See /now.\n";
        request->outcome.status = MHD_HTTP_SEE_OTHER;
        return false;
    }
    server__refuse(
        request, MHD_HTTP_UNAUTHORIZED,
        ingest ? "This server takes data from those who know its token: send it in the header Authorization, as "
                 "\"Bearer TOKEN\"."
               : "This server answers those who know its token: open /?token=TOKEN once in the browser, or send "
                 "the header Authorization, as \"Bearer TOKEN\".");
    return false;
}

static void route_live(struct request *request)
{
    char why[256] = "";
    request->json = true;
    if (!params_read(&request->reading.params, request->query, NULL, why, sizeof why)) {
        server__refuse(request, MHD_HTTP_BAD_REQUEST, "%s", why);
        return;
    }
    request->live = true;
    request->outcome.status = MHD_HTTP_OK;
}

static void give_page(struct request *request)
{
    const struct asset *page = find_asset("index.html");
    if (page != NULL)
        give_asset(request, page);
    else
        server__refuse(request, MHD_HTTP_NOT_FOUND,
                       "This logctx-dashboard was built without its page, for want of npm; ask for JSON, with "
                       "?format=json.");
}

static void route_view(struct request *request, const struct view *view, const char *rest)
{
    struct reading *reading = &request->reading;
    char why[256] = "";
    if (accepts_html(request) && !asks_for_json(request)) {
        give_page(request);
        return;
    }
    request->json = true;
    if (strlen(rest) >= sizeof reading->rest) {
        server__refuse(request, MHD_HTTP_NOT_FOUND, "There is nothing at this path.");
    } else if (!params_read(&reading->params, request->query, view->rules, why, sizeof why)) {
        server__refuse(request, MHD_HTTP_BAD_REQUEST, "%s", why);
    } else {
        strcpy(reading->rest, rest);
        reading->view = view;
    }
}

bool server__route_page(struct request *request, const char *url, const char *method)
{
    static const char assets[] = "/assets/";
    const char *rest = "";
    const struct view *view = view_find(url, &rest);
    bool is_asset = strncmp(url, assets, sizeof assets - 1) == 0;
    // Without an id there is no trace, but the page offers some.
    bool is_choice = strcmp(url, "/trace") == 0 && accepts_html(request);
    if (strcmp(url, "/") != 0 && !is_asset && !is_choice && view == NULL)
        return false;
    if (!server__reads(request, method))
        return true;
    if (is_asset) {
        route_asset(request, url + sizeof assets - 1);
    } else if (is_choice) {
        give_page(request);
    } else if (view != NULL && view->answer == NULL) {
        route_live(request);
    } else if (view != NULL) {
        route_view(request, view, rest);
    } else if (accepts_html(request) && find_asset("index.html") != NULL) {
        request->location = "/now";
        request->text = "See /now.\n";
        request->outcome.status = MHD_HTTP_SEE_OTHER;
    } else {
        request->text = "";
        request->outcome.status = MHD_HTTP_OK;
    }
    return true;
}

static void on_done(struct reading *reading)
{
    struct request *request = reading->user;
    request->outcome = reading->outcome;
    // The last touch: from here on the request is the server's again.
    MHD_resume_connection(request->connection);
}

void server__submit_reading(struct request *request)
{
    request->submitted = true;
    request->reading.done = on_done;
    request->reading.user = request;
    MHD_suspend_connection(request->connection);
    if (readers_submit(request->server->readers, &request->reading))
        return;
    server__refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                   "%d questions wait for their answers, more than that are not queued; try again in a moment.",
                   READERS_QUEUE_MAX);
    request->outcome.retry_after = 1;
    MHD_resume_connection(request->connection);
}

static void add_policies(struct MHD_Response *response)
{
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Content-Security-Policy", policy);
    MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
}

struct MHD_Response *server__response(const struct request *request, char *bytes, size_t length, const char *type)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        length, bytes != NULL ? bytes : "", bytes != NULL ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        free(bytes);
        return NULL;
    }
    (void)request;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    add_policies(response);
    return response;
}

static struct MHD_Response *asset_response(const struct asset *asset, bool same)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(same ? 0 : asset->length, (void *)asset->bytes, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return NULL;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, asset->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, asset->etag);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, "Accept");
    add_policies(response);
    return response;
}

static char *error_text(const struct outcome *outcome)
{
    json_t *object = json_object();
    put_text(object, "error", outcome->sentence);
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

static struct MHD_Response *live_response_of(struct request *request)
{
    struct MHD_Response *response = live_response(request->server->live, request->connection, &request->reading.params);
    if (response != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        add_policies(response);
        return response;
    }
    server__refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "%d clients follow already, more than that are not served.",
                   LIVE_CLIENTS_MAX);
    request->outcome.retry_after = 30;
    char *text = error_text(&request->outcome);
    return server__response(request, text, text != NULL ? strlen(text) : 0, JSON);
}

struct MHD_Response *server__page_response(struct request *request)
{
    if (request->live)
        return live_response_of(request);
    if (request->asset != NULL)
        return asset_response(request->asset, request->outcome.status == MHD_HTTP_NOT_MODIFIED);
    char *text = request->outcome.status == MHD_HTTP_OK ? request->reading.text : error_text(&request->outcome);
    request->reading.text = request->outcome.status == MHD_HTTP_OK ? NULL : request->reading.text;
    return server__response(request, text, text != NULL ? strlen(text) : 0, JSON);
}
