#include "app/server/notify.h"

#include "app/server/pubsub.h"
#include "app/server/worker.h"
#include "base/number.h"

void notify_init(struct notify *notify, const struct memory *memory) {
    *notify = (struct notify){.holds = false};
    buf_init(&notify->held, memory);
    buf_init(&notify->channel, memory);
}

void notify_fini(struct notify *notify) {
    buf_fini(&notify->held);
    buf_fini(&notify->channel);
}

uint32_t notify_kinds(uint32_t events) {
    enum { WRITES = 1 << CACHE_CREATED | 1 << CACHE_REPLACED | 1 << CACHE_PATCHED };
    uint32_t kinds = 0;
    if (!(events & CONFIG_EVENTS_TO))
        return 0;
    if (events & CONFIG_EVENT_GENERIC)
        kinds |= WRITES | 1 << CACHE_DELETED | 1 << CACHE_EXPIRY_SET;
    if (events & CONFIG_EVENT_STRING)
        kinds |= WRITES;
    if (events & CONFIG_EVENT_NEW)
        kinds |= 1 << CACHE_CREATED | 1 << CACHE_REPLACED;
    if (events & CONFIG_EVENT_EXPIRED)
        kinds |= 1 << CACHE_EXPIRED | 1 << CACHE_INVALIDATED;
    if (events & CONFIG_EVENT_EVICTED)
        kinds |= 1 << CACHE_EVICTED;
    if (events & CONFIG_EVENT_MISS)
        kinds |= 1 << CACHE_MISSED;
    return kinds;
}

uint32_t notify_publishing(const struct server *server) {
    uint32_t kinds = notify_kinds(SETTING(server, events)), misses = 1 << CACHE_MISSED;
    return (kinds & ~misses ? CMD_WRITE : 0) | (kinds & misses ? CMD_READONLY : 0);
}

/* ------------------------------------------------------------------- events */

struct sending {
    struct notify *notify;
    const struct change *change;
    enum status (*send)(void *context, const struct notify_event *event);
    void *context;
};

static enum status send_of(const struct sending *sending, enum config_event class, struct slice event) {
    const struct change *change = sending->change;
    return sending->send(sending->context, &(struct notify_event){class, event, change->name, change->db});
}

static enum config_event class_of(const struct cmd_spec *spec) {
    return spec->event_class == '$' ? CONFIG_EVENT_STRING : CONFIG_EVENT_GENERIC;
}

/* RENAME and MOVE write the new entry first, but what was is told of before what is. */
static enum status hold(struct notify *notify, const struct change *change) {
    buf_clear(&notify->held);
    TRY(buf_append_slice(&notify->held, change->name));
    notify->held_db = change->db;
    notify->holds = true;
    return STATUS_OK;
}

static enum status let_go(const struct sending *sending) {
    struct notify *notify = sending->notify;
    const struct cmd_spec *spec = sending->change->spec;
    if (!notify->holds)
        return STATUS_OK;
    notify->holds = false;
    return sending->send(sending->context, &(struct notify_event){class_of(spec), spec->write_event,
                                                                  buf_slice(&notify->held), notify->held_db});
}

static enum status written(const struct sending *sending) {
    const struct change *change = sending->change;
    const struct cmd_spec *spec = change->spec;
    if (!spec || !spec->write_event.size)
        return STATUS_OK;
    if (change->how == CMD_CHANGE_NOTHING) /* is told of by what was there */
        return change->kind == CACHE_REPLACED ? send_of(sending, CONFIG_EVENT_GENERIC, SLICE("del")) : STATUS_OK;
    /* Who puts a whole entry to a name takes away first what was there. */
    bool puts = class_of(spec) == CONFIG_EVENT_GENERIC;
    if (change->kind == CACHE_CREATED || (change->kind == CACHE_REPLACED && puts))
        TRY(send_of(sending, CONFIG_EVENT_NEW, SLICE("new")));
    if (spec->remove_event.size)
        return hold(sending->notify, change);
    TRY(send_of(sending, class_of(spec), spec->write_event));
    return change->how == CMD_CHANGE_EXPIRES ? send_of(sending, CONFIG_EVENT_GENERIC, SLICE("expire")) : STATUS_OK;
}

