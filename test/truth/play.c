/* What readers, writers and loaders do. */
#include <inttypes.h>
#include <string.h>

#include "truth.h"

enum { BATCH_MAX = 8, PINGS_MAX = 4, TTL_MS_MAX = 20, FILL_SIZE_MAX = 700, LEASE_MS = 60000, PAUSES_BETWEEN_MOVES = 3 };

static struct row *row_of(struct truth *truth, uint32_t kind, uint32_t row) {
    return &truth->rows[kind * ROWS_OF_KIND + row];
}

static bool is_for_one(uint32_t row) { return row % 2 != 0; }

static void raise_to(_Atomic uint64_t *number, uint64_t to) {
    uint64_t seen = atomic_load(number);
    while (seen < to && !atomic_compare_exchange_weak(number, &seen, to))
        ;
}

static uint32_t draw(struct player *player, uint32_t limit) { return (uint32_t)rng_below(&player->rng, limit); }

/* ------------------------------------------------------------------------------------------ checking */

static void note_stale(struct player *player, uint32_t kind, uint32_t row, uint64_t known, const char *value,
                       const char *how) {
    struct truth *truth = player->truth;
    atomic_fetch_add(&truth->counts[kind].stale, 1);
    pthread_mutex_lock(&truth->first_lock);
    if (!truth->first[0])
        snprintf(truth->first, sizeof truth->first,
                 "%s, row %u by %s: '%.40s' though %" PRIu64 " was acknowledged; last '%s'", kinds[kind].name, row, how,
                 value, known, atomic_load(&row_of(truth, kind, row)->last));
    pthread_mutex_unlock(&truth->first_lock);
}

/* A value says which number it was made of, and of which row of which kind; APPEND may have made one that says nothing. */
static bool check(struct player *player, uint32_t kind, uint32_t row, uint64_t known, const char *value,
                  const char *how) {
    char *end;
    if (!value || value[0] < '0' || value[0] > '9')
        return false;
    uint64_t number = strtoull(value, &end, 10);
    ASSERT(*end == '.');
    uint64_t from = strtoull(end + 1, NULL, 10);
    ASSERT(from == kind * ROWS_OF_KIND + row);
    atomic_fetch_add(&player->truth->counts[kind].hits, 1);
    if (number < known)
        note_stale(player, kind, row, known, value, how);
    return true;
}

/* A value that is said to be stale: of whatever has not been taken away since. */
static void check_stale(struct player *player, uint32_t kind, uint32_t row, uint64_t gone, const char *value) {
    if (check(player, kind, row, gone, value, "CGET STALE"))
        atomic_fetch_add(&player->truth->counts[kind].flagged, 1);
}

/* That there is nothing: was that known of a number as new as this? */
static void check_nothing(struct player *player, uint32_t kind, uint32_t row, uint32_t part, uint64_t known) {
    uint64_t number = atomic_load(&row_of(player->truth, kind, row)->nothing[part]);
    atomic_fetch_add(&player->truth->counts[kind].nothings, 1);
    if (number < known) {
        char text[32];
        snprintf(text, sizeof text, "%" PRIu64 ".nothing", number);
        note_stale(player, kind, row, known, text, "CGET NEGATIVE");
    }
}

/* ------------------------------------------------------------------------------------------ loading */

/* What is true now, as a value; of `nothing`, that there is none. */
static void add_value(struct player *player, uint32_t kind, uint32_t row, uint32_t part, uint64_t number,
                      const char *token, bool nothing) {
    char key[64], tags[64] = "", expiry[64] = "", guard[64] = "", value[64] = "";
    kind_key(kind, row, part, key);
    if (!nothing)
        snprintf(value, sizeof value, "%" PRIu64 ".%u", number, kind * ROWS_OF_KIND + row);
    if (kinds[kind].tag)
        snprintf(tags, sizeof tags, " TAGS 2 t:%u other", row);
    if (player->truth->expires)
        snprintf(expiry, sizeof expiry, " PX %u%s", 1 + draw(player, TTL_MS_MAX),
                 token && !nothing && draw(player, 2) ? " STALE 1000" : "");
    if (token)
        snprintf(guard, sizeof guard, " TOKEN %s%s", token, nothing ? " NEGATIVE" : "");
    player_addf(player, "%s %s %s%s%s%s", token ? "CSET" : "SET", key, value, guard, expiry, tags);
}

