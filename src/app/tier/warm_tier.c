#include "app/tier/warm_tier.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "sys/os/clock.h"
#include "sys/os/files.h"

enum {
    TELL_EVERY_MS = 10000, /* a kind of trouble */
    READ_TRIES = 3,        /* what is at a place may be another record by the time it is read */
    FETCH_TRIES = 8,       /* it may go down again before it is used; then it is given up */
};

struct warm_tier {
    struct warm_tier_options options; /* path: not kept */
    struct cache *cache;              /* NULL: not begun */
    struct directory directory;
    struct warm *warm;
    pthread_mutex_t still; /* held by the tier's thread while it is in the cache, and while it may not be */
    struct actor actor;    /* of the tier's thread */
    char path[WARM_TIER_PATH_MAX + sizeof WARM_TIER_FILE + 1];
    char name[WARM_NAME_MAX + 1];
    _Atomic uint64_t told_ms[WARM_TROUBLES];
};

static const struct files *files_of(const struct warm_tier *tier) {
    return tier->options.files ? tier->options.files : &tier->directory.files;
}

/* ------------------------------------------------------------------------------------------ what the cache asks of it */

static enum cache_tier_refusal add(void *context, struct actor *actor, const struct cache_tier_record *record,
                                   uint64_t *ret_address) {
    const struct warm_tier *tier = context;
    (void)actor;
    struct warm_record in_file = {
        .hash = record->hash,
        .word = record->word,
        .parts = {.meta = record->meta, .key = record->key, .value = {.data = NULL, .size = record->value_size}},
        .pieces = record->pieces,
        .piece_count = record->piece_count,
    };
    switch (warm_add(tier->warm, clock_steady_ns(), &in_file, ret_address)) {
        case STATUS_OK:
            return CACHE_TIER_TAKEN;
        case STATUS_BUSY:
            return CACHE_TIER_BUSY;
        case STATUS_TOO_LARGE:
            return CACHE_TIER_TOO_LARGE;
        default:
            return CACHE_TIER_OVER_BUDGET;
    }
}

static uint64_t generation(void *context, uint64_t address) {
    return warm_generation(((const struct warm_tier *)context)->warm, address);
}

static uint64_t position(void *context) { return warm_position(((const struct warm_tier *)context)->warm); }

static bool take(void *context, uint64_t address, uint64_t in_generation, uint64_t *ret_address) {
    return warm_take(((const struct warm_tier *)context)->warm, address, in_generation, ret_address);
}

/* ------------------------------------------------------------------------------------------ what the file asks of the cache */

static struct actor *enter(struct warm_tier *tier) {
    pthread_mutex_lock(&tier->still);
    tier->actor.now_ms = clock_unix_coarse_ms();
    return &tier->actor;
}

static void leave(struct warm_tier *tier) { pthread_mutex_unlock(&tier->still); }

/* Before the cache has it nothing of an earlier process is wanted yet. */
static bool keep(void *context, const struct warm_item *item) {
    struct warm_tier *tier = context;
    struct actor *actor = enter(tier);
    bool worth = tier->cache && cache_tier_keep(tier->cache, actor, item->hash, item->address);
    leave(tier);
    return worth;
}

static void moved(void *context, const struct warm_item *item, uint64_t address) {
    struct warm_tier *tier = context;
    cache_tier_moved(tier->cache, enter(tier), item->hash, item->address, address);
    leave(tier);
}

static void gone(void *context, const struct warm_item *item, enum warm_cause cause) {
    struct warm_tier *tier = context;
    (void)cause;
    struct actor *actor = enter(tier);
    if (tier->cache)
        cache_tier_gone(tier->cache, actor, item->hash, item->address);
    leave(tier);
}

struct places {
    uint64_t first, end;
};

static bool is_among(void *context, uint64_t address) {
    const struct places *places = context;
    uint64_t position = warm_address_position(address);
    return position >= places->first && position < places->end;
}

static void gone_all(void *context, uint64_t first, uint64_t end) {
    struct warm_tier *tier = context;
    struct places places = {first, end};
    struct actor *actor = enter(tier);
    if (tier->cache)
        cache_tier_gone_all(tier->cache, actor, is_among, &places);
    leave(tier);
}

