/*
 * receive.h: one request body, whole and inflated, into the store; without HTTP around it.
 * Owned by the thread that writes the store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_RECEIVE_H
#define DASHBOARD_RECEIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reply.h"
#include "store.h"

/* Bytes that decoding one request may take, for each byte that a body may have: a message is larger than its wire. */
enum { RECEIVE_MEMORY_FACTOR = 12 };

/*
 * Inside the caller's transaction. False if the store failed and the transaction has to be rolled back; else
 * `outcome` is the answer, to be given once the transaction is committed.
 */
bool receive(struct store *store, enum signal_kind signal, enum encoding encoding, const uint8_t *bytes, size_t length,
             size_t memory_limit, struct outcome *outcome);

/* The answer if the store cannot take anything at the moment. */
void receive_store_failed(const struct store *store, struct outcome *outcome);

#endif