/* `+OK`, or an error that is to be expected. */
static bool was_written(struct player *player, const char *expected) {
    const char *line = player_line(player);
    if (strcmp(line, "+OK") == 0)
        return true;
    if (strncmp(line, "-OOM", 4) == 0) {
        atomic_fetch_add(&player->truth->refused, 1);
        return false;
    }
    if (!expected || strncmp(line, expected, strlen(expected)) != 0)
        fprintf(stderr, "answered %s\n", line);
    ASSERT(expected && strncmp(line, expected, strlen(expected)) == 0);
    return false;
}

static void dawdle(struct player *player) {
    for (uint32_t pings = draw(player, PINGS_MAX); pings; pings--) {
        player_addf(player, "PING");
        player_say(player);
        player_skip(player);
    }
}

/* Reads what is true, dawdles for some messages, and writes what it has read. */
static void load(struct player *player, uint32_t kind, uint32_t row, uint32_t part, const char *token) {
    struct kind_counts *counts = &player->truth->counts[kind];
    uint64_t number = atomic_load(&row_of(player->truth, kind, row)->now);
    bool nothing = draw(player, 8) == 0;
    dawdle(player);
    if (nothing)
        raise_to(&row_of(player->truth, kind, row)->nothing[part], number);
    add_value(player, kind, row, part, number, token, nothing);
    player_say(player);
    bool written = was_written(player, "-LEASELOST");
    atomic_fetch_add(written ? &counts->loads : &counts->lost, 1);
}

/* ------------------------------------------------------------------------------------------ reading */

/* Several ways to read all parts in one go: as commands of their own, which run in a row, or as one. */
static void read_parts(struct player *player, uint32_t kind, uint32_t row) {
    static const char *const ways[] = {"GET in a row", "MGET", "GET in MULTI", "GETRANGE", "GETEX"};
    uint32_t way = draw(player, sizeof ways / sizeof *ways), heads = 0;
    char keys[PARTS][64];
    for (uint32_t part = 0; part < PARTS; part++)
        kind_key(kind, row, part, keys[part]);
    uint64_t known = atomic_load(&row_of(player->truth, kind, row)->known);
    if (way == 1)
        player_addf(player, "MGET %s %s %s %s", keys[0], keys[1], keys[2], keys[3]);
    if (way == 2)
        player_addf(player, "MULTI");
    for (uint32_t part = 0; way != 1 && part < PARTS; part++)
        player_addf(player, way == 3 ? "GETRANGE %s 0 -1" : way == 4 ? "GETEX %s" : "GET %s", keys[part]);
    if (way == 2) {
        player_addf(player, "EXEC");
        heads = 1 + PARTS;
    }
    player_say(player);
    for (; heads; heads--)
        player_skip(player);
    if (way == 1 || way == 2)
        ASSERT(strcmp(player_line(player), "*4") == 0);
    for (uint32_t part = 0; part < PARTS; part++)
        (void)check(player, kind, row, known, player_value(player), ways[way]);
}

static void read_one(struct player *player, uint32_t kind, uint32_t row) {
    uint32_t part = draw(player, PARTS);
    char key[64];
    kind_key(kind, row, part, key);
    uint64_t known = atomic_load(&row_of(player->truth, kind, row)->known);
    player_addf(player, "GET %s", key);
    player_say(player);
    (void)check(player, kind, row, known, player_value(player), "GET");
}

