#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "app/config/config_value.h"
#include "app/config/config_yaml.h"
#include "base/assert.h"
#include "sys/os/whole_file.h"

/* CONFIG REWRITE replaces, in the text of the file, just the values that are different now, and adds at the end those that
 * were changed while running and are not in the file yet. Everything else stays as somebody wrote it, the section of named stores too,
 * but for what says maxmemory-policy and maxentries in it: `policy` and `entries` of the default store. */

struct edit {
    size_t from, to; /* bytes of the old text that go */
    enum config_key_id id;
};

/* A plain word needs no quotes: letters, digits and a few signs, not beginning with one that means something in YAML. */
static bool is_plain(const char *text) {
    static const char inner[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_-+%";
    return *text && strspn(text, inner) == strlen(text) && *text != '-' && *text != '%';
}

static enum status append_quoted(struct buf *out, const char *text) {
    if (is_plain(text) || (*text == '-' && is_plain(text + 1)))
        return buf_append(out, text, strlen(text));
    TRY(buf_append(out, "\"", 1));
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            TRY(buf_printf(out, "\\%c", c));
        else if (c < ' ' || c == 127)
            TRY(buf_printf(out, "\\x%02x", c));
        else
            TRY(buf_append(out, text, 1));
    }
    return buf_append(out, "\"", 1);
}

static enum status append_value(const struct config *config, enum config_key_id id, struct buf *out) {
    const struct config_key *key = &config_keys[id];
    const void *field = (const char *)&config->values + key->offset;
    char text[CONFIG_TEXT_MAX + 1];
    if (key->type == CONFIG_TYPE_SIZE && *(const uint64_t *)field % 1024 == 0) {
        config_size_text(*(const uint64_t *)field, text, sizeof text);
        if (!strchr(text, '.'))
            return buf_append(out, text, strlen(text));
    }
    if (key->type == CONFIG_TYPE_LIST) {
        const struct config_list *list = field;
        TRY(buf_append(out, "[", 1));
        for (uint32_t i = 0; i < list->count; i++)
            TRY(buf_printf(out, "%s\"%s\"", i ? ", " : "", list->items[i]));
        return buf_append(out, "]", 1);
    }
    config_text(config, id, text, sizeof text);
    return append_quoted(out, text);
}

static bool same_value(const struct config *a, const struct config *b, enum config_key_id id) {
    char one[CONFIG_TEXT_MAX + 1], other[CONFIG_TEXT_MAX + 1];
    config_text(a, id, one, sizeof one);
    config_text(b, id, other, sizeof other);
    return strcmp(one, other) == 0;
}

/* libyaml ends a list in lines of its own at the beginning of what follows; the last member ends where its text does. */
static size_t value_end(struct yaml_text *yaml, const yaml_node_t *value) {
    if (value->type == YAML_SEQUENCE_NODE && value->data.sequence.style == YAML_BLOCK_SEQUENCE_STYLE &&
        value->data.sequence.items.top > value->data.sequence.items.start)
        return yaml_document_get_node(&yaml->document, value->data.sequence.items.top[-1])->end_mark.index;
    return value->end_mark.index;
}

/* Marks count characters; the text is UTF-8. */
static size_t byte_at(struct slice text, size_t characters) {
    size_t at = slice_starts_with(text, SLICE("\xef\xbb\xbf")) ? 3 : 0;
    for (; characters > 0 && at < text.size; characters--) {
        at++;
        while (at < text.size && (text.data[at] & 0xc0) == 0x80)
            at++;
    }
    return at;
}

struct search {
    const struct config *config, *file;
    struct yaml_text *yaml;
    struct slice old;
    struct edit edits[CONFIG_KEY_COUNT]; /* in the order of the text; one a key at most */
    size_t count;
    bool in_file[CONFIG_KEY_COUNT];
};

static void look_at_value(struct search *search, enum config_key_id id, const yaml_node_t *key,
                          const yaml_node_t *value) {
    ASSERT(id < CONFIG_KEY_COUNT && search->count < CONFIG_KEY_COUNT);
    search->in_file[id] = true;
    if (!same_value(search->config, search->file, id))
        search->edits[search->count++] = (struct edit){byte_at(search->old, key->end_mark.index),
                                                       byte_at(search->old, value_end(search->yaml, value)), id};
}

static void look_at_stores(struct search *search, const yaml_node_t *stores) {
    yaml_node_t *name, *store, *key, *value;
    for (size_t at = 0; config_yaml_pair(search->yaml, stores, &at, &name, &store);) {
        if (!slice_equal(config_yaml_text(name), SLICE("default")))
            continue;
        for (size_t field = 0; config_yaml_pair(search->yaml, store, &field, &key, &value);) {
            if (slice_equal_nocase(config_yaml_text(key), SLICE("policy")))
                look_at_value(search, CONFIG_MAXMEMORY_POLICY, key, value);
            else if (slice_equal_nocase(config_yaml_text(key), SLICE("entries")))
                look_at_value(search, CONFIG_MAXENTRIES, key, value);
        }
    }
}

