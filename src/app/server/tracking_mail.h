/* app/server/tracking_mail.h: what tracking.c asks of tracking_deliver.c.
 *
 * Mail is collected by the worker that makes it (worker->mailbox.outgoing) until tracking_post. A call that finds no memory makes everybody
 * who is told by that worker drop everything instead.
 *
 * Threads: in the turn of the worker that makes the mail; with locks of the tables held, or without.
 */
#ifndef STRATA_APP_SERVER_TRACKING_MAIL_H
#define STRATA_APP_SERVER_TRACKING_MAIL_H

#include "app/server/tracking.h"

/* Prefixes of a client of the mode BCAST. */
struct tracked_prefixes {
    struct listener listener; /* first: members of topics name it */
    struct tracker *tracker;
};

struct tracker *tracker_at(const struct tracking *tracking, uint32_t number);
/* The worker's own clients that have this prefix, NULL: none. They change in calls by this worker only. */
const struct topic_part *tracking_prefix_part(struct worker *worker, struct slice prefix);

/* The client had read the key. Clients of one key come one after the other. */
void mail_key(struct worker *worker, struct tracker *tracker, struct slice name);
/* To all of a worker who have this prefix of the name, but the client `origin` if it does not want to hear of itself. */
void mail_prefix(struct worker *worker, uint32_t home, struct slice name, size_t prefix_size, uint64_t origin);
/* The client must drop everything. */
void mail_null(struct worker *worker, struct tracker *tracker);

#endif
