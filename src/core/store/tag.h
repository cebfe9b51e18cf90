/* core/store/tag.h: the tags of an engine: names, the numbers by which entries bear them, and when each was invalidated.
 *
 *     name ── index ──> record   [invalidated 8][soft 8][members 4][bearers 4][name size 1][name]
 *     entry ── number ────^      a record takes as many slots of 16 B as it needs; its number is that of its first slot
 *
 * An entry is dead as soon as its stamp (entry.h) is older than the last invalidation of one of its tags. Nothing is walked for that: an
 * invalidation takes the next stamp and stores it in the record, and what bears the tag is found out by whoever comes across it.
 *
 *     soft      the last soft invalidation: entries that are not younger live on, but are stale. With the time at which it was
 *     members   live entries that bear the tag: those written since its last invalidation
 *     bearers   entries that name the record, the dead ones included that nobody has come across yet: while there are some, it stays
 *
 * A reader asks first whether any tag of the same group was invalidated since the entry was written, which spares most reads a look at the
 * record: 5 instructions a tag in place of 20, and a line that is hardly ever in the cache where there are millions of tags.
 *
 * Slots lie in pages, which are units of the range (SEGMENT_TAGS), found by a directory of their numbers; a page's first slot says which
 * page it is, so 0 is nobody's number. A page whose slots are all free is given back, but for one, so that a tag that comes and goes does
 * not take and clear a page each time; tags_clear gives that back, too. A number may be used again when nothing bears it any more.
 *
 * Arithmetic: 25 B and the name, rounded up to 16, and 15 B of index: a tag with a name of 20 B takes 63 B, 43 beside its name. An
 * entry pays 4 B for each tag.
 *
 * Threads: tag_invalidated by anyone, without a lock, for numbers of entries that are found to be as they were afterwards; everything else
 *          takes the table's own lock, which is taken after a shard's and before that of the pool.
 * Memory:  in the range, charged to nobody's store. STATUS_FULL when there is none.
 */
#ifndef STRATA_CORE_STORE_TAG_H
#define STRATA_CORE_STORE_TAG_H

#include "base/slice.h"
#include "core/store/entry.h"
#include "core/store/index.h"

enum {
    TAG_NAME_MAX = 255,
    TAG_SLOT_SHIFT = 4,
    TAG_SLOT_SIZE = 1 << TAG_SLOT_SHIFT,
    TAG_NAME_AT = 25,   /* in a record */
    TAG_SLOTS_MAX = 18, /* of a record: 25 B and the longest name */
    TAG_DIRECTORIES = 3,
    TAG_GROUPS_TINY = 8,    /* by the low bits of numbers; where units are smallest, */
    TAG_GROUPS_MAX = 256,   /* and elsewhere */
    TAGS_LOOKED_AT_ONCE = 6 /* as many as the loop is unrolled */
};

/* Times are kept modulo this; half of it, 4.3 years, is the longest that is told. */
#define TAG_TIME_MS (1ull << 38)

/* Entries that may name a record: half of what is counted, so that tag_hold, which cannot say no, has the other half. */
#define TAG_BEARERS_MAX (1u << 31)

struct tags {
    struct lock lock __attribute__((aligned(64)));
    struct index index;                     /* hash of the name -> place of the record in the range */
    uint64_t pages_at;                      /* directory: numbers of units, 0: a page that was given back */
    _Atomic uint32_t page_count;            /* that the directory reaches to */
    uint32_t gap;                           /* the directory has no gap before */
    uint32_t spare;                         /* a page that is all free, by its number + 1; 0: none */
    uint32_t free_first[TAG_SLOTS_MAX + 1]; /* lists of other free runs by length, [0]: the longer ones; 0: none */
    _Atomic uint64_t count, bytes;          /* records, and what their slots take */
    _Atomic uint64_t
        dead; /* bearers that are dead by the tag which they bear: entries that were not come across yet, once for each such tag */
    bool loose; /* members and `dead` are not right at present, but will be counted anew: tags_count_loosely */
    _Atomic uint32_t
        guests; /* who holds a record for which no entry stands: while there are some, nobody may clear the table */
    uint32_t group_mask;
    _Atomic uint64_t
        latest[TAG_GROUPS_MAX]; /* stamps of the last invalidation in each group; group_mask + 1 are there */
};

