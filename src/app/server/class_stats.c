#include "app/server/class_stats.h"

#include <assert.h>

#include "app/server/worker.h"
#include "base/assert.h"
#include "core/rules/rules.h"

enum {
    HITS_SAMPLE_EVERY = 256, /* on average, once there have been many */
    WRITES_SAMPLE_EVERY = 128,
    SAMPLES_FIRST = 64,     /* until then all are looked at, and then as many more as there were, ... */
    EVENTS_FIRST = 256,     /* misses and removals that all enter the sketch of prefixes */
    EVENTS_EVERY = 16,      /* and of how many one does later */
    WALK_SLICE_KEYS = 2000, /* a tick: half a millisecond, in a hundred */
    WALK_SCAN_COUNT = 100,
    WALK_EVERY_MS = 10 * 1000,
    WALK_NOW_KEYS = 4096, /* so few are walked through while somebody waits for them: a millisecond */
    PREFIXES_SHOWN_MAX = 32,
};
static_assert(PREFIX_COUNTS <= (int)SKETCH_COUNTS, "they have room");

/* What a walk fills. */
struct contents {
    struct class_contents *of_class; /* one more than classes */
    uint32_t class_count;
    uint64_t generation, ended_ms;
    struct sketch prefixes; /* weight: keys; counts[0]: bytes */
};

struct class_walk {
    pthread_mutex_t walking; /* taken by trying only: never waited for */
    struct contents now;     /* by whoever walks, as all here */
    bool running;
    uint32_t place;
    uint64_t cursor, next_ms;
    pthread_mutex_t lock; /* for `last`; nothing else is taken under it */
    struct contents last;
};

static void clear_contents(struct contents *contents) {
    memory_give(&memory_libc, contents->of_class, (contents->class_count + 1) * sizeof *contents->of_class);
    *contents = (struct contents){.of_class = NULL};
}

static bool make_contents(struct contents *contents, uint32_t class_count, uint64_t generation) {
    size_t size = (class_count + 1) * sizeof *contents->of_class;
    *contents = (struct contents){
        .class_count = class_count, .generation = generation, .of_class = memory_take(&memory_libc, size)};
    if (contents->of_class)
        memset(contents->of_class, 0, size);
    return contents->of_class != NULL;
}

/* ------------------------------------------------------------------------------------------ begin and end */

enum status class_stats_start(struct server *server) {
    struct class_walk *walk = memory_take(&memory_libc, sizeof *walk);
    if (!walk)
        return STATUS_NO_MEMORY;
    memset(walk, 0, sizeof *walk);
    pthread_mutex_init(&walk->walking, NULL);
    pthread_mutex_init(&walk->lock, NULL);
    server->class_walk = walk;
    return STATUS_OK;
}

void class_stats_stop(struct server *server) {
    struct class_walk *walk = server->class_walk;
    if (!walk)
        return;
    clear_contents(&walk->now);
    clear_contents(&walk->last);
    pthread_mutex_destroy(&walk->walking);
    pthread_mutex_destroy(&walk->lock);
    memory_give(&memory_libc, walk, sizeof *walk);
    server->class_walk = NULL;
}

static size_t counts_size(uint32_t class_count) { return (class_count + 1) * sizeof(struct class_counts); }

void class_stats_fini(struct worker *worker) {
    struct worker_classes *classes = &worker->classes;
    memory_give(&memory_libc, classes->counts, counts_size(classes->class_count));
    classes->counts = NULL;
}

/* What was counted stays with the pattern. */
static void carry_over(const struct worker_classes *classes, const struct rules *before, const struct rules *after,
                       struct class_counts *counts, uint32_t class_count) {
    if (!classes->counts)
        return;
    counts[class_count] = classes->counts[classes->class_count];
    /* Mostly in the same order, so that few are looked for. */
    for (uint32_t i = 0, next = 0; before && i < class_count; i++) {
        struct slice pattern = rules_class(after, i)->pattern.text;
        bool same = next < classes->class_count && slice_equal(rules_class(before, next)->pattern.text, pattern);
        uint32_t old = same ? next : rules_class_named(before, pattern);
        if (old == RULES_NONE)
            continue;
        counts[i] = classes->counts[old];
        next = old + 1;
    }
}

void class_stats_rules(struct worker *worker, const struct rules *before, const struct rules *after) {
    struct worker_classes *classes = &worker->classes;
    uint32_t class_count = after ? rules_class_count(after) : 0;
    struct class_counts *counts = memory_take(&memory_libc, counts_size(class_count));
    if (counts) {
        memset(counts, 0, counts_size(class_count));
        carry_over(classes, before, after, counts, class_count);
    }
    class_stats_fini(worker);
    classes->counts = counts;
    classes->class_count = class_count;
    classes->timed = NULL;
    classes->generation++;
}

