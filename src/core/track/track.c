#include "core/track/track.h"

#include <string.h>

#include "base/assert.h"

enum { FEW = 2, SET_ROOM_MIN = 8, HEADS_MIN = 64 };

/* A key has a tag. */
struct track_link {
    struct track_tag *tag;
    struct track_key *key;
    struct track_link *next_tag; /* of the key */
    struct track_link *next_key; /* of the tag */
    struct track_link **at;      /* where the one before it in the tag's list names it */
};

struct track_tag {
    struct track_tag *chain;
    uint64_t hash;
    struct track_link *keys;
    uint32_t name_size;
    uint8_t name[];
};

struct track_key {
    struct track_key *chain;
    uint64_t hash;
    struct track_link *tags;
    union {
        uint32_t few[FEW];
        uint32_t *set; /* places by number, 0: free */
    };
    uint32_t room; /* places of the set, a power of two; 0: the clients are `few` */
    uint32_t count;
    uint32_t name_size;
    uint8_t name[];
};

static struct slice key_name(const struct track_key *key) { return slice_make(key->name, key->name_size); }
static struct slice tag_name(const struct track_tag *tag) { return slice_make(tag->name, tag->name_size); }
static size_t key_size(const struct track_key *key) { return offsetof(struct track_key, name) + key->name_size; }
static size_t tag_size(const struct track_tag *tag) { return offsetof(struct track_tag, name) + tag->name_size; }

/* The low bits choose the table of many (the caller's), so that its keys would share them: the place is taken from the middle. */
static uint64_t place_of(uint64_t hash, uint64_t count) { return hash >> 16 & (count - 1); }

void track_init(struct track *track, const struct memory *memory) { *track = (struct track){.memory = memory}; }

static void forget_nobody(void *context, uint32_t client) {
    (void)context;
    (void)client;
}

void track_fini(struct track *track) { track_clear(track, forget_nobody, NULL); }

/* ---------------------------------------------------------------- clients */

static uint32_t spread(uint32_t client) { return client * 0x9e3779b1u; }

/* Where the client stands in a set, or would. */
static uint32_t set_place(const uint32_t *set, uint32_t room, uint32_t client) {
    uint32_t at = spread(client) >> 7 & (room - 1);
    while (set[at] && set[at] != client)
        at = (at + 1) & (room - 1);
    return at;
}

static uint32_t places(const struct track_key *key) { return key->room ? key->room : key->count; }
static const uint32_t *clients(const struct track_key *key) { return key->room ? key->set : key->few; }

static bool has_client(const struct track_key *key, uint32_t client) {
    if (key->room)
        return key->set[set_place(key->set, key->room, client)] != 0;
    for (uint32_t i = 0; i < key->count; i++)
        if (key->few[i] == client)
            return true;
    return false;
}

/* Room for a client more. */
static enum status grow_clients(const struct track *track, struct track_key *key) {
    if (key->room ? key->count < key->room / 4 * 3 : key->count < FEW)
        return STATUS_OK;
    uint32_t room = key->room ? 2 * key->room : SET_ROOM_MIN;
    uint32_t *set = memory_take(track->memory, room * sizeof *set);
    if (!set)
        return STATUS_NO_MEMORY;
    memset(set, 0, room * sizeof *set);
    const uint32_t *old = clients(key);
    for (uint32_t i = 0, count = places(key); i < count; i++)
        if (old[i])
            set[set_place(set, room, old[i])] = old[i];
    if (key->room)
        memory_give(track->memory, key->set, key->room * sizeof *set);
    key->set = set;
    key->room = room;
    return STATUS_OK;
}

static void add_client(struct track_key *key, uint32_t client) {
    if (key->room)
        key->set[set_place(key->set, key->room, client)] = client;
    else
        key->few[key->count] = client;
    key->count++;
}

/* Of the clients only those stay that `stays` says; answers how many went. The set keeps its room. */
static uint32_t keep_clients(struct track_key *key, bool (*stays)(void *context, uint32_t client), void *context) {
    uint32_t before = key->count;
    if (!key->room) {
        key->count = 0;
        for (uint32_t i = 0; i < before; i++)
            if (stays(context, key->few[i]))
                key->few[key->count++] = key->few[i];
        return before - key->count;
    }
    for (uint32_t i = 0; i < key->room; i++) {
        if (!key->set[i] || stays(context, key->set[i]))
            continue;
        /* What was pushed on by the one that goes moves back. It may have been asked already, and is asked again. */
        uint32_t hole = i;
        for (uint32_t at = (hole + 1) & (key->room - 1); key->set[at]; at = (at + 1) & (key->room - 1)) {
            uint32_t home = spread(key->set[at]) >> 7 & (key->room - 1);
            if (((at - home) & (key->room - 1)) >= ((at - hole) & (key->room - 1))) {
                key->set[hole] = key->set[at];
                hole = at;
            }
        }
        key->set[hole] = 0;
        key->count--;
        i--;
    }
    return before - key->count;
}

