/* test/limit/sizes.c: far more values than fit, of one kind of sizes, overwritten, deleted and read, for as long as it is told.
 *
 * The bytes of a value follow from its key and size, so every reply can be checked; any error reply fails.
 *
 * Usage: sizes fixed|mixed|wide HOST PORT SEED SECONDS LIMIT_BYTES
 *
 * fixed: 500 B; mixed: lognormal around 230 B; wide: every octave from 1 B to 1 MiB as often as any other. Ends when the seconds are
 * over and three times the limit has been written.
 */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../consistency/peer.h"

enum {
    THREADS = 2,
    BATCH_MAX = 64,
    BATCH_BYTES_MAX = 512 * 1024,
    VALUE_MAX = 1 << 20,
    ROUNDS = 3,
};

static const char *host, *kind;
static int port;
static uint64_t seed, limit_bytes, keys;
static double seconds, started;
static _Atomic uint64_t operations, hits, misses, written;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool over(void) {
    return complaints() > 100 || (now() - started > seconds && atomic_load(&written) > ROUNDS * limit_bytes);
}

static double unit(uint64_t *random) { return (double)(random_next(random) >> 11) * 0x1p-53; }

static size_t draw_size(uint64_t *random) {
    if (kind[0] == 'f')
        return 500;
    if (kind[0] == 'w')
        return (size_t)exp2(20 * unit(random));
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += unit(random);
    return (size_t)(230 * exp(sum - 6)) + 1;
}

static uint8_t byte_at(uint64_t key, size_t size, size_t at) {
    return (uint8_t)((key ^ (uint64_t)size << 32) * 0x9e3779b97f4a7c15ULL >> 8 * (at % 8));
}

static void ask(struct peer *peer, uint64_t key, uint64_t dice, size_t size, uint8_t *room) {
    char name[40];
    size_t name_size = (size_t)sprintf(name, "%s:%llu", kind, (unsigned long long)key);
    peer_begin(peer, dice < 80 ? 3 : 2);
    peer_text(peer, dice < 80 ? "SET" : dice < 95 ? "GET" : "DEL");
    peer_argument(peer, name, name_size);
    if (dice >= 80)
        return;
    for (size_t i = 0; i < size; i++)
        room[i] = byte_at(key, size, i);
    peer_argument(peer, room, size);
    atomic_fetch_add(&written, size + name_size);
}

static void check(struct peer *peer, uint64_t key) {
    struct answer answer;
    peer_read(peer, &answer);
    if (answer.type == '-')
        complain("key %llu was answered -%.*s", (unsigned long long)key, (int)answer.size, answer.data);
    if (answer.type != '$')
        return;
    atomic_fetch_add(answer.number < 0 ? &misses : &hits, 1);
    for (size_t i = 0; answer.number >= 0 && i < answer.size; i++)
        if ((uint8_t)answer.data[i] != byte_at(key, answer.size, i))
            return complain("key %llu: another value", (unsigned long long)key);
}

static void *load(void *argument) {
    uint64_t random = seed * 1000 + (uintptr_t)argument, asked[BATCH_MAX];
    struct peer peer;
    uint8_t *room = malloc(VALUE_MAX);
    peer_open(&peer, host, port);
    while (room && !over()) {
        int count = 0;
        for (; count < BATCH_MAX && peer.written < BATCH_BYTES_MAX; count++) {
            asked[count] = random_next(&random) % keys;
            ask(&peer, asked[count], random_next(&random) % 100, draw_size(&random), room);
        }
        peer_flush(&peer);
        for (int i = 0; i < count; i++)
            check(&peer, asked[i]);
        atomic_fetch_add(&operations, (uint64_t)count);
    }
    free(room);
    peer_close(&peer);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 7)
        return fprintf(stderr, "usage: sizes fixed|mixed|wide HOST PORT SEED SECONDS LIMIT_BYTES\n"), 2;
    kind = argv[1], host = argv[2], port = atoi(argv[3]), seed = strtoull(argv[4], NULL, 0), seconds = atof(argv[5]);
    limit_bytes = strtoull(argv[6], NULL, 10);
    keys = 2 * limit_bytes / (kind[0] == 'f' ? 500 : kind[0] == 'w' ? 75000 : 380);
    started = now();
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, load, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    char figures[160];
    snprintf(figures, sizeof figures, "%llu operations in %.0f s, %llu MiB written, %llu hits, %llu misses",
             (unsigned long long)operations, now() - started, (unsigned long long)written >> 20,
             (unsigned long long)hits, (unsigned long long)misses);
    return case_end("no error reply, no wrong value", figures) ? 0 : 1;
}
