/* app/server/rules.h: the rules in force, and how others come into force while the server runs.
 *
 * Each worker has a pointer of its own to the set that it goes by. A load puts the new set into every worker in turn, so that nobody goes
 * by the old one any more, and then brings the entries that are there under the new one: they get its tags. Only then it answers; so what the
 * rules promise holds from the answer on. A bad manifest changes nothing.
 *
 * A worker that makes a change follows the edges of the rules before it replies (changes.h): what goes is gone when the writer knows of its write.
 *
 * Threads: rules_load in the turn of a worker, one at a time (STATUS_BUSY); the rest by the worker itself.
 * Time:    a load looks at every entry, about 2 microseconds each, in which the loading worker does nothing else.
 * Errors:  where memory fails for a plan, every class goes: never less than the rules demand.
 */
#ifndef STRATA_APP_SERVER_RULES_H
#define STRATA_APP_SERVER_RULES_H

#include "app/cmd/server_api.h"
#include "core/rules/plan.h"

struct server;
struct worker;
struct change;

struct rules_in_force;

/* What the file of the configuration says, before the workers run. STATUS_INVALID: it is wrong, and the log says why. */
MUST_CHECK enum status rules_start(struct server *server);
/* Whether there will be rules to start with: before minutes are spent on loading. STATUS_INVALID: as above. */
MUST_CHECK enum status rules_look(struct server *server);
/* Whether those to begin with, of the file or of the notes (kept.h), are those of the notes. */
bool rules_are_still(struct server *server);
/* Every entry is brought under them, if it is not for sure. */
void rules_hold(struct worker *worker);
void rules_stop(struct server *server);

/* Commands. */
enum status rules_api_load(struct cmd_server *api, struct cmd_client *client, struct slice text, struct buf *problems);
const struct rules *rules_api_now(struct cmd_server *api, struct cmd_client *client, struct slice *ret_text);
const struct cmd_rules_origin *rules_api_origin(struct cmd_server *api, struct cmd_client *client);
void rules_api_loads(struct cmd_server *api, struct cmd_rules_loads *ret_loads);
/* For commands, like the rest of rules_api. */
enum status rules_api_diff_stores(struct cmd_server *api, const struct rules *rules, struct buf *lines);
void rules_api_broken(struct cmd_server *api, unsigned kind, struct slice class, struct slice service,
                      const char *text);

/* The setting and the rules say together who is asked about. Under no lock of the configuration, or under it. */
void rules_settle(struct server *server);
/* Frees sets that are in force no more, once nobody looks at them. By a worker between two commands, now and then. */
void rules_tick(struct server *server);

/* After SIGHUP, in the turn of any worker: the file once more. Says in the log what came of it. */
void rules_load_file(struct worker *worker);

/* The watched file is not there any more: the rules stay, and the log and what came of the last load say so. Any thread. */
void rules_file_gone(struct server *server);

/* For struct cache_rules, with the server as context. */
enum status rules_terms(void *context, struct actor *actor, struct slice name, struct cache_terms *terms);

/* Whether the change has edges that are to be followed. */
bool rules_fires(struct worker *worker, const struct change *change);
/* For changes.c. */
void rules_follow(struct worker *worker, const struct change *change);

/* A worker's own. */
struct worker_rules {
    const struct rules_in_force *set; /* NULL: there are none */
    struct rules_plan plan;
    bool
        planned; /* by cause_begin: what happens now follows from a plan, whose edges have been followed; nobody else touches the set then */
    uint64_t jitters; /* drawn so far */
};

#endif
