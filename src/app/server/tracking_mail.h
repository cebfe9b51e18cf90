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
/* To all of a worker who have this prefix of the name. */
struct mail_prefix {
    struct slice name;
    size_t prefix_size;
    uint64_t origin; /* this client is not told if it does not want to hear of itself */
    uint64_t known;  /* nor those whose redirection was set in one of so many changes: mail_key has told them */
};
void mail_prefix(struct worker *worker, uint32_t home, const struct mail_prefix *mail);
/* Whether it asked not to be told of what it does itself, and `origin` is its client. */
static inline bool tracker_ignores(const struct tracker *tracker, uint64_t origin) {
    return origin && atomic_load_explicit(&tracker->client, memory_order_relaxed) == origin &&
           atomic_load_explicit(&tracker->state, memory_order_relaxed) & CMD_TRACKS_NOLOOP;
}
/* What this worker has emptied is posted now. */
void tracking_clear_posted(struct worker *worker);
/* Everybody has to drop everything: mails that to those of these modes who are told through another connection, so that its worker knows before
 * the change is replied to. Answers after how many changes of redirections; who redirects later is told by the client's own worker. */
uint64_t tracking_mail_redirected(struct worker *worker, uint32_t modes);
/* The client must drop everything. */
void mail_null(struct worker *worker, struct tracker *tracker);

#endif
