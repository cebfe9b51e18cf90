/* test/limit/load.c: load at the memory limit, every answer checked.
 *
 * `mixed`: sets, overwrites of changing size, appends, deletes, expiry and reads over more data than fits. Phases change the sizes:
 * small, large, mixed, so that room freed by one size is asked for by another. Any error reply fails, as does a wrong value and one
 * that is served after its time.
 *
 * `live`: a set of entries that fills a given share of the limit is overwritten with random sizes, deleted and set again; each
 * thread owns its keys and knows what must be there. Nothing may be missing, and nothing refused. At the end everything is read.
 *
 * Usage: load mixed|live HOST PORT SEED SECONDS LIMIT_BYTES SHARE_PERCENT
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../consistency/peer.h"

enum {
    THREADS = 4,
    BATCH_MAX = 64,
    BATCH_BYTES_MAX = 512 * 1024,
    PHASES = 9,
    MIXED_KEYS = 300000,
    ENTRY_OVERHEAD = 64, /* what one entry may cost beside its value: name, header, index, alignment */
    LATE_MS = 100,       /* how long after its time a value may still come: clocks are read at two ends */
};

static const char *host;
static int port;
static uint64_t seed, limit_bytes, share_percent;
static double seconds, started;
static _Atomic uint64_t operations, hits, misses, live_keys;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t wall_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static bool over(void) { return now() - started > seconds || complaints() > 100; }

static void argument_number(struct peer *peer, uint64_t number) {
    char text[24];
    peer_argument(peer, text, (size_t)sprintf(text, "%llu", (unsigned long long)number));
}

static void argument_key(struct peer *peer, const char *prefix, uint64_t key) {
    char name[40];
    peer_argument(peer, name, (size_t)sprintf(name, "%s:%llu", prefix, (unsigned long long)key));
}

static void command(struct peer *peer, int arguments, const char *name, const char *prefix, uint64_t key) {
    peer_begin(peer, arguments);
    peer_text(peer, name);
    argument_key(peer, prefix, key);
}

/* ------------------------------------------------------------------- mixed */

static size_t phase_size(uint64_t *random) {
    int phase = (int)((now() - started) / seconds * PHASES) % 3;
    uint64_t draw = random_next(random);
    if (phase == 0)
        return (40 + draw % 500) & ~7ULL;
    if (phase == 1 && random_next(random) % 4 == 0)
        return (50000 + draw % 200000) & ~7ULL;
    return random_size(random);
}

/* What was asked for, to be named if it is refused. */
struct asked {
    const char *command;
    size_t size;
};

static struct asked mixed_write(struct peer *peer, uint64_t *random, void *room) {
    uint64_t dice = random_next(random) % 100, key = random_next(random) % MIXED_KEYS;
    size_t size = phase_size(random);
    if (dice < 60) {
        value_make(room, size, key, dice);
        command(peer, 3, "SET", "m", key);
        peer_argument(peer, room, size);
        return (struct asked){"SET", size};
    } else if (dice < 75) {
        uint64_t due = wall_ms() + 20 + random_next(random) % 3000;
        value_make(room, size, key, due);
        command(peer, 5, "SET", "e", key);
        peer_argument(peer, room, size);
        peer_text(peer, "PXAT");
        argument_number(peer, due);
        return (struct asked){"SET PXAT", size};
    } else if (dice < 85) {
        command(peer, 2, "DEL", random_next(random) % 2 ? "m" : "e", key);
        return (struct asked){"DEL", 0};
    } else if (dice < 90) {
        command(peer, 3, "PEXPIRE", "m", key);
        argument_number(peer, 1 + random_next(random) % 5000);
        return (struct asked){"PEXPIRE", 0};
    } else if (dice < 95) {
        command(peer, 3, "APPEND", "a", key % 2000);
        peer_argument(peer, room, size % 5000);
        return (struct asked){"APPEND", size % 5000};
    } else {
        command(peer, 4, "SETRANGE", "a", key % 2000);
        argument_number(peer, size % 3000);
        peer_argument(peer, room, size % 1000);
        return (struct asked){"SETRANGE", size % 1000};
    }
}

