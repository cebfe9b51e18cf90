/* app/cmd/words.h: what commands of Strata's own say of a word that does not belong where it stands.
 *
 * Commands of Redis answer its texts, letter by letter; these name the word, and what goes there:
 *
 *     ERR syntax error at 'page:', expected PREFIX, CLASS or TAG before it
 *     ERR syntax error after 'LEASE', expected milliseconds
 *     ERR SYNC takes 0 to 600000, not '5s'
 *
 * Threads: no state.
 * Errors:  each writes the error and answers false, so that a parser returns what it gets.
 */
#ifndef STRATA_APP_CMD_WORDS_H
#define STRATA_APP_CMD_WORDS_H

#include "app/cmd/cmd.h"

/* The argument at `at` is none of what goes there; call->argc: nothing stands there. */
bool words_refuse(struct cmd_call *call, uint32_t at, const char *expected);

/* The word at `at` does not go with the rest: "ERR syntax error at 'LEASE', which stands there twice". */
bool words_refuse_which(struct cmd_call *call, uint32_t at, const char *which);

/* The number at `at`, behind the word it belongs to. `unit`: "" or one with a space before it, as in " milliseconds". */
bool words_number(struct cmd_call *call, uint32_t at, int64_t least, int64_t most, const char *unit,
                  int64_t *ret_value);

/* Behind a "wrong number of arguments": how such a command is written; empty for those of Redis. */
struct slice words_usage(const struct cmd_spec *spec);

#endif
