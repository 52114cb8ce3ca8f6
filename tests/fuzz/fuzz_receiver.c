// SPDX-License-Identifier: Apache-2.0
// libFuzzer: the dashboard's way from the bytes of a request to rows of a store. The first byte chooses the signal, the
// encoding and the compression, the second the size of the pieces in which the body comes. Whatever comes, the store
// does not fail, the answer is one that OTLP knows, and the memory account is even. One thread.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "receive.h"
#include "store.h"

enum { LIMIT = 1 << 20, MEMORY = 64 << 20 };
enum { CHOOSE_METRICS = 1, CHOOSE_JSON = 2, CHOOSE_GZIP = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

// One store for all inputs, so that they meet what the earlier ones left; its limits keep it small.
static struct store *the_store(void)
{
    static struct store *store;
    char why[300];
    if (store == NULL)
        store = store_open(":memory:", &(struct store_limits){.spans = 500, .points = 500, .bytes = 8 << 20}, why,
                           sizeof why);
    require(store != NULL);
    return store;
}

static void check_answer(const struct outcome *outcome, enum signal_kind signal, enum encoding encoding)
{
    require(outcome->status == 200 || outcome->status == 400 || outcome->status == 413);
    require(outcome->status == 200 || outcome->sentence[0] != '\0');
    require((outcome->rejected > 0) == (outcome->status == 200 && outcome->sentence[0] != '\0'));
    struct reply reply = reply_make(outcome, signal, encoding);
    require(reply.bytes != NULL || (outcome->status == 200 && encoding == ENCODING_PROTOBUF));
    free(reply.bytes);
}

static void store_body(const struct body *body, enum signal_kind signal, enum encoding encoding)
{
    struct outcome outcome;
    require(store_begin(the_store()));
    require(receive(the_store(), signal, encoding, body->bytes, body->length, MEMORY, &outcome));
    require(store_commit(the_store()));
    check_answer(&outcome, signal, encoding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum signal_kind signal = data[0] & CHOOSE_METRICS ? SIGNAL_METRICS : SIGNAL_TRACES;
    enum encoding encoding = data[0] & CHOOSE_JSON ? ENCODING_JSON : ENCODING_PROTOBUF;
    size_t piece = (size_t)data[1] * 16 + 1;
    struct memory memory = {.limit = 2 * LIMIT};
    struct body body;
    require(body_init(&body, &memory, LIMIT, (data[0] & CHOOSE_GZIP) != 0));
    for (size_t at = 2; at < size; at += piece)
        body_feed(&body, data + at, size - at < piece ? size - at : piece);
    require(body.length <= LIMIT);
    if (body_finish(&body) == BODY_GOOD)
        store_body(&body, signal, encoding);
    body_free(&body);
    require(memory.used == 0);
    return 0;
}
