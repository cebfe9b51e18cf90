#include "core/lease/lease.h"

#include <assert.h>

#include "base/assert.h"

enum {
    SLOT_BITS = 20,
    SLOTS_MIN = 64,
    BUCKETS_MIN = 64,
    HEAP_MIN = 64,
    WRITING_MS = 100, /* how much later a lease is looked at whose time is over while its write is under way */
    NO_SLOT = UINT32_MAX,
};
/* Ends that the caller is told of by what somebody does. */
enum {
    BY_SOMEBODY = 1 << LEASE_WRITTEN | 1 << LEASE_DELETED | 1 << LEASE_INVALIDATED | 1 << LEASE_FLUSHED |
                  1 << LEASE_SWAPPED | 1 << LEASE_RULED
};
static_assert(LEASES_MAX == 1 << SLOT_BITS, "an identity has room for every slot");

struct lease {
    struct lease_due due;
    uint64_t id; /* serial number and slot */
    uint64_t stamp, until_ms;
    uint64_t given_ms, client;
    uint64_t since,
        since_stamp; /* identity and stamp of the first of those between which nothing but time has passed */
    bool writing, there, bound;
    bool lapsed;        /* its time is over, and nobody has it */
    bool late;          /* what is under way is the write of one before */
    struct lease *next; /* in its bucket */
    struct lease *lapsed_next, *lapsed_previous;
    struct lease_waiter *first, *last;
    uint64_t hash;
    uint32_t place, name_size;
    uint8_t name[];
};

/* ------------------------------------------------------------------------------------------- tokens */

/* Each step can be undone, so no two identities have the same token. */
static const uint64_t ODD = 0x9e3779b97f4a7c15u, ODD_INVERSE = 0xf1de83e19937733du;

static uint64_t token_of(const struct leases *leases, uint64_t id) {
    uint64_t token = (id ^ leases->options.seed) * ODD;
    token ^= token >> 32;
    return token * ODD;
}

static uint64_t id_of(const struct leases *leases, uint64_t token) {
    uint64_t id = token * ODD_INVERSE;
    id ^= id >> 32;
    return id * ODD_INVERSE ^ leases->options.seed;
}

static uint32_t slot_of(uint64_t id) { return (uint32_t)(id & (LEASES_MAX - 1)); }

/* ---------------------------------------------------------------------------------------- what is due */

static void heap_put(struct leases *leases, uint32_t at, struct lease_due *due) {
    leases->heap[at] = due;
    due->index = at;
}

static void heap_up(struct leases *leases, uint32_t at, struct lease_due *due) {
    for (uint32_t parent; at && leases->heap[parent = (at - 1) / 2]->at_ms > due->at_ms; at = parent)
        heap_put(leases, at, leases->heap[parent]);
    heap_put(leases, at, due);
}

static void heap_down(struct leases *leases, uint32_t at, struct lease_due *due) {
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < leases->heap_count && leases->heap[child + 1]->at_ms < leases->heap[child]->at_ms)
            child++;
        if (child >= leases->heap_count || leases->heap[child]->at_ms >= due->at_ms)
            break;
        heap_put(leases, at, leases->heap[child]);
        at = child;
    }
    heap_put(leases, at, due);
}

/* There is room: it was reserved. */
static void heap_add(struct leases *leases, struct lease_due *due) {
    ASSERT(leases->heap_count < leases->heap_room);
    heap_up(leases, leases->heap_count++, due);
}

static void heap_remove(struct leases *leases, struct lease_due *due) {
    uint32_t at = due->index;
    ASSERT(at < leases->heap_count && leases->heap[at] == due);
    struct lease_due *last = leases->heap[--leases->heap_count];
    if (last == due)
        return;
    if (last->at_ms < due->at_ms)
        heap_up(leases, at, last);
    else
        heap_down(leases, at, last);
}

