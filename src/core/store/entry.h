/* core/store/entry.h: how an entry lies in a segment.
 *
 *     short   [word][key][value]                                   keys to 255 B, values to 16,383 B
 *     long    [word][key size][key][value]                         keys to 64 KiB, values to 4 MiB
 *     plus    [word]([key size])([meta])([stamp])([row 8])([expiry 4 | expiry 8])([tag] ... [tag])[key][value]
 *
 *     word    | stored size 14 | key size 8 | flags 7 | type 3 |      (long: stored size 22 | flags | type)
 *     meta    | stamp, high 12 | row 1 | softened 1 | stale 14 | database 4 |   a stamp's other 32 bits follow if these 12 are not 0
 *
 * All fields before the key are 4 bytes wide, an entry begins at a multiple of 4 and takes a multiple of 4. Fields that an
 * entry does not use cost nothing: a plain one has 4 bytes beside key and value. A tag is a number of 31 bits (tag.h); the last one has the
 * highest bit set. A stamp is the version of the value, for those who asked for it (docs/decisions/0012) and for entries with tags: 8 bytes,
 * of which an entry outside database 0 has 4 already. A row is the version that whoever wrote the value gave it. `stale`: for how long
 * after its expiry the entry may still be shown to those who ask for stale values (entry_stale_code). One that is softened has expired, whatever a
 * thread's clock says, and that has been told; its expiry says since when. If it was not its time that softened it but an invalidation, the expiry
 * is 8 bytes and has its highest bit set. An expiry of 4 bytes counts milliseconds from the base of the segment; one that does not fit there is
 * 8 bytes of Unix time. An entry with ENTRY_EXTENTS stores instead of its value 16 bytes: the value's size and the place of its first extent; one with
 * ENTRY_OBJECT, 16 bytes as well, the root of its objects (object.h).
 *
 * Threads: decoding reads shared bytes by words.h and trusts nothing: all parts lie within the segment or it answers false.
 */
#ifndef STRATA_CORE_STORE_ENTRY_H
#define STRATA_CORE_STORE_ENTRY_H

#include "base/bits.h"
#include "core/store/words.h"

enum entry_flag {
    ENTRY_LONG = 1 << 3,
    ENTRY_EXPIRY = 1 << 4,
    ENTRY_EXPIRY_WIDE = 1 << 5,
    ENTRY_META = 1 << 6,
    ENTRY_EXTENTS = 1 << 7,
    ENTRY_OBJECT = 1 << 8,
    ENTRY_TAGS = 1 << 9,
    ENTRY_OWNS = ENTRY_EXTENTS | ENTRY_OBJECT, /* memory elsewhere, freed with the entry; not both */
};

enum {
    ENTRY_TYPE_MASK = 7,
    ENTRY_FLAGS_MASK = 0x3f8,
    ENTRY_KEY_SHORT_MAX = 255,
    ENTRY_STORED_SHORT_MAX = (1 << 14) - 1,
    ENTRY_KEY_MAX = 64 * 1024,
    ENTRY_STORED_MAX = (1 << 22) - 1,
    ENTRY_OWNED_SIZE = 16, /* stored by an entry that owns memory elsewhere */
    ENTRY_FIELDS_MAX = 32, /* bytes before tags and key */
    ENTRY_TAGS_MAX = 36,
    ENTRY_TAG_SIZE = 4,
    ENTRY_PLAIN_KEY_AT = 4,
    ENTRY_PLAIN_SIZE_MAX = ENTRY_PLAIN_KEY_AT + ENTRY_KEY_SHORT_MAX + ENTRY_STORED_SHORT_MAX,
    ENTRY_SHORT_SIZE_MAX =
        ENTRY_FIELDS_MAX + ENTRY_TAGS_MAX * ENTRY_TAG_SIZE + ENTRY_KEY_SHORT_MAX + ENTRY_STORED_SHORT_MAX,
    ENTRY_ALIGNMENT = 4, /* 1.5 B an entry are lost on average; with 8 it would be 3.5 */
};

/* Stamps run from here to 2^44 - 1: whatever is not 0 in the 12 bits of the meta word says that there is one. */
#define ENTRY_STAMP_FIRST (1ull << 32)
#define ENTRY_STAMP_END (1ull << 44)