static void trouble(void *context, const struct warm_trouble *what) {
    static const char *const texts[] = {
        [WARM_WRITE_FAILED] = "could not be written, and what it held is evicted",
        [WARM_READ_FAILED] = "could not be read: a miss",
        [WARM_RECORD_DAMAGED] = "holds a record that is damaged: a miss",
        [WARM_INDEX_DAMAGED] = "has a segment whose index is damaged: all of it is evicted",
        [WARM_FLUSH_FAILED] = "could not be flushed: a power cut may lose some of it",
    };
    struct warm_tier *tier = context;
    char text[sizeof tier->path + 256];
    uint64_t now_ms = clock_steady_ms(), told_ms = atomic_load(&tier->told_ms[what->kind]);
    if (!tier->options.say || (told_ms && now_ms - told_ms < TELL_EVERY_MS) ||
        !atomic_compare_exchange_strong(&tier->told_ms[what->kind], &told_ms, now_ms))
        return;
    snprintf(text, sizeof text, "The warm tier %s %s, at byte %" PRIu64 "%s%s", tier->path, texts[what->kind],
             what->offset, what->error ? ": " : "", what->error ? strerror(what->error) : "");
    tier->options.say(tier->options.context, LOG_WARNING, text);
}

/* ------------------------------------------------------------------------------------------ opening */

__attribute__((format(printf, 3, 4))) static enum status refuse(char *reason, enum status status, const char *format,
                                                                ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, WARM_TIER_REASON_SIZE, format, arguments);
    va_end(arguments);
    return status;
}

/* The parts of "directory/file", or of a directory that is there. */
static enum status split(struct warm_tier *tier, const char *path, char *ret_directory, char *reason) {
    struct stat facts;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t directory_size = slash ? (size_t)(slash - path) : 0;
    if (strlen(path) > WARM_TIER_PATH_MAX)
        return refuse(reason, STATUS_INVALID, "its path has more than %d bytes", WARM_TIER_PATH_MAX);
    snprintf(ret_directory, WARM_TIER_PATH_MAX + 1, "%.*s", (int)directory_size, path);
    if (!slash)
        snprintf(ret_directory, WARM_TIER_PATH_MAX + 1, ".");
    else if (slash == path)
        snprintf(ret_directory, WARM_TIER_PATH_MAX + 1, "/");
    if (stat(path, &facts) == 0 && S_ISDIR(facts.st_mode)) {
        snprintf(ret_directory, WARM_TIER_PATH_MAX + 1, "%s", path);
        name = WARM_TIER_FILE;
    }
    if (!name[0] || strlen(name) > WARM_NAME_MAX)
        return refuse(reason, STATUS_INVALID, "'%.200s' is neither a file nor a directory that is there", path);
    snprintf(tier->name, sizeof tier->name, "%s", name);
    snprintf(tier->path, sizeof tier->path, "%s/%s", strcmp(ret_directory, "/") ? ret_directory : "", name);
    return STATUS_OK;
}

static enum status take_place(struct warm_tier *tier, const char *path, char *reason) {
    char lock[WARM_NAME_MAX + sizeof ".lock"];
    int owner = 0;
    enum status status = directory_open(path, false, &tier->directory);
    if (status != STATUS_OK) {
        tier->directory.fd = -1;
        return refuse(reason, status, "the directory '%.200s' cannot be opened: %s", path, strerror(errno));
    }
    snprintf(lock, sizeof lock, "%s.lock", tier->name);
    status = directory_lock_as(&tier->directory, lock, &owner);
    if (status == STATUS_BUSY)
        return refuse(reason, status, "process %d has its warm tier in '%.200s'", owner, tier->path);
    return status == STATUS_OK
               ? status
               : refuse(reason, status, "'%.200s.lock' cannot be locked: %s", tier->path, strerror(errno));
}

