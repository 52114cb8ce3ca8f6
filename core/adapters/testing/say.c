// Text for cmocka's report. cmocka keeps what is printed until the test has ended, and shows it if the test failed.
//
// SPDX-License-Identifier: Apache-2.0
#include "testing_parts.h"

#include <stdio.h>
#include <string.h>

enum { LINE_SIZE = 4096, PIECE = 200 }; // cmocka 1.1.5 loses a character of what is longer than 255

void logctx__say(const char *format, ...)
{
    char text[LINE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t length = strlen(text);
    for (size_t at = 0; at < length; at += PIECE)
        print_error("%.*s", PIECE, text + at);
}
