/* app/server/monitor.h: MONITOR, and who else hears what a worker runs.
 *
 * Lines are queued at each worker that has monitoring connections, and handed to them at its next turn.
 *
 * Threads: any worker feeds; a worker hands out its own lines.
 * Memory:  at most MONITOR_QUEUE_SIZE_MAX bytes of lines a worker; monitors that lag behind that are cut.
 */
#ifndef STRATA_APP_SERVER_MONITOR_H
#define STRATA_APP_SERVER_MONITOR_H

#include "app/server/worker.h"

void monitor_begin(struct cmd_server *server, struct cmd_client *client);
void monitor_end(struct connection *connection);
/* What is shown of an argument to others, in MONITOR and the slow log: no passwords, and of a value that was received in place only that it
 * was large, for it belongs to the cache by then. */
struct slice monitor_shown(const struct cmd_call *call, uint32_t at);

void monitor_feed(struct worker *worker, const struct cmd_call *call);
void monitor_hand_out(struct worker *worker);

#endif
