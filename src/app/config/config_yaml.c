#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config/config_value.h"
#include "app/config/config_yaml.h"

#define SHOW(s) (int)((s).size < 64 ? (s).size : 64), (const char *)(s).data

enum status config_yaml_refuse(const char *name, yaml_mark_t mark, struct config_error *ret_error, const char *format,
                               ...) {
    char text[CONFIG_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return config_refuse(ret_error, "%.100s:%zu:%zu: %s", name, mark.line + 1, mark.column + 1, text);
}

enum status config_yaml_open(struct yaml_text *yaml, struct slice text, const char *name,
                             struct config_error *ret_error) {
    static const struct yaml_text_limits limits = {CONFIG_FILE_SIZE_MAX, CONFIG_FILE_DEPTH_MAX, CONFIG_FILE_NODES_MAX};
    struct yaml_text_problem problem;
    enum status status = yaml_text_open(yaml, text, &limits, &problem);
    if (status == STATUS_OK)
        return status;
    if (problem.line)
        (void)config_refuse(ret_error, "%.100s:%u:%u: %s", name, problem.line, problem.column, problem.text);
    else
        (void)config_refuse(ret_error, "%.100s: %s", name, problem.text);
    return status;
}

void config_yaml_close(struct yaml_text *yaml) { yaml_text_close(yaml); }

bool config_yaml_next(struct yaml_text *yaml, size_t *at, yaml_node_t **ret_key, yaml_node_t **ret_value) {
    return yaml->root && yaml_text_pair(yaml, yaml->root, at, ret_key, ret_value);
}

bool config_yaml_pair(struct yaml_text *yaml, const yaml_node_t *mapping, size_t *at, yaml_node_t **ret_key,
                      yaml_node_t **ret_value) {
    return yaml_text_pair(yaml, mapping, at, ret_key, ret_value);
}

struct slice config_yaml_text(const yaml_node_t *node) {
    return yaml_text_scalar(node);
}

bool config_yaml_is_stores(const yaml_node_t *key) {
    return key->type == YAML_SCALAR_NODE && slice_equal_nocase(config_yaml_text(key), SLICE("stores"));
}

/* ------------------------------------------------------------- nodes to values */

static enum status load_key(const yaml_node_t *node, const char *name, enum config_key_id *ret_id,
                            struct config_error *ret_error) {
    if (node->type != YAML_SCALAR_NODE)
        return config_yaml_refuse(name, node->start_mark, ret_error, "a key must be a plain word");
    struct slice key = config_yaml_text(node);
    *ret_id = config_find(key);
    if (*ret_id != CONFIG_KEY_COUNT)
        return STATUS_OK;
    static const char *const others[] = {"stores", NULL};
    const char *near = config_suggest(key);
    if (!near)
        near = config_suggest_word(key, others);
    if (near)
        return config_yaml_refuse(name, node->start_mark, ret_error, "unknown key '%.*s': did you mean '%s'?",
                                  SHOW(key), near);
    return config_yaml_refuse(name, node->start_mark, ret_error, "unknown key '%.*s'", SHOW(key));
}

static enum status load_list(struct config *config, struct yaml_text *yaml, enum config_key_id id,
                             const yaml_node_t *node, const char *name, struct config_error *ret_error) {
    const struct config_key *key = &config_keys[id];
    struct config_list list = {0};
    struct config_problem problem;
    if (key->type != CONFIG_TYPE_LIST)
        return config_yaml_refuse(name, node->start_mark, ret_error, "%s: takes one value, not a list", key->name);
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
        const yaml_node_t *member = yaml_document_get_node(&yaml->document, *item);
        if (member->type != YAML_SCALAR_NODE)
            return config_yaml_refuse(name, member->start_mark, ret_error, "%s: a member must be a single value",
                                      key->name);
        if (!config_value_list_add(key, &list, config_yaml_text(member), &problem))
            return config_yaml_refuse(name, member->start_mark, ret_error, "%s: %s", key->name, problem.plain);
    }
    memcpy((char *)&config->values + key->offset, &list, sizeof list);
    return STATUS_OK;
}