static void mixed_writes(struct peer *peer, uint64_t *random, void *room) {
    struct asked asked[BATCH_MAX];
    int count = 0;
    while (count < BATCH_MAX && peer->written < BATCH_BYTES_MAX)
        asked[count++] = mixed_write(peer, random, room);
    peer_flush(peer);
    for (int i = 0; i < count; i++) {
        struct answer answer;
        peer_read(peer, &answer);
        if (answer.type == '-')
            complain("%s of %zu bytes was answered -%.*s", asked[i].command, asked[i].size, (int)answer.size,
                     answer.data);
    }
    atomic_fetch_add(&operations, (uint64_t)count);
}

static void mixed_reads(struct peer *peer, uint64_t *random) {
    uint64_t keys[BATCH_MAX], asked_ms = wall_ms();
    bool expiring[BATCH_MAX];
    for (int i = 0; i < BATCH_MAX; i++) {
        keys[i] = random_next(random) % MIXED_KEYS;
        expiring[i] = random_next(random) % 2;
        command(peer, 2, "GET", expiring[i] ? "e" : "m", keys[i]);
    }
    peer_flush(peer);
    for (int i = 0; i < BATCH_MAX; i++) {
        struct answer answer;
        uint64_t number;
        peer_read(peer, &answer);
        if (answer.type == '$' && answer.number < 0) {
            atomic_fetch_add(&misses, 1);
            continue;
        }
        const char *wrong =
            answer.type == '$' ? value_check(answer.data, answer.size, keys[i], &number) : "not a value";
        if (wrong)
            complain("key %llu: %s", (unsigned long long)keys[i], wrong);
        else if (expiring[i] && asked_ms > number + LATE_MS)
            complain("key %llu was served %llu ms after its time", (unsigned long long)keys[i],
                     (unsigned long long)(asked_ms - number));
        atomic_fetch_add(&hits, 1);
    }
    atomic_fetch_add(&operations, BATCH_MAX);
}

static void *mixed(void *argument) {
    uint64_t random = seed * 1000 + (uintptr_t)argument;
    struct peer peer;
    peer_open(&peer, host, port);
    void *room = calloc(1, VALUE_SIZE_MAX);
    while (!over()) {
        mixed_writes(&peer, &random, room);
        if (random_next(&random) % 2)
            mixed_reads(&peer, &random);
    }
    free(room);
    peer_close(&peer);
    return NULL;
}

/* -------------------------------------------------------------------- live */

struct entry {
    uint32_t number; /* of the last write; 0: absent */
    uint32_t size;
};

struct part {
    uint64_t first, count; /* keys */
    uint64_t bytes, bytes_max;
    struct entry *entries;
    uint64_t random;
    struct peer peer;
    void *room;
};

static void live_writes(struct part *part) {
    uint64_t touched[BATCH_MAX];
    bool deleted[BATCH_MAX];
    int count = 0;
    while (count < BATCH_MAX && part->peer.written < BATCH_BYTES_MAX) {
        uint64_t key = random_next(&part->random) % part->count;
        struct entry *entry = &part->entries[key];
        size_t size = random_size(&part->random);
        uint64_t left = part->bytes - (entry->number ? entry->size + ENTRY_OVERHEAD : 0);
        bool fits = left + size + ENTRY_OVERHEAD <= part->bytes_max;
        if (!fits && !entry->number)
            continue; /* full, and nothing to take away here */
        deleted[count] = !fits || (entry->number && random_next(&part->random) % 16 == 0);
        touched[count] = key;
        if (deleted[count]) {
            command(&part->peer, 2, "DEL", "live", part->first + key);
            part->bytes = left;
            *entry = (struct entry){0};
        } else {
            entry->number = (uint32_t)(random_next(&part->random) | 1);
            entry->size = (uint32_t)size;
            part->bytes = left + size + ENTRY_OVERHEAD;
            value_make(part->room, size, part->first + key, entry->number);
            command(&part->peer, 3, "SET", "live", part->first + key);
            peer_argument(&part->peer, part->room, size);
        }
        count++;
    }
    peer_flush(&part->peer);
    for (int i = 0; i < count; i++) {
        struct answer answer;
        peer_read(&part->peer, &answer);
        if (deleted[i] ? answer.type != ':' || answer.number != 1 : answer.type != '+')
            complain("%s of key %llu was answered %c%.*s", deleted[i] ? "DEL" : "SET",
                     (unsigned long long)(part->first + touched[i]), answer.type, (int)answer.size, answer.data);
    }
    atomic_fetch_add(&operations, (uint64_t)count);
}