/* What an earlier run has left is of no use, unless it is to last. `ret_size`: of what is left there. */
static enum status remove_old(const struct warm_tier *tier, uint64_t *ret_size, char *reason) {
    const struct files *files = files_of(tier);
    uint8_t magic[sizeof WARM_MAGIC - 1];
    size_t size = 0;
    int file;
    *ret_size = 0;
    enum status status = files->open(files->context, tier->name, FILES_READ, &file);
    if (status != STATUS_OK && files_cause(errno) == FILES_ABSENT)
        return STATUS_OK;
    if (status == STATUS_OK) {
        status = files->read(files->context, file, 0, magic, sizeof magic, &size);
        if (status == STATUS_OK && tier->options.lasts)
            status = files->size(files->context, file, ret_size);
        files->close(files->context, file);
    }
    if (status == STATUS_OK && (size < sizeof magic || memcmp(magic, WARM_MAGIC, sizeof magic) != 0))
        return refuse(reason, STATUS_INVALID, "'%.200s' is no file of a warm tier: nothing is written there",
                      tier->path);
    if (status == STATUS_OK && !tier->options.lasts)
        status = files->remove(files->context, tier->name);
    return status == STATUS_OK ? status : refuse(reason, status, "'%.200s': %s", tier->path, strerror(errno));
}

/* A disk that is filled to its last byte before it says no would be full for everybody else, too. */
static enum status look_for_room(const struct warm_tier *tier, uint64_t there, char *reason) {
    const struct files *files = files_of(tier);
    uint64_t room;
    if (files->room(files->context, &room) != STATUS_OK || room + there >= tier->options.size_bytes)
        return STATUS_OK;
    return refuse(reason, STATUS_FULL,
                  "all of its %" PRIu64 " bytes are set aside at once, and there is room for %" PRIu64,
                  tier->options.size_bytes, room);
}

/* Of another seed, keys would be looked for where they are not: it begins anew. */
static enum status open_with_seed(struct warm_tier *tier, const struct warm_options *options,
                                  struct warm_report *report) {
    const struct files *files = files_of(tier);
    TRY(warm_open(files, options, clock_steady_ns(), NULL, report, &tier->warm));
    if (!tier->options.lasts || warm_word(tier->warm) == tier->options.seed)
        return STATUS_OK;
    warm_free(tier->warm);
    tier->warm = NULL;
    TRY(files->remove(files->context, tier->name));
    return warm_open(files, options, clock_steady_ns(), NULL, report, &tier->warm);
}

static void tell_access(const struct warm_tier *tier) {
    struct warm_statistics file;
    char text[sizeof tier->path + 256];
    warm_statistics(tier->warm, &file);
    if (!tier->options.say || !tier->options.mapped || file.mapped)
        return;
    snprintf(text, sizeof text, "The warm tier %s cannot be mapped by this system, and is read through the page cache",
             tier->path);
    tier->options.say(tier->options.context, LOG_NOTICE, text);
}

static enum status open_file(struct warm_tier *tier, char *reason) {
    struct warm_report report;
    struct warm_options options = {
        .name = tier->name,
        .size_bytes = tier->options.size_bytes,
        .keep_percent = tier->options.keep_percent,
        .write_rate_bytes = tier->options.lasts ? 0 : tier->options.write_rate_bytes,
        .mapped = tier->options.mapped,
        .begin_anew = true,
        .lasting = tier->options.lasts,
        .word = tier->options.seed,
        .memory = tier->options.memory,
        .hooks = {keep, moved, gone, gone_all, trouble, tier},
    };
    report.reason[0] = 0;
    enum status status = open_with_seed(tier, &options, &report);
    if (status == STATUS_OK) {
        tell_access(tier);
        return status;
    }
    refuse(reason, status, "%s", report.reason[0] ? report.reason : strerror(errno));
    if (status == STATUS_FULL) /* as much of it as found room */
        MAYBE(files_of(tier)->remove(files_of(tier)->context, tier->name) != STATUS_OK);
    return status;
}

static enum status open_parts(struct warm_tier *tier, const char *path, char *reason) {
    char directory[WARM_TIER_PATH_MAX + 1];
    uint64_t there;
    if (tier->options.files) {
        snprintf(tier->name, sizeof tier->name, "%.*s", WARM_NAME_MAX, path);
    } else {
        TRY(split(tier, path, directory, reason));
        TRY(take_place(tier, directory, reason));
    }
    TRY(remove_old(tier, &there, reason));
    TRY(look_for_room(tier, there, reason));
    return open_file(tier, reason);
}

