/* core/pubsub/topics.h: who listens to what.
 *
 * A topic is a channel, a pattern or a shard channel that somebody listens to. Its listeners stand in parts, one for each owner (a
 * worker), so that an owner walks its own listeners while others join and leave elsewhere:
 *
 *     topics: name -> topic -> part of owner 0 -> member, member, ...      member -> listener
 *                           -> part of owner 2 -> member                   listener: name -> subscription -> its member
 *
 * Threads: all calls on one `struct topics` need its lock: shared for topics_find, topics_each and walking `parts`, exclusive for
 *          topics_join and topics_leave. A part's members change only in calls by its owner, who may read them without the lock. A
 *          listener belongs to its owner.
 * Memory:  from `memory`; a channel with one listener takes about 280 bytes and its name. A topic goes with its last
 *          member; a part that messages still name (`queued`) stays for them: topics_part_done.
 * Time:    finding, joining and leaving are constant; patterns are walked.
 * Errors:  STATUS_NO_MEMORY changes nothing.
 */
#ifndef STRATA_CORE_PUBSUB_TOPICS_H
#define STRATA_CORE_PUBSUB_TOPICS_H

#include <stdatomic.h>

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    TOPICS_LISTENER_MAX = 1024 * 1024,             /* topics of one listener */
    TOPICS_LISTENER_NAMES_MAX = 256 * 1024 * 1024, /* bytes of their names */
};

enum topic_kind { TOPIC_CHANNEL, TOPIC_PATTERN, TOPIC_SHARD_CHANNEL, TOPIC_KINDS };

struct listener;
struct subscription;

struct topic_member {
    struct listener *listener;
    struct subscription *subscription;
    uint64_t since; /* the caller's: what came before this does not concern the listener */
};

struct topic_part {
    struct topic *topic;
    struct topic_part *next;
    struct topic_member *members;
    uint32_t count, capacity;
    uint32_t owner;
    bool left;               /* no member any more, and the topic does not know it */
    _Atomic uint32_t queued; /* messages under way that name it */
};

struct topic {
    struct topic *chain; /* in the table */
    struct topic *newer, *older;
    struct topic_part *parts;
    uint64_t hash;
    uint64_t listeners; /* members of all parts */
    uint32_t name_size;
    uint8_t name[];
};

struct topics {
    const struct memory *memory;
    struct topic **heads;
    uint64_t head_count; /* a power of two, or 0 */
    uint64_t count;
    struct topic *oldest, *newest;
};

/* Embedded in whoever listens. */
struct listener {
    struct subscription **heads;
    uint64_t head_count;
    struct subscription *first[TOPIC_KINDS], *last[TOPIC_KINDS]; /* in the order of joining */
    uint32_t count, counts[TOPIC_KINDS];                         /* all, and of each kind */
    uint64_t name_bytes;
    const struct memory *memory;
};

struct subscription {
    struct subscription *chain;
    struct subscription *next, *previous;
    struct listener *listener;
    struct topic_part *part;
    uint32_t at; /* in part->members */
    enum topic_kind kind;
};

void topics_init(struct topics *topics, const struct memory *memory);
/* Nobody listens any more. */
void topics_fini(struct topics *topics);

/* `hash` is of the name, by the same function and seed for all that have to do with each other. */
struct topic *topics_find(const struct topics *topics, struct slice name, uint64_t hash);
static inline struct slice topic_name(const struct topic *topic) { return slice_make(topic->name, topic->name_size); }

void listener_init(struct listener *listener, const struct memory *memory);
/* It has left everything. */
void listener_fini(struct listener *listener);
struct subscription *listener_find(const struct listener *listener, enum topic_kind kind, struct slice name,
                                   uint64_t hash);

/* It does not listen to this yet. STATUS_FULL: a limit of the listener. */
MUST_CHECK enum status topics_join(struct topics *topics, enum topic_kind kind, struct slice name, uint64_t hash,
                                   uint32_t owner, uint64_t since, struct listener *listener);
void topics_leave(struct topics *topics, struct subscription *subscription);
/* The owner is done with `queued` having become less: frees the part if nobody needs it any more. Needs no lock. */
void topics_part_done(struct topic_part *part, const struct memory *memory);

void topics_verify(const struct topics *topics);

#endif
