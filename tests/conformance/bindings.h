// SPDX-License-Identifier: Apache-2.0
// The bound callbacks and captures of one scenario, by id. Whatever thread of the scenario runs owns them.

#ifndef CONFORMANCE_BINDINGS_H
#define CONFORMANCE_BINDINGS_H

/* Gives back what the scenario has left. */
void bindings_reset(void);

#endif
