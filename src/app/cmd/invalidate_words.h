/* app/cmd/invalidate_words.h: what may stand behind an invalidation, and the reply to it.
 *
 *     [SOFT] [DRYRUN] [SYNC milliseconds] [REASON text]
 *
 * With SYNC the command does its work, waits for the subscribers of the stream that acknowledge, and runs again to say how that went:
 *
 *     invalidate_words_resumed: false -> words, work -> invalidate_words_reply: CMD_WAITS ... resumed: true, replied
 *
 * Threads: no state beside the client's.
 */
#ifndef STRATA_APP_CMD_INVALIDATE_WORDS_H
#define STRATA_APP_CMD_INVALIDATE_WORDS_H

#include "app/cmd/cmd.h"

enum { INVALIDATE_SYNC_MS_MAX = 600 * 1000 };

struct invalidate_words {
    bool dry_run, soft, sync;
    uint32_t sync_ms;
    struct slice reason;
};

/* Whether the argument is one of these words. */
bool invalidate_words_begin(const struct cmd_call *call, uint32_t at);

/* Where the words begin that stand at the end of a list of texts which begins at `from` and has one at least. */
uint32_t invalidate_words_find(const struct cmd_call *call, uint32_t from);

/* Reads all arguments from `at` on. False: the error is written. */
bool invalidate_words_read(struct cmd_call *call, uint32_t at, struct invalidate_words *ret_words);

/* True: the command has done its work before and waited; the reply is written now. */
bool invalidate_words_resumed(struct cmd_call *call);

/* After the work: the number of entries, or with SYNC a map; or the command waits. */
void invalidate_words_reply(struct cmd_call *call, const struct invalidate_words *words, uint64_t entries);

#endif
