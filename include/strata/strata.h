/* strata/strata.h: a cache in your own process.
 *
 *     struct strata_cache *cache;
 *     if (strata_open("memory:64mb", NULL, &cache) == STRATA_OK) {
 *         strata_set(cache, "user:7", 6, "Ada", 3, NULL, NULL);
 *         char name[64];
 *         size_t size;
 *         if (strata_get(cache, "user:7", 6, name, sizeof name, &size) == STRATA_OK)
 *             printf("%.*s\n", (int)size, name);
 *         strata_close(cache);
 *     }
 *
 * What is true of every call, unless it says otherwise:
 *
 * Threads: any thread may call anything on the same cache at the same time; only strata_close must be the last call. Reading takes no
 *          lock. The library starts no thread, but two for a cache that is kept in a directory and one for a file behind memory, and installs no signal handler; nothing
 *          here may be called from one.
 * Files:   none, unless the cache is to be kept in a directory: then writes may answer STRATA_IO, see enum strata_fsync.
 * Memory:  entries live in one range of memory taken from the kernel when the cache is opened. Handles, and results
 *          that a call allocates, come from the allocator that the options name (else malloc). strata_get, strata_get_many and
 *          strata_exists allocate nothing.
 * Errors:  a call answers a status and changes nothing when it fails. Statuses below zero are errors; STRATA_MISS and the like
 *          are answers. Results (ret_...) are written only when the call says so. Pointers must be valid: NULL where none is
 *          allowed answers STRATA_INVALID.
 * Units:   sizes in bytes, times in milliseconds; moments are Unix time. Keys and values are bytes, not texts.
 * Fork:    a child process owns a copy of every cache (an empty one of what has a memory file) and may go on at once; see docs/libstrata.md.
 * Limits:  keys to STRATA_KEY_SIZE_MAX or half a segment (see strata_statistics.key_size_max), values to
 *          STRATA_VALUE_SIZE_MAX and to what fits the memory limit.
 * Growth:  option structs mean the default where they are zero, and must be zero in `reserved`, so that a program made for a later
 *          library is refused and not misread.
 */
#ifndef STRATA_STRATA_H
#define STRATA_STRATA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define STRATA_API __attribute__((visibility("default")))
#else
#define STRATA_API
#endif

#define STRATA_VERSION_MAJOR 0
#define STRATA_VERSION_MINOR 1
#define STRATA_VERSION_PATCH 0
#define STRATA_VERSION_TEXT "0.1.0"

/* ---------------------------------------------------------------- statuses */

/* Name, number, text. Numbers never change. */
#define STRATA_STATUS_TABLE(X)                                                   \
    X(STRATA_OK, 0, "done")                                                      \
    X(STRATA_MISS, 1, "there is no such entry")                                  \
    X(STRATA_REFUSED, 2, "the condition of the write does not hold")             \
    X(STRATA_MORE, 3, "there is more to do")                                     \
    X(STRATA_INVALID, -1, "an argument breaks the rules")                        \
    X(STRATA_NO_MEMORY, -2, "an allocation failed")                              \
    X(STRATA_FULL, -3, "the memory limit is reached and nothing may be evicted") \
    X(STRATA_TOO_LARGE, -4, "a key or value is over its maximum")                \
    X(STRATA_TOO_SMALL, -5, "the buffer is too small for the value")             \
    X(STRATA_NOT_NUMBER, -6, "the value is not a decimal number of 64 bits")     \
    X(STRATA_OVERFLOW, -7, "the result would not fit 64 bits")                   \
    X(STRATA_IO, -8, "the disk has not taken it")                                \
    X(STRATA_BUSY, -9, "another process keeps its cache in this directory")      \
    X(STRATA_CORRUPT, -10, "what the directory keeps is damaged")

#define STRATA_STATUS_ENTRY_(name, number, text) name = number,
enum strata_status { STRATA_STATUS_TABLE(STRATA_STATUS_ENTRY_) STRATA_STATUS_LAST = 0x7fffffff /* not an answer */ };
#undef STRATA_STATUS_ENTRY_