void class_stats_reset(struct worker *worker) {
    struct worker_classes *classes = &worker->classes;
    if (classes->counts)
        memset(classes->counts, 0, counts_size(classes->class_count));
    classes->timed = NULL;
    classes->hits_next = classes->hits_seen = 0;
    classes->changes_base = classes->changes_seen = worker->actor.counts.changes;
    classes->changes_next = classes->changes_seen + 1;
    classes->hits_next = 1;
    classes->miss_skip = classes->gone_skip = 0;
    classes->prefixes = (struct sketch){.count = 0};
}

/* ------------------------------------------------------------------------------------------ what happens */

/* The counts of the key's class, or of those without one. */
static struct class_counts *counts_of(struct worker *worker, struct slice name) {
    struct worker_classes *classes = &worker->classes;
    struct rules_fields fields;
    uint32_t class = classes->class_count;
    if (class) {
        uint32_t found = rules_match(worker->rules.plan.rules, name, &fields);
        class = found == RULES_NONE ? class : found;
    }
    return &classes->counts[class];
}

/* Of a key without a class. */
static void count_prefix(struct worker *worker, const struct class_counts *counts, struct slice name,
                         enum class_prefix_count which, uint64_t weight) {
    const struct worker_classes *classes = &worker->classes;
    if (!weight || counts != &classes->counts[classes->class_count])
        return;
    struct slice prefix = sketch_prefix(name);
    if (prefix.size)
        sketch_add(&worker->classes.prefixes, prefix, weight)->counts[which] += weight;
}

/* How many events this one stands for; 0: it is passed over. */
static uint64_t event_weight(uint32_t *seen) {
    uint32_t number = (*seen)++;
    if (number < EVENTS_FIRST)
        return 1;
    return number % EVENTS_EVERY ? 0 : EVENTS_EVERY;
}

void class_stats_miss(struct worker *worker, struct slice name, enum miss_cause cause) {
    if (!worker->classes.counts)
        return;
    struct class_counts *counts = counts_of(worker, name);
    counts->misses[cause]++;
    count_prefix(worker, counts, name, PREFIX_MISSES, event_weight(&worker->classes.miss_skip));
}

void class_stats_gone(struct worker *worker, enum cache_change kind, struct slice name, bool caused) {
    enum class_prefix_count which = PREFIX_DELETED;
    if (!worker->classes.counts)
        return;
    struct class_counts *counts = counts_of(worker, name);
    if (kind == CACHE_EXPIRED) {
        counts->expired++;
        which = PREFIX_EXPIRED;
    } else if (kind == CACHE_EVICTED) {
        counts->evicted++;
        which = PREFIX_EVICTED;
    } else if (kind == CACHE_INVALIDATED || caused) {
        counts->invalidated++;
        which = PREFIX_INVALIDATED;
    } else {
        counts->deleted++;
    }
    count_prefix(worker, counts, name, which, event_weight(&worker->classes.gone_skip));
}

/* ------------------------------------------------------------------------------------------ samples */

/* After how many more the next one is looked at: by chance, so that no pattern of commands keeps step with it. */
static uint64_t next_sample(struct worker_classes *classes, uint64_t count, uint64_t every_max) {
    uint64_t every = count / SAMPLES_FIRST;
    every = every > every_max ? every_max : every;
    return 1 + (every ? rng_below(&classes->rng, 2 * every) : 0);
}

static bool is_there(struct worker *worker, const struct cmd_request *item, struct slice name) {
    struct cache *cache = worker->server->cache;
    uint32_t place = cache_place_of(cache, item->client->db);
    return cache_look_gone(cache, &worker->actor, place, name) == CACHE_GONE_NOT;
}

static void sample_hits(struct worker *worker, const struct cmd_request *item, struct class_counts *counts,
                        struct slice name) {
    struct worker_classes *classes = &worker->classes;
    uint64_t hits = worker->actor.counts.hits, weight = hits - classes->hits_seen;
    counts->hits += weight;
    count_prefix(worker, counts, name, PREFIX_HITS, weight);
    hot_keys_used(worker, item, HOT_READ, weight);
    classes->hits_seen = hits;
    classes->hits_next = hits + next_sample(classes, hits, HITS_SAMPLE_EVERY);
}