#define ENTRY_TAG_LAST (1u << 31)
#define ENTRY_INVALIDATED (1u << 31) /* of the upper half of an expiry of 8 bytes, if the entry is softened */

/* Fields of the meta word. */
enum {
    ENTRY_META_DB = 15,
    ENTRY_META_STALE_SHIFT = 4,
    ENTRY_META_SOFTENED = 1 << 18,
    ENTRY_META_ROW = 1 << 19,
    ENTRY_META_STAMP_SHIFT = 20
};

/* A time of staleness is a number of 10 bits times a power of four: within 0.4 % and never too short, up to 8 years; 0: none. */
enum { ENTRY_STALE_BITS = 10, ENTRY_STALE_STEPS = 15, ENTRY_STALE_FOREVER = 0x3fff };

static inline uint32_t entry_stale_code(uint64_t stale_ms) {
    for (uint32_t step = 0; step < ENTRY_STALE_STEPS; step++) {
        uint64_t parts = (stale_ms >> step * 2) + ((stale_ms & ((1ull << step * 2) - 1)) != 0);
        if (parts >> ENTRY_STALE_BITS == 0)
            return step << ENTRY_STALE_BITS | (uint32_t)parts;
    }
    return ENTRY_STALE_FOREVER;
}

/* UINT64_MAX: for ever. */
static inline uint64_t entry_stale_ms(uint32_t code) {
    if (code == ENTRY_STALE_FOREVER)
        return UINT64_MAX;
    return (uint64_t)(code & ((1u << ENTRY_STALE_BITS) - 1)) << (code >> ENTRY_STALE_BITS) * 2;
}

/* What an entry is made of; the bytes of tags, key and value are not part of it. */
struct entry {
    uint32_t type, db;
    uint32_t flags; /* ENTRY_OWNS on the way in; all on the way out */
    uint32_t key_size, stored_size;
    uint64_t expires_at_ms; /* 0: never */
    uint64_t stamp;         /* ENTRY_STAMP_FIRST to ENTRY_STAMP_END - 1, or 0: none */
    uint64_t row;           /* given version, 0: none */
    uint32_t stale;         /* entry_stale_code; 0: nobody is shown it after its expiry */
    bool softened;          /* it has expired by whichever clock, and whoever wants to know of that has been told */
    bool invalidated;       /* and that was a soft invalidation at that time; else its time had come */
    uint32_t tag_count;     /* at most ENTRY_TAGS_MAX; their numbers stand before the key */
    /* results of entry_plan and entry_decode */
    uint32_t key_at, value_at; /* offsets from the entry's start */
    uint32_t size;             /* with padding */
};

/* Fills flags, offsets and size for an entry in a segment with this base. */
static inline void entry_plan(struct entry *entry, uint64_t base_ms) {
    uint32_t flags = entry->flags & ENTRY_OWNS, at = 4;
    if (entry->key_size > ENTRY_KEY_SHORT_MAX || entry->stored_size > ENTRY_STORED_SHORT_MAX)
        flags |= ENTRY_LONG, at += 4;
    if (entry->db || entry->stamp || entry->stale || entry->row || entry->softened)
        flags |= ENTRY_META, at += 4 + (entry->stamp ? 4 : 0) + (entry->row ? 8 : 0);
    if (entry->expires_at_ms) {
        bool fits =
            entry->expires_at_ms >= base_ms && entry->expires_at_ms - base_ms <= UINT32_MAX && !entry->invalidated;
        flags |= fits ? ENTRY_EXPIRY : ENTRY_EXPIRY_WIDE;
        at += fits ? 4 : 8;
    }
    if (__builtin_expect(entry->tag_count != 0, 0))
        flags |= ENTRY_TAGS, at += entry->tag_count * ENTRY_TAG_SIZE;
    entry->flags = flags;
    entry->key_at = at;
    entry->value_at = at + entry->key_size;
    entry->size = (uint32_t)bits_align_up(entry->value_at + entry->stored_size, ENTRY_ALIGNMENT);
}

/* Where tags begin, or the key if there are none: from here on an entry is the same in any segment. */
static inline uint32_t entry_body_at(const struct entry *entry) {
    return entry->key_at - entry->tag_count * ENTRY_TAG_SIZE;
}