/* The text of the table, for people; never NULL, lives for ever. */
STRATA_API const char *strata_status_text(enum strata_status status);

#define STRATA_KEY_SIZE_MAX 65536u
#define STRATA_VALUE_SIZE_MAX 536870912u
#define STRATA_LIMIT_MIN 65536u    /* smallest memory limit */
#define STRATA_ENTRIES_MAX_MIN 10u /* smallest capacity in entries */
#define STRATA_FILE_MIN 8388608u   /* smallest file of a tier: 8 MiB */
#define STRATA_PROMOTE_HITS_MAX 7u
#define STRATA_THREADS_MAX \
    4095u /* threads with counters of their own; what more there are share one set, under a lock */
#define STRATA_TTL_NEVER UINT64_MAX /* strata_ttl: the entry does not expire */
#define STRATA_ERROR_TEXT_SIZE 256u /* enough for every text of strata_open */

/* ----------------------------------------------------------------- opening */

/* A cache. What is inside is the library's. */
struct strata_cache;

/* Where the library gets its memory from, but for the entries. Like realloc with the old size: size_new 0 frees and answers NULL; NULL
 * on failure, with the old bytes untouched. Must be usable by any thread, and must not call the cache. */
struct strata_allocator {
    void *(*resize)(void *context, void *old, size_t size_old, size_t size_new);
    void *context;
};

/* What leaves when memory is short. */
enum strata_policy {
    STRATA_EVICT_DEFAULT,         /* what pays least: rarely used, large, old; resists scans (S3-FIFO) */
    STRATA_EVICT_LRU,             /* what was not used for longest, roughly */
    STRATA_EVICT_RANDOM,          /* what stands together somewhere, by chance */
    STRATA_EVICT_NOTHING,         /* nothing: writes answer STRATA_FULL */
    STRATA_EVICT_EXPIRING,        /* as DEFAULT, but only entries that expire */
    STRATA_EVICT_EXPIRING_LRU,    /* as LRU, but only entries that expire */
    STRATA_EVICT_EXPIRING_RANDOM, /* as RANDOM, but only entries that expire */
    STRATA_EVICT_EXPIRING_SOON    /* of a sample of those that expire, the nearest quarter */
};

/* Of a cache that is kept in a directory: when what was written is durable. Every change goes into a log there, and the newest snapshot and the log
 * behind it make the cache again when it is opened.
 *
 *     mode        a call returns         a killed process loses   a power cut loses
 *     always      when it is on disk     nothing                  nothing
 *     everysec    at once                a second at most         a second at most, and the flush under way
 *     no          at once                a second at most         what the kernel had not written
 *
 * A write to such a cache answers STRATA_IO and changes nothing while the disk is full or fails; it is taken again as soon as the disk takes it. With `always`
 * a call may also answer STRATA_IO because the disk became full, or the flush has failed, just then: the change is there in memory, and is or comes on disk only
 * if nothing happens to the process. Where the
 * disk is too slow, writers wait. What leaves for want of memory has left for good. */
enum strata_fsync { STRATA_FSYNC_DEFAULT /* everysec */, STRATA_FSYNC_ALWAYS, STRATA_FSYNC_EVERYSEC, STRATA_FSYNC_NO };

/* What a cache that is kept has to say beside answers. */
enum strata_message { STRATA_MESSAGE_NOTICE = 1, STRATA_MESSAGE_WARNING = 2 };

/* Why an entry is gone. */
enum strata_reason {
    STRATA_EXPIRED = 1, /* its time had come */
    STRATA_EVICTED = 2, /* its memory was needed */
    STRATA_DELETED = 3, /* a call removed it */
    STRATA_REPLACED = 4 /* a call wrote another value over it; strata_append and strata_touch do not replace */
};

struct strata_event {
    struct strata_cache *cache;
    enum strata_reason reason;
    const void *key; /* until the callback returns */
    size_t key_size;
    uint64_t reserved[4];
};

