#include "core/pubsub/topics.h"

#include <string.h>

#include "base/assert.h"

enum { HEADS_MIN = 8, MEMBERS_MIN = 2 };

void topics_init(struct topics *topics, const struct memory *memory) { *topics = (struct topics){.memory = memory}; }

void topics_fini(struct topics *topics) {
    ASSERT(topics->count == 0);
    memory_give(topics->memory, topics->heads, topics->head_count * sizeof *topics->heads);
    topics->heads = NULL;
    topics->head_count = 0;
}

void listener_init(struct listener *listener, const struct memory *memory) {
    *listener = (struct listener){.memory = memory};
}

void listener_fini(struct listener *listener) {
    ASSERT(listener->count == 0);
    memory_give(listener->memory, listener->heads, listener->head_count * sizeof *listener->heads);
    listener->heads = NULL;
    listener->head_count = 0;
}

/* ------------------------------------------------------------------ finding */

struct topic *topics_find(const struct topics *topics, struct slice name, uint64_t hash) {
    if (topics->count == 0)
        return NULL;
    struct topic *topic = topics->heads[hash & (topics->head_count - 1)];
    while (topic && (topic->hash != hash || !slice_equal(topic_name(topic), name)))
        topic = topic->chain;
    return topic;
}

/* A name may be listened to as all kinds. */
static uint64_t head_of(const struct listener *listener, enum topic_kind kind, uint64_t hash) {
    return (hash + (uint64_t)kind) & (listener->head_count - 1);
}

struct subscription *listener_find(const struct listener *listener, enum topic_kind kind, struct slice name,
                                   uint64_t hash) {
    if (listener->counts[kind] == 0)
        return NULL;
    struct subscription *at = listener->heads[head_of(listener, kind, hash)];
    while (at && (at->kind != kind || at->part->topic->hash != hash || !slice_equal(topic_name(at->part->topic), name)))
        at = at->chain;
    return at;
}

/* ------------------------------------------------------------------ growing */

static enum status grow_topics(struct topics *topics) {
    uint64_t count = topics->head_count ? 2 * topics->head_count : HEADS_MIN;
    struct topic **heads = memory_take(topics->memory, count * sizeof *heads);
    if (!heads)
        return STATUS_NO_MEMORY;
    memset(heads, 0, count * sizeof *heads);
    for (struct topic *topic = topics->oldest; topic; topic = topic->newer) {
        struct topic **head = &heads[topic->hash & (count - 1)];
        topic->chain = *head;
        *head = topic;
    }
    memory_give(topics->memory, topics->heads, topics->head_count * sizeof *heads);
    topics->heads = heads;
    topics->head_count = count;
    return STATUS_OK;
}

static enum status grow_listener(struct listener *listener) {
    uint64_t before = listener->head_count;
    uint64_t count = before ? 2 * before : HEADS_MIN;
    struct subscription **heads = memory_take(listener->memory, count * sizeof *heads);
    if (!heads)
        return STATUS_NO_MEMORY;
    memset(heads, 0, count * sizeof *heads);
    memory_give(listener->memory, listener->heads, before * sizeof *heads);
    listener->heads = heads;
    listener->head_count = count;
    for (int kind = 0; kind < TOPIC_KINDS; kind++) {
        for (struct subscription *at = listener->first[kind]; at; at = at->next) {
            struct subscription **head = &heads[head_of(listener, at->kind, at->part->topic->hash)];
            at->chain = *head;
            *head = at;
        }
    }
    return STATUS_OK;
}

static enum status grow_members(struct topic_part *part, const struct memory *memory) {
    uint32_t capacity = part->capacity ? 2 * part->capacity : MEMBERS_MIN;
    size_t size = sizeof *part->members;
    struct topic_member *members =
        memory->resize(memory->context, part->members, part->capacity * size, capacity * size);
    if (!members)
        return STATUS_NO_MEMORY;
    part->members = members;
    part->capacity = capacity;
    return STATUS_OK;
}

/* ------------------------------------------------------------------ joining */

static struct topic *topic_new(struct topics *topics, struct slice name, uint64_t hash) {
    if (topics->count >= topics->head_count && grow_topics(topics) != STATUS_OK)
        return NULL;
    struct topic *topic = memory_take(topics->memory, sizeof *topic + name.size);
    if (!topic)
        return NULL;
    struct topic **head = &topics->heads[hash & (topics->head_count - 1)];
    *topic = (struct topic){.chain = *head, .older = topics->newest, .hash = hash, .name_size = (uint32_t)name.size};
    if (name.size)
        memcpy(topic->name, name.data, name.size);
    *head = topic;
    if (topics->newest)
        topics->newest->newer = topic;
    else
        topics->oldest = topic;
    topics->newest = topic;
    topics->count++;
    return topic;
}

static void topic_free(struct topics *topics, struct topic *topic) {
    ASSERT(!topic->parts && topic->listeners == 0);
    struct topic **at = &topics->heads[topic->hash & (topics->head_count - 1)];
    while (*at != topic)
        at = &(*at)->chain;
    *at = topic->chain;
    if (topic->newer)
        topic->newer->older = topic->older;
    else
        topics->newest = topic->older;
    if (topic->older)
        topic->older->newer = topic->newer;
    else
        topics->oldest = topic->newer;
    topics->count--;
    memory_give(topics->memory, topic, sizeof *topic + topic->name_size);
}

