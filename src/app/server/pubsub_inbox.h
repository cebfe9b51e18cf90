/* app/server/pubsub_inbox.h: what pubsub.c asks of pubsub_deliver.c.
 *
 * Threads: any.
 * Memory:  a message is one allocation that all who name it share.
 */
#ifndef STRATA_APP_SERVER_PUBSUB_INBOX_H
#define STRATA_APP_SERVER_PUBSUB_INBOX_H

#include "app/server/pubsub.h"

/* With one reference, the caller's. NULL: no memory. */
struct pubsub_message *message_new(struct slice channel, struct slice text);
/* Takes a reference of its own. True when the worker must be woken to see it. The topic's lock is held. */
bool inbox_put(struct worker *worker, struct pubsub_message *message, struct topic_part *part, enum topic_kind kind);
/* Something for its listeners is lost. True when the worker must be woken to see it. */
bool inbox_lose(struct worker *worker);
/* Puts bytes into a connection's output, to be sent by pubsub_send. Who does not take what is pushed is cut. */
void push_to(struct worker *worker, struct connection *connection, struct slice bytes);
/* Marks the connection to be closed at the end of the turn. */
void push_cut(struct connection *connection, const char *why);
/* How many entries it has received. */
uint64_t inbox_received(struct inbox *inbox);

#endif
