/* test/consistency/mixture.c: MSET over ten keys is seen whole or not at all.
 *
 * Eight writers set all ten keys of a group to one number, or (in the second group) delete them all; readers ask for all ten, in a
 * random order, with MGET, EXISTS, or GETs inside MULTI, and must find one number in all of them, or nothing in all of them.
 *
 * Usage: mixture HOST PORT SEED CHECKS
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

enum { WRITERS = 8, READERS = 8, KEYS = 10, GROUPS = 3 };
enum how { HOW_MGET, HOW_EXISTS, HOW_MULTI, HOW_COUNT };

static const char *host;
static int port;
static uint64_t seed, checks_wanted;
static _Atomic uint64_t checks, writes, misses, next_number = 1;
static atomic_bool stop;

/* Groups: 0 always there, small values; 1 comes and goes; 2 always there, values of changing size, some large. */
static size_t key_name(uint64_t group, uint64_t key, char *room) {
    return (size_t)sprintf(room, "mix%llu:%llx", (unsigned long long)group,
                           (unsigned long long)(key * 0x9e3779b97f4a7c15ULL));
}

static void argument_key(struct peer *peer, uint64_t group, uint64_t key) {
    char name[64];
    peer_argument(peer, name, key_name(group, key, name));
}

static void set_all(struct peer *peer, uint64_t group, uint64_t *random, void *room) {
    uint64_t number = atomic_fetch_add(&next_number, 1);
    bool in_multi = random_next(random) % 4 == 0;
    if (in_multi) {
        peer_begin(peer, 1);
        peer_text(peer, "MULTI");
    } else {
        peer_begin(peer, 1 + 2 * KEYS);
        peer_text(peer, "MSET");
    }
    uint64_t first = random_next(random);
    for (uint64_t i = 0; i < KEYS; i++) {
        uint64_t key = (first + i) % KEYS;
        size_t size = group == 2 ? random_size(random) : 48;
        value_make(room, size, group * 100 + key, number);
        if (in_multi) {
            peer_begin(peer, 3);
            peer_text(peer, "SET");
        }
        argument_key(peer, group, key);
        peer_argument(peer, room, size);
    }
    if (in_multi) {
        peer_begin(peer, 1);
        peer_text(peer, "EXEC");
    }
    peer_flush(peer);
    struct answer answer;
    for (int i = 0; i < (in_multi ? 2 * KEYS + 2 : 1); i++) { /* +OK, ten +QUEUED, *10, ten +OK */
        peer_read(peer, &answer);
        if (answer.type != '+' && !(in_multi && answer.type == '*' && answer.number == KEYS)) {
            complain("a write was answered %c%.*s", answer.type, (int)answer.size, answer.data);
            exit(case_end("writes", "answered wrongly"));
        }
    }
}

static void delete_all(struct peer *peer, uint64_t group) {
    peer_begin(peer, 1 + KEYS);
    peer_text(peer, "DEL");
    for (uint64_t key = 0; key < KEYS; key++)
        argument_key(peer, group, key);
    peer_flush(peer);
    struct answer answer;
    peer_read(peer, &answer);
    if (answer.type != ':' || (answer.number != 0 && answer.number != KEYS))
        complain("DEL of ten keys answered %c%lld: it saw half an MSET", answer.type, (long long)answer.number);
}

static void *writer(void *argument) {
    uint64_t random = seed * 1000 + (uintptr_t)argument;
    struct peer peer;
    peer_open(&peer, host, port);
    void *room = malloc(VALUE_SIZE_MAX);
    while (!atomic_load(&stop)) {
        uint64_t dice = random_next(&random) % 16;
        uint64_t group = dice < 8 ? 0 : dice < 14 ? 1 : 2;
        if (group == 1 && dice % 2)
            delete_all(&peer, group);
        else
            set_all(&peer, group, &random, room);
        atomic_fetch_add(&writes, 1);
    }
    free(room);
    peer_close(&peer);
    return NULL;
}

struct tally {
    uint64_t number, found, missing;
};

