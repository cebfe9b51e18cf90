/* A session table: entries that end half an hour after they were last used, changed by several threads without losing an update.
 *
 *     cc sessions.c $(pkg-config --cflags --libs strata) -pthread && ./a.out
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <strata/strata.h>

enum { IDLE_MS = 30 * 60 * 1000, THREADS = 4, VISITS = 1000 };

struct session {
    char user[24];
    unsigned pages_seen;
};

static struct strata_cache *cache;

static void on_removed(void *context, const struct strata_event *event) {
    (void)context;
    if (event->reason == STRATA_EXPIRED || event->reason == STRATA_DELETED)
        printf("session %.*s has ended\n", (int)event->key_size, (const char *)event->key);
}

static enum strata_status session_begin(const char *id, const char *user) {
    struct session session = {"", 0};
    struct strata_set_options options = {.ttl_ms = IDLE_MS, .flags = STRATA_IF_ABSENT};
    snprintf(session.user, sizeof session.user, "%s", user);
    return strata_set(cache, id, strlen(id), &session, sizeof session, &options, NULL);
}

/* Reads, changes, and writes back if nobody else has written in between; else tries again. */
static enum strata_status session_visit(const char *id) {
    struct session session;
    size_t size;
    for (;;) {
        struct strata_set_options options = {.ttl_ms = IDLE_MS};
        enum strata_status status =
            strata_get_versioned(cache, id, strlen(id), &session, sizeof session, &size, &options.if_version);
        if (status != STRATA_OK)
            return status;
        session.pages_seen++;
        uint64_t version;
        status = strata_set(cache, id, strlen(id), &session, sizeof session, &options, &version);
        if (status != STRATA_REFUSED)
            return status;
    }
}

static void *browse(void *context) {
    int i;
    for (i = 0; i < VISITS; i++)
        if (session_visit(context) != STRATA_OK)
            return context;
    return NULL;
}

int main(void) {
    struct strata_options options = {.on_removed = on_removed};
    struct session session;
    pthread_t threads[THREADS];
    static char id[] = "s-4711";
    size_t size;
    int i;
    uint64_t ttl_ms;
    if (strata_open("memory:16mb", &options, &cache) != STRATA_OK || session_begin(id, "ada") != STRATA_OK)
        return 1;
    if (session_begin(id, "eve") != STRATA_REFUSED) /* taken */
        return 1;
    for (i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, browse, id) != 0)
            return 1;
    for (i = 0; i < THREADS; i++) {
        void *failed;
        if (pthread_join(threads[i], &failed) != 0 || failed)
            return 1;
    }
    if (strata_get(cache, id, strlen(id), &session, sizeof session, &size) != STRATA_OK ||
        strata_ttl(cache, id, strlen(id), &ttl_ms) != STRATA_OK)
        return 1;
    printf("%s has seen %u pages and has %llu minutes left\n", session.user, session.pages_seen,
           (unsigned long long)(ttl_ms + 59999) / 60000);
    if (strata_delete(cache, id, strlen(id)) != STRATA_OK)
        return 1;
    strata_close(cache);
    return 0;
}
