/* core/record/record.h: what has changed in a cache, as bytes.
 *
 *     record  | version 1 | time 8 | part | part | ...        all that one command, or one slice of work, has changed
 *     part    | kind 1 | fields, by kind |
 *     cells   | shard | cell | cell | ...                    what a dump says of entries outside of memory (core/store/tier.h), whose values stand elsewhere
 *
 * A part says what is the case afterwards, never what was done: a key has this value, has these facts, has these bytes at this offset, is gone. So
 * applying the same records once more, from any of them on to the last, changes nothing (docs/format-records.md has the bytes).
 *
 * Threads: no state.
 * Memory:  slices of what was read point into the record.
 * Errors:  reading is safe for any bytes; a record that is read and written again is the same bytes.
 * Limits:  those of the cache: keys to 64 KiB, values to 512 MiB, 36 tags of 255 bytes, 16 databases.
 */
#ifndef STRATA_CORE_RECORD_RECORD_H
#define STRATA_CORE_RECORD_RECORD_H

#include "base/slice.h"
#include "base/status.h"

enum {
    RECORD_VERSION = 1,
    RECORD_HEAD_SIZE = 9,
    RECORD_TAGS_MAX = 36,
    RECORD_PLACES = 16,
    RECORD_KEY_MAX = 64 * 1024,
    RECORD_NAME_MAX = 255,                /* of tags, patterns, stores and notes */
    RECORD_FIELDS_MAX = 96,               /* of a part, beside its names, tags and value */
    RECORD_VALUE_MAX = 512 * 1024 * 1024, /* bytes; a patch ends there, too */
    RECORD_CELL_FIXED = 21,               /* of a cell without tags */
    RECORD_CELL_SIZE_MAX = RECORD_CELL_FIXED + 14 + RECORD_TAGS_MAX * (1 + RECORD_NAME_MAX),
    RECORD_HASH_BITS_MAX = 48,
    RECORD_ADDRESS_BITS = 39,
};

enum record_kind {
    RECORD_PUT = 1,     /* the key has this value and these facts */
    RECORD_FACTS,       /* the key's value stays, and has these facts */
    RECORD_PATCH,       /* the key's value has these bytes at this offset, and these facts */
    RECORD_REMOVE,      /* the key is gone */
    RECORD_TAG,         /* what bears this tag and is not younger than the stamp is gone, or stale */
    RECORD_BAN,         /* what matches this pattern in that place and is not younger than the stamp is gone */
    RECORD_SWEPT,       /* every key has been compared with bans up to this stamp, which are forgotten */
    RECORD_FLUSH,       /* all keys of the place are gone */
    RECORD_FLUSH_ALL,   /* all keys are */
    RECORD_FLUSH_STORE, /* all keys of a store are */
    RECORD_MAP,         /* which place each database has */
    RECORD_STAMPS,      /* so many stamps may have been handed out; later ones are above */
    RECORD_NOTE,        /* something that is not the cache's: a name and bytes */
    RECORD_TIER,        /* of a dump: where the records of the cells behind it stand */
    RECORD_CELLS,       /* of a dump: cells of a shard */
    RECORD_BAN_PAST,    /* of a dump: a ban that concerns nothing but what those cells lead to */
    RECORD_KINDS
};