struct tag_facts {
    uint64_t invalidated, soft; /* stamps of the last invalidations, 0: never */
    uint64_t soft_for_ms;       /* time since the last soft one */
    uint32_t members, bearers;
};

/* Bytes that a name may have: a record fits into a page, so fewer than TAG_NAME_MAX where units have 256 B (limits of some MiB). */
static inline size_t tag_name_max(const struct range *range) {
    size_t room = range->head->unit_size - TAG_SLOT_SIZE - TAG_NAME_AT;
    return room < TAG_NAME_MAX ? room : TAG_NAME_MAX;
}

/* What a table with so many groups takes, at the place of struct tags. */
static inline size_t tags_size(uint32_t groups) {
    return offsetof(struct tags, latest) + groups * sizeof(_Atomic uint64_t);
}

/* Takes no memory yet. `groups`: a power of two up to TAG_GROUPS_MAX. `charged_to`: which of the range's charges pays. Directories are zero-filled arrays in the range, with a number for
 * every unit that it may have. Names are hashed with the range's seed. */
void tags_init(struct tags *tags, uint32_t groups, uint32_t charged_to, uint64_t pages_at, uint64_t index_pages_at,
               uint64_t index_overflow_at);

/* The record of a name, with one bearer more: found, or made if `create`; 0 if nobody has such a tag. STATUS_FULL, also with
 * TAG_BEARERS_MAX; STATUS_INVALID for a name that is empty or longer than tag_name_max. */
MUST_CHECK enum status tag_take(struct range *range, struct actor *actor, struct tags *tags, struct slice name,
                                bool create, uint32_t *ret_number);
/* One bearer more of a record that has one. */
void tag_hold(struct range *range, struct actor *actor, struct tags *tags, uint32_t number);
/* One bearer less; the last one takes the record with him. `stamp`: of the entry, which was a member if it is not 0 and younger than the
 * last invalidation. */
void tag_give(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint64_t stamp);
/* A new stamp, from `next`, for an entry with that stamp whose value is changed; or the old one, if one of its tags was invalidated since it
 * got that, softly or not: the change came before then, and is dead or stale with it. */
uint64_t tag_renew(struct range *range, struct actor *actor, struct tags *tags, const uint32_t *numbers, uint32_t count,
                   uint64_t stamp, uint64_t (*next)(void *context), void *context);
/* A bearer becomes a member; false if the tag was invalidated since its entry got this stamp: then it is dead already. */
bool tag_join(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint64_t stamp);

/* Entries that bear the tag and have a stamp up to the answer are dead; 0: none. For a number that is no record's any more the answer
 * means nothing, but nothing else happens. */
uint64_t tag_invalidated(const struct range *range, const struct tags *tags, uint32_t number);

/* Whether an entry with that stamp is dead, or with `softly` also whether it is stale, by a tag of a group in which one has been
 * invalidated since: looks at its record. */
__attribute__((noinline, cold)) bool tag_kills(const struct range *range, const struct tags *tags, uint32_t number,
                                               uint64_t stamp, bool softly);

/* Where the tags that begin here end at the latest. */
static inline const uint8_t *tags_end(const uint8_t *numbers, uint64_t room) {
    return numbers + (room < ENTRY_TAGS_MAX * ENTRY_TAG_SIZE ? room / ENTRY_TAG_SIZE * ENTRY_TAG_SIZE
                                                             : ENTRY_TAGS_MAX * ENTRY_TAG_SIZE);
}

