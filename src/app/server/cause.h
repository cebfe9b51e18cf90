/* app/server/cause.h: what the changes that a worker makes are caused by, while it makes them.
 *
 *     cause_begin ... cause_step [changes] cause_step [changes] ... cause_end
 *
 * A worker runs one thing at a time, so it has one cause. Commands that invalidate begin one (through the server's table of calls), and so does
 * rules_follow for the edges that a write fires. Meanwhile `planned` holds: what happens follows from a plan, and edges are not followed again.
 *
 * Threads: the worker's own.
 * Memory:  a path is written when somebody wants it, into room of the worker. Packed causes are bytes that stand anywhere.
 * Errors:  none: what is too long is cut.
 */
#ifndef STRATA_APP_SERVER_CAUSE_H
#define STRATA_APP_SERVER_CAUSE_H

#include "app/cmd/cause.h"
#include "app/cmd/server_api.h"

struct worker;
struct change;

enum {
    CAUSE_NAME_MAX = 255, /* of each text but the path, when it is packed */
    CAUSE_PATH_MAX = 512,
    CAUSE_WHO_MAX = 63,
    CAUSE_PACKED_MAX = 1664,
};

struct worker_cause {
    uint64_t noted_before; /* changes of the worker's, when the last one began */
    bool active;
    bool named;   /* the trigger had a name from the beginning */
    bool stepped; /* what follows from the step is not yet in `now` */
    struct cause now;
    const struct cmd_spec *spec; /* of the change that fired the edges; NULL: the command that runs */
    uint64_t client;             /* with it, */
    struct slice who;            /* and this */
    const struct rules_plan *plan;
    const struct rules_action *action;
    char path[CAUSE_PATH_MAX];
};

/* Who invalidates; `cause` lives until the end, and has no path. With a trigger without a name, each step's root gives it. */
void cause_begin(struct worker *worker, const struct cause *cause);
/* A write that fires edges, and lives until the end. */
void cause_begin_change(struct worker *worker, const struct change *change);
/* What is done from now on is this action of the plan. */
void cause_step(struct worker *worker, const struct rules_plan *plan, const struct rules_action *action);
void cause_end(struct worker *worker);

/* The cause of what happens now, path included; NULL: there is none beside the command. Lives until the next step. */
const struct cause *cause_now(struct worker *worker);

/* What a change tells of itself, as bytes: whoever made it (service or name of the client), the tag or pattern by which it died, its cause. Each is optional.
 * Answers the size, at most CAUSE_PACKED_MAX; 0: there is nothing to tell. */
struct cause_told {
    struct slice who, killer;
    bool by_ban; /* the killer is the pattern of a ban, and no tag */
    const struct cause *cause;
};
size_t cause_pack(const struct cause_told *told, uint8_t *to);
/* Reads it back; `ret_told->cause` is `ret_cause` or NULL. The slices point into the bytes, which cause_pack has written. */
void cause_unpack(struct slice bytes, struct cause_told *ret_told, struct cause *ret_cause);

/* For struct cmd_server_api. */
void cause_api_begin(struct cmd_server *api, struct cmd_client *client, const struct cause *cause);
void cause_api_step(struct cmd_server *api, struct cmd_client *client, const struct rules_plan *plan,
                    const struct rules_action *action);
void cause_api_end(struct cmd_server *api, struct cmd_client *client);

#endif