/* How calls read what stands in the file of a tier, and how it is written. */
enum strata_file_access {
    STRATA_FILE_DIRECT, /* past the page cache, where the file system can: the file takes no memory of the machine. The default */
    /* Out of a mapping, through the page cache: what the kernel has in memory is read in less than a microsecond. That memory counts as the system's, and as shared memory of the process.
     * A page is touched only when a call of the kernel has read it within the same second, so a bad sector is a miss and no signal. SIGBUS ends a process
     * that reads while somebody makes the file shorter, or a sector goes bad in the second in which it was read and its page has left memory since. Where the file cannot be mapped
     * (some network file systems), calls read it through the page cache, and on_message tells of it. */
    STRATA_FILE_MMAP
};

struct strata_options {
    uint64_t
        limit_bytes; /* memory for everything the cache holds; 0: as described, else 64 MiB. At least STRATA_LIMIT_MIN */
    uint64_t
        limit_max_bytes;  /* how far strata_limit_set may raise it; costs address space only. 0: four times the limit */
    uint64_t entries_max; /* capacity in entries, at least STRATA_ENTRIES_MAX_MIN; 0: as described, else none */
    uint64_t default_ttl_ms; /* for entries written without a ttl; 0: they do not expire */
    enum strata_policy policy;
    uint32_t shards;      /* parts that are locked separately, a power of two to 256, fewer if entries_max is
                             small; 0: by size and processors */
    uint64_t seed;        /* of the hash of keys; 0: random, which nobody can prepare colliding keys for */
    uint32_t small_pages; /* not 0: do not ask the kernel for pages of 2 MiB */
    enum strata_file_access file_access;
    struct strata_allocator allocator; /* resize NULL: malloc */
    /* Told of entries that are gone, by the thread whose call removed them, before that call returns and after all locks are let go: it
     * may call the cache, but not close it. NULL: nobody is told, which is faster. Removals wait for their callbacks in memory of the
     * allocator; if there is none, the event is dropped and counted (strata_statistics.events_lost). */
    void (*on_removed)(void *context, const struct strata_event *event);
    void *on_removed_context;
    /* Where strata_open says in words what is wrong, when it fails; terminated. NULL: nowhere. */
    char *error_text;
    size_t error_text_size;
    /* Where the cache is kept: a directory, for this cache alone, made if it is not there (its parent must be). NULL: nowhere. */
    const char *directory;
    enum strata_fsync fsync;
    uint32_t
        file_promote_hits; /* reads that bring an entry from the file back into memory, to STRATA_PROMOTE_HITS_MAX; 0: 2 */
    /* Where entries go that leave memory and were used: a file of that size on an SSD, all of which is set aside at once (or a directory that is there, for a file
     * "strata.warm"). It is for this cache alone, and begins anew with each opening. NULL: nowhere, they are evicted. */
    const char *file;
    uint64_t file_bytes;
    uint64_t
        file_idle_ms; /* entries that nobody has used for so long go there though there is room: strata_maintain; 0: 5 minutes */
    uint64_t file_rate_bytes; /* written a second at most; what is beyond is evicted. 0: no limit */
    /* Told in a sentence of what happens in the background to a cache that is kept: a snapshot was taken, the disk is full. From any thread; it may not
     * call the library. NULL: nobody is told. */
    void (*on_message)(void *context, enum strata_message kind, const char *text);
    void *on_message_context;
    /* Where the entries themselves stand: a file of a file system in memory (tmpfs), such as /dev/shm/x, made if it is not there, for this cache alone. After strata_close the next opening has the cache as it was, in
     * milliseconds, if version, shards and the like are the same; a process that was killed leaves nothing, and the opening begins anew (or with what `directory` has). on_message tells which, and
     * why. The file system needs room for the limit: should others fill it, whoever touches a new page is killed by SIGBUS. The child of a fork begins with an empty cache. With
     * both a directory and a file of a tier nothing is kept there. NULL: memory of this process. */
    const char *memory_file;
    uint64_t reserved[7];
};

