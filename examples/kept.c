/* A cache that outlives the program: it counts how often it was started.
 *
 *     cc kept.c $(pkg-config --cflags --libs strata) && ./a.out /tmp/kept && ./a.out /tmp/kept
 */
#include <stdio.h>

#include <strata/strata.h>

int main(int argc, char **argv) {
    char problem[STRATA_ERROR_TEXT_SIZE];
    struct strata_options options = {.error_text = problem, .error_text_size = sizeof problem};
    struct strata_cache *cache;
    int64_t starts;
    options.directory = argc > 1 ? argv[1] : "kept";
    options.fsync = STRATA_FSYNC_ALWAYS;
    if (strata_open("memory:16mb", &options, &cache) != STRATA_OK) {
        fprintf(stderr, "%s\n", problem);
        return 1;
    }
    enum strata_status status = strata_increment(cache, "starts", 6, 1, NULL, &starts);
    if (status == STRATA_OK)
        printf("started %lld times\n", (long long)starts);
    else
        fprintf(stderr, "%s\n", strata_status_text(status));
    strata_close(cache);
    return status == STRATA_OK ? 0 : 1;
}
