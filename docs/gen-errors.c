// SPDX-License-Identifier: Apache-2.0
// Prints docs/errors.md from what the dashboard says about each kind of error, so that the page and the documentation
// say the same. One thread; nothing of the library is called.
#include <explain.h>
#include <logctx/error.h>
#include <stdio.h>
#include <string.h>

struct kind {
    const char *name;
    const char *sentence;
    const char *help;
};

static const struct kind kinds[LOGCTX_ERROR_COUNT] = {
#define LOGCTX_X(id, name, cls, origin, severity, sentence, help) [LOGCTX_ERROR_##id] = {name, sentence, help},
    LOGCTX_ERRORS(LOGCTX_X)
#undef LOGCTX_X
};

// Words up to the 115th column, as the other pages are written.
static void paragraph(const char *title, const char *text)
{
    size_t column = (size_t)printf("**%s.**", title);
    while (*text) {
        size_t length = strcspn(text, " ");
        if (column + 1 + length > 115) {
            putchar('\n');
            column = 0;
        } else {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)length, text);
        column += length;
        text += length + (text[length] == ' ');
    }
    fputs("\n\n", stdout);
}

// %A, %B and %M stand for names and a message; the pages write them as A, B and M.
static void quotation(const char *sentence)
{
    fputs("> ", stdout);
    for (; *sentence; sentence++)
        if (!(sentence[0] == '%' && sentence[1] && strchr("ABM", sentence[1])))
            putchar(*sentence);
    fputs("\n\n", stdout);
}

static void section(const struct kind *kind, const char *means, const char *cause, const char *fix, const char *example)
{
    printf("\n## %s\n\n", kind->name);
    quotation(kind->sentence);
    paragraph("What it means", means);
    paragraph("Usual cause", cause);
    paragraph("Usual fix", fix);
    printf("```diff\n%s```\n\nMore, with code that makes it: [%s](guide.md#%s) in the guide.\n", example, kind->name,
           kind->name);
}

int main(void)
{
    puts("<!-- Made by docs/gen-errors.c from deploy/dashboard/explain.h. Change that, and run "
         "tests/docs/generated.py --write. -->\n\n"
         "# Errors, explained\n\n"
         "What the page of `logctx-dashboard` says beside an error, for each kind. A line that begins with `-` is "
         "what is wrong, one\n"
         "with `+` what should be there; the names in the examples are made up. A stands for the context that was "
         "expected or is\n"
         "concerned, B for the one that was found, M for a message of the occurrence.\n\n"
         "| kind | in short |\n| --- | --- |");
    for (int i = 0; i < LOGCTX_ERROR_COUNT; i++)
        printf("| [`%s`](#%s) | %s |\n", kinds[i].name, kinds[i].name, kinds[i].help);
#define LOGCTX_X(id, blame, means, cause, fix, example) section(&kinds[LOGCTX_ERROR_##id], means, cause, fix, example);
    EXPLANATIONS(LOGCTX_X)
#undef LOGCTX_X
    return 0;
}