/* Opens a cache as described, nearest tier first, with a space between them:
 *
 *     memory[:SIZE][,NAME=VALUE]...     memory:64mb   memory:2gib,entries=100000   memory:entries=10,ttl=90s
 *     file:PATH:SIZE[,NAME=VALUE]...    memory:64mb file:/var/cache/x:1gb          behind memory: what leaves it and was used
 *
 *     SIZE      digits and a unit: b, kb, mb, gb, tb (1024 each, kib and so on mean the same) or k, m, g, t (1000 each)
 *     entries   capacity in entries          max        how far the limit may be raised, a SIZE
 *     ttl       default time to live: ms, s, m, h, d             shards     as in the options
 *     policy    default, lru, random, nothing, expiring, expiring-lru, expiring-random, expiring-soon
 *     dir       where the cache is kept, a path without a comma  fsync      always, everysec, no
 *     memory-file                                                where its memory stands, a path without a comma
 *
 * of a file:
 *     promote   reads that bring an entry back into memory       idle       a time: what was not used for so long goes there
 *     rate      a SIZE: written a second at most                 access     direct, mmap
 *
 * With `dir` it reads what is kept there, about a second for a million small entries. What finds no room within the limit is left out, and counted.
 * `options` may be NULL. What both the description and the options set must agree, else STRATA_INVALID.
 * Errors: STRATA_INVALID (see error_text), STRATA_NO_MEMORY; with `dir` and `memory-file` also STRATA_IO, STRATA_BUSY (another process, or another cache of this one, has it)
 * and STRATA_CORRUPT (error_text says where; `strata doctor` says what can be saved). None of them changes what is kept. */
STRATA_API enum strata_status strata_open(const char *description, const struct strata_options *options,
                                          struct strata_cache **ret_cache);

/* Gives everything back. No other call on the cache may be under way or follow, and what was pinned is gone (and with it a memory file: unpin before). NULL is allowed. Of a cache that is
 * kept, everything is on disk then, if the disk takes it: who must know calls strata_sync before. */
STRATA_API void strata_close(struct strata_cache *cache);

/* The version of the library that runs, as "0.1.0"; compare with STRATA_VERSION_TEXT, which the program was compiled with. */
STRATA_API const char *strata_version(void);

/* ----------------------------------------------------------------- reading */

/* Where there is a file tier, calls that ask for an entry read it from there, in this thread: some hundred microseconds for whoever waits, nobody else. Entries that are in the
 * file are there for every call; what changes an entry, or asks for more than its value, brings it into memory. A record that cannot be read, or is damaged, is a miss, and counted
 * (strata_statistics.file_damaged). */

/* Copies the value. STRATA_OK: ret_size bytes stand in the buffer. STRATA_MISS. STRATA_TOO_SMALL: ret_size says how much room the
 * value takes now, the buffer holds nothing of use.
 * Counts a hit or miss and a use. Takes no lock unless writers get in the way eight times. */
STRATA_API enum strata_status strata_get(struct strata_cache *cache, const void *key, size_t key_size, void *buffer,
                                         size_t buffer_size, size_t *ret_size);

/* As strata_get, with the version that strata_set and strata_delete_version compare. A version is never 0, changes with every write
 * of the value, and does not come again for a key, also not after it was deleted and written anew (there are 2^44 of them in a cache).
 * An entry that was written without asking for its version gets one here, which takes its lock once and 8 bytes of
 * memory; so STRATA_FULL is possible. */
STRATA_API enum strata_status strata_get_versioned(struct strata_cache *cache, const void *key, size_t key_size,
                                                   void *buffer, size_t buffer_size, size_t *ret_size,
                                                   uint64_t *ret_version);

/* Copies the value into new memory of the allocator: give it back with strata_free. ret_value is never NULL on success, also for an
 * empty value. STRATA_OK, STRATA_MISS, STRATA_NO_MEMORY. */
STRATA_API enum strata_status strata_get_copy(struct strata_cache *cache, const void *key, size_t key_size,
                                              void **ret_value, size_t *ret_size);
/* Gives back what strata_get_copy made; NULL is nothing. `size` is the size that it answered. */
STRATA_API void strata_free(struct strata_cache *cache, void *value, size_t size);