static void tally(struct tally *tally, const struct answer *answer, uint64_t group, uint64_t key) {
    if (answer->type == '$' && answer->number < 0) {
        tally->missing++;
        return;
    }
    uint64_t number = 0;
    const char *wrong =
        answer->type == '$' ? value_check(answer->data, answer->size, group * 100 + key, &number) : "not a value";
    if (wrong)
        complain("group %llu key %llu: %s", (unsigned long long)group, (unsigned long long)key, wrong);
    else if (tally->found++ == 0)
        tally->number = number;
    else if (number != tally->number)
        complain("group %llu: a mixture of %llu and %llu", (unsigned long long)group, (unsigned long long)tally->number,
                 (unsigned long long)number);
}

static void skip(struct peer *peer, int count) {
    struct answer answer;
    while (count-- > 0)
        peer_read(peer, &answer);
}

static void read_all(struct peer *peer, uint64_t group, enum how how, uint64_t first) {
    if (how == HOW_MULTI) {
        peer_begin(peer, 1);
        peer_text(peer, "MULTI");
    } else {
        peer_begin(peer, 1 + KEYS);
        peer_text(peer, how == HOW_MGET ? "MGET" : "EXISTS");
    }
    for (uint64_t i = 0; i < KEYS; i++) {
        if (how == HOW_MULTI) {
            peer_begin(peer, 2);
            peer_text(peer, "GET");
        }
        argument_key(peer, group, (first + i * 3) % KEYS);
    }
    if (how == HOW_MULTI) {
        peer_begin(peer, 1);
        peer_text(peer, "EXEC");
    }
    peer_flush(peer);
    struct answer answer;
    if (how == HOW_MULTI)
        skip(peer, 1 + KEYS);
    peer_read(peer, &answer);
    struct tally sum = {0};
    if (how == HOW_EXISTS) {
        sum.found = (uint64_t)answer.number;
        sum.missing = KEYS - sum.found;
        if (answer.type != ':')
            complain("EXISTS answered %c", answer.type);
    } else if (answer.type != '*' || answer.number != KEYS) {
        complain("%s answered %c%lld", how == HOW_MGET ? "MGET" : "EXEC", answer.type, (long long)answer.number);
        return;
    } else {
        for (uint64_t i = 0; i < KEYS; i++) {
            peer_read(peer, &answer);
            tally(&sum, &answer, group, (first + i * 3) % KEYS);
        }
    }
    if (sum.found && sum.missing)
        complain("group %llu, how %d: %llu found, %llu missing", (unsigned long long)group, (int)how,
                 (unsigned long long)sum.found, (unsigned long long)sum.missing);
    if (sum.missing && group != 1)
        complain("group %llu lost its keys", (unsigned long long)group);
    if (sum.missing)
        atomic_fetch_add(&misses, 1);
}

static void *reader(void *argument) {
    uint64_t random = seed * 1000 + 100 + (uintptr_t)argument;
    struct peer peer;
    peer_open(&peer, host, port);
    while (atomic_load(&checks) < checks_wanted && complaints() < 1000) {
        uint64_t dice = random_next(&random) % 16;
        read_all(&peer,
                 dice < 7    ? 0
                 : dice < 14 ? 1
                             : 2,
                 (enum how)(random_next(&random) % HOW_COUNT), random_next(&random) % KEYS);
        atomic_fetch_add(&checks, KEYS);
    }
    peer_close(&peer);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 5)
        return fprintf(stderr, "usage: mixture HOST PORT SEED CHECKS\n"), 2;
    host = argv[1], port = atoi(argv[2]), seed = strtoull(argv[3], NULL, 0),
    checks_wanted = strtoull(argv[4], NULL, 10);
    struct peer peer;
    void *room = malloc(VALUE_SIZE_MAX);
    peer_open(&peer, host, port);
    for (uint64_t group = 0; group < GROUPS; group++)
        set_all(&peer, group, &seed, room);
    peer_close(&peer);
    free(room);
    pthread_t threads[WRITERS + READERS];
    for (uintptr_t i = 0; i < WRITERS + READERS; i++)
        pthread_create(&threads[i], NULL, i < WRITERS ? writer : reader, (void *)i);
    for (size_t i = WRITERS; i < WRITERS + READERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&stop, true);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    if (misses == 0)
        complain("the group that comes and goes was never seen missing: nothing was tested");
    char figures[160];
    snprintf(figures, sizeof figures, "%llu values read, %llu MSETs and DELs, %llu times all missing",
             (unsigned long long)checks, (unsigned long long)writes, (unsigned long long)misses);
    return case_end("nobody sees a mixture of two MSETs", figures) ? 0 : 1;
}