static enum status removed(const struct sending *sending) {
    const struct change *change = sending->change;
    if (!change->is_first || !change->spec->remove_event.size)
        return send_of(sending, CONFIG_EVENT_GENERIC, SLICE("del"));
    TRY(send_of(sending, CONFIG_EVENT_GENERIC, change->spec->remove_event));
    return let_go(sending);
}

enum status notify_each(struct notify *notify, const struct change *change,
                        enum status (*send)(void *context, const struct notify_event *event), void *context) {
    struct sending sending = {notify, change, send, context};
    if (change->of_nothing) /* which nobody has seen come */
        return STATUS_OK;
    switch (change->kind) {
        case CACHE_CREATED:
        case CACHE_REPLACED:
        case CACHE_PATCHED:
            return written(&sending);
        case CACHE_DELETED:
            return removed(&sending);
        case CACHE_EXPIRY_SET:
            return send_of(&sending, CONFIG_EVENT_GENERIC,
                           change->how == CMD_CHANGE_EXPIRES ? SLICE("expire") : SLICE("persist"));
        case CACHE_EXPIRED:
            return send_of(&sending, CONFIG_EVENT_EXPIRED, SLICE("expired"));
        case CACHE_INVALIDATED:
            return send_of(&sending, CONFIG_EVENT_EXPIRED, SLICE("invalidated"));
        case CACHE_EVICTED:
            return send_of(&sending, CONFIG_EVENT_EVICTED, SLICE("evicted"));
        case CACHE_MISSED:
            return send_of(&sending, CONFIG_EVENT_MISS, SLICE("keymiss"));
        case CACHE_FLUSHED:
        case CACHE_TAG_INVALIDATED:
        case CACHE_TAG_SOFTENED:
        case CACHE_NOTHING_DELETED:
        case CACHE_SOFTENED:
        case CACHE_STALE_GONE:
        case CACHE_SWAPPED:
        case CACHE_TAG_GOING:
        case CACHE_PATTERN_GOING:
        case CACHE_RETAGGED:
        case CACHE_MATCHER_GOING:
        case CACHE_BANNED:
        case CACHE_DEMOTED:
            return STATUS_OK; /* of no key that is there, or of its tags only */
    }
    return STATUS_OK;
}

/* --------------------------------------------------------------- publishing */

static enum status publish(struct worker *worker, struct slice kind, uint32_t db, struct slice channel,
                           struct slice text) {
    struct buf *name = &worker->notify.channel;
    uint64_t receivers;
    buf_clear(name);
    char digits[NUMBER_TEXT_MAX];
    size_t digits_size = number_format_u64(db, digits);
    TRY(buf_append_slice(name, kind));
    TRY(buf_append(name, digits, digits_size));
    TRY(buf_append_slice(name, SLICE("__:")));
    TRY(buf_append_slice(name, channel));
    return pubsub_publish(worker->server, TOPIC_CHANNEL, buf_slice(name), text, &receivers);
}

static enum status publish_event(void *context, const struct notify_event *event) {
    struct worker *worker = context;
    uint32_t wanted = SETTING(worker->server, events);
    if (!(wanted & (uint32_t)event->class))
        return STATUS_OK;
    if (wanted & CONFIG_EVENT_TO_KEY)
        TRY(publish(worker, SLICE("__keyspace@"), event->db, event->key, event->event));
    if (wanted & CONFIG_EVENT_TO_EVENT)
        TRY(publish(worker, SLICE("__keyevent@"), event->db, event->event, event->key));
    return STATUS_OK;
}

void notify_change(struct worker *worker, const struct change *change) {
    /* Who has subscribed is counted before he has his confirmation. */
    if (!(SETTING(worker->server, events) & CONFIG_EVENTS_TO) || pubsub_clients(worker->server) == 0) {
        worker->notify.holds = false;
        return;
    }
    if (change->lost || notify_each(&worker->notify, change, publish_event, worker) != STATUS_OK)
        pubsub_lose(worker->server);
}
