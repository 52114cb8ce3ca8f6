// SPDX-License-Identifier: Apache-2.0
// Finds the table of a process that a resource describes. No state; any thread.

#include "local.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/table.h"

static bool is_this_host(const char *host)
{
    char name[HOST_NAME_MAX + 1] = "";
    return host != NULL && gethostname(name, sizeof name - 1) == 0 && strcmp(host, name) == 0;
}

// Another program may have got the id since; a table that does not know its service yet is given the benefit.
static bool is_of_service(const struct source *source, const char *service)
{
    struct logctx_table_header header;
    if (!source_read(source, 0, &header, sizeof header) || header.version != LOGCTX_TABLE_VERSION)
        return false;
    header.service[sizeof header.service - 1] = '\0';
    size_t length = strlen(header.service);
    bool cut = length == sizeof header.service - 1;
    return length == 0 || (service != NULL && (cut ? strncmp(service, header.service, length) == 0
                                                   : strcmp(service, header.service) == 0));
}

struct source *local_open(const struct local_process *process)
{
    char why[SOURCE_WHY];
    struct source *source = NULL;
    if (process->pid <= 0 || process->pid > INT_MAX || !is_this_host(process->host) ||
        source_open_process((pid_t)process->pid, &source, why) != SOURCE_GOOD)
        return NULL;
    if (source_lives(source) && is_of_service(source, process->service))
        return source;
    source_close(source);
    return NULL;
}

bool local_is_here(const struct local_process *process, int64_t last, int64_t now)
{
    if (last < now - INT64_C(3600000000000))
        return false;
    struct source *source = local_open(process);
    source_close(source);
    return source != NULL;
}