static void heap_move(struct leases *leases, struct lease_due *due, uint64_t at_ms) {
    heap_remove(leases, due);
    due->at_ms = at_ms;
    heap_add(leases, due);
}

static bool heap_reserve(struct leases *leases) {
    if (leases->heap_count < leases->heap_room)
        return true;
    uint32_t room = leases->heap_room ? 2 * leases->heap_room : HEAP_MIN;
    const struct memory *memory = leases->options.memory;
    void *heap = memory->resize(memory->context, leases->heap, leases->heap_room * sizeof *leases->heap,
                                room * sizeof *leases->heap);
    if (!heap)
        return false;
    leases->heap = heap;
    leases->heap_room = room;
    return true;
}

uint64_t leases_due_ms(const struct leases *leases) { return leases->heap_count ? leases->heap[0]->at_ms : UINT64_MAX; }

/* ------------------------------------------------------------------------------------ slots and buckets */

/* Slots are used again as late as possible, so that it is known for long how a lease has ended. */
static bool slot_reserve(struct leases *leases) {
    if (leases->free_first != NO_SLOT)
        return true;
    uint32_t count = leases->slot_count ? 2 * leases->slot_count : SLOTS_MIN;
    const struct memory *memory = leases->options.memory;
    if (count > LEASES_MAX)
        return false;
    struct lease_slot *slots =
        memory->resize(memory->context, leases->slots, leases->slot_count * sizeof *slots, count * sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t i = leases->slot_count; i < count; i++)
        slots[i] = (struct lease_slot){.next_free = i + 1 < count ? i + 1 : NO_SLOT};
    leases->slots = slots;
    leases->free_first = leases->slot_count;
    leases->free_last = count - 1;
    leases->slot_count = count;
    return true;
}

static uint32_t slot_take(struct leases *leases, struct lease *lease) {
    uint32_t at = leases->free_first;
    leases->free_first = leases->slots[at].next_free;
    leases->slots[at].lease = lease;
    return at;
}

static void slot_give(struct leases *leases, uint32_t at) {
    struct lease_slot *slot = &leases->slots[at];
    slot->lease = NULL;
    slot->next_free = NO_SLOT;
    if (leases->free_first == NO_SLOT)
        leases->free_first = at;
    else
        leases->slots[leases->free_last].next_free = at;
    leases->free_last = at;
}

static struct lease **bucket_of(const struct leases *leases, uint64_t hash) {
    return &leases->buckets[(hash * ODD) >> 32 & (leases->bucket_count - 1)];
}

/* Chains only get longer where there is no memory for more of them. */
static void buckets_grow(struct leases *leases) {
    uint32_t count = 2 * leases->bucket_count;
    if (leases->out < leases->bucket_count || count > LEASES_MAX)
        return;
    struct lease **old = leases->buckets;
    struct lease **buckets = memory_take(leases->options.memory, count * sizeof *buckets);
    if (!buckets)
        return;
    memset(buckets, 0, count * sizeof *buckets);
    uint32_t old_count = leases->bucket_count;
    leases->buckets = buckets;
    leases->bucket_count = count;
    for (uint32_t i = 0; i < old_count; i++)
        for (struct lease *lease = old[i], *next; lease; lease = next) {
            next = lease->next;
            struct lease **bucket = bucket_of(leases, lease->hash);
            lease->next = *bucket;
            *bucket = lease;
        }
    memory_give(leases->options.memory, old, old_count * sizeof *old);
}

static bool is_of(const struct lease *lease, const struct lease_key *key) {
    return lease->hash == key->hash && lease->place == key->place &&
           slice_equal(slice_make(lease->name, lease->name_size), key->name);
}

static struct lease *find(const struct leases *leases, const struct lease_key *key) {
    struct lease *lease = *bucket_of(leases, key->hash);
    while (lease && !is_of(lease, key))
        lease = lease->next;
    return lease;
}