/* One read of a batch. */
struct strata_get_item {
    const void *key; /* in */
    size_t key_size;
    void *buffer;
    size_t buffer_size;
    size_t size;               /* out, as strata_get's ret_size */
    enum strata_status status; /* out, as strata_get's answer */
};

/* Reads many keys, several times as fast as one by one: memory is fetched for all of them together. Batches of 16 to 256 are
 * best. The keys are read one after the other, not at one moment; what stands in the file of a
 * tier is read from there for up to 64 of them at the same time. Answers how many were found. */
STRATA_API size_t strata_get_many(struct strata_cache *cache, struct strata_get_item *items, size_t count);

/* STRATA_OK or STRATA_MISS. Counts nothing. */
STRATA_API enum strata_status strata_exists(struct strata_cache *cache, const void *key, size_t key_size);

/* What is known of an entry. */
struct strata_entry {
    const void *key; /* strata_scan: until the callback returns; strata_find: as handed in */
    size_t key_size;
    uint64_t value_size;
    uint64_t expires_at_ms; /* 0: never */
    uint64_t charged_bytes; /* what it takes of the limit, its part of the index included */
    uint64_t idle_ms;       /* how long ago, at least, its memory was taken */
    uint32_t use_count;     /* 0 to 7, halved and forgotten as memory is reclaimed */
    uint32_t reserved_flags;
    uint64_t reserved[4];
};

/* STRATA_OK or STRATA_MISS. Counts nothing. */
STRATA_API enum strata_status strata_find(struct strata_cache *cache, const void *key, size_t key_size,
                                          struct strata_entry *ret_entry);

/* Milliseconds until the entry expires, at least 1, or STRATA_TTL_NEVER. STRATA_OK or STRATA_MISS. Counts nothing. */
STRATA_API enum strata_status strata_ttl(struct strata_cache *cache, const void *key, size_t key_size,
                                         uint64_t *ret_ttl_ms);

/* ------------------------------------------------------------------ pinning */

/* A value that is held still. */
struct strata_pinned {
    uint64_t size; /* of the value */
    uint64_t opaque[5];
};

/* Holds a value so that it can be read in place, whoever overwrites or removes it meanwhile. Values of more than a quarter of a
 * segment (from 1 KiB in a cache of 1 MiB to 512 KiB in one of 1 GiB) stand where they are and count against the limit until
 * strata_unpin; smaller ones are copied into memory of the allocator. Counts a hit or miss. STRATA_OK, STRATA_MISS, STRATA_NO_MEMORY. */
STRATA_API enum strata_status strata_pin(struct strata_cache *cache, const void *key, size_t key_size,
                                         struct strata_pinned *ret_pinned);

/* The longest contiguous piece of the value from `offset` on, at most to its end; size 0 at the end. Any thread, until unpin. */
STRATA_API enum strata_status strata_pinned_piece(struct strata_cache *cache, const struct strata_pinned *pinned,
                                                  uint64_t offset, const void **ret_bytes, size_t *ret_size);

/* Lets go, once for each strata_pin. */
STRATA_API void strata_unpin(struct strata_cache *cache, struct strata_pinned *pinned);

/* ----------------------------------------------------------------- writing */

enum strata_set_flag {
    STRATA_IF_ABSENT = 1 << 0,  /* only if there is no entry, else STRATA_REFUSED */
    STRATA_IF_PRESENT = 1 << 1, /* only if there is one, else STRATA_MISS */
    STRATA_KEEP_TTL = 1 << 2,   /* keep the expiry of the entry that is there; the rest counts if there is none */
    STRATA_NO_TTL = 1 << 3      /* never expires, whatever the cache's default */
};

struct strata_set_options {
    uint64_t ttl_ms; /* time to live; 0: see expires_at_ms */
    uint64_t
        expires_at_ms; /* or the moment; one that has passed removes the entry. 0: the default of the cache. Not both */
    uint64_t
        if_version; /* not 0: only if the entry has this version; STRATA_REFUSED if another, STRATA_MISS if there is none */
    uint32_t flags; /* enum strata_set_flag */
    uint32_t reserved_flags;
    uint64_t reserved[4];
};

