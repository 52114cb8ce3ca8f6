// SPDX-License-Identifier: Apache-2.0
// What makes ops for the generator. One thread.

#ifndef FUZZ_MAKERS_H
#define FUZZ_MAKERS_H

#include "generator.h"

/* The op that the byte `choice` stands for; NULL if it is not possible now. */
json_t *make_op(generator_t *generator, model_t *model, unsigned choice);

/* The next byte; 0 after the last. */
unsigned make_byte(generator_t *generator);

json_t *make_named(const char *op);
json_t *make_with(json_t *made, const char *key, const char *value);
/* Perhaps with a value for the result. */
json_t *make_with_value(generator_t *generator, json_t *made);
const char *make_error_name(generator_t *generator);
/* Of a background process. */
const char *make_description(unsigned choice);

/* One of the deferreds that have a name and fit; NULL if none does. */
typedef bool deferred_fits_t(model_t *model, model_deferred_t *deferred);
const model_name_t *pick_deferred(generator_t *generator, model_t *model, deferred_fits_t *fits);
bool any_deferred(model_t *model, model_deferred_t *deferred);

#endif