bool warm_tier_seed(const char *path, uint64_t *ret_seed) {
    struct warm_tier tier = {.cache = NULL};
    char directory[WARM_TIER_PATH_MAX + 1], reason[WARM_TIER_REASON_SIZE];
    uint8_t bytes[WARM_HEADER_SIZE];
    struct warm_file_header header;
    uint32_t version;
    size_t size = 0;
    int file;
    if (split(&tier, path, directory, reason) != STATUS_OK ||
        directory_open(directory, false, &tier.directory) != STATUS_OK)
        return false;
    const struct files *files = &tier.directory.files;
    enum status status = files->open(files->context, tier.name, FILES_READ, &file);
    if (status == STATUS_OK) {
        status = files->read(files->context, file, 0, bytes, sizeof bytes, &size);
        files->close(files->context, file);
    }
    directory_close(&tier.directory);
    if (status != STATUS_OK || size < sizeof bytes || warm_file_header_decode(bytes, &header, &version) != STATUS_OK)
        return false;
    *ret_seed = header.word;
    return header.word != 0;
}

static const struct memory *memory_of(const struct warm_tier_options *options) {
    return options->memory ? options->memory : &memory_libc;
}

enum status warm_tier_open(const struct warm_tier_options *options, struct warm_tier **ret_tier,
                           char reason[WARM_TIER_REASON_SIZE]) {
    struct warm_tier *tier = memory_take(memory_of(options), sizeof *tier);
    if (!tier)
        return refuse(reason, STATUS_NO_MEMORY, "no memory");
    *tier = (struct warm_tier){.options = *options, .directory = {.fd = -1}, .actor = {.id = options->actor}};
    pthread_mutex_init(&tier->still, NULL);
    tier->options.path = NULL;
    enum status status = open_parts(tier, options->path, reason);
    if (status == STATUS_OK)
        *ret_tier = tier;
    else
        warm_tier_end(tier, NULL);
    return status;
}

enum status warm_tier_begin(struct warm_tier *tier, struct cache *cache, struct actor *actor, uint32_t promote_hits) {
    const struct cache_tier calls = {
        .add = add,
        .generation = generation,
        .context = tier,
        .value_size_max = warm_record_size_max(WARM_SEGMENT_SIZE_DEFAULT) - WARM_RECORD_HEADER_SIZE -
                          CACHE_TIER_META_SIZE_MAX - CACHE_KEY_SIZE_MAX,
        .promote_hits = promote_hits,
        .file_id = tier->options.lasts ? warm_id(tier->warm) : 0,
        .position = position,
        .take = take,
    };
    pthread_mutex_lock(&tier->still);
    enum status status = cache_tier_set(cache, actor, &calls);
    tier->cache = status == STATUS_OK ? cache : NULL;
    pthread_mutex_unlock(&tier->still);
    return status;
}

void warm_tier_end(struct warm_tier *tier, struct actor *actor) {
    if (!tier)
        return;
    warm_free(tier->warm); /* and with it the thread that is in the cache, too */
    if (tier->cache)
        MAYBE(cache_tier_set(tier->cache, actor, NULL) != STATUS_OK);
    if (tier->directory.fd >= 0)
        directory_close(&tier->directory);
    pthread_mutex_destroy(&tier->still);
    memory_give(memory_of(&tier->options), tier, sizeof *tier);
}

struct warm *warm_tier_file(const struct warm_tier *tier) {
    return tier->warm;
}

const char *warm_tier_path(const struct warm_tier *tier) { return tier->path; }

/* ------------------------------------------------------------------------------------------ reading */

/* One place. `ret_again`: something else has come to stand there. */
static enum status look(struct warm_tier *tier, struct actor *actor, const struct cache_key *key, bool quiet,
                        struct cache_tier_place place, const struct warm_ahead *ahead, struct buf *bytes,
                        enum cache_tier_verdict *ret_verdict, struct cache_tier_found *ret_found,
                        struct cache_info *ret_info) {
    enum warm_outcome outcome;
    struct warm_parts parts;
    *ret_verdict = CACHE_TIER_AGAIN;
    if (!ahead || !warm_ahead_take(tier->warm, ahead, place.address, place.generation, &outcome, &parts))
        TRY(warm_read_here(tier->warm, place.address, place.generation, bytes, &outcome, &parts));
    if (outcome == WARM_FOUND) {
        *ret_found = (struct cache_tier_found){parts.meta, parts.key, parts.value};
        *ret_verdict = cache_tier_look(tier->cache, actor, key, place, ret_found, quiet, ret_info);
    } else if (outcome != WARM_STALE) {
        cache_tier_forget(tier->cache, actor, key, place);
        *ret_verdict = CACHE_TIER_NOT_IT;
    }
    return STATUS_OK;
}

