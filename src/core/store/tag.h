/* core/store/tag.h: the tags of an engine: names, the numbers by which entries bear them, and when each was invalidated.
 *
 *     name ── index ──> record   [invalidated 8][soft 8][members 4][bearers 4][name size 1][name]
 *     entry ── number ────^      a record takes as many slots of 16 B as it needs; its number is that of its first slot
 *
 * An entry is dead as soon as its stamp (entry.h) is older than the last invalidation of one of its tags. Nothing is walked for that: an
 * invalidation takes the next stamp and stores it in the record, and what bears the tag is found out by whoever comes across it.
 *
 *     members   live entries that bear the tag: those written since its last invalidation
 *     bearers   entries that name the record, the dead ones included that nobody has come across yet: while there are some, it stays
 *
 * Slots lie in pages, which are units of the range (SEGMENT_TAGS), found by a directory of their numbers. A page whose slots are all free
 * is given back. A number may be used again when nothing bears it any more.
 *
 * Arithmetic: 25 B and the name, rounded up to 16, and 11 B of index: a tag with a name of 20 B takes 59 B, 39 beside its name. An
 * entry pays 4 B for each tag.
 *
 * Threads: tag_invalidated by anyone, without a lock, for numbers of entries that are found to be as they were afterwards; everything else
 *          takes the table's own lock, which is taken after a shard's.
 * Memory:  in the range, charged to nobody's store. STATUS_FULL when there is none.
 */
#ifndef STRATA_CORE_STORE_TAG_H
#define STRATA_CORE_STORE_TAG_H

#include "core/store/index.h"

enum {
    TAG_NAME_MAX = 255,
    TAG_SLOT_SIZE = 16,
    TAG_SLOTS_MAX = 18, /* of a record: 25 B and the longest name */
};

struct tags {
    struct lock lock __attribute__((aligned(64)));
    struct index index;                      /* hash of the name -> number of the record */
    uint64_t pages_at;                       /* directory: numbers of units */
    _Atomic uint32_t page_count;             /* that the directory reaches to; those that were given back are 0 in it */
    uint32_t free_first[TAG_SLOTS_MAX + 1];  /* lists of free runs of slots by their length; slot + 1, 0: none */
    _Atomic uint64_t count, bytes;           /* records, and what they take */
};

struct tag_facts {
    uint64_t invalidated, soft; /* stamps of the last invalidations, 0: never */
    uint32_t members, bearers;
};

/* Takes no memory yet. `charged_to`: which of the range's charges pays. Directories are zero-filled arrays in the range, with a number for every unit that
 * it may have. */
void tags_init(struct range *range, struct tags *tags, uint32_t charged_to, uint64_t pages_at, uint64_t index_pages_at,
               uint64_t index_overflow_at);

/* The record of a name, with one bearer more: found, or made if `create`. STATUS_NOT_FOUND, STATUS_FULL; STATUS_INVALID for a name that is empty or
 * too long. */
MUST_CHECK enum status tag_take(struct range *range, struct actor *actor, struct tags *tags, struct slice name,
                                bool create, uint32_t *ret_number);
/* One bearer more of a record that has one. */
void tag_hold(struct range *range, struct actor *actor, struct tags *tags, uint32_t number);
/* One bearer less; the last one takes the record with him. `stamp`: of the entry, which was a member if it is not 0 and younger than the last
 * invalidation. */
void tag_give(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint64_t stamp);
/* A bearer becomes a member; its entry has this stamp. */
void tag_join(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint64_t stamp);

/* Entries that bear the tag and have a stamp up to the answer are dead; 0: none. */
uint64_t tag_invalidated(const struct range *range, const struct tags *tags, uint32_t number);

/* Invalidates with a stamp that is younger than all that were taken before, taken by `next` under the table's lock. Answers how many members there were; 0 if nobody has such a
 * tag. `soft`: members stay alive, and are stale. */
uint64_t tag_invalidate(struct range *range, struct actor *actor, struct tags *tags, struct slice name, bool soft,
                        uint64_t (*next)(void *context), void *context);

/* Copies the name to `to`, which has room for TAG_NAME_MAX; answers its size. The record has a bearer. */
size_t tag_name(struct range *range, struct actor *actor, struct tags *tags, uint32_t number, uint8_t *to);

/* What is known of a name; false: there is no such tag. */
bool tag_find(struct range *range, struct actor *actor, struct tags *tags, struct slice name, uint32_t *ret_number,
              struct tag_facts *ret_facts);

/* Forgets all, and gives everything back; no entry may name a tag any more. */
void tags_clear(struct range *range, struct actor *actor, struct tags *tags);

void tags_verify(const struct range *range, const struct tags *tags);

#endif