static void live_reads(struct part *part, uint64_t first, uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        command(&part->peer, 2, "GET", "live", part->first + first + i);
    peer_flush(&part->peer);
    for (uint64_t i = 0; i < count; i++) {
        const struct entry *entry = &part->entries[first + i];
        unsigned long long key = part->first + first + i;
        struct answer answer;
        uint64_t number = 0;
        peer_read(&part->peer, &answer);
        bool missing = answer.type == '$' && answer.number < 0;
        const char *wrong = missing || answer.type != '$' ? NULL : value_check(answer.data, answer.size, key, &number);
        if (answer.type != '$' || missing != (entry->number == 0))
            complain("key %llu: %s", key, missing ? "missing" : "there, although deleted");
        else if (wrong)
            complain("key %llu: %s", key, wrong);
        else if (!missing && (number != entry->number || answer.size != entry->size))
            complain("key %llu: another value than the last one", key);
        atomic_fetch_add(missing ? &misses : &hits, 1);
    }
    atomic_fetch_add(&operations, count);
}

static void *live(void *argument) {
    uint64_t self = (uintptr_t)argument;
    struct part part = {.count = limit_bytes / 1500 / THREADS,
                        .bytes_max = limit_bytes / 100 * share_percent / THREADS};
    part.first = self * part.count;
    part.random = seed * 1000 + self;
    part.entries = calloc(part.count, sizeof *part.entries);
    part.room = malloc(VALUE_SIZE_MAX);
    peer_open(&part.peer, host, port);
    while (!over()) {
        live_writes(&part);
        if (random_next(&part.random) % 4 == 0)
            live_reads(&part, random_next(&part.random) % (part.count - BATCH_MAX), BATCH_MAX);
    }
    uint64_t present = 0;
    for (uint64_t key = 0; key < part.count; key += BATCH_MAX)
        live_reads(&part, key, part.count - key < BATCH_MAX ? part.count - key : BATCH_MAX);
    for (uint64_t key = 0; key < part.count; key++)
        present += part.entries[key].number != 0;
    if (part.bytes < part.bytes_max / 100 * 90)
        complain("only %llu of %llu bytes were reached: the run is too short to mean anything",
                 (unsigned long long)part.bytes, (unsigned long long)part.bytes_max);
    atomic_fetch_add(&live_keys, present);
    peer_close(&part.peer);
    free(part.entries);
    free(part.room);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 8)
        return fprintf(stderr, "usage: load mixed|live HOST PORT SEED SECONDS LIMIT_BYTES SHARE_PERCENT\n"), 2;
    bool is_live = strcmp(argv[1], "live") == 0;
    host = argv[2], port = atoi(argv[3]), seed = strtoull(argv[4], NULL, 0), seconds = atof(argv[5]);
    limit_bytes = strtoull(argv[6], NULL, 10), share_percent = strtoull(argv[7], NULL, 10);
    started = now();
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, is_live ? live : mixed, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    if (is_live)
        printf("keys %llu\n", (unsigned long long)live_keys);
    char figures[160];
    snprintf(figures, sizeof figures, "%llu operations in %.0f s, %llu hits, %llu misses",
             (unsigned long long)operations, now() - started, (unsigned long long)hits, (unsigned long long)misses);
    return case_end(is_live ? "no OOM, nothing lost" : "no error reply, no wrong or late value", figures) ? 0 : 1;
}
