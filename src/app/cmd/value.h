/* app/cmd/value.h: string values as commands read, write and lock them.
 *
 * Short values are copied once, into the reply or the arena; from VALUE_PIN_MIN bytes on they are pinned
 * and used where they stand, so that a value of 512 MiB is never in memory twice.
 *
 * Threads: those of the call.
 * Memory:  copies live in the call's arena; what is pinned is given back by value_release, or by whoever sends the reply.
 * Errors:  VALUE_FAILED means that the error reply is written.
 */
#ifndef STRATA_APP_CMD_VALUE_H
#define STRATA_APP_CMD_VALUE_H

#include "app/cmd/cmd.h"

enum {
    VALUE_PIN_MIN = 16 * 1024,
    VALUE_PREPARE_MIN = 64 * 1024, /* writes from this size on ask for room ahead */
};

enum value_result { VALUE_FOUND, VALUE_MISSING, VALUE_WRONG_TYPE, VALUE_FAILED };

/* Writes a part of the value as a bulk string; writes nothing when it is missing or no string. */
enum value_result value_to_reply(struct cmd_call *call, const struct cache_key *key, uint64_t offset,
                                 uint64_t size_max);

/* The whole value; where it is missing, whether a CACHE_NOTHING stands there. */
enum value_result value_or_nothing_to_reply(struct cmd_call *call, const struct cache_key *key, bool *ret_nothing);

/* A whole value as it was at one moment. */
struct value_view {
    uint64_t size;
    struct slice bytes;   /* in the arena, unless pinned */
    struct cache_pin pin; /* first is 0: not pinned */
};

enum value_result value_view(struct cmd_call *call, const struct cache_key *key, bool quiet,
                             struct value_view *ret_view);
/* The same for any type, uncounted, with the failure as a status; the entry must be there, its key locked. */
MUST_CHECK enum status value_view_any(struct cmd_call *call, const struct cache_key *key, struct value_view *ret_view);
void value_release(struct cmd_call *call, const struct value_view *view);

/* The longest contiguous piece from `offset` on; empty at the end. */
struct slice value_piece(const struct cmd_call *call, const struct value_view *view, uint64_t offset);

/* Replies a part of the view as a bulk string, from where it stands if it is long enough; releases the view. */
void value_part_to_reply(struct cmd_call *call, const struct value_view *view, uint64_t offset, uint64_t size);

/* Copies a part that lies inside the value. */
void value_copy(const struct cmd_call *call, const struct value_view *view, uint64_t offset, void *ret_bytes,
                uint64_t size);

/* Locks the keys, unless EXEC has locked them already; value_unlock takes the answer back. */
bool value_lock(struct cmd_call *call, const struct cache_key *keys, size_t count, uint64_t write_bytes);
void value_unlock(struct cmd_call *call, bool locked);

/* The keys at `count` arguments from `at` on, every `step`; NULL if there is no memory. */
struct cache_key *value_keys(struct cmd_call *call, uint32_t at, uint32_t step, uint32_t count);

/* Begins an edit that is about to write that many bytes. */
void value_edit_begin(struct cmd_call *call, const struct cache_key *key, uint64_t write_bytes,
                      struct cache_edit *ret_edit);

/* False, with the error written, when the entry of the edit is there and no string. */
bool value_is_string(struct cmd_call *call, const struct cache_edit *edit);
/* False, with the error written, when a value of this size would be over the limit. */
bool value_size_allowed(struct cmd_call *call, uint64_t offset, uint64_t size);

/* Tells whether the value of the edit is exactly these bytes. */
bool value_equals(const struct cache_edit *edit, struct slice bytes);

/* Milliseconds of Unix time from the argument at `at`. Writes the error when it is no positive integer or too large. */
bool value_expiry(struct cmd_call *call, uint32_t at, bool seconds, bool relative, uint64_t *ret_expires_at_ms);

/* Writes `bytes` or the call's upload through the edit; an expiry that is over deletes instead. */
MUST_CHECK enum status value_write(struct cmd_call *call, struct cache_edit *edit, struct slice bytes,
                                   uint64_t expires_at_ms);

#endif