/* ------------------------------------------------------------------- keys */

static struct track_key **find(const struct track *track, struct slice name, uint64_t hash) {
    struct track_key **at = &track->heads[place_of(hash, track->head_count)];
    while (*at && ((*at)->hash != hash || !slice_equal(key_name(*at), name)))
        at = &(*at)->chain;
    return at;
}

static enum status grow_heads(struct track *track) {
    if (track->keys < track->head_count)
        return STATUS_OK;
    uint64_t count = track->head_count ? 2 * track->head_count : HEADS_MIN;
    struct track_key **heads = memory_take(track->memory, count * sizeof *heads);
    if (!heads)
        return track->head_count ? STATUS_OK : STATUS_NO_MEMORY;
    memset(heads, 0, count * sizeof *heads);
    for (uint64_t i = 0; i < track->head_count; i++) {
        for (struct track_key *key = track->heads[i], *next; key; key = next) {
            next = key->chain;
            struct track_key **head = &heads[place_of(key->hash, count)];
            key->chain = *head;
            *head = key;
        }
    }
    memory_give(track->memory, track->heads, track->head_count * sizeof *heads);
    track->heads = heads;
    track->head_count = count;
    return STATUS_OK;
}

static struct track_key *new_key(struct track *track, struct slice name, uint64_t hash) {
    if (grow_heads(track) != STATUS_OK)
        return NULL;
    struct track_key *key = memory_take(track->memory, offsetof(struct track_key, name) + name.size);
    if (!key)
        return NULL;
    key->hash = hash;
    key->tags = NULL;
    key->room = key->count = 0;
    key->name_size = (uint32_t)name.size;
    if (name.size)
        memcpy(key->name, name.data, name.size);
    struct track_key **head = &track->heads[place_of(hash, track->head_count)];
    key->chain = *head;
    *head = key;
    track->keys++;
    return key;
}

enum status track_note(struct track *track, struct slice name, uint64_t hash, uint32_t client,
                       struct track_noted *ret_noted) {
    ASSERT(client != 0);
    struct track_key *key = track->head_count ? *find(track, name, hash) : NULL;
    struct track_noted noted = {.new_key = !key};
    if (!key && !(key = new_key(track, name, hash)))
        return STATUS_NO_MEMORY;
    if (noted.new_key || !has_client(key, client)) {
        TRY(grow_clients(track, key)); /* a new one has room */
        add_client(key, client);
        track->items++;
        noted.new_client = true;
    }
    *ret_noted = noted;
    return STATUS_OK;
}

bool track_has(const struct track *track, struct slice name, uint64_t hash, uint32_t client) {
    const struct track_key *key = track->head_count ? *find(track, name, hash) : NULL;
    return key && has_client(key, client);
}

/* ------------------------------------------------------------------- tags */

static struct track_tag **find_tag(const struct track *track, struct slice name, uint64_t hash) {
    struct track_tag **at = &track->tag_heads[place_of(hash, track->tag_head_count)];
    while (*at && ((*at)->hash != hash || !slice_equal(tag_name(*at), name)))
        at = &(*at)->chain;
    return at;
}

static enum status grow_tag_heads(struct track *track) {
    if (track->tags < track->tag_head_count)
        return STATUS_OK;
    uint64_t count = track->tag_head_count ? 2 * track->tag_head_count : HEADS_MIN;
    struct track_tag **heads = memory_take(track->memory, count * sizeof *heads);
    if (!heads)
        return track->tag_head_count ? STATUS_OK : STATUS_NO_MEMORY;
    memset(heads, 0, count * sizeof *heads);
    for (uint64_t i = 0; i < track->tag_head_count; i++) {
        for (struct track_tag *tag = track->tag_heads[i], *next; tag; tag = next) {
            next = tag->chain;
            struct track_tag **head = &heads[place_of(tag->hash, count)];
            tag->chain = *head;
            *head = tag;
        }
    }
    memory_give(track->memory, track->tag_heads, track->tag_head_count * sizeof *heads);
    track->tag_heads = heads;
    track->tag_head_count = count;
    return STATUS_OK;
}

