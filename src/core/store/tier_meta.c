#include "core/store/tier_meta.h"

#include "base/little.h"

enum { HAS_EXPIRY = 1, HAS_STAMP = 2, HAS_ROW = 4, FLAGS = HAS_EXPIRY | HAS_STAMP | HAS_ROW };

static size_t put(uint8_t *to, size_t at, uint64_t value) {
    little_put_u64(to + at, value);
    return at + sizeof value;
}

size_t tier_meta_write(const struct tier_meta *meta, uint8_t to[TIER_META_SIZE_MAX]) {
    uint32_t flags = (meta->expires_at_ms ? HAS_EXPIRY : 0) | (meta->stamp ? HAS_STAMP : 0) | (meta->row ? HAS_ROW : 0);
    to[0] = TIER_META_FORMAT;
    to[1] = (uint8_t)(meta->type << 4 | flags);
    to[2] = (uint8_t)meta->place;
    to[3] = (uint8_t)meta->tag_count;
    little_put_u32(to + 4, meta->stale);
    size_t at = put(to, put(to, 8, meta->seq), meta->since_ms);
    if (meta->expires_at_ms)
        at = put(to, at, meta->expires_at_ms);
    if (meta->stamp)
        at = put(to, at, meta->stamp);
    if (meta->row)
        at = put(to, at, meta->row);
    for (uint32_t i = 0; i < meta->tag_count; i++, at += ENTRY_TAG_SIZE)
        little_put_u32(to + at, meta->tags[i]);
    return at;
}

static uint64_t get(const uint8_t *from, size_t *at, bool there) {
    if (!there)
        return 0;
    *at += 8;
    return little_u64(from + *at - 8);
}

static size_t size_of(uint32_t flags, uint32_t tag_count) {
    return TIER_META_FIXED + 8 * (size_t)__builtin_popcount(flags) + (size_t)tag_count * ENTRY_TAG_SIZE;
}

bool tier_meta_read(struct slice bytes, struct tier_meta *ret_meta) {
    const uint8_t *from = bytes.data;
    if (bytes.size < TIER_META_FIXED || from[0] != TIER_META_FORMAT)
        return false;
    uint32_t flags = from[1] & 15u;
    *ret_meta = (struct tier_meta){
        .type = from[1] >> 4u, .place = from[2], .tag_count = from[3], .stale = little_u32(from + 4)};
    if ((flags & ~(uint32_t)FLAGS) || ret_meta->type > ENTRY_TYPE_MASK || ret_meta->place > ENTRY_META_DB ||
        ret_meta->tag_count > ENTRY_TAGS_MAX || ret_meta->stale > ENTRY_STALE_FOREVER ||
        bytes.size != size_of(flags, ret_meta->tag_count))
        return false;
    size_t at = 8;
    ret_meta->seq = get(from, &at, true);
    ret_meta->since_ms = get(from, &at, true);
    ret_meta->expires_at_ms = get(from, &at, flags & HAS_EXPIRY);
    ret_meta->stamp = get(from, &at, flags & HAS_STAMP);
    ret_meta->row = get(from, &at, flags & HAS_ROW);
    for (uint32_t i = 0; i < ret_meta->tag_count; i++, at += ENTRY_TAG_SIZE)
        ret_meta->tags[i] = little_u32(from + at);
    return ret_meta->tag_count == 0 || ret_meta->stamp != 0;
}