static enum status load_value(struct config *config, struct yaml_text *yaml, enum config_key_id id,
                              const yaml_node_t *node, const char *name, struct config_error *ret_error) {
    const struct config_key *key = &config_keys[id];
    struct config_origin origin = {CONFIG_FROM_FILE, (uint32_t)node->start_mark.line + 1,
                                   (uint32_t)node->start_mark.column + 1};
    if (node->type == YAML_SEQUENCE_NODE) {
        config->origins[id] = origin;
        return load_list(config, yaml, id, node, name, ret_error);
    }
    if (node->type != YAML_SCALAR_NODE)
        return config_yaml_refuse(name, node->start_mark, ret_error, "%s: takes one value, not further keys",
                                  key->name);
    struct slice text = config_yaml_text(node);
    if (text.size == 0 && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return config_yaml_refuse(name, node->start_mark, ret_error, "%s: has no value (an empty text is written \"\")",
                                  key->name);
    char where[CONFIG_WHERE_MAX];
    snprintf(where, sizeof where, "%.100s:%u:%u: %s", name, origin.line, origin.column, key->name);
    return config_assign(config, id, text, origin, where, ret_error) ? STATUS_OK : STATUS_INVALID;
}

static enum status load_document(struct config *config, struct yaml_text *yaml, const char *name,
                                 struct config_error *ret_error) {
    uint32_t lines[CONFIG_KEY_COUNT] = {0}, stores_line = 0;
    yaml_node_t *key, *value;
    for (size_t at = 0; config_yaml_next(yaml, &at, &key, &value);) {
        enum config_key_id id;
        if (config_yaml_is_stores(key)) {
            if (stores_line)
                return config_yaml_refuse(name, key->start_mark, ret_error,
                                          "'stores' stands there twice, first in line %u", stores_line);
            stores_line = (uint32_t)key->start_mark.line + 1;
            TRY(config_stores_load(config, yaml, value, name, lines, ret_error));
            continue;
        }
        TRY(load_key(key, name, &id, ret_error));
        if (lines[id])
            return config_yaml_refuse(name, key->start_mark, ret_error, "'%s' stands there twice, first in line %u",
                                      config_keys[id].name, lines[id]);
        lines[id] = (uint32_t)key->start_mark.line + 1;
        TRY(load_value(config, yaml, id, value, name, ret_error));
    }
    return STATUS_OK;
}

enum status config_load_yaml(struct config *config, struct slice text, const char *name,
                             struct config_error *ret_error) {
    struct config next = *config;
    struct yaml_text yaml;
    enum status status = config_yaml_open(&yaml, text, name, ret_error);
    if (status != STATUS_OK)
        return status;
    snprintf(next.file, sizeof next.file, "%s", name);
    status = load_document(&next, &yaml, name, ret_error);
    config_yaml_close(&yaml);
    if (status == STATUS_OK)
        *config = next;
    return status;
}

/* ------------------------------------------------------------------------- files */

static enum status read_descriptor(int fd, const char *path, struct buf *text, struct config_error *ret_error) {
    for (;;) {
        TRY(buf_reserve(text, 4096));
        ssize_t got = read(fd, text->data + text->size, text->capacity - text->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            (void)config_refuse(ret_error, "%.100s: %s", path, strerror(errno));
            return STATUS_IO;
        }
        if (got == 0)
            return STATUS_OK;
        text->size += (size_t)got;
        if (text->size > CONFIG_FILE_SIZE_MAX)
            return config_refuse(ret_error, "%.100s: larger than %d bytes", path, CONFIG_FILE_SIZE_MAX);
    }
}

enum status config_read_file(const char *path, struct buf *text, struct config_error *ret_error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)config_refuse(ret_error, "%.100s: %s", path, strerror(errno));
        return STATUS_IO;
    }
    enum status status = read_descriptor(fd, path, text, ret_error);
    close(fd);
    if (status == STATUS_NO_MEMORY)
        (void)config_refuse(ret_error, "%.100s: there is no memory to read it", path);
    return status;
}

enum status config_load_file(struct config *config, const char *path, const struct memory *memory,
                             struct config_error *ret_error) {
    struct buf text;
    buf_init(&text, memory);
    enum status status = config_read_file(path, &text, ret_error);
    if (status == STATUS_OK)
        status = config_load_yaml(config, buf_slice(&text), path, ret_error);
    buf_fini(&text);
    return status;
}