/* The owner's part with room for one more member. */
static struct topic_part *part_with_room(struct topics *topics, struct topic *topic, uint32_t owner) {
    struct topic_part *part = topic->parts;
    while (part && part->owner != owner)
        part = part->next;
    if (part)
        return part->count < part->capacity || grow_members(part, topics->memory) == STATUS_OK ? part : NULL;
    part = memory_take(topics->memory, sizeof *part);
    if (!part)
        return NULL;
    *part = (struct topic_part){.topic = topic, .owner = owner};
    if (grow_members(part, topics->memory) != STATUS_OK) {
        memory_give(topics->memory, part, sizeof *part);
        return NULL;
    }
    part->next = topic->parts;
    topic->parts = part;
    return part;
}

static void part_free(struct topic_part *part, const struct memory *memory) {
    memory_give(memory, part->members, part->capacity * sizeof *part->members);
    memory_give(memory, part, sizeof *part);
}

void topics_part_done(struct topic_part *part, const struct memory *memory) {
    if (part->left && atomic_load_explicit(&part->queued, memory_order_acquire) == 0)
        part_free(part, memory);
}

/* Without members it leaves its topic, which then may go too. */
static void drop_if_empty(struct topics *topics, struct topic *topic, struct topic_part *part) {
    if (part && part->count == 0) {
        struct topic_part **at = &topic->parts;
        while (*at != part)
            at = &(*at)->next;
        *at = part->next;
        part->left = true;
        part->topic = NULL;
        topics_part_done(part, topics->memory);
    }
    if (!topic->parts)
        topic_free(topics, topic);
}

static void link_subscription(struct listener *listener, struct subscription *subscription, uint64_t hash) {
    enum topic_kind kind = subscription->kind;
    struct subscription **head = &listener->heads[head_of(listener, kind, hash)];
    subscription->chain = *head;
    *head = subscription;
    subscription->previous = listener->last[kind];
    if (listener->last[kind])
        listener->last[kind]->next = subscription;
    else
        listener->first[kind] = subscription;
    listener->last[kind] = subscription;
    listener->counts[kind]++;
    listener->count++;
    listener->name_bytes += subscription->part->topic->name_size;
}

enum status topics_join(struct topics *topics, enum topic_kind kind, struct slice name, uint64_t hash, uint32_t owner,
                        uint64_t since, struct listener *listener) {
    if (listener->count >= TOPICS_LISTENER_MAX || name.size > TOPICS_LISTENER_NAMES_MAX ||
        listener->name_bytes + name.size > TOPICS_LISTENER_NAMES_MAX)
        return STATUS_FULL;
    if (listener->count >= listener->head_count)
        TRY(grow_listener(listener));
    struct subscription *subscription = memory_take(listener->memory, sizeof *subscription);
    if (!subscription)
        return STATUS_NO_MEMORY;
    struct topic *topic = topics_find(topics, name, hash);
    if (!topic)
        topic = topic_new(topics, name, hash);
    struct topic_part *part = topic ? part_with_room(topics, topic, owner) : NULL;
    if (!part) {
        if (topic)
            drop_if_empty(topics, topic, NULL);
        memory_give(listener->memory, subscription, sizeof *subscription);
        return STATUS_NO_MEMORY;
    }
    *subscription = (struct subscription){.listener = listener, .part = part, .at = part->count, .kind = kind};
    part->members[part->count++] = (struct topic_member){listener, subscription, since};
    topic->listeners++;
    link_subscription(listener, subscription, hash);
    return STATUS_OK;
}

static void unlink_subscription(struct listener *listener, struct subscription *subscription) {
    enum topic_kind kind = subscription->kind;
    struct subscription **at = &listener->heads[head_of(listener, kind, subscription->part->topic->hash)];
    while (*at != subscription)
        at = &(*at)->chain;
    *at = subscription->chain;
    if (subscription->next)
        subscription->next->previous = subscription->previous;
    else
        listener->last[kind] = subscription->previous;
    if (subscription->previous)
        subscription->previous->next = subscription->next;
    else
        listener->first[kind] = subscription->next;
    listener->counts[kind]--;
    listener->count--;
    listener->name_bytes -= subscription->part->topic->name_size;
}

void topics_leave(struct topics *topics, struct subscription *subscription) {
    struct topic_part *part = subscription->part;
    struct topic *topic = part->topic;
    struct listener *listener = subscription->listener;
    ASSERT(part->members[subscription->at].subscription == subscription);
    unlink_subscription(listener, subscription);
    struct topic_member last = part->members[--part->count];
    part->members[subscription->at] = last;
    last.subscription->at = subscription->at;
    topic->listeners--;
    drop_if_empty(topics, topic, part);
    memory_give(listener->memory, subscription, sizeof *subscription);
}

void topics_verify(const struct topics *topics) {
    uint64_t count = 0;
    const struct topic *older = NULL;
    for (const struct topic *topic = topics->oldest; topic; older = topic, topic = topic->newer, count++) {
        ASSERT(topic->older == older && topics_find(topics, topic_name(topic), topic->hash) == topic);
        uint64_t listeners = 0;
        ASSERT(topic->parts);
        for (const struct topic_part *part = topic->parts; part; part = part->next) {
            ASSERT(part->topic == topic && !part->left && part->count > 0 && part->count <= part->capacity);
            for (uint32_t i = 0; i < part->count; i++) {
                const struct subscription *subscription = part->members[i].subscription;
                ASSERT(subscription->part == part && subscription->at == i);
                ASSERT(subscription->listener == part->members[i].listener);
                ASSERT(listener_find(subscription->listener, subscription->kind, topic_name(topic), topic->hash) ==
                       subscription);
            }
            listeners += part->count;
        }
        ASSERT(listeners == topic->listeners);
    }
    ASSERT(topics->newest == older && count == topics->count);
}
