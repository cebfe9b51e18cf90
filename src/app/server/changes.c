#include "app/server/changes.h"

#include "app/server/leases.h"
#include "app/server/notify.h"
#include "app/server/worker.h"
#include "base/bits.h"

struct note {
    const struct cmd_spec *spec;
    uint64_t client;
    uint32_t kind, db, place, name_size;
    uint8_t how; /* enum cmd_change */
    bool is_first, planned;
};

/* What a watcher does. */
typedef void (*watch)(struct worker *worker, const struct change *change);

static const watch watches[CHANGES_WATCHERS] = {
    [CHANGES_TO_PUBLISH] = notify_change,
    [CHANGES_TO_TRACK] = tracking_change,
    [CHANGES_TO_FOLLOW] = rules_follow,
};

/* Under changes_lock. */
static void want_all(struct server *server) {
    uint32_t all = 0;
    for (int i = 0; i < CHANGES_WATCHERS; i++)
        all |= server->changes_wanted[i];
    atomic_store_explicit(&server->changes_noted, all, memory_order_relaxed);
    cache_changes_want(server->cache, all | server->changes_to_leases);
}

void changes_want_leases(struct server *server, uint32_t kinds) {
    pthread_mutex_lock(&server->changes_lock);
    server->changes_to_leases = kinds;
    want_all(server);
    pthread_mutex_unlock(&server->changes_lock);
}

void changes_want(struct worker *worker, enum changes_watcher watcher, uint32_t kinds) {
    struct server *server = worker->server;
    pthread_mutex_lock(&server->changes_lock);
    server->changes_wanted[watcher] = kinds;
    want_all(server);
    pthread_mutex_unlock(&server->changes_lock);
    worker->changes.passes = true;
    worker->changes.waiting = true;
}

/* What the call says of a change, while its arguments are there. */
static void add_call(struct note *note, const struct cmd_call *call, struct slice name) {
    note->spec = call->spec;
    note->client = call->client->id;
    note->how = (uint8_t)call->change;
    /* Commands that run in a row, and so without arguments in the call, remove nothing. */
    note->is_first = note->kind == CACHE_DELETED && call->spec->remove_event.size &&
                     slice_equal(name, call->argv[call->spec->key_at]);
}

void changes_note(void *context, struct actor *actor, unsigned kind, uint32_t place, struct slice name) {
    struct server *server = context;
    struct worker *worker = worker_of_actor(actor);
    if (LEASES_CHANGES >> kind & 1)
        leases_note(worker, (enum cache_change)kind, place, name);
    if (!(atomic_load_explicit(&server->changes_noted, memory_order_relaxed) >> kind & 1))
        return;
    struct changes *changes = &worker->changes;
    const struct cmd_call *call = changes->queued ? changes->queued : &worker->call;
    if (call->client && call->change == CMD_CHANGE_UNTOLD)
        return;
    struct note note = {
        .kind = kind,
        .db = place < CACHE_DATABASES && kind != CACHE_MISSED ? cache_db_of(server->cache, place) : place,
        .place = place,
        .name_size = (uint32_t)name.size,
        .planned = worker->rules.planned};
    if (call->client)
        add_call(&note, call, name);
    size_t size = sizeof note + bits_align_up(name.size, sizeof(uint64_t));
    changes->waiting = true;
    if (buf_reserve(&changes->notes, size) != STATUS_OK) {
        changes->lost = true;
        return;
    }
    uint8_t *to = changes->notes.data + changes->notes.size;
    memcpy(to, &note, sizeof note);
    if (name.size)
        memcpy(to + sizeof note, name.data, name.size);
    changes->notes.size += size;
}

/* Client-side caching may know already. */
static void tell(struct worker *worker, const struct change *change, bool tracked) {
    for (int i = 0; i < CHANGES_WATCHERS; i++)
        if (watches[i] && !(tracked && i == CHANGES_TO_TRACK))
            watches[i](worker, change);
}

/* Reads the note at `at`; answers where the next one is. */
static size_t read_note(const struct buf *notes, size_t at, struct change *ret_change) {
    struct note note;
    memcpy(&note, notes->data + at, sizeof note);
    *ret_change = (struct change){.kind = (enum cache_change)note.kind,
                                  .db = note.db,
                                  .place = note.place,
                                  .name = slice_make(notes->data + at + sizeof note, note.name_size),
                                  .spec = note.spec,
                                  .client = note.client,
                                  .how = (enum cmd_change)note.how,
                                  .is_first = note.is_first,
                                  .planned = note.planned};
    return at + sizeof note + bits_align_up(note.name_size, sizeof(uint64_t));
}

static void tell_all(struct worker *worker, const struct buf *notes, size_t tracked) {
    struct change change;
    for (size_t at = 0, next; at < notes->size; at = next) {
        next = read_note(notes, at, &change);
        tell(worker, &change, at < tracked);
    }
}

void changes_track_now(struct worker *worker) {
    struct changes *changes = &worker->changes;
    struct change change;
    while (changes->tracked < changes->notes.size) {
        changes->tracked = read_note(&changes->notes, changes->tracked, &change);
        tracking_change(worker, &change);
    }
}

/* Empties the notes for those to come, unless others were made meanwhile. */
static void keep(struct changes *changes, struct buf *notes) {
    enum { KEPT_MAX = 64 * 1024 };
    if (changes->notes.data || notes->capacity > KEPT_MAX) {
        buf_fini(notes);
        return;
    }
    changes->notes = *notes;
    buf_clear(&changes->notes);
}

void changes_hand_on(struct worker *worker) {
    struct changes *changes = &worker->changes;
    while (changes->waiting) {
        bool lost = changes->lost, passes = changes->passes;
        struct buf notes = changes->notes;
        size_t tracked = changes->tracked;
        changes->tracked = 0;
        buf_init(&changes->notes, notes.memory);
        changes->waiting = changes->lost = changes->passes = false;
        if (passes)
            cache_changes_pass(worker->server->cache, &worker->actor);
        tell_all(worker, &notes, tracked);
        if (lost)
            tell(worker, &(struct change){.db = CACHE_DATABASES, .lost = true}, false);
        tracking_post(worker);
        keep(changes, &notes);
    }
}