static struct track_tag *new_tag(struct track *track, struct slice name, uint64_t hash) {
    if (grow_tag_heads(track) != STATUS_OK)
        return NULL;
    struct track_tag *tag = memory_take(track->memory, offsetof(struct track_tag, name) + name.size);
    if (!tag)
        return NULL;
    tag->hash = hash;
    tag->keys = NULL;
    tag->name_size = (uint32_t)name.size;
    if (name.size)
        memcpy(tag->name, name.data, name.size);
    struct track_tag **head = &track->tag_heads[place_of(hash, track->tag_head_count)];
    tag->chain = *head;
    *head = tag;
    track->tags++;
    return tag;
}

enum status track_note_tag(struct track *track, struct slice name, uint64_t hash, struct slice tag_text,
                           uint64_t tag_hash) {
    struct track_key *key = track->head_count ? *find(track, name, hash) : NULL;
    if (!key)
        return STATUS_OK;
    for (const struct track_link *link = key->tags; link; link = link->next_tag)
        if (link->tag->hash == tag_hash && slice_equal(tag_name(link->tag), tag_text))
            return STATUS_OK;
    struct track_link *link = memory_take(track->memory, sizeof *link);
    struct track_tag *tag = track->tag_head_count ? *find_tag(track, tag_text, tag_hash) : NULL;
    if (link && !tag)
        tag = new_tag(track, tag_text, tag_hash);
    if (!link || !tag) {
        memory_give(track->memory, link, sizeof *link);
        return STATUS_NO_MEMORY;
    }
    *link = (struct track_link){.tag = tag, .key = key, .next_tag = key->tags, .next_key = tag->keys, .at = &tag->keys};
    if (tag->keys)
        tag->keys->at = &link->next_key;
    tag->keys = link;
    key->tags = link;
    return STATUS_OK;
}

/* A tag goes with its last key. */
static void drop_link(struct track *track, struct track_link *link) {
    struct track_tag *tag = link->tag;
    *link->at = link->next_key;
    if (link->next_key)
        link->next_key->at = link->at;
    memory_give(track->memory, link, sizeof *link);
    if (tag->keys)
        return;
    struct track_tag **at = find_tag(track, tag_name(tag), tag->hash);
    ASSERT(*at == tag);
    *at = tag->chain;
    track->tags--;
    memory_give(track->memory, tag, tag_size(tag));
}

/* ----------------------------------------------------------------- taking */

static void free_key(struct track *track, struct track_key *key) {
    for (struct track_link *link = key->tags, *next; link; link = next) {
        next = link->next_tag;
        drop_link(track, link);
    }
    if (key->room)
        memory_give(track->memory, key->set, key->room * sizeof *key->set);
    memory_give(track->memory, key, key_size(key));
}

/* `at` names the key. */
static void remove_key(struct track *track, struct track_key **at) {
    struct track_key *key = *at;
    *at = key->chain;
    track->keys--;
    track->items -= key->count;
    free_key(track, key);
}

/* Who keeps the key stands in front of `few` or is left in the set. Hardly anybody ever does, so the first round only looks. */
struct keeping {
    const struct track_taking *taking;
    struct slice name;
    const uint32_t *kept;
    uint32_t count;
};

static bool is_kept(void *context, uint32_t client) {
    const struct keeping *keeping = context;
    for (uint32_t i = 0; i < keeping->count; i++)
        if (keeping->kept[i] == client)
            return true;
    return false;
}

static void take(struct track *track, struct track_key **at, const struct track_taking *taking) {
    enum { KEEPERS = 4 }; /* the one client whose command is running, and to spare */
    struct track_key *key = *at;
    uint32_t kept[KEEPERS], count = 0;
    const uint32_t *all = clients(key);
    for (uint32_t i = 0, end = places(key); i < end; i++)
        if (all[i] && taking->visit(taking->context, key_name(key), all[i])) {
            ASSERT(count < KEEPERS);
            kept[count++] = all[i];
        }
    if (count == 0) {
        remove_key(track, at);
        return;
    }
    struct keeping keeping = {.kept = kept, .count = count};
    track->items -= keep_clients(key, is_kept, &keeping);
}