/* Writes the fields before tags and key. The entry has been planned with the same base. */
static inline void entry_encode(const struct entry *entry, uint64_t base_ms, uint8_t *to) {
    uint32_t word = entry->type | entry->flags;
    if (entry->flags & ENTRY_LONG) {
        words_store32(to, word | entry->stored_size << 10);
        words_store32(to + 4, entry->key_size);
        to += 8;
    } else {
        words_store32(to, word | entry->key_size << 10 | entry->stored_size << 18);
        to += 4;
    }
    if (entry->flags & ENTRY_META) {
        words_store32(to, entry->db | entry->stale << ENTRY_META_STALE_SHIFT |
                              (entry->softened ? ENTRY_META_SOFTENED : 0) | (entry->row ? ENTRY_META_ROW : 0) |
                              (uint32_t)(entry->stamp >> 32) << ENTRY_META_STAMP_SHIFT);
        to += 4;
        if (entry->stamp) {
            words_store32(to, (uint32_t)entry->stamp);
            to += 4;
        }
        if (entry->row) {
            words_store32(to, (uint32_t)entry->row);
            words_store32(to + 4, (uint32_t)(entry->row >> 32));
            to += 8;
        }
    }
    if (entry->flags & ENTRY_EXPIRY) {
        words_store32(to, (uint32_t)(entry->expires_at_ms - base_ms));
    } else if (entry->flags & ENTRY_EXPIRY_WIDE) {
        words_store32(to, (uint32_t)entry->expires_at_ms);
        words_store32(to + 4, (uint32_t)(entry->expires_at_ms >> 32) | (entry->invalidated ? ENTRY_INVALIDATED : 0));
    }
}

static inline void entry_tags_encode(const struct entry *entry, const uint32_t *numbers, uint8_t *to) {
    to += entry_body_at(entry);
    for (uint32_t i = 0; i < entry->tag_count; i++)
        words_store32(to + i * ENTRY_TAG_SIZE, numbers[i] | (i + 1 == entry->tag_count ? ENTRY_TAG_LAST : 0));
}

static inline uint32_t entry_tag(const struct entry *entry, const uint8_t *from, uint32_t which) {
    return words_load32(from + entry_body_at(entry) + which * ENTRY_TAG_SIZE) & ~ENTRY_TAG_LAST;
}

/* How many there are from here on; 0: these cannot be tags. */
static inline uint32_t entry_tags_count(const uint8_t *from, uint64_t room) {
    for (uint32_t count = 1; count <= ENTRY_TAGS_MAX && count * ENTRY_TAG_SIZE <= room; count++)
        if (words_load32(from + (count - 1) * ENTRY_TAG_SIZE) & ENTRY_TAG_LAST)
            return count;
    return 0;
}

/* The meta word and what belongs to it, from `at` on; answers where it ends, 0: it does not fit. */
static inline uint32_t entry_meta_decode(const uint8_t *from, uint64_t room, uint32_t at, struct entry *ret_entry) {
    if (room < at + 4)
        return 0;
    uint32_t meta = words_load32(from + at), stamp = meta >> ENTRY_META_STAMP_SHIFT;
    ret_entry->db = meta & ENTRY_META_DB;
    ret_entry->stale = meta >> ENTRY_META_STALE_SHIFT & ENTRY_STALE_FOREVER;
    ret_entry->softened = meta & ENTRY_META_SOFTENED;
    at += 4;
    if (room < at + (stamp ? 4 : 0) + (meta & ENTRY_META_ROW ? 8 : 0))
        return 0;
    if (stamp) {
        ret_entry->stamp = (uint64_t)stamp << 32 | words_load32(from + at);
        at += 4;
    }
    if (__builtin_expect(meta & ENTRY_META_ROW, 0)) {
        ret_entry->row = words_load32(from + at) | (uint64_t)words_load32(from + at + 4) << 32;
        at += 8;
    }
    return at;
}

