// SPDX-License-Identifier: Apache-2.0
// Reads the command line, and finds the default place of the store.

#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "otlp_json_read.h"

const char options_help[] =
    "logctx-dashboard receives OpenTelemetry traces and metrics, keeps them in a file, and prints what is in it.\n"
    "\n"
    "  logctx-dashboard [OPTION ...]         receive, until SIGTERM or Ctrl-C\n"
    "  logctx-dashboard --summary FILE       print what a store holds\n"
    "\n"
    "Receiving:\n"
    "  --listen HOST:PORT  where (default 127.0.0.1:4318); port 0 takes any free one\n"
    "  --port-file FILE    write the port there once it can be reached\n"
    "  --allow-host NAME   answer also if called by this name, such as that of a container (up to 16 times)\n"
    "  --token-file FILE   who knows the token in it may read and send, others may not (needed for other addresses\n"
    "                      than those of this machine alone)\n"
    "  --open-ingest       the token is for reading only: everybody may send\n"
    "  --db FILE           the store (default $XDG_STATE_HOME/logctx/dashboard.db, or under ~/.local/state)\n"
    "  --max-body BYTES    the largest request, before and after inflating (default 20M, at most 64M)\n"
    "  --max-spans N       beyond that many the oldest go (default 1000000; 0: no limit)\n"
    "  --max-points N      the same for points of metrics (default 1000000)\n"
    "  --max-size BYTES    the same for the size of the store (default 2G)\n"
    "  --max-age AGE       what came longer ago than that goes: a number with s, m, h or d (default 7d; 0: no limit)\n"
    "\n"
    "Summary:\n"
    "  --width N           columns, 80 to 300 (default: the terminal's, at most 110)\n"
    "\n"
    "BYTES may end in K, M or G. Other: --help, --version. The exit status is 0, or 1 with a sentence that says why.\n";

enum {
    WIDTH_MIN = 80,
    WIDTH_MAX = 300,
    MAX_BODY = LOGCTX__JSON_MAX_BYTES,
};

static bool say(char *why, size_t why_size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool say(char *why, size_t why_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, why_size, format, arguments);
    va_end(arguments);
    return false;
}

// A number from 0 up, with K, M or G behind it if it counts bytes.
static bool read_number(const char *text, bool bytes, int64_t least, int64_t most, int64_t *number)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 15)
        return false;
    int64_t value = strtoll(text, NULL, 10);
    const char *unit = text + digits;
    if (bytes && *unit != '\0') {
        const char *units = "KMG";
        const char *at = strchr(units, *unit++);
        if (at == NULL || value > INT64_MAX >> 31)
            return false;
        value <<= 10 * (at - units + 1);
    }
    *number = value;
    return *unit == '\0' && value >= least && value <= most;
}

