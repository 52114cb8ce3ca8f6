// SPDX-License-Identifier: Apache-2.0
// Runs the inputs of a fuzz target once each, in builds without a fuzzer: the arguments are files and folders of them. One
// thread.

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 16 };

static bool replay(const char *path)
{
    static uint8_t input[INPUT_MAX];
    FILE *in = fopen(path, "re");

    if (!in) {
        perror(path);
        return false;
    }
    size_t size = fread(input, 1, sizeof input, in);
    fclose(in);
    LLVMFuzzerTestOneInput(input, size);
    return true;
}

int main(int argc, char **argv)
{
    unsigned count = 0;

    for (int i = 1; i < argc; i++) {
        struct dirent **entries;
        int found = scandir(argv[i], &entries, NULL, alphasort);
        if (found < 0) {
            count += replay(argv[i]);
        }
        for (int k = 0; k < found; k++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], entries[k]->d_name);
            if (entries[k]->d_name[0] != '.') {
                count += replay(path);
            }
            free(entries[k]);
        }
        if (found >= 0) {
            free(entries);
        }
    }
    printf("%u inputs, each as the model has it\n", count);
    return count == 0;
}