/* The fields that hardly any entry has, from `at` on; answers where they end, 0: they do not fit. */
static inline uint32_t entry_fields_decode(const uint8_t *from, uint64_t room, const uint64_t *base_ms, uint32_t at,
                                           struct entry *ret_entry) {
    uint32_t flags = ret_entry->flags;
    if (flags & ENTRY_META) {
        at = entry_meta_decode(from, room, at, ret_entry);
        if (at == 0)
            return 0;
    }
    if (flags & ENTRY_EXPIRY) {
        if (room < at + 4)
            return 0;
        ret_entry->expires_at_ms = __atomic_load_n(base_ms, __ATOMIC_RELAXED) + words_load32(from + at);
        at += 4;
    } else if (flags & ENTRY_EXPIRY_WIDE) {
        if (room < at + 8)
            return 0;
        uint32_t upper = words_load32(from + at + 4);
        ret_entry->invalidated = ret_entry->softened && upper & ENTRY_INVALIDATED;
        if (ret_entry->invalidated)
            upper &= ~ENTRY_INVALIDATED;
        ret_entry->expires_at_ms = words_load32(from + at) | (uint64_t)upper << 32;
        at += 8;
    }
    if (flags & ENTRY_TAGS) {
        ret_entry->tag_count = entry_tags_count(from + at, room - at);
        if (ret_entry->tag_count == 0)
            return 0;
        at += ret_entry->tag_count * ENTRY_TAG_SIZE;
    }
    return at;
}

/* Reads them back. `room`: bytes from the entry's start to the end of its segment, whose base is read only if it is needed. False if that
 * cannot be an entry, which happens to readers that came too late. */
__attribute__((always_inline)) static inline bool entry_decode(const uint8_t *from, uint64_t room,
                                                               const uint64_t *base_ms, struct entry *ret_entry) {
    uint32_t word = words_load32(from), at = 4;
    ret_entry->type = word & ENTRY_TYPE_MASK;
    ret_entry->flags = word & ENTRY_FLAGS_MASK;
    ret_entry->db = 0;
    ret_entry->expires_at_ms = 0;
    ret_entry->stamp = 0;
    ret_entry->row = 0;
    ret_entry->stale = 0;
    ret_entry->softened = false;
    ret_entry->invalidated = false;
    ret_entry->tag_count = 0;
    if (__builtin_expect(!(word & ENTRY_FLAGS_MASK), 1)) {
        ret_entry->key_size = word >> 10 & 0xff;
        ret_entry->stored_size = word >> 18;
        ret_entry->key_at = at;
        ret_entry->value_at = at + ret_entry->key_size;
        ret_entry->size = (uint32_t)bits_align_up(ret_entry->value_at + ret_entry->stored_size, ENTRY_ALIGNMENT);
        return ret_entry->size <= room;
    }
    if (word & ENTRY_LONG) {
        if (room < 8)
            return false;
        ret_entry->stored_size = word >> 10;
        ret_entry->key_size = words_load32(from + 4) & 0x1ffff;
        at = 8;
    } else {
        ret_entry->key_size = word >> 10 & 0xff;
        ret_entry->stored_size = word >> 18;
    }
    if (word & (ENTRY_META | ENTRY_EXPIRY | ENTRY_EXPIRY_WIDE | ENTRY_TAGS)) {
        at = entry_fields_decode(from, room, base_ms, at, ret_entry);
        if (at == 0)
            return false;
    }
    ret_entry->key_at = at;
    ret_entry->value_at = at + ret_entry->key_size;
    ret_entry->size = (uint32_t)bits_align_up(ret_entry->value_at + ret_entry->stored_size, ENTRY_ALIGNMENT);
    return ret_entry->size <= room &&
           (__builtin_expect(!(word & ENTRY_OWNS), 1) || ret_entry->stored_size == ENTRY_OWNED_SIZE);
}

/* The same for an entry with four bytes of header, type 0 and a key of this size; false if it is none. */
static inline bool entry_plain_decode(const uint8_t *from, size_t key_size, uint32_t *ret_value_at,
                                      uint32_t *ret_stored_size) {
    uint32_t word = words_load32(from);
    *ret_value_at = ENTRY_PLAIN_KEY_AT + (uint32_t)key_size;
    *ret_stored_size = word >> 18;
    return (word & (ENTRY_FLAGS_MASK | ENTRY_TYPE_MASK | ENTRY_KEY_SHORT_MAX << 10)) == (uint64_t)key_size << 10;
}

static inline uint32_t entry_plain_size(uint32_t value_at, uint32_t stored_size) {
    return (uint32_t)bits_align_up(value_at + stored_size, ENTRY_ALIGNMENT);
}

static inline void entry_plain_encode(uint8_t *to, size_t key_size, uint32_t stored_size) {
    words_store32(to, (uint32_t)key_size << 10 | stored_size << 18);
}

#endif
