/* app/cmd/queue.h: the queue between MULTI and EXEC.
 *
 * Threads: those of the call.
 * Memory:  arguments are copied into the client's multi_arena; an uploaded value moves into the queue with its command.
 * Errors:  a command that does not fit (CMD_MULTI_SIZE_MAX) is answered with an error, and EXEC will refuse.
 */
#ifndef STRATA_APP_CMD_QUEUE_H
#define STRATA_APP_CMD_QUEUE_H

#include "app/cmd/cmd.h"

/* Queues the command of the call and answers QUEUED. False: an error is written instead. */
bool queue_command(struct cmd_call *call);

#endif