static void sample_writes(struct worker *worker, const struct cmd_request *item, struct class_counts *counts,
                          struct slice name) {
    struct worker_classes *classes = &worker->classes;
    uint64_t changes = worker->actor.counts.changes, weight = changes - classes->changes_seen;
    counts->writes += weight;
    count_prefix(worker, counts, name, PREFIX_WRITES, weight);
    hot_keys_used(worker, item, HOT_WRITE, weight);
    classes->changes_seen = changes;
    classes->changes_next = changes + next_sample(classes, changes - classes->changes_base, WRITES_SAMPLE_EVERY);
}

void class_stats_sample(struct worker *worker, const struct cmd_request *items, uint32_t count) {
    struct worker_classes *classes = &worker->classes;
    const struct cmd_spec *spec = items->spec;
    if (!classes->counts || !spec)
        return;
    const struct cmd_request *item = &items[count > 1 ? rng_below(&classes->rng, count) : 0];
    struct slice name = slice_make(NULL, 0);
    struct class_counts *of = &classes->counts[classes->class_count];
    bool has_key = spec->key_at && spec->key_at < item->argc;
    if (has_key) {
        name = item->argv[spec->key_at];
        of = counts_of(worker, name);
        classes->timed = of;
    }
    if (worker->actor.counts.changes >= classes->changes_next)
        sample_writes(worker, item, of, name);
    /* A read of a row may have been a miss; then the next one is looked at. */
    if (worker->actor.counts.hits >= classes->hits_next && (!has_key || is_there(worker, item, name)))
        sample_hits(worker, item, of, name);
}

void class_stats_time(struct worker *worker, uint64_t ticks, uint32_t count) {
    struct class_counts *counts = worker->classes.timed;
    uint64_t each = ticks / count;
    worker->classes.timed = NULL;
    counts->timed++;
    counts->timed_ticks += each;
    counts->timed_max_ticks = counts->timed_max_ticks > each ? counts->timed_max_ticks : each;
    times_add(&counts->times, (uint64_t)((double)each * 1000 / worker->server->ticks_per_us), 1);
}

/* ------------------------------------------------------------------------------------------ the walk */

struct visiting {
    struct worker *worker;
    struct contents *contents;
    uint32_t seen;
};

static void visit_key(void *context, struct slice name, const struct cache_info *info) {
    struct visiting *visiting = context;
    struct contents *contents = visiting->contents;
    const struct worker *worker = visiting->worker;
    struct rules_fields fields;
    uint32_t class = contents->class_count ? rules_match(worker->rules.plan.rules, name, &fields) : RULES_NONE;
    visiting->seen++;
    if (info->type == CACHE_NOTHING)
        return;
    struct class_contents *of = &contents->of_class[class == RULES_NONE ? contents->class_count : class];
    uint64_t now_ms = worker->actor.now_ms, expires_at_ms = info->expires_at_ms;
    of->keys++;
    of->bytes += info->charged_bytes;
    of->ttl[class_ttl_step(expires_at_ms == 0 ? UINT64_MAX : expires_at_ms > now_ms ? expires_at_ms - now_ms : 0)]++;
    if (class != RULES_NONE)
        return;
    struct slice prefix = sketch_prefix(name);
    if (prefix.size)
        sketch_add(&contents->prefixes, prefix, 1)->counts[0] += info->charged_bytes;
}

static void end_walk(struct class_walk *walk, uint64_t now_ms) {
    walk->running = false;
    walk->next_ms = now_ms + WALK_EVERY_MS;
    walk->now.ended_ms = now_ms;
    pthread_mutex_lock(&walk->lock);
    struct contents before = walk->last;
    walk->last = walk->now;
    pthread_mutex_unlock(&walk->lock);
    clear_contents(&before);
    walk->now = (struct contents){.of_class = NULL};
}

/* Goes on with the walk, or begins one, for so many keys. */
static void walk_on(struct worker *worker, struct class_walk *walk, uint32_t keys) {
    struct cache *cache = worker->server->cache;
    const struct worker_classes *classes = &worker->classes;
    if (walk->running && walk->now.generation != classes->generation) {
        clear_contents(&walk->now);
        walk->running = false;
    }
    if (!walk->running) {
        if (!make_contents(&walk->now, classes->class_count, classes->generation))
            return;
        walk->running = true;
        walk->place = 0;
        walk->cursor = 0;
    }
    struct visiting visiting = {.worker = worker, .contents = &walk->now};
    for (uint32_t steps = 0; visiting.seen < keys && steps < keys; steps++) {
        if (walk->cursor || cache_count_place(cache, walk->place)) {
            uint64_t next = cache_scan_place(cache, &worker->actor, walk->place, walk->cursor, WALK_SCAN_COUNT,
                                             visit_key, &visiting);
            if (next == CACHE_SCAN_FAILED)
                return; /* another time */
            walk->cursor = next;
        }
        if (walk->cursor == 0 && ++walk->place == CACHE_DATABASES) {
            end_walk(walk, worker->now_ms);
            return;
        }
    }
}