struct record_part {
    enum record_kind kind;
    uint32_t place;     /* of a key or pattern in the engine: 0 to 15 */
    uint32_t type;      /* of an entry: enum cache_type */
    bool soft;          /* of a tag: what bears it is stale; of an entry: it has been softened, at its expiry */
    struct slice name;  /* key, tag, pattern, store or note */
    struct slice value; /* of PUT, PATCH, NOTE, CELLS; its bytes come last, and whoever writes may give them apart */
    uint64_t expires_at_ms; /* Unix time; 0: never. Of a soft tag: when that was */
    uint64_t
        stamp; /* of an entry (0: none), tag or ban; of STAMPS: how many; of TIER: bans up to it are forgotten, 0: none */
    uint64_t row;      /* given version; 0: none. Of TIER: the id of the file, not 0 */
    uint64_t stale_ms; /* shown for so long after its expiry; UINT64_MAX: for ever */
    uint64_t
        size_before; /* of a patched value. Of TIER: which keys belong to which shard, and how they are hashed, as one number */
    uint64_t
        offset; /* of a patch. Of TIER: what went down before the dump stands in lower generations. Of CELLS: how many buckets the shard's index has */
    uint32_t shard; /* of CELLS: up to 65535 */
    uint8_t map[RECORD_PLACES];
    uint32_t tag_count;
    struct slice tags[RECORD_TAGS_MAX]; /* the last field: only those that there are are read and written */
};

/* `at_ms`: Unix time at which it happened, by the clock of who did it. */
void record_head_write(uint64_t at_ms, uint8_t ret_head[RECORD_HEAD_SIZE]);

/* Bytes that the part takes at most, its value included. */
uint64_t record_part_size_max(const struct record_part *part);
/* Writes all but the bytes of the value, which follow; answers how many. */
size_t record_part_write(const struct record_part *part, uint8_t *to);

enum { RECORD_REMOVE_SIZE = 12 };
/* A part that says that a key is gone, without the key's bytes, which follow; answers its size. */
size_t record_remove_write(uint32_t place, uint64_t key_size, uint8_t ret_part[RECORD_REMOVE_SIZE]);

enum { RECORD_PLAIN_SIZE = 40 };
/* A part that puts a string without tags, version or time of staleness, which most are: all but the bytes of the key and of the value. What stands before the key
 * goes to `ret_head`; what stands between key and value to `ret_between`; answers both sizes. As record_part_write would, in a quarter of the time. */
struct record_plain {
    uint32_t place;
    uint64_t expires_at_ms, stamp; /* 0: none */
    uint64_t key_size, value_size;
};
size_t record_plain_write(const struct record_plain *plain, uint8_t ret_head[RECORD_PLAIN_SIZE],
                          uint8_t ret_between[RECORD_PLAIN_SIZE], size_t *ret_between_size);

/* All of such a part, with key and value, for small ones. Answers its size. */
size_t record_plain_put(const struct record_plain *plain, struct slice key, struct slice value, uint8_t *to);

/* What a cell of the tier says, with the tags that its record bears. */
struct record_cell {
    uint64_t bits; /* of the key's hash, the lowest `bit_count` */
    uint32_t bit_count;
    uint32_t place, hits;
    bool expires;
    uint64_t address, generation;
    uint64_t stamp, expires_at_ms; /* with tags only */
    uint32_t tag_count;
    struct slice tags[RECORD_TAGS_MAX]; /* the last field, as above */
};
/* Room for RECORD_CELL_SIZE_MAX; answers the size. */
size_t record_cell_write(const struct record_cell *cell, uint8_t *to);
/* The next one of a part's value, which has been read by record_next; false: there is no more. */
bool record_cell_next(struct slice *cells, struct record_cell *ret_cell);

struct record_reader {
    struct slice rest;
    uint64_t at_ms;
    size_t size;         /* of the whole record */
    const char *problem; /* of STATUS_CORRUPT or STATUS_INVALID: what is wrong, in words */
};

/* STATUS_INVALID: of a version that is not known here; STATUS_CORRUPT: not a record. */
MUST_CHECK enum status record_open(struct slice record, struct record_reader *ret_reader);
/* STATUS_CLOSED: there are no more parts. STATUS_CORRUPT: `record_at` says where. */
MUST_CHECK enum status record_next(struct record_reader *reader, struct record_part *ret_part);
/* The offset of what is read next, or could not be read. */
static inline size_t record_at(const struct record_reader *reader) { return reader->size - reader->rest.size; }

#endif