static bool set_age(struct options *options, const char *text, char *why, size_t why_size)
{
    static const struct {
        char unit;
        int seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t digits = strspn(text, "0123456789");
    int64_t number = digits > 0 && digits <= 9 ? strtoll(text, NULL, 10) : -1;
    options->limits.age_s = number == 0 && text[digits] == '\0' ? 0 : -1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (number >= 0 && text[digits] == units[i].unit && text[digits + 1] == '\0')
            options->limits.age_s = number * units[i].seconds;
    if (options->limits.age_s >= 0 && options->limits.age_s <= OPTIONS_AGE_MAX)
        return true;
    return say(why, why_size,
               "\"%.60s\" is no value for --max-age; give a number with s, m, h or d behind it, such as "
               "12h, up to 366d, or 0 for no limit.",
               text);
}

static bool set_path(struct options *options, const char *path, char *why, size_t why_size)
{
    if (*path == '\0' || strlen(path) >= sizeof options->db)
        return say(why, why_size, "The name of the store is empty or too long; name a file.");
    strcpy(options->db, path);
    options->db_given = true;
    return true;
}

static bool set_number(const char *text, bool bytes, int64_t least, int64_t most, int64_t *number, const char *name,
                       char *why, size_t why_size)
{
    if (read_number(text, bytes, least, most, number))
        return true;
    snprintf(why, why_size, "\"%.60s\" is no value for --%s; give a number from %lld to %lld%s.", text, name,
             (long long)least, (long long)most, bytes ? ", or such as 20M" : "");
    return false;
}

// The options that are numbers. `name` is one of them.
static bool set_amount(struct options *options, const char *name, const char *value, char *why, size_t why_size)
{
    int64_t number = 0;
    bool good = false;
    if (strcmp(name, "max-body") == 0) {
        good = set_number(value, true, 1024, MAX_BODY, &number, name, why, why_size);
        options->max_body = (size_t)number;
    } else if (strcmp(name, "max-spans") == 0) {
        good = set_number(value, false, 0, INT64_MAX, &options->limits.spans, name, why, why_size);
    } else if (strcmp(name, "max-points") == 0) {
        good = set_number(value, false, 0, INT64_MAX, &options->limits.points, name, why, why_size);
    } else if (strcmp(name, "max-size") == 0) {
        good = set_number(value, true, 0, INT64_MAX, &options->limits.bytes, name, why, why_size);
    } else if (strcmp(name, "width") == 0) {
        good = set_number(value, false, WIDTH_MIN, WIDTH_MAX, &number, name, why, why_size);
        options->width = (int)number;
    }
    return good;
}

static bool add_host(struct options *options, const char *name, char *why, size_t why_size)
{
    if (options->host_count == OPTIONS_HOSTS_MAX)
        return say(why, why_size, "--allow-host was given too often; \"%.60s\" has no place left.", name);
    options->hosts[options->host_count++] = name;
    return true;
}

static bool set(struct options *options, const char *name, const char *value, char *why, size_t why_size)
{
    if (strcmp(name, "listen") == 0)
        return address_parse(&options->listen, value, why, why_size);
    if (strcmp(name, "db") == 0)
        return set_path(options, value, why, why_size);
    if (strcmp(name, "summary") == 0) {
        options->mode = MODE_SUMMARY;
        return set_path(options, value, why, why_size);
    }
    if (strcmp(name, "port-file") == 0) {
        options->port_file = value;
        return true;
    }
    if (strcmp(name, "token-file") == 0) {
        options->token_file = value;
        return true;
    }
    if (strcmp(name, "open-ingest") == 0) {
        options->open_ingest = true;
        return true;
    }
    if (strcmp(name, "max-age") == 0)
        return set_age(options, value, why, why_size);
    if (strcmp(name, "allow-host") == 0)
        return add_host(options, value, why, why_size);
    if (value != NULL)
        return set_amount(options, name, value, why, why_size);
    options->mode = strcmp(name, "help") == 0 ? MODE_HELP : MODE_VERSION;
    return true;
}

static const struct option names[] = {
    {"listen", required_argument, NULL, 0},     {"db", required_argument, NULL, 0},
    {"summary", required_argument, NULL, 0},    {"port-file", required_argument, NULL, 0},
    {"allow-host", required_argument, NULL, 0}, {"max-body", required_argument, NULL, 0},
    {"max-spans", required_argument, NULL, 0},  {"max-points", required_argument, NULL, 0},
    {"max-size", required_argument, NULL, 0},   {"max-age", required_argument, NULL, 0},
    {"token-file", required_argument, NULL, 0}, {"open-ingest", no_argument, NULL, 0},
    {"width", required_argument, NULL, 0},      {"help", no_argument, NULL, 0},
    {"version", no_argument, NULL, 0},          {0},
};

bool options_read(struct options *options, int argc, char **argv, char *why, size_t why_size)
{
    *options = (struct options){
        .max_body = 20 << 20,
        .limits = {.spans = 1000000, .points = 1000000, .bytes = INT64_C(2) << 30, .age_s = 7 * 86400},
    };
    address_parse(&options->listen, "127.0.0.1:4318", why, why_size);
    opterr = 0;
    optind = 0;
    int at;
    int result;
    while ((result = getopt_long(argc, argv, ":", names, &at)) != -1) {
        const char *word = argv[optind > 1 ? optind - 1 : 1];
        if (result == ':')
            return say(why, why_size, "%.60s needs a value; see --help.", word);
        if (result != 0)
            return say(why, why_size, "%.60s is no option here; see --help.", word);
        if (!set(options, names[at].name, optarg, why, why_size))
            return false;
    }
    if (optind < argc)
        return say(why, why_size, "\"%.60s\" stands alone; options begin with --, see --help.", argv[optind]);
    return true;
}

static bool make_folders(char *path, char *why, size_t why_size)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = mkdir(path, S_IRWXU) == 0 || errno == EEXIST;
        if (!made)
            snprintf(why, why_size, "The folder %.200s for the store cannot be made: %s; name another place with --db.",
                     path, strerror(errno));
        *slash = '/';
        if (!made)
            return false;
    }
    return true;
}

bool options_default_db(struct options *options, char *why, size_t why_size)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int length = -1;
    if (state != NULL && state[0] == '/')
        length = snprintf(options->db, sizeof options->db, "%s/logctx/dashboard.db", state);
    else if (home != NULL && home[0] == '/')
        length = snprintf(options->db, sizeof options->db, "%s/.local/state/logctx/dashboard.db", home);
    if (length < 0 || length >= (int)sizeof options->db)
        return say(why, why_size, "Neither XDG_STATE_HOME nor HOME names a folder; say with --db where the store is.");
    return make_folders(options->db, why, why_size);
}