void class_stats_tick(struct worker *worker) {
    struct class_walk *walk = worker->server->class_walk;
    if (pthread_mutex_trylock(&walk->walking) != 0)
        return;
    if (walk->running || worker->now_ms >= walk->next_ms)
        walk_on(worker, walk, WALK_SLICE_KEYS);
    pthread_mutex_unlock(&walk->walking);
}

static void walk_now(struct worker *worker) {
    struct class_walk *walk = worker->server->class_walk;
    uint64_t keys = 0;
    for (uint32_t db = 0; db < CACHE_DATABASES; db++)
        keys += cache_count(worker->server->cache, db);
    if (keys > WALK_NOW_KEYS || pthread_mutex_trylock(&walk->walking) != 0)
        return;
    clear_contents(&walk->now);
    walk->running = false;
    walk_on(worker, walk, 2 * WALK_NOW_KEYS);
    pthread_mutex_unlock(&walk->walking);
}

/* ------------------------------------------------------------------------------------------ summed up */

struct summing {
    struct server *server;
    struct class_counts *counts; /* as in struct worker_classes */
    uint32_t class_count;
    uint64_t generation;
    struct contents contents; /* a copy; of_class NULL: there is none of these rules */
    struct sketch prefixes;
    uint64_t now_ms;
};

static void add_counts(struct class_counts *sum, const struct class_counts *counts) {
    sum->hits += counts->hits;
    sum->writes += counts->writes;
    for (int i = 0; i < MISS_CAUSES; i++)
        sum->misses[i] += counts->misses[i];
    sum->expired += counts->expired;
    sum->evicted += counts->evicted;
    sum->invalidated += counts->invalidated;
    sum->deleted += counts->deleted;
    sum->timed += counts->timed;
    sum->timed_ticks += counts->timed_ticks;
    times_merge(&sum->times, &counts->times);
    if (counts->timed_max_ticks > sum->timed_max_ticks)
        sum->timed_max_ticks = counts->timed_max_ticks;
}

static void add_prefixes(struct sketch *sum, const struct sketch *sketch) {
    for (uint32_t i = 0; i < sketch->count; i++) {
        const struct sketch_item *item = &sketch->items[i];
        struct sketch_item *to = sketch_add(sum, slice_make(item->name, item->size), item->weight);
        to->error += item->error;
        for (int k = 0; k < SKETCH_COUNTS; k++)
            to->counts[k] += item->counts[k];
    }
}

/* Under other rules a worker's counts are those of other classes. */
static void add_workers(struct summing *summing) {
    struct server *server = summing->server;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        worker_visit(server->workers[i]);
        const struct worker_classes *classes = &server->workers[i]->classes;
        bool same = classes->counts && classes->generation == summing->generation;
        for (uint32_t k = 0; same && k <= summing->class_count; k++)
            add_counts(&summing->counts[k], &classes->counts[k]);
        add_prefixes(&summing->prefixes, &classes->prefixes);
        worker_leave(server->workers[i]);
    }
}

static enum status take_contents(struct summing *summing) {
    struct class_walk *walk = summing->server->class_walk;
    struct contents *copy = &summing->contents;
    if (!make_contents(copy, summing->class_count, summing->generation))
        return STATUS_NO_MEMORY;
    pthread_mutex_lock(&walk->lock);
    const struct contents *last = &walk->last;
    bool same = last->of_class && last->generation == summing->generation;
    if (same) {
        memcpy(copy->of_class, last->of_class, (summing->class_count + 1) * sizeof *copy->of_class);
        copy->prefixes = last->prefixes;
        copy->ended_ms = last->ended_ms;
    }
    pthread_mutex_unlock(&walk->lock);
    if (!same)
        clear_contents(copy);
    return STATUS_OK;
}

static void fill(const struct summing *summing, struct cmd_class_stats *stats) {
    double ticks_per_us = summing->server->ticks_per_us;
    const struct class_counts *counts = &stats->counts;
    stats->walked = summing->contents.of_class != NULL;
    if (stats->walked)
        stats->walk_age_ms =
            summing->now_ms > summing->contents.ended_ms ? summing->now_ms - summing->contents.ended_ms : 0;
    if (counts->timed)
        stats->latency_us = (double)counts->timed_ticks / (double)counts->timed / ticks_per_us;
    stats->latency_max_us = (double)counts->timed_max_ticks / ticks_per_us;
}

