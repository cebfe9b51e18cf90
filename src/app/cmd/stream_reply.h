/* app/cmd/stream_reply.h: records of the invalidation stream as clients get them.
 *
 * In RESP3 a record is a map. In RESP2, where it comes as a message of the channel CMD_STREAM_CHANNEL, the same members are a JSON object: clients of
 * RESP2 take messages as one text. Members that say nothing are left out. A text that is not UTF-8 is {"base64": "..."} in JSON.
 *
 * Threads: no state.
 * Errors:  want of memory is remembered in the reply.
 */
#ifndef STRATA_APP_CMD_STREAM_REPLY_H
#define STRATA_APP_CMD_STREAM_REPLY_H

#include "core/proto/reply.h"
#include "core/stream/stream.h"

/* No client can publish to it or subscribe to it by name and get this. */
#define CMD_STREAM_CHANNEL "__stream__"

/* What is unsure after a gap. */
struct stream_unsure {
    struct buf parts;     /* of each: enum stream_part_kind, size, text */
    uint32_t count;       /* of them */
    bool anything;        /* then there are no parts */
    uint64_t from, until; /* positions that are not there any more, both included */
};
void stream_unsure_init(struct stream_unsure *unsure, const struct memory *memory);
void stream_unsure_fini(struct stream_unsure *unsure);
/* For struct stream_parts_visit. Without memory: anything. */
void stream_unsure_note(void *context, enum stream_part_kind kind, struct slice text, uint64_t position);

/* A list of pairs ("keys", "user:"), or "anything". */
void stream_reply_unsure(struct reply *reply, const struct stream_unsure *unsure);

/* As a member of a list, in either protocol. */
void stream_reply_record(struct reply *reply, const struct stream_record *record);

/* As something that a subscriber is sent; `as_message`: of the channel, which is the only way in RESP2. */
void stream_push_record(struct reply *reply, const struct stream_record *record, bool as_message);
void stream_push_gap(struct reply *reply, const struct stream_unsure *unsure, bool as_message);
/* Where what follows begins, to who listens to the channel: with everything, or with what he has asked for. */
#define STREAM_GREETING_HERE "here"
#define STREAM_GREETING_FROM "from"
void stream_push_greeting(struct reply *reply, const char *greeting, const char *run, uint64_t position);

/* Everything up to the position has been sent, and nothing else has been for a while. */
void stream_push_heartbeat(struct reply *reply, uint64_t position, uint64_t at_ms, bool as_message);

const char *stream_kind_name(enum stream_kind kind);

#endif
