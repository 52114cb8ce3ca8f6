// Runs a program that is a module, loaded while the process runs already, as plugins are:
//     loader MODULE
//
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    void *module = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    int (*run)(void) = NULL;
    if (module)
        *(void **)&run = dlsym(module, "main");
    if (!run) {
        fprintf(stderr, "loader: %s\n", argc == 2 ? dlerror() : "which module?");
        return 2;
    }
    return run();
}
