/* core/store/list_fixture.h: the simplest collection that is made of objects, for the tests of the engine.
 *
 * A ring: the head stands between the last node and the first, so every object has two neighbours that refer to it, and when it
 * is moved those two are corrected. The head also knows the hash of its entry, which refers to it.
 *
 *     entry -> [head] <-> [node bytes] <-> [node bytes] <-> back to the head
 */
#ifndef STRATA_CORE_STORE_LIST_FIXTURE_H
#define STRATA_CORE_STORE_LIST_FIXTURE_H

#include "base/buf.h"
#include "core/store/store.h"

enum { LIST_HEAD = 1u << 31, LIST_BYTES_AT = 12, LIST_HEAD_SIZE = 24, LIST_HASH_AT = 16 };

struct list_object {
    uint32_t size; /* bytes of a node; LIST_HEAD: the head */
    uint32_t next, previous;
};

static inline struct list_object list_load(const struct engine *engine, const struct shard *shard, uint32_t at) {
    struct list_object object;
    words_read(&object, object_at(engine, shard, at), sizeof object);
    return object;
}

static inline void list_link(struct engine *engine, struct shard *shard, uint32_t before, uint32_t after) {
    words_store32(object_at(engine, shard, before) + 4, after);
    words_store32(object_at(engine, shard, after) + 8, before);
}

/* An empty list for the entry with this hash; false when there is no memory. */
static inline bool list_new(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash,
                            struct object_root *ret_root) {
    uint32_t head = object_take(engine, actor, shard, LIST_HEAD_SIZE);
    if (!head)
        return false;
    words_store32(object_at(engine, shard, head), LIST_HEAD);
    list_link(engine, shard, head, head);
    words_write(object_at(engine, shard, head) + LIST_HASH_AT, &hash, sizeof hash);
    *ret_root = (struct object_root){object_charge(engine, shard, head), head, 0};
    return true;
}

/* At the end; false, and nothing changed, when there is no memory. */
static inline bool list_push(struct engine *engine, struct actor *actor, struct shard *shard, struct object_root *root,
                             struct slice bytes) {
    uint32_t node = object_take(engine, actor, shard, (uint32_t)(LIST_BYTES_AT + bytes.size));
    if (!node)
        return false;
    words_store32(object_at(engine, shard, node), (uint32_t)bytes.size);
    words_write(object_at(engine, shard, node) + LIST_BYTES_AT, bytes.data, bytes.size);
    list_link(engine, shard, list_load(engine, shard, root->first).previous, node);
    list_link(engine, shard, node, root->first);
    root->charge += object_charge(engine, shard, node);
    root->own++;
    return true;
}

/* From the front; the list is not empty. */
static inline void list_pop(struct engine *engine, struct actor *actor, struct shard *shard, struct object_root *root) {
    uint32_t node = list_load(engine, shard, root->first).next;
    list_link(engine, shard, root->first, list_load(engine, shard, node).next);
    root->charge -= object_charge(engine, shard, node);
    root->own--;
    object_give(engine, actor, shard, node);
}

static inline void list_free(void *context, struct engine *engine, struct actor *actor, struct shard *shard,
                             const struct object_root *root) {
    (void)context;
    struct object_root rest = *root;
    while (rest.own)
        list_pop(engine, actor, shard, &rest);
    object_give(engine, actor, shard, root->first);
}

static inline void list_moved(void *context, struct engine *engine, struct shard *shard, uint32_t from, uint32_t to) {
    struct list_object object = list_load(engine, shard, to);
    (void)context;
    if (object.next == from) { /* a head without nodes */
        list_link(engine, shard, to, to);
    } else {
        list_link(engine, shard, object.previous, to);
        list_link(engine, shard, to, object.next);
    }
    if (object.size != LIST_HEAD)
        return;
    uint64_t hash;
    words_read(&hash, object_at(engine, shard, to) + LIST_HASH_AT, sizeof hash);
    object_root_moved(engine, shard, hash, from, to);
}

static const struct object_owner list_owner = {list_free, list_moved, NULL};

/* Puts an empty list into an entry. */
static inline enum status list_put(struct engine *engine, struct actor *actor, struct shard *shard,
                                   const struct store_key *key, uint32_t type, struct store_spot *spot) {
    struct object_root root;
    if (!list_new(engine, actor, shard, key->hash, &root))
        return STATUS_FULL;
    struct store_value value = {.type = type, .root = &root};
    enum status status = store_put(engine, actor, shard, key, &value, spot);
    if (status != STATUS_OK)
        list_free(NULL, engine, actor, shard, &root);
    return status;
}

#endif