static struct cmd_class_stats class_at(const struct summing *summing, uint32_t class) {
    struct cmd_class_stats stats = {.kind = CLASS_OTHERS, .counts = summing->counts[class]};
    if (summing->contents.of_class)
        stats.contents = summing->contents.of_class[class];
    fill(summing, &stats);
    return stats;
}

static struct cmd_class_stats prefix_at(struct summing *summing, const struct sketch_item *item) {
    struct cmd_class_stats stats = {.kind = CLASS_PREFIX,
                                    .name = slice_make(item->name, item->size),
                                    .weight_error = item->error,
                                    .counts = {.hits = item->counts[PREFIX_HITS],
                                               .writes = item->counts[PREFIX_WRITES],
                                               .misses = {[MISS_NEVER] = item->counts[PREFIX_MISSES]},
                                               .expired = item->counts[PREFIX_EXPIRED],
                                               .evicted = item->counts[PREFIX_EVICTED],
                                               .invalidated = item->counts[PREFIX_INVALIDATED],
                                               .deleted = item->counts[PREFIX_DELETED]}};
    for (uint32_t i = 0; i < summing->contents.prefixes.count; i++) {
        const struct sketch_item *of = &summing->contents.prefixes.items[i];
        if (slice_equal(slice_make(of->name, of->size), stats.name))
            stats.contents = (struct class_contents){.keys = of->weight, .bytes = of->counts[0]};
    }
    fill(summing, &stats);
    return stats;
}

/* The heaviest first; each is shown once. */
static void show_prefixes(struct summing *summing, void (*visit)(void *context, const struct cmd_class_stats *),
                          void *context) {
    struct sketch *sketch = &summing->prefixes;
    for (uint32_t i = 0; i < summing->contents.prefixes.count; i++) {
        const struct sketch_item *item = &summing->contents.prefixes.items[i];
        if (sketch->count < SKETCH_ITEMS)
            sketch_add(sketch, slice_make(item->name, item->size), 0);
    }
    for (uint32_t shown = 0; shown < PREFIXES_SHOWN_MAX && shown < sketch->count; shown++) {
        uint32_t best = shown;
        for (uint32_t i = shown; i < sketch->count; i++)
            if (sketch->items[i].weight > sketch->items[best].weight)
                best = i;
        struct sketch_item swap = sketch->items[best];
        sketch->items[best] = sketch->items[shown];
        sketch->items[shown] = swap;
        const struct cmd_class_stats stats = prefix_at(summing, &sketch->items[shown]);
        visit(context, &stats);
    }
}

enum status class_stats_each(struct cmd_server *api, struct cmd_client *client, bool walks,
                             void (*visit)(void *context, const struct cmd_class_stats *), void *context) {
    const struct connection *connection = client->connection;
    struct worker *worker = connection->worker;
    struct summing summing = {.server = server_of(api),
                              .class_count = worker->classes.class_count,
                              .generation = worker->classes.generation,
                              .now_ms = worker->now_ms};
    if (walks)
        walk_now(worker);
    summing.counts = memory_take(&memory_libc, counts_size(summing.class_count));
    if (!summing.counts)
        return STATUS_NO_MEMORY;
    memset(summing.counts, 0, counts_size(summing.class_count));
    enum status status = take_contents(&summing);
    if (status == STATUS_OK)
        add_workers(&summing);
    /* The own turn was let go meanwhile, so other rules may have come into force. */
    if (status == STATUS_OK && worker->classes.generation != summing.generation)
        status = STATUS_BUSY;
    for (uint32_t i = 0; status == STATUS_OK && i < summing.class_count; i++) {
        const struct rules_class *class = rules_class(worker->rules.plan.rules, i);
        struct cmd_class_stats stats = class_at(&summing, i);
        stats.kind = CLASS_DECLARED;
        stats.name = class->pattern.text;
        stats.line = class->place.line;
        visit(context, &stats);
    }
    if (status == STATUS_OK) {
        const struct cmd_class_stats others = class_at(&summing, summing.class_count);
        show_prefixes(&summing, visit, context);
        visit(context, &others);
    }
    clear_contents(&summing.contents);
    memory_give(&memory_libc, summing.counts, counts_size(summing.class_count));
    return status;
}
