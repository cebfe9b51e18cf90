/* Loads the library, uses it from threads, unloads it, and only then lets the threads end; then once more. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include <strata/strata.h>

static pthread_barrier_t used, unloaded;
static struct strata_cache *cache;
static enum strata_status (*set)(struct strata_cache *, const void *, size_t, const void *, size_t,
                                 const struct strata_set_options *, uint64_t *);

static void *use(void *context) {
    enum strata_status status = set(cache, "k", 1, "v", 1, NULL, NULL);
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&unloaded);
    return status == STRATA_OK ? NULL : context;
}

static int once(const char *path) {
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL), *failed;
    int i, failures = 0;
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    enum strata_status (*open)(const char *, const struct strata_options *, struct strata_cache **);
    void (*close)(struct strata_cache *);
    *(void **)&open = dlsym(library, "strata_open");
    *(void **)&close = dlsym(library, "strata_close");
    *(void **)&set = dlsym(library, "strata_set");
    if (!open || !close || !set || open("memory:2mb", NULL, &cache) != STRATA_OK)
        return 1;
    pthread_barrier_init(&used, NULL, THREADS + 1);
    pthread_barrier_init(&unloaded, NULL, THREADS + 1);
    for (i = 0; i < THREADS; i++)
        failures += pthread_create(&threads[i], NULL, use, &cache) != 0;
    pthread_barrier_wait(&used);
    close(cache);
    dlclose(library);
    pthread_barrier_wait(&unloaded);
    for (i = 0; i < THREADS; i++)
        failures += pthread_join(threads[i], &failed) != 0 || failed;
    return failures;
}

int main(int argc, char **argv) { return argc < 2 || once(argv[1]) || once(argv[1]); }