/* The last invalidation in the group of a tag. */
static inline uint64_t tags_latest(const struct tags *tags, uint32_t number) {
    return atomic_load_explicit(&tags->latest[number & tags->group_mask], memory_order_acquire);
}

/* Whether an entry with that stamp and these numbers, as they stand in it, may be dead or stale: the groups of its tags say only that it is neither; and of
 * one with more tags than TAGS_LOOKED_AT_ONCE they are not asked. `ret_size`, if it is not: what they take. A loop over more would cost every caller
 * registers, some ten instructions. */
static inline bool tags_may_kill(const struct tags *tags, const uint8_t *numbers, uint64_t stamp, uint32_t *ret_size) {
    const _Atomic uint64_t *latest = tags->latest;
#pragma GCC unroll 6
    for (uint32_t i = 0; i < TAGS_LOOKED_AT_ONCE; i++) {
        uint32_t number = words_load32(numbers + i * ENTRY_TAG_SIZE);
        if (__builtin_expect(atomic_load_explicit(&latest[number & tags->group_mask], memory_order_acquire) >= stamp,
                             0))
            return true;
        if (number & ENTRY_TAG_LAST) {
            *ret_size = (i + 1) * ENTRY_TAG_SIZE;
            return false;
        }
    }
    return true;
}

/* Whether it is dead, or with `softly` one of both; for tags in `room` bytes. */
static inline bool tags_kill(const struct range *range, const struct tags *tags, const uint8_t *numbers, uint64_t room,
                             uint64_t stamp, bool softly, uint32_t *ret_size) {
    *ret_size = 0;
    for (const uint8_t *at = numbers, *end = tags_end(numbers, room); at < end;) {
        uint32_t number = words_load32(at);
        at += ENTRY_TAG_SIZE;
        if (__builtin_expect(tags_latest(tags, number) >= stamp, 0) &&
            tag_kills(range, tags, number & ~ENTRY_TAG_LAST, stamp, softly))
            return true;
        if (number & ENTRY_TAG_LAST) {
            *ret_size = (uint32_t)(at - numbers);
            return false;
        }
    }
    return true;
}

/* Invalidates with a stamp that is younger than all that were taken before, taken by `next` under the table's lock. Answers how many
 * members there were; 0 if nobody has such a tag, for which no stamp is taken. `soft`: members stay alive, and are stale. */
uint64_t tag_invalidate(struct range *range, struct actor *actor, struct tags *tags, struct slice name, bool soft,
                        uint64_t (*next)(void *context), void *context);

/* The same with a given stamp, which need not be the youngest, at that time: what is younger lives on. For a record that has a bearer, while members are
 * counted loosely. */
void tag_invalidate_at(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, bool soft,
                       uint64_t stamp, uint64_t at_ms);
/* While a journal is replayed invalidations come in another order than entries, so that nobody knows who is a member. At the end nobody is: then whoever walks over all
 * entries lets their tags be joined once more. */
void tags_count_loosely(struct range *range, struct actor *actor, struct tags *tags);
void tags_count_anew(struct range *range, struct actor *actor, struct tags *tags);

/* For how long an entry with that stamp has been stale by this tag, which has a bearer: since its last soft invalidation; 0: it is not, or
 * since just now. */
uint64_t tag_stale_ms(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint64_t stamp);

/* Copies the name to `to`, which has room for TAG_NAME_MAX; answers its size. The record has a bearer. */
size_t tag_name(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint8_t *to);

/* What is known of a name; false: there is no such tag. */
bool tag_find(struct range *range, struct actor *actor, struct tags *tags, struct slice name, uint32_t *ret_number,
              struct tag_facts *ret_facts);

/* Forgets all, and gives everything back; no entry may name a tag any more, and there are no guests. */
void tags_clear(struct range *range, struct actor *actor, struct tags *tags);

/* While nobody writes. Answers how many bearers there are. */
uint64_t tags_verify(const struct range *range, const struct tags *tags);

#endif