static void find_edits(struct search *search) {
    yaml_node_t *key, *value;
    for (size_t at = 0; config_yaml_next(search->yaml, &at, &key, &value);) {
        if (config_yaml_is_stores(key))
            look_at_stores(search, value);
        else
            look_at_value(search, config_find(config_yaml_text(key)), key, value);
    }
}

static enum status append_new(const struct config *config, const bool in_file[CONFIG_KEY_COUNT], struct buf *out) {
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        if (in_file[i] || config->origins[i].source != CONFIG_FROM_RUNNING || config_keys[i].type == CONFIG_TYPE_FIXED)
            continue;
        if (out->size && out->data[out->size - 1] != '\n')
            TRY(buf_append(out, "\n", 1));
        TRY(buf_printf(out, "%s: ", config_keys[i].name));
        TRY(append_value(config, (enum config_key_id)i, out));
        TRY(buf_append(out, "\n", 1));
    }
    return STATUS_OK;
}

static enum status write_edits(const struct config *config, struct slice old, const struct edit *edits, size_t count,
                               struct buf *out) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        TRY(buf_append_slice(out, slice_part(old, at, edits[i].from - at)));
        TRY(buf_append(out, ": ", 2));
        TRY(append_value(config, edits[i].id, out));
        at = edits[i].to;
    }
    return buf_append_slice(out, slice_part(old, at, old.size));
}

/* Checks the new text at its other end: read again, it must say what was meant. YAML has forms (folded texts, explicit keys)
 * in which a value cannot be replaced by cutting. */
static enum status check_text(const struct search *search, struct slice text, struct config_error *ret_error) {
    const struct config *config = search->config;
    struct config again;
    struct config_error error;
    config_defaults(&again, &config->machine);
    enum status status = config_load_yaml(&again, text, config->file, &error);
    if (status == STATUS_NO_MEMORY)
        return status;
    bool good = status == STATUS_OK && memcmp(&again.stores, &search->file->stores, sizeof again.stores) == 0;
    for (int i = 0; i < CONFIG_KEY_COUNT && good; i++) {
        bool written = search->in_file[i] || config->origins[i].source == CONFIG_FROM_RUNNING;
        good = !written || same_value(&again, config, (enum config_key_id)i);
    }
    if (good)
        return config_check_stores(&again,
                                   ret_error); /* maxmemory may have become too small for what the file guarantees */
    return config_refuse(ret_error, "%.100s: is written in a way that cannot be changed here: edit it by hand",
                         config->file);
}

enum status config_rewrite_text(const struct config *config, struct slice old, struct buf *ret_text,
                                struct config_error *ret_error) {
    struct config file;
    struct yaml_text yaml;
    struct search search = {.config = config, .file = &file, .yaml = &yaml, .old = old};
    size_t before = ret_text->size;
    config_defaults(&file, &config->machine);
    TRY(config_load_yaml(&file, old, config->file, ret_error));
    TRY(config_yaml_open(&yaml, old, config->file, ret_error));
    find_edits(&search);
    config_yaml_close(&yaml);
    enum status status = write_edits(config, old, search.edits, search.count, ret_text);
    if (status == STATUS_OK)
        status = append_new(config, search.in_file, ret_text);
    if (status == STATUS_OK)
        status = check_text(&search, slice_part(buf_slice(ret_text), before, ret_text->size), ret_error);
    if (status == STATUS_NO_MEMORY)
        (void)config_refuse(ret_error, "%.100s: there is no memory to rewrite it", config->file);
    if (status != STATUS_OK)
        ret_text->size = before;
    return status;
}

static enum status replace_file(const char *path, struct slice text, struct config_error *ret_error) {
    if (whole_file_write(path, text, 0))
        return STATUS_OK;
    (void)config_refuse(ret_error, "%.200s: %s", path, strerror(errno));
    return STATUS_IO;
}

enum status config_rewrite(const struct config *config, const struct memory *memory, struct config_error *ret_error) {
    struct buf old, text;
    if (!config->file[0])
        return config_refuse(ret_error, "The server is running without a config file");
    buf_init(&old, memory);
    buf_init(&text, memory);
    enum status status = config_read_file(config->file, &old, ret_error);
    if (status == STATUS_OK)
        status = config_rewrite_text(config, buf_slice(&old), &text, ret_error);
    if (status == STATUS_OK)
        status = replace_file(config->file, buf_slice(&text), ret_error);
    buf_fini(&old);
    buf_fini(&text);
    return status;
}