void track_take(struct track *track, struct slice name, uint64_t hash, const struct track_taking *taking) {
    if (track->keys == 0)
        return;
    struct track_key **at = find(track, name, hash);
    if (*at)
        take(track, at, taking);
}

void track_take_tag(struct track *track, struct slice tag_text, uint64_t tag_hash, const struct track_taking *taking) {
    if (track->tags == 0)
        return;
    struct track_tag *tag = *find_tag(track, tag_text, tag_hash);
    struct track_link *next;
    /* Taking the last key frees the tag, so it is not looked at again. A key stands in its list once. */
    for (struct track_link *link = tag ? tag->keys : NULL; link; link = next) {
        next = link->next_key;
        struct track_key **at = find(track, key_name(link->key), link->key->hash);
        ASSERT(*at == link->key);
        take(track, at, taking);
    }
}

void track_take_any(struct track *track, const struct track_taking *taking) {
    if (track->keys == 0)
        return;
    do
        track->oldest_head = (track->oldest_head + 1) & (track->head_count - 1);
    while (!track->heads[track->oldest_head]);
    take(track, &track->heads[track->oldest_head], taking);
}

void track_clear(struct track *track, void (*forget)(void *context, uint32_t client), void *context) {
    for (uint64_t i = 0; i < track->head_count; i++) {
        while (track->heads[i]) {
            const struct track_key *key = track->heads[i];
            const uint32_t *all = clients(key);
            for (uint32_t c = 0, end = places(key); c < end; c++)
                if (all[c])
                    forget(context, all[c]);
            remove_key(track, &track->heads[i]);
        }
    }
    ASSERT(track->keys == 0 && track->items == 0 && track->tags == 0);
    memory_give(track->memory, track->heads, track->head_count * sizeof *track->heads);
    memory_give(track->memory, track->tag_heads, track->tag_head_count * sizeof *track->tag_heads);
    track_init(track, track->memory);
}

/* --------------------------------------------------------------- sweeping */

struct sweeping {
    bool (*gone)(void *context, uint32_t client);
    void *context;
};

static bool stays(void *context, uint32_t client) {
    const struct sweeping *sweeping = context;
    return !sweeping->gone(sweeping->context, client);
}

uint64_t track_sweep(struct track *track, uint64_t cursor, uint32_t keys_max,
                     bool (*gone)(void *context, uint32_t client), void *context) {
    struct sweeping sweeping = {gone, context};
    uint32_t seen = 0;
    for (; cursor < track->head_count; cursor++) {
        if (seen >= keys_max)
            return cursor;
        seen++;
        for (struct track_key **at = &track->heads[cursor]; *at;) {
            struct track_key *key = *at;
            seen++;
            track->items -= keep_clients(key, stays, &sweeping);
            if (key->count == 0)
                remove_key(track, at);
            else
                at = &key->chain;
        }
    }
    return 0;
}

/* -------------------------------------------------------------- verifying */

static void verify_key(const struct track *track, const struct track_key *key, uint64_t *links) {
    ASSERT(key->count > 0 && *find(track, key_name(key), key->hash) == key);
    uint32_t count = 0;
    const uint32_t *all = clients(key);
    for (uint32_t i = 0, end = places(key); i < end; i++)
        if (all[i]) {
            ASSERT(has_client(key, all[i]));
            count++;
        }
    ASSERT(count == key->count && (!key->room || count < key->room));
    for (const struct track_link *link = key->tags; link; link = link->next_tag) {
        ASSERT(link->key == key && *link->at == link);
        ASSERT(*find_tag(track, tag_name(link->tag), link->tag->hash) == link->tag);
        ++*links;
    }
}

void track_verify(const struct track *track) {
    uint64_t keys = 0, items = 0, tags = 0, links = 0, links_of_tags = 0;
    for (uint64_t i = 0; i < track->head_count; i++)
        for (const struct track_key *key = track->heads[i]; key; key = key->chain) {
            verify_key(track, key, &links);
            keys++;
            items += key->count;
        }
    for (uint64_t i = 0; i < track->tag_head_count; i++)
        for (const struct track_tag *tag = track->tag_heads[i]; tag; tag = tag->chain) {
            ASSERT(tag->keys);
            tags++;
            for (const struct track_link *link = tag->keys; link; link = link->next_key) {
                ASSERT(link->tag == tag);
                links_of_tags++;
            }
        }
    ASSERT(keys == track->keys && items == track->items && tags == track->tags && links == links_of_tags);
}