/* In RESP3 a wait is answered at once, and by a push later: those readers do not wait. */
static void read_or_load(struct player *player, uint32_t kind, uint32_t row) {
    static const char *const ways[] = {"", " BOUND", " STALE 600000", " EARLY 5", " WAIT 20"};
    uint32_t part = draw(player, PARTS), way = draw(player, player->resp3 ? 4 : 5);
    char key[64], words[5][64];
    kind_key(kind, row, part, key);
    uint64_t known = atomic_load(&row_of(player->truth, kind, row)->known);
    uint64_t gone = atomic_load(&row_of(player->truth, kind, row)->gone);
    player_addf(player, "CGET %s LEASE %d%s", key, LEASE_MS, ways[way]);
    player_say(player);
    uint32_t count = peer_words(player->peer, words);
    if (strcmp(words[0], "HIT") == 0)
        (void)check(player, kind, row, known, words[1], "CGET");
    else if (strcmp(words[0], "STALE") == 0)
        check_stale(player, kind, row, gone, words[1]);
    else if (strcmp(words[0], "NEGATIVE") == 0)
        check_nothing(player, kind, row, part, known);
    else if (strcmp(words[0], "REFRESH") == 0)
        (void)check(player, kind, row, known, words[2], "CGET EARLY");
    else if (strcmp(words[0], "LOAD") == 0 && count == 4)
        check_stale(player, kind, row, gone, words[2]);
    ASSERT(way == 2 || (strcmp(words[0], "STALE") != 0 && count < 4)); /* only to those who ask for it */
    if (strcmp(words[0], "LOAD") == 0 || strcmp(words[0], "REFRESH") == 0)
        load(player, kind, row, part, words[1]);
}

/* ------------------------------------------------------------------------------------------ meddling */

/* Changes that keep what an entry was made of. What APPEND has made out of nothing is taken away again. */
static void meddle(struct player *player, uint32_t kind, uint32_t row) {
    uint32_t part = draw(player, PARTS), way = draw(player, kinds[kind].copies ? 7 : 5);
    char key[64], other[64];
    kind_key(kind, row, part, key);
    kind_key(kind, row, (part + 1) % PARTS, other);
    if (way == 0)
        player_addf(player, "APPEND %s .", key);
    else if (way < 3)
        player_addf(player, "PEXPIRE %s %u", key, way == 1 ? 100000 : 1 + draw(player, 1000));
    else if (way == 3)
        player_addf(player, "PERSIST %s", key);
    else if (way == 4)
        player_addf(player, "TAG %s %s seen", draw(player, 2) ? "ADD" : "REMOVE", key);
    else
        player_addf(player, "COPY %s %s REPLACE", key, other);
    player_say(player);
    const char *line = player_line(player);
    if (strncmp(line, "-OOM", 4) == 0)
        return;
    ASSERT(line[0] == ':');
    if (way == 0 && strcmp(line, ":1") == 0) {
        player_addf(player, "DEL %s", key);
        player_say(player);
        player_skip(player);
    }
}

