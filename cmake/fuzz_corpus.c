/* Runs a fuzz target over every file of its corpus, once: what the fuzzers found stays found in every build, without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv); /* NULL where a target has none */

enum { CORPUS_FILE_MAX_BYTES = 4 * 1024 * 1024 };

static int run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    uint8_t *data = malloc(CORPUS_FILE_MAX_BYTES);
    if (!data) {
        fclose(file);
        return -1;
    }
    size_t size = fread(data, 1, CORPUS_FILE_MAX_BYTES, file);
    fclose(file);
    /* A block of exactly its size, so that AddressSanitizer sees a read behind it. */
    uint8_t *exact = malloc(size ? size : 1);
    if (exact) {
        memcpy(exact, data, size);
        LLVMFuzzerTestOneInput(exact, size);
    }
    free(data);
    free(exact);
    return exact ? 0 : -1;
}

int main(int argc, char **argv) {
    size_t count = 0;
    if (LLVMFuzzerInitialize) {
        LLVMFuzzerInitialize(&argc, &argv);
    }
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        if (run_file(path) < 0) {
            closedir(dir);
            return EXIT_FAILURE;
        }
        count++;
    }
    if (dir) {
        closedir(dir);
    }
    printf("count: %zu corpus files of %s\n", count, argc > 1 ? argv[1] : "(none)");
    return EXIT_SUCCESS;
}