/* The lease of a token that holds. */
static struct lease *find_token(const struct leases *leases, uint64_t token) {
    uint64_t id = id_of(leases, token);
    struct lease *lease = slot_of(id) < leases->slot_count ? leases->slots[slot_of(id)].lease : NULL;
    return lease && lease->id == id ? lease : NULL;
}

/* The lease by whose token nothing but time has passed. */
static struct lease *find_late(const struct leases *leases, uint64_t token) {
    uint64_t id = id_of(leases, token);
    struct lease *lease = slot_of(id) < leases->slot_count ? leases->slots[slot_of(id)].lease : NULL;
    return lease && lease->since <= id && id <= lease->id ? lease
                                                          : NULL; /* of one slot: in the order of serial numbers */
}

static void count(struct leases *leases, uint64_t hash, uint32_t by) {
    _Atomic uint32_t *counter = &leases->counts[hash % LEASE_COUNTS];
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

static size_t lease_size(size_t name_size) { return sizeof(struct lease) + name_size; }

/* ------------------------------------------------------------------------------------------- waiters */

/* In order of arrival: who comes again stands before those that have come since. */
static void enqueue(struct leases *leases, struct lease *lease, struct lease_waiter *waiter) {
    if (!waiter->arrived)
        waiter->arrived = ++leases->arrivals;
    struct lease_waiter *before = lease->last;
    while (before && before->arrived > waiter->arrived)
        before = before->previous;
    waiter->lease = lease;
    waiter->previous = before;
    waiter->next = before ? before->next : lease->first;
    *(before ? &before->next : &lease->first) = waiter;
    *(waiter->next ? &waiter->next->previous : &lease->last) = waiter;
    waiter->due = (struct lease_due){.at_ms = waiter->until_ms, .waits = true};
    heap_add(leases, &waiter->due);
    leases->waiting++;
    leases->bytes += waiter->bytes;
}

static void dequeue(struct leases *leases, struct lease_waiter *waiter) {
    struct lease *lease = waiter->lease;
    *(waiter->previous ? &waiter->previous->next : &lease->first) = waiter->next;
    *(waiter->next ? &waiter->next->previous : &lease->last) = waiter->previous;
    heap_remove(leases, &waiter->due);
    waiter->lease = NULL;
    waiter->next = waiter->previous = NULL;
    leases->waiting--;
    leases->bytes -= waiter->bytes;
}

static void wake(struct leases *leases, struct lease_waiter *waiter, enum lease_wake how, uint64_t token) {
    dequeue(leases, waiter);
    leases->options.wake(leases->options.context, waiter, how, token);
}

void leases_forget(struct leases *leases, struct lease_waiter *waiter) {
    if (waiter->lease)
        dequeue(leases, waiter);
}

/* ------------------------------------------------------------------------------------ lives of leases */

/* From now on. `goes_on`: nothing has happened to the key since the one before. */
static void give(struct leases *leases, struct lease *lease, uint32_t slot, uint32_t lease_ms, bool goes_on,
                 uint64_t now_ms) {
    lease->given_ms = now_ms;
    lease->id = leases->serial++ << SLOT_BITS | slot;
    lease->until_ms = now_ms + lease_ms;
    lease->stamp = leases->options.stamp(leases->options.context);
    lease->writing = false;
    leases->given++;
    if (goes_on)
        return;
    lease->since = lease->id;
    lease->since_stamp = lease->stamp;
}

/* Its token does not hold any more. */
static void note_end(struct leases *leases, const struct lease *lease, enum lease_end why) {
    struct lease_slot *slot = &leases->slots[slot_of(lease->id)];
    slot->lost = lease->id;
    slot->lost_since = lease->since;
    slot->why = why;
    slot->by = BY_SOMEBODY >> why & 1 ? leases->by : (struct lease_by){0};
    leases->ends[why] += !lease->lapsed; /* that has ended by time before */
    leases->late += lease->writing && (lease->late || lease->lapsed) && (why == LEASE_USED || why == LEASE_WRITTEN);
}

/* Whether it is out, or has lapsed. */
static void count_out(struct leases *leases, const struct lease *lease, uint32_t by) {
    leases->out += lease->lapsed ? 0 : by;
    leases->out_there += !lease->lapsed && lease->there ? by : 0;
    leases->lapsed += lease->lapsed ? by : 0;
    leases->lapsed_there += lease->lapsed && lease->there ? by : 0;
}

static void set_lapsed(struct leases *leases, struct lease *lease, bool lapsed) {
    count_out(leases, lease, UINT32_MAX);
    lease->lapsed = lapsed;
    count_out(leases, lease, 1);
    if (lapsed) {
        lease->lapsed_next = NULL;
        lease->lapsed_previous = leases->lapsed_last;
        *(leases->lapsed_last ? &leases->lapsed_last->lapsed_next : &leases->lapsed_first) = lease;
        leases->lapsed_last = lease;
        return;
    }
    *(lease->lapsed_previous ? &lease->lapsed_previous->lapsed_next : &leases->lapsed_first) = lease->lapsed_next;
    *(lease->lapsed_next ? &lease->lapsed_next->lapsed_previous : &leases->lapsed_last) = lease->lapsed_previous;
}

/* With all its waiters. */
static void end(struct leases *leases, struct lease *lease, enum lease_end why, enum lease_wake how) {
    note_end(leases, lease, why);
    while (lease->first)
        wake(leases, lease->first, how, 0);
    struct lease **at = bucket_of(leases, lease->hash);
    while (*at != lease)
        at = &(*at)->next;
    *at = lease->next;
    heap_remove(leases, &lease->due);
    slot_give(leases, slot_of(lease->id));
    count(leases, lease->hash, UINT32_MAX);
    if (lease->lapsed)
        set_lapsed(leases, lease, false);
    count_out(leases, lease, UINT32_MAX);
    leases->bytes -= lease_size(lease->name_size);
    memory_give(leases->options.memory, lease, lease_size(lease->name_size));
}

/* Its time is over and nobody wants it; its token is good all the same while nothing happens to the key. */
static void lapse(struct leases *leases, struct lease *lease, uint64_t now_ms) {
    note_end(leases, lease, LEASE_TIMED_OUT);
    while (lease->first)
        wake(leases, lease->first, LEASE_MISS, 0);
    if (leases->lapsed >= LEASES_LAPSED_MAX)
        end(leases, leases->lapsed_first, LEASE_TIMED_OUT, LEASE_MISS);
    set_lapsed(leases, lease, true);
    heap_move(leases, &lease->due, now_ms + LEASE_LATE_MS);
}

/* The first waiter that wants to load has it now. */
static void pass_on(struct leases *leases, struct lease *lease, enum lease_end why, uint64_t now_ms) {
    struct lease_waiter *heir = lease->first;
    while (heir && !heir->lease_ms)
        heir = heir->next;
    if (!heir && why == LEASE_TIMED_OUT && !lease->lapsed) {
        lapse(leases, lease, now_ms);
        return;
    }
    if (!heir) {
        end(leases, lease, why, LEASE_MISS);
        return;
    }
    note_end(leases, lease, why);
    give(leases, lease, slot_of(lease->id), heir->lease_ms, why == LEASE_TIMED_OUT, now_ms);
    lease->client = heir->client;
    lease->bound = heir->bound;
    heap_move(leases, &lease->due, lease->until_ms);
    wake(leases, heir, LEASE_LOAD, token_of(leases, lease->id));
}

/* What is remembered makes room for who comes: for `more` leases, and bytes. */
static bool make_room(struct leases *leases, uint32_t more, size_t size) {
    while (leases->lapsed_first && (leases->out + leases->lapsed + more > leases->options.leases_max ||
                                    leases->bytes + size > leases->options.bytes_max))
        end(leases, leases->lapsed_first, LEASE_TIMED_OUT, LEASE_MISS);
    return leases->bytes + size <= leases->options.bytes_max && heap_reserve(leases);
}

/* It has lapsed, and somebody wants it. */
static enum lease_answer begin_again(struct leases *leases, struct lease *lease, uint32_t lease_ms, bool there,
                                     uint64_t now_ms, struct lease_given *ret_given) {
    if (leases->out >= leases->options.leases_max)
        return LEASE_TOO_MANY;
    set_lapsed(leases, lease, false);
    leases->out_there += there && !lease->there;
    lease->there |= there;
    give(leases, lease, slot_of(lease->id), lease_ms, true, now_ms);
    heap_move(leases, &lease->due, lease->until_ms);
    *ret_given = (struct lease_given){token_of(leases, lease->id), lease->until_ms};
    return LEASE_GIVEN;
}

static enum lease_answer begin_lease(struct leases *leases, const struct lease_key *key, uint32_t lease_ms, bool there,
                                     uint64_t now_ms, struct lease_given *ret_given) {
    size_t size = lease_size(key->name.size);
    if (!make_room(leases, 1, size) || leases->out >= leases->options.leases_max || !slot_reserve(leases))
        return LEASE_TOO_MANY;
    struct lease *lease = memory_take(leases->options.memory, size);
    if (!lease)
        return LEASE_TOO_MANY;
    *lease =
        (struct lease){.hash = key->hash, .place = key->place, .name_size = (uint32_t)key->name.size, .there = there};
    if (key->name.size)
        memcpy(lease->name, key->name.data, key->name.size);
    give(leases, lease, slot_take(leases, lease), lease_ms, false, now_ms);
    lease->due.at_ms = lease->until_ms;
    heap_add(leases, &lease->due);
    count_out(leases, lease, 1);
    count(leases, lease->hash, 1);
    leases->bytes += size;
    buckets_grow(leases);
    struct lease **bucket = bucket_of(leases, lease->hash);
    lease->next = *bucket;
    *bucket = lease;
    *ret_given = (struct lease_given){token_of(leases, lease->id), lease->until_ms};
    return LEASE_GIVEN;
}

enum lease_answer leases_ask(struct leases *leases, const struct lease_key *key, uint32_t lease_ms, bool there,
                             struct lease_waiter *waiter, uint64_t now_ms, struct lease_given *ret_given) {
    ASSERT(lease_ms <= LEASE_MS_MAX && key->place != LEASE_PLACES_ALL);
    struct lease *lease = find(leases, key);
    if (lease && lease->until_ms <= now_ms && !lease->writing && !lease->lapsed)
        pass_on(leases, lease, LEASE_TIMED_OUT, now_ms);
    if (lease && lease->lapsed)
        return lease_ms ? begin_again(leases, lease, lease_ms, there, now_ms, ret_given) : LEASE_NOBODY;
    if (!lease)
        return lease_ms ? begin_lease(leases, key, lease_ms, there, now_ms, ret_given) : LEASE_NOBODY;
    if (!waiter) {
        *ret_given = (struct lease_given){.until_ms = lease->until_ms};
        return LEASE_BUSY;
    }
    ASSERT(!waiter->lease && waiter->lease_ms == lease_ms);
    if (leases->waiting >= leases->options.waiters_max || !make_room(leases, 0, waiter->bytes))
        return LEASE_TOO_MANY;
    enqueue(leases, lease, waiter);
    return LEASE_WAITS;
}

void leases_hold(struct leases *leases, uint64_t token, uint64_t client, bool bound) {
    struct lease *lease = find_token(leases, token);
    ASSERT(lease);
    lease->client = client;
    lease->bound = bound;
}

bool leases_look_at(const struct leases *leases, const struct lease_key *key, uint64_t now_ms,
                    struct lease_view *ret_view) {
    const struct lease *lease = find(leases, key);
    if (!lease || lease->lapsed || (lease->until_ms <= now_ms && !lease->writing))
        return false;
    *ret_view = (struct lease_view){.client = lease->client,
                                    .given_ms = lease->given_ms,
                                    .until_ms = lease->until_ms,
                                    .bound = lease->bound,
                                    .there = lease->there};
    for (const struct lease_waiter *waiter = lease->first; waiter; waiter = waiter->next)
        ret_view->waiting++;
    return true;
}

/* Where it stands how the token's lease has ended; NULL: that is not known any more. */
static const struct lease_slot *slot_of_lost(const struct leases *leases, uint64_t token) {
    uint64_t id = id_of(leases, token);
    const struct lease_slot *slot = slot_of(id) < leases->slot_count ? &leases->slots[slot_of(id)] : NULL;
    return slot && slot->why != LEASE_HOLDS && slot->lost_since <= id && id <= slot->lost ? slot : NULL;
}

/* Why the token is none that holds. */
static enum lease_end why_not(const struct leases *leases, uint64_t token) {
    const struct lease_slot *slot = slot_of_lost(leases, token);
    return slot ? slot->why : LEASE_UNKNOWN;
}

uint32_t leases_lost_tag(const struct leases *leases, uint64_t *ret_stamp) {
    *ret_stamp = leases->lost_stamp;
    return leases->lost_tag;
}

struct lease_by leases_lost_by(const struct leases *leases, uint64_t token) {
    const struct lease_slot *slot = slot_of_lost(leases, token);
    return slot ? slot->by : (struct lease_by){0};
}

/* Notes are larger than the stamp of a lease that was given before them. */
static bool tag_was_invalidated(const struct leases *leases, uint64_t hash, uint64_t stamp) {
    return leases->marks[0][hash % LEASE_MARKS] > stamp && leases->marks[1][(hash >> 32) % LEASE_MARKS] > stamp;
}

enum lease_end leases_begin_write(struct leases *leases, const struct lease_key *key, uint64_t token,
                                  const uint64_t *tags, uint32_t tag_count, uint64_t now_ms, uint64_t *ret_stamp) {
    struct lease *lease = find_late(leases, token);
    leases->lost_tag = UINT32_MAX;
    if (!lease)
        return why_not(leases, token);
    if (!is_of(lease, key))
        return LEASE_OF_OTHER_KEY;
    ASSERT(!lease->writing);
    bool late = lease->id != id_of(leases, token);
    uint64_t stamp = late ? lease->since_stamp : lease->stamp; /* of its own or older */
    for (uint32_t i = 0; i < tag_count; i++)
        if (tag_was_invalidated(leases, tags[i], stamp)) {
            leases->lost_tag = i;
            leases->lost_stamp = stamp;
            if (!late) /* else the one that is out may be younger than the invalidation */
                pass_on(leases, lease, LEASE_OF_TAG, now_ms);
            return LEASE_OF_TAG;
        }
    lease->writing = true;
    lease->late = late;
    *ret_stamp = stamp;
    return LEASE_HOLDS;
}

/* How it ends by a write. */
static enum lease_end written_by(const struct lease *lease) {
    return lease->writing && !lease->late ? LEASE_USED : LEASE_WRITTEN;
}

void leases_end_write(struct leases *leases, uint64_t token, bool done) {
    struct lease *lease = find_late(leases, token);
    if (!lease)
        return; /* it ended with what was told of the write */
    ASSERT(lease->writing);
    if (done)
        end(leases, lease, written_by(lease), LEASE_LOOK);
    else
        lease->writing = false;
}

bool leases_release(struct leases *leases, const struct lease_key *key, uint64_t token, uint64_t now_ms) {
    struct lease *lease = find_token(leases, token);
    if (!lease || (key && !is_of(lease, key)) || lease->writing)
        return false;
    bool in_time = lease->until_ms > now_ms && !lease->lapsed;
    if (!in_time && !lease->lapsed)
        pass_on(leases, lease, LEASE_TIMED_OUT, now_ms);
    else
        pass_on(leases, lease, LEASE_RELEASED, now_ms);
    return in_time;
}

bool leases_is_out(const struct leases *leases, uint64_t token) {
    const struct lease *lease = find_token(leases, token);
    return lease && !lease->lapsed;
}

/* ------------------------------------------------------------------------------------- what happened */

void leases_written(struct leases *leases, const struct lease_key *key) {
    struct lease *lease = find(leases, key);
    if (lease)
        end(leases, lease, written_by(lease), LEASE_LOOK);
}

uint32_t leases_removed(struct leases *leases, uint32_t place, uint64_t hash, enum lease_end why, uint64_t now_ms) {
    uint32_t ended = 0;
    for (struct lease *lease = *bucket_of(leases, hash), *next; lease; lease = next) {
        next = lease->next;
        if (lease->hash != hash || lease->place != place)
            continue;
        ended += !lease->writing;
        pass_on(leases, lease, lease->writing ? written_by(lease) : why, now_ms);
    }
    return ended;
}

void leases_removed_like(struct leases *leases, uint32_t place, bool (*matches)(void *context, struct slice name),
                         void *context, uint64_t now_ms) {
    for (uint32_t i = 0; i < leases->slot_count; i++) {
        struct lease *lease = leases->slots[i].lease;
        if (lease && lease->place == place && matches(context, slice_make(lease->name, lease->name_size)))
            pass_on(leases, lease, LEASE_INVALIDATED, now_ms);
    }
}

void leases_cleared(struct leases *leases, uint32_t place, enum lease_end why, uint64_t now_ms) {
    for (uint32_t i = 0; i < leases->slot_count; i++) {
        struct lease *lease = leases->slots[i].lease;
        if (!lease || (place != LEASE_PLACES_ALL && lease->place != place))
            continue;
        if (why == LEASE_SWAPPED)
            end(leases, lease, why, LEASE_LOOK);
        else
            pass_on(leases, lease, why, now_ms);
    }
}

void leases_tag_invalidated(struct leases *leases, uint64_t hash) {
    uint64_t stamp = leases->options.stamp(leases->options.context);
    leases->marks[0][hash % LEASE_MARKS] = stamp;
    leases->marks[1][(hash >> 32) % LEASE_MARKS] = stamp;
}

void leases_run_due(struct leases *leases, uint64_t now_ms) {
    while (leases_due_ms(leases) <= now_ms) {
        struct lease_due *due = leases->heap[0];
        if (due->waits) {
            struct lease_waiter *waiter =
                (struct lease_waiter *)(void *)((uint8_t *)due - offsetof(struct lease_waiter, due));
            wake(leases, waiter, LEASE_MISS, 0);
            continue;
        }
        struct lease *lease = (struct lease *)(void *)((uint8_t *)due - offsetof(struct lease, due));
        if (lease->writing)
            heap_move(leases, due, now_ms + WRITING_MS);
        else if (lease->lapsed)
            end(leases, lease, LEASE_TIMED_OUT, LEASE_MISS);
        else
            pass_on(leases, lease, LEASE_TIMED_OUT, now_ms);
    }
}

/* ------------------------------------------------------------------------------------- begin and end */

enum status leases_init(struct leases *leases, const struct leases_options *options) {
    *leases = (struct leases){.options = *options, .free_first = NO_SLOT, .bucket_count = BUCKETS_MIN};
    const struct memory *memory = options->memory;
    leases->buckets = memory_take(memory, BUCKETS_MIN * sizeof *leases->buckets);
    leases->marks = memory_take(memory, 2 * sizeof *leases->marks);
    leases->counts = memory_take(memory, LEASE_COUNTS * sizeof *leases->counts);
    if (!leases->buckets || !leases->marks || !leases->counts) {
        leases_fini(leases);
        return STATUS_NO_MEMORY;
    }
    memset(leases->buckets, 0, BUCKETS_MIN * sizeof *leases->buckets);
    memset(leases->marks, 0, 2 * sizeof *leases->marks);
    memset(leases->counts, 0, LEASE_COUNTS * sizeof *leases->counts);
    return STATUS_OK;
}

void leases_fini(struct leases *leases) {
    const struct memory *memory = leases->options.memory;
    if (!memory)
        return;
    ASSERT(leases->waiting == 0);
    for (uint32_t i = 0; i < leases->slot_count; i++) {
        struct lease *lease = leases->slots[i].lease;
        if (lease)
            memory_give(memory, lease, lease_size(lease->name_size));
    }
    memory_give(memory, leases->slots, leases->slot_count * sizeof *leases->slots);
    memory_give(memory, leases->buckets, leases->bucket_count * sizeof *leases->buckets);
    memory_give(memory, leases->heap, leases->heap_room * sizeof *leases->heap);
    memory_give(memory, leases->marks, 2 * sizeof *leases->marks);
    memory_give(memory, leases->counts, LEASE_COUNTS * sizeof *leases->counts);
    *leases = (struct leases){0};
}

/* Answers how many wait. */
static uint32_t verify_waiters(const struct leases *leases, const struct lease *lease, uint64_t *bytes) {
    uint32_t count = 0;
    const struct lease_waiter *previous = NULL;
    for (const struct lease_waiter *waiter = lease->first; waiter; previous = waiter, waiter = waiter->next, count++) {
        ASSERT(waiter->lease == lease && waiter->previous == previous);
        ASSERT(!previous || previous->arrived < waiter->arrived);
        ASSERT(leases->heap[waiter->due.index] == &waiter->due && waiter->due.at_ms == waiter->until_ms);
        *bytes += waiter->bytes;
    }
    ASSERT(lease->last == previous);
    return count;
}

void leases_verify(const struct leases *leases) {
    uint32_t out = 0, waiting = 0, reachable = 0, unused = 0, counted = 0, lapsed = 0, listed = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < leases->slot_count; i++) {
        const struct lease *lease = leases->slots[i].lease;
        if (!lease)
            continue;
        ASSERT(slot_of(lease->id) == i && find_token(leases, token_of(leases, lease->id)) == lease);
        ASSERT(leases->heap[lease->due.index] == &lease->due && lease->due.at_ms >= lease->until_ms);
        ASSERT(leases_may_concern(leases, lease->hash));
        ASSERT(lease->since <= lease->id && slot_of(lease->since) == i && lease->since_stamp <= lease->stamp);
        ASSERT(!lease->lapsed || !lease->first);
        out += !lease->lapsed;
        lapsed += lease->lapsed;
        bytes += lease_size(lease->name_size);
        waiting += verify_waiters(leases, lease, &bytes);
    }
    for (uint32_t i = 0; i < leases->bucket_count; i++)
        for (const struct lease *lease = leases->buckets[i]; lease; lease = lease->next)
            reachable++;
    for (uint32_t at = leases->free_first; at != NO_SLOT; at = leases->slots[at].next_free)
        unused++;
    for (uint32_t i = 0; i < LEASE_COUNTS; i++)
        counted += leases->counts[i];
    for (uint32_t i = 1; i < leases->heap_count; i++)
        ASSERT(leases->heap[(i - 1) / 2]->at_ms <= leases->heap[i]->at_ms);
    for (const struct lease *lease = leases->lapsed_first; lease; lease = lease->lapsed_next)
        listed += lease->lapsed;
    ASSERT(out == leases->out && lapsed == leases->lapsed && lapsed == listed && lapsed <= LEASES_LAPSED_MAX);
    ASSERT(out + lapsed == reachable && out + lapsed + unused == leases->slot_count && out + lapsed == counted);
    ASSERT(waiting == leases->waiting && leases->heap_count == out + lapsed + waiting && bytes == leases->bytes);
}