void *play_reader(void *context) {
    struct player *player = context;
    struct truth *truth = player->truth;
    while (!atomic_load(&truth->over)) {
        uint32_t kind = draw(player, kind_count), row = draw(player, ROWS_OF_KIND), dice = draw(player, 100);
        atomic_fetch_add(&truth->reads, 1);
        if (dice < 45)
            read_or_load(player, kind, row);
        else if (dice < 55)
            read_one(player, kind, row);
        else if (dice < 92)
            read_parts(player, kind, row);
        else
            meddle(player, kind, row);
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------ writing */

struct change {
    struct row *row;
    uint64_t number;
    const char *what;
    uint32_t replies;
    bool soft;
};

static const char *one_of(struct player *player, const char *const *texts, size_t room) {
    uint32_t count = 0;
    while (count < room && texts[count])
        count++;
    return texts[draw(player, count)];
}

static struct change add_change(struct player *player, uint32_t kind, uint32_t row) {
    const struct kind *of = &kinds[kind];
    struct change change = {.row = row_of(player->truth, kind, row), .soft = draw(player, 3) == 0};
    change.number = atomic_fetch_add(&change.row->now, 1) + 1;
    if (change.soft)
        change.what = one_of(player, of->soft, sizeof of->soft / sizeof *of->soft);
    else if (player->truth->flushes && draw(player, 500) == 0)
        change.what = draw(player, 2) ? "FLUSHALL" : "FLUSHDB";
    else
        change.what = one_of(player, of->changes, sizeof of->changes / sizeof *of->changes);
    change.replies = player_add(player, change.what, row, 0);
    return change;
}

/* Tells what is known as soon as each answer is there. */
static void hear(struct player *player, const struct change *change) {
    bool done = true;
    for (uint32_t i = 0; i < change->replies; i++)
        done &= player_skip(player);
    if (!done) {
        atomic_fetch_add(&player->truth->busy, 1);
        return;
    }
    atomic_store(&change->row->last, change->what);
    if (!change->soft)
        raise_to(&change->row->gone, change->number);
    raise_to(&change->row->known, change->number);
}

/* Alone at its row, the writer may put the new value there itself. */
static void change_alone(struct player *player, uint32_t kind, uint32_t row) {
    struct row *of = row_of(player->truth, kind, row);
    pthread_mutex_lock(&of->alone);
    struct change change = add_change(player, kind, row);
    bool writes = draw(player, 3) == 0;
    player_say(player);
    hear(player, &change);
    if (writes) {
        add_value(player, kind, row, draw(player, PARTS), change.number, NULL, false);
        player_say(player);
        if (was_written(player, NULL))
            atomic_fetch_add(&player->truth->counts[kind].wrote, 1);
    }
    pthread_mutex_unlock(&of->alone);
}

void *play_writer(void *context) {
    struct player *player = context;
    struct truth *truth = player->truth;
    struct change changes[BATCH_MAX];
    uint64_t ticket = 0;
    while (ticket < truth->tickets_end && !atomic_load(&truth->over)) {
        uint32_t wanted = 1 + draw(player, BATCH_MAX), count = 0;
        while (count < wanted && (ticket = atomic_fetch_add(&truth->tickets, 1)) < truth->tickets_end) {
            uint32_t kind = (uint32_t)(ticket % kind_count), row = draw(player, ROWS_OF_KIND);
            atomic_fetch_add(&truth->counts[kind].changes, 1);
            if (is_for_one(row) && count == 0) {
                change_alone(player, kind, row);
                break;
            }
            changes[count++] = add_change(player, kind, row - is_for_one(row));
        }
        if (count)
            player_say(player);
        for (uint32_t i = 0; i < count; i++)
            hear(player, &changes[i]);
        dawdle(player);
    }
    return NULL;
}

/* Values of another database, which take the room of these. */
void *play_filler(void *context) {
    struct player *player = context;
    char bytes[FILL_SIZE_MAX + 1];
    player_addf(player, "SELECT 1");
    player_say(player);
    player_skip(player);
    memset(bytes, 'f', sizeof bytes);
    while (player->truth->fills && !atomic_load(&player->truth->over)) {
        for (uint32_t i = 0; i < BATCH_MAX; i++)
            player_addf(player, "SET fill:%u %.*s", draw(player, 1 << 20), (int)draw(player, FILL_SIZE_MAX) + 1, bytes);
        player_say(player);
        for (uint32_t i = 0; i < BATCH_MAX; i++)
            MAYBE(was_written(player, NULL));
    }
    return NULL;
}

static void add_word_of(struct player *player, const char *word) {
    player->size += (size_t)sprintf(player->request + player->size, "$%zu\r\n%s\r\n", strlen(word), word);
}

/* Loads rules that send keys here and there. */
void *play_mover(void *context) {
    struct player *player = context;
    struct truth *truth = player->truth;
    for (bool moved = true; !atomic_load(&truth->over); moved = !moved) {
        char *manifest = kinds_manifest(moved);
        ASSERT(strlen(manifest) + 100 < sizeof player->request);
        player->size = (size_t)sprintf(player->request, "*3\r\n");
        add_word_of(player, "RULES");
        add_word_of(player, "LOAD");
        add_word_of(player, manifest);
        free(manifest);
        player_say(player);
        ASSERT(player_skip(player));
        atomic_fetch_add(&truth->moves, 1);
        for (uint32_t i = 0; i < PAUSES_BETWEEN_MOVES && !atomic_load(&truth->over); i++)
            dawdle(player);
    }
    return NULL;
}
