/* app/server/notify.h: keyspace notifications, from changes of entries to messages.
 *
 *     struct change -> notify_each -> events (class, name, key) -> those that notify-keyspace-events asks for
 *                                      -> __keyspace@DB__:KEY with the event, __keyevent@DB__:EVENT with the key
 *
 * The names of events come from spec/commands (`events`) and from the kind of the change. A watcher of changes.h.
 *
 * Threads: by the worker that made the change, which holds no locks.
 * Errors:  without memory for a message all subscribers are cut, because none of them could know that he missed something.
 */
#ifndef STRATA_APP_SERVER_NOTIFY_H
#define STRATA_APP_SERVER_NOTIFY_H

#include "app/config/config_events.h"
#include "app/server/changes.h"

/* Of one worker. */
struct notify {
    struct buf held; /* the new name of an entry that moves, until the old one is told of */
    uint32_t held_db;
    bool holds;
    struct buf channel; /* being written */
};
void notify_init(struct notify *notify, const struct memory *memory);
void notify_fini(struct notify *notify);

/* The kinds of changes that these events come from, a bit for each. */
uint32_t notify_kinds(uint32_t events);

struct notify_event {
    enum config_event class;
    struct slice event, key;
    uint32_t db;
};

/* The events of a change, in the order of Redis. `notify` holds what must wait for the next change. */
MUST_CHECK enum status notify_each(struct notify *notify, const struct change *change,
                                   enum status (*send)(void *context, const struct notify_event *event), void *context);

/* The watcher. */
void notify_change(struct worker *worker, const struct change *change);

/* Flags of commands that publish because of what is asked for now, and so wait while subscribers' workers are behind. */
uint32_t notify_publishing(const struct server *server);

#endif
