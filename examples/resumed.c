/* A cache that the next start of the program finds in memory, as it was: it says whether that was so.
 *
 *     cc resumed.c $(pkg-config --cflags --libs strata) && ./a.out && ./a.out
 */
#include <stdio.h>

#include <strata/strata.h>

static void tell(void *context, enum strata_message kind, const char *text) {
    (void)context, (void)kind;
    fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv) {
    char problem[STRATA_ERROR_TEXT_SIZE];
    struct strata_options options = {.error_text = problem, .error_text_size = sizeof problem, .on_message = tell};
    struct strata_statistics statistics;
    struct strata_cache *cache;
    int64_t starts;
    options.memory_file = argc > 1 ? argv[1] : "/dev/shm/resumed";
    if (strata_open("memory:16mb", &options, &cache) != STRATA_OK) {
        fprintf(stderr, "%s\n", problem);
        return 1;
    }
    enum strata_status status = strata_increment(cache, "starts", 6, 1, NULL, &starts);
    if (status == STRATA_OK)
        status = strata_stats(cache, &statistics);
    if (status == STRATA_OK)
        printf("started %lld times, %s\n", (long long)starts, statistics.memory_file_attached ? "resumed" : "anew");
    strata_close(cache);
    return status == STRATA_OK ? 0 : 1;
}