/* Writes an entry. `options` may be NULL. `ret_version` not NULL: the entry gets a version (8 bytes more), which stands there
 * on success; never 0, but if the entry's time is over at once. STRATA_OK, STRATA_REFUSED, STRATA_MISS (see the options), STRATA_FULL, STRATA_TOO_LARGE. */
STRATA_API enum strata_status strata_set(struct strata_cache *cache, const void *key, size_t key_size,
                                         const void *value, size_t value_size, const struct strata_set_options *options,
                                         uint64_t *ret_version);

/* One write of a batch. */
struct strata_set_item {
    const void *key; /* in */
    size_t key_size;
    const void *value;
    size_t value_size;
    enum strata_status status; /* out, as strata_set's answer */
};

/* Writes many entries with the same options, faster than one by one. Each is written for itself: some may be refused, others not.
 * if_version must be 0. Answers how many were written. */
STRATA_API size_t strata_set_many(struct strata_cache *cache, struct strata_set_item *items, size_t count,
                                  const struct strata_set_options *options);

/* Writes behind what is there, or creates; keeps the expiry. `ret_size`, if not NULL, becomes the size of the whole
 * value. Values that are built in many steps are copied seldom: large ones grow in place. STRATA_OK, STRATA_FULL, STRATA_TOO_LARGE, STRATA_NO_MEMORY. */
STRATA_API enum strata_status strata_append(struct strata_cache *cache, const void *key, size_t key_size,
                                            const void *bytes, size_t size, uint64_t *ret_size);

struct strata_increment_options {
    int64_t initial; /* what a counter that is not there begins with, before `delta` is added */
    uint64_t ttl_ms; /* of a counter that is created; one that is there keeps its expiry. 0: the default of the cache */
    uint64_t reserved[4];
};

/* Adds to a counter, at one moment: a decimal text of 64 bits with sign, as the server's INCRBY keeps it. `options` and `ret_value` may
 * be NULL. STRATA_OK, STRATA_NOT_NUMBER, STRATA_OVERFLOW, STRATA_FULL, STRATA_TOO_LARGE. */
STRATA_API enum strata_status strata_increment(struct strata_cache *cache, const void *key, size_t key_size,
                                               int64_t delta, const struct strata_increment_options *options,
                                               int64_t *ret_value);

/* Gives an entry a new time to live; 0: it never expires. Its value and version stay. STRATA_OK, STRATA_MISS, STRATA_FULL. */
STRATA_API enum strata_status strata_touch(struct strata_cache *cache, const void *key, size_t key_size,
                                           uint64_t ttl_ms);

/* STRATA_OK: it was there and is gone. STRATA_MISS. */
STRATA_API enum strata_status strata_delete(struct strata_cache *cache, const void *key, size_t key_size);

/* The same, if it has this version: STRATA_REFUSED if it has another. */
STRATA_API enum strata_status strata_delete_version(struct strata_cache *cache, const void *key, size_t key_size,
                                                    uint64_t version);

struct strata_delete_item {
    const void *key; /* in */
    size_t key_size;
    enum strata_status status; /* out */
};

/* Removes many entries, faster than one by one. Answers how many were there. */
STRATA_API size_t strata_delete_many(struct strata_cache *cache, struct strata_delete_item *items, size_t count);

/* ------------------------------------------------------------- whole caches */

typedef void (*strata_visit)(void *context, const struct strata_entry *entry);

/* Visits about `count` entries and moves the cursor on; begin with 0, at the end it is 0 again. An entry that is there all the time is
 * visited at least once, whatever is written meanwhile; some may come twice. No lock is held in `visit`, which may call the cache.
 * STRATA_OK, or STRATA_NO_MEMORY with the cursor unmoved: nothing is left out. */
STRATA_API enum strata_status strata_scan(struct strata_cache *cache, uint64_t *cursor, uint32_t count,
                                          strata_visit visit, void *context);

/* Removes every entry, without telling on_removed. */
STRATA_API enum strata_status strata_clear(struct strata_cache *cache);

