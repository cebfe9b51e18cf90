/* app/rules/event_data.h: the data of an event, as JSON.
 *
 * Threads: one owner.
 * Memory:  the document is jansson's own; texts that look-ups answer live until event_data_close. At most EVENT_DATA_MAX bytes.
 * Errors:  STATUS_INVALID with a text for people; nothing is open then.
 */
#ifndef STRATA_APP_RULES_EVENT_DATA_H
#define STRATA_APP_RULES_EVENT_DATA_H

#include "base/arena.h"
#include "core/rules/plan.h"

enum { EVENT_DATA_MAX = 1024 * 1024, EVENT_DATA_PROBLEM_MAX = 200 };

struct event_data {
    void *root;
    struct arena *arena; /* of numbers, written out */
    bool no_memory;      /* for one of them: what was looked up was there all the same */
    struct rules_data data;
};

/* `text` is one JSON object; empty: there are no data. */
MUST_CHECK enum status event_data_open(struct event_data *event, struct slice text, struct arena *arena,
                                       char ret_problem[EVENT_DATA_PROBLEM_MAX]);
void event_data_close(struct event_data *event);

#endif