void warm_tier_read_ahead(struct warm_tier *tier, const struct cache_key *keys, uint32_t count,
                          struct warm_ahead *ahead) {
    struct warm_place wanted[WARM_AHEAD_MAX];
    uint32_t found = 0;
    for (uint32_t i = 0; i < count && found < WARM_AHEAD_MAX; i++) {
        struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
        uint32_t mine = cache_tier_ask(tier->cache, &keys[i], places);
        for (uint32_t k = 0; k < mine && found < WARM_AHEAD_MAX; k++)
            wanted[found++] = (struct warm_place){places[k].address, places[k].generation};
    }
    warm_read_ahead(tier->warm, wanted, found, ahead);
}

enum status warm_tier_find(struct warm_tier *tier, struct actor *actor, const struct cache_key *key, bool quiet,
                           const struct warm_ahead *ahead, struct buf *bytes, enum cache_tier_verdict *ret_verdict,
                           struct cache_tier_place *ret_place, struct cache_tier_found *ret_found,
                           struct cache_info *ret_info) {
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    *ret_verdict = CACHE_TIER_AGAIN;
    for (int tries = 0; tries < READ_TRIES && *ret_verdict == CACHE_TIER_AGAIN; tries++) {
        uint32_t count = cache_tier_ask(tier->cache, key, places);
        *ret_verdict = CACHE_TIER_NOT_IT;
        for (uint32_t i = 0; i < count && *ret_verdict == CACHE_TIER_NOT_IT; i++) {
            *ret_place = places[i];
            TRY(look(tier, actor, key, quiet, places[i], ahead, bytes, ret_verdict, ret_found, ret_info));
        }
    }
    if (*ret_verdict == CACHE_TIER_AGAIN)
        *ret_verdict = CACHE_TIER_NOT_IT;
    return STATUS_OK;
}

enum status warm_tier_fetch(struct warm_tier *tier, struct actor *actor, const struct cache_key *key,
                            struct buf *bytes) {
    for (int tries = 0; tries < FETCH_TRIES; tries++) {
        enum cache_tier_verdict verdict;
        struct cache_tier_place place;
        struct cache_tier_found found;
        struct cache_info info;
        TRY(warm_tier_find(tier, actor, key, true, NULL, bytes, &verdict, &place, &found, &info));
        if (verdict != CACHE_TIER_SHOWN && verdict != CACHE_TIER_WANTED)
            return STATUS_OK;
        TRY(cache_tier_promote(tier->cache, actor, key, place, &found));
    }
    MAYBE(cache_tier_give_up(tier->cache, actor, key) > 0);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ lasting */

enum status warm_tier_bring(void *context, struct actor *actor, const struct cache_key *key) {
    struct warm_tier *tier = context;
    struct buf bytes;
    buf_init(&bytes, memory_of(&tier->options));
    enum status status = warm_tier_fetch(tier, actor, key, &bytes);
    buf_fini(&bytes);
    return status;
}

void warm_tier_spare(void *context) { warm_spare(((const struct warm_tier *)context)->warm); }

void warm_tier_loaded(void *context) {
    struct warm_tier *tier = context;
    struct cache_tier_stats stats;
    cache_tier_stats(tier->cache, &stats);
    warm_taken(tier->warm, stats.taken_over != 0);
}

enum status warm_tier_flush(void *context) { return warm_flush(((const struct warm_tier *)context)->warm); }

void warm_tier_listed(void *context, uint64_t in_generation) {
    warm_listed(((const struct warm_tier *)context)->warm, in_generation);
}

/* ------------------------------------------------------------------------------------------ forks */

void warm_tier_stand_still(struct warm_tier *tier) { pthread_mutex_lock(&tier->still); }
void warm_tier_go_on(struct warm_tier *tier) { pthread_mutex_unlock(&tier->still); }

void warm_tier_forget(struct warm_tier *tier, struct actor *actor) {
    if (actor)
        MAYBE(cache_tier_set(tier->cache, actor, NULL) != STATUS_OK);
    directory_close(&tier->directory);
}
