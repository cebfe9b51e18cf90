#include "app/cmd/spec.h"

#include "app/cmd/spec_table.h"
#include "base/number.h"

/* The generator reads names as little endian too. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "cmd_names is written for this byte order");

static uint64_t word8(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint64_t word4(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

const struct cmd_spec *cmd_lookup(struct slice name) {
    uint64_t front, back = 0;
    if (name.size == 0 || name.size > CMD_NAME_SIZE_MAX)
        return NULL;
    if (name.size >= 8) {
        front = word8(name.data);
        back = word8(name.data + name.size - 8);
    } else if (name.size >= 4) {
        front = word4(name.data);
        back = word4(name.data + name.size - 4);
    } else {
        front = name.data[0] | (uint64_t)name.data[name.size / 2] << 8 | (uint64_t)name.data[name.size - 1] << 16;
    }
    const uint64_t fold = 0x2020202020202020u;
    uint64_t low = back | fold;
    uint64_t mixed = ((front | fold) ^ (low << 23 | low >> 41)) + name.size;
    uint32_t at = cmd_hash_slots[mixed * cmd_hash_seed >> cmd_hash_shift];
    const struct cmd_name *found = &cmd_names[at];
    if (found->size != name.size || (front | found->front_case) != found->front ||
        (back | found->back_case) != found->back)
        return NULL;
    return &cmd_table[at];
}

const struct cmd_spec *cmd_lookup_sub(const struct cmd_spec *container, struct slice name) {
    for (uint32_t i = 0; i < container->subcommand_count; i++)
        if (slice_equal_nocase(container->subcommands[i].last_name, name))
            return &container->subcommands[i];
    return NULL;
}

bool cmd_key_range(const struct cmd_key_spec *keys, const struct slice *arguments, uint32_t count,
                   struct cmd_key_range *ret_range) {
    int64_t first = keys->first, last = keys->last < 0 ? (int64_t)count + keys->last : keys->last;
    if (keys->kind == CMD_KEYS_COUNTED) {
        int64_t wanted;
        if ((uint32_t)keys->count_at >= count || !number_parse_i64(arguments[keys->count_at], &wanted) || wanted < 1 ||
            wanted > count)
            return false;
        last = first + (wanted - 1) * keys->step;
    }
    if (last >= count || first >= count || last < first)
        return false;
    *ret_range = (struct cmd_key_range){(uint32_t)first, (uint32_t)last, (uint32_t)keys->step};
    return true;
}

static bool has_word(const struct cmd_key_spec *keys, const struct slice *arguments, uint32_t count) {
    for (const char *const *word = keys->words; *word; word++)
        for (uint32_t i = (uint32_t)keys->words_from; i < count; i++)
            if (slice_equal_nocase(arguments[i], slice_from_string(*word)))
                return true;
    return false;
}

uint32_t cmd_key_flags(const struct cmd_key_spec *keys, const struct slice *arguments, uint32_t count) {
    if (!keys->words)
        return keys->flags;
    return has_word(keys, arguments, count) ? keys->flags & ~(uint32_t)CMD_KEY_VARIABLE : keys->flags_without;
}

uint32_t cmd_key_positions(const struct cmd_spec *spec, const struct slice *arguments, uint32_t count, uint32_t *ret_at,
                           uint32_t max) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < spec->key_count; i++) {
        struct cmd_key_range range;
        if (spec->keys[i].flags & CMD_KEY_NOT_KEY)
            continue;
        if (!cmd_key_range(&spec->keys[i], arguments, count, &range))
            return 0;
        for (uint32_t at = range.first; at <= range.last; at += range.step, found++)
            if (found < max)
                ret_at[found] = at;
    }
    return found;
}

bool cmd_each_key(const struct cmd_spec *spec, const struct slice *arguments, uint32_t count,
                  bool (*visit)(void *context, struct slice key, uint32_t flags), void *context) {
    for (uint32_t i = 0; i < spec->key_count; i++) {
        const uint32_t flags = spec->keys[i].flags;
        struct cmd_key_range range;
        if ((flags & CMD_KEY_NOT_KEY) || !cmd_key_range(&spec->keys[i], arguments, count, &range))
            continue;
        for (uint32_t at = range.first; at <= range.last; at += range.step)
            if (!visit(context, arguments[at], flags))
                return false;
    }
    return true;
}