/* Waits until all changes that calls had made before this one are on disk. STRATA_OK also for a cache that is not kept. STRATA_IO: the log has
 * failed meanwhile, and it is not known which are. */
STRATA_API enum strata_status strata_sync(struct strata_cache *cache);

/* Writes a snapshot and waits for it, while others go on; then the log behind it is all that the next opening has to read. It happens by itself when the log
 * has become as long as the last snapshot, and 64 MiB. STRATA_IO: it could not be written, and the one before stays. STRATA_INVALID: the cache is not kept. */
STRATA_API enum strata_status strata_snapshot(struct strata_cache *cache);

/* Changes the memory limit. STRATA_IO: the file system of options.memory_file has no room for that. Raising it is at once; when it is lowered, entries leave by and by, as memory is needed or strata_maintain
 * is called. STRATA_INVALID under STRATA_LIMIT_MIN and over limit_max_bytes. */
STRATA_API enum strata_status strata_limit_set(struct strata_cache *cache, uint64_t limit_bytes);

/* Changes the capacity in entries; 0: none. When it is lowered, entries leave with the next writes. STRATA_INVALID from 1 to 9. */
STRATA_API enum strata_status strata_entries_max_set(struct strata_cache *cache, uint64_t entries_max);

struct strata_statistics {
    uint64_t entries;          /* expired ones that have not been removed yet included */
    uint64_t entries_expiring; /* of these, with an expiry */
    uint64_t entries_max;      /* 0: no capacity in entries */
    uint64_t limit_bytes, limit_max_bytes;
    uint64_t used_bytes;   /* memory in use, everything included */
    uint64_t live_bytes;   /* of this, entries that are there */
    uint64_t index_bytes;  /* of this, the index */
    uint64_t pinned_bytes; /* values held by strata_pin */
    uint64_t hits, misses; /* of reads that count */
    uint64_t written;      /* entries written or deleted by calls */
    uint64_t expired, evicted;
    uint64_t retries;      /* reads repeated because a writer came between */
    uint64_t copied_bytes; /* moved to make room */
    uint64_t events_lost;  /* see on_removed */
    uint64_t key_size_max; /* in this cache */
    uint32_t shards;
    uint32_t log_refuses; /* 1: the disk takes no writes at present */
    uint64_t log_bytes; /* of a cache that is kept: since the last snapshot; so much the next opening reads beside it */
    uint64_t log_records;                  /* changes staged since the opening */
    uint64_t log_flushes;                  /* since then */
    uint64_t snapshot_bytes;               /* of the last one; 0: there is none */
    uint64_t snapshots, snapshot_failures; /* since the opening */
    uint64_t loaded_ms;                    /* how long the opening took to read what was kept, */
    uint64_t loaded_records;               /* and how many records; */
    uint64_t loaded_lost;                  /* entries for which there was no room, */
    uint64_t cut_bytes;                    /* and bytes at the end of the log that were never written whole, cut off */
    uint64_t file_entries;                 /* of `entries`, those that are in the file */
    uint64_t file_bytes;                   /* of the file */
    uint64_t file_written_bytes;           /* since the opening */
    uint64_t file_hits;                    /* of `hits`, those that were read from the file and shown from there */
    uint64_t promoted, demoted;            /* entries that came from there, and went there */
    uint64_t file_damaged;                 /* records that could not be read, or were not what was written */
    uint64_t memory_file_attached;         /* 1: the opening found the cache as it was left in options.memory_file */
    uint64_t reserved[7];
};

/* Figures of this moment; counters are summed over all threads while these go on, and may lag by some operations. */
STRATA_API enum strata_status strata_stats(struct strata_cache *cache, struct strata_statistics *ret_statistics);

/* Removes what has expired, and makes room ahead of need, for about `max_us` microseconds. Writers do the same in small slices as they go
 * (at most about 500 microseconds, once in some hundred writes), so nobody has to call this; idle moments are a good time
 * to. STRATA_OK: nothing is left to do now. STRATA_MORE: there is. */
STRATA_API enum strata_status strata_maintain(struct strata_cache *cache, uint64_t max_us);

#ifdef __cplusplus
}
#endif

#endif
