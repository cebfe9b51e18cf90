#include "app/config/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config/config_events.h"
#include "app/config/config_value.h"
#include "base/assert.h"
#include "base/bits.h"

enum status config_refuse(struct config_error *ret_error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ret_error->text, sizeof ret_error->text, format, arguments);
    va_end(arguments);
    return STATUS_INVALID;
}

void config_defaults(struct config *ret_config, const struct config_machine *machine) {
    struct config_problem problem;
    memset(ret_config, 0, sizeof *ret_config);
    ret_config->machine = *machine;
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        bool good = config_value_parse(&config_keys[i], machine, slice_from_string(config_keys[i].default_text),
                                       &ret_config->values, &problem);
        ASSERT(good);
    }
}

bool config_assign(struct config *config, enum config_key_id id, struct slice text, struct config_origin origin,
                   const char *where, struct config_error *ret_error) {
    struct config_problem problem;
    if (!config_value_parse(&config_keys[id], &config->machine, text, &config->values, &problem)) {
        (void)config_refuse(ret_error, "%s: %s", where, problem.plain);
        return false;
    }
    config->origins[id] = origin;
    return true;
}

static bool names_contain(const char *const *names, struct slice name) {
    for (; names && *names; names++) {
        if (slice_equal_nocase(name, slice_from_string(*names)))
            return true;
    }
    return false;
}

enum config_key_id config_find(struct slice name) {
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_key *key = &config_keys[i];
        if (slice_equal_nocase(name, slice_from_string(key->name)) || names_contain(key->also, name) ||
            names_contain(key->get, name))
            return (enum config_key_id)i;
    }
    return CONFIG_KEY_COUNT;
}

void config_where(const struct config *config, enum config_key_id id, char *ret_text, size_t text_size) {
    const struct config_key *key = &config_keys[id];
    const struct config_origin *origin = &config->origins[id];
    switch (origin->source) {
        case CONFIG_FROM_FILE:
            snprintf(ret_text, text_size, "%.100s:%u:%u: %s", config->file, origin->line, origin->column, key->name);
            break;
        case CONFIG_FROM_ENVIRONMENT:
            snprintf(ret_text, text_size, "%s", key->environment);
            break;
        case CONFIG_FROM_FLAG:
            snprintf(ret_text, text_size, "--%s", key->name);
            break;
        default:
            snprintf(ret_text, text_size, "%s", key->name);
    }
}

/* -------------------------------------------------------------- values as text */

const char *config_size_text(uint64_t bytes, char *ret_text, size_t text_size) {
    static const char *const units[] = {"b", "kb", "mb", "gb", "tb"};
    size_t unit = 0;
    uint64_t factor = 1;
    while (unit + 1 < COUNT_OF(units) && bytes / factor >= 1024) {
        factor *= 1024;
        unit++;
    }
    if (bytes % factor == 0)
        snprintf(ret_text, text_size, "%llu%s", (unsigned long long)(bytes / factor), units[unit]);
    else
        snprintf(ret_text, text_size, "%.1f%s", (double)bytes / (double)factor, units[unit]);
    return ret_text;
}

static size_t list_text(const struct config_list *list, char *ret_text, size_t text_size) {
    size_t used = 0;
    ret_text[0] = 0;
    for (uint32_t i = 0; i < list->count; i++)
        used += (size_t)snprintf(ret_text + used, text_size - used, "%s%s", i ? " " : "", list->items[i]);
    return used;
}

static size_t save_points_text(const struct config_save_points *points, char *ret_text, size_t text_size) {
    size_t used = 0;
    ret_text[0] = 0;
    for (uint32_t i = 0; i < points->count; i++)
        used += (size_t)snprintf(ret_text + used, text_size - used, "%s%lld %lld", i ? " " : "",
                                 (long long)points->each[i].seconds, (long long)points->each[i].changes);
    return used;
}

size_t config_text(const struct config *config, enum config_key_id id, char *ret_text, size_t text_size) {
    const struct config_key *key = &config_keys[id];
    const void *field = (const char *)&config->values + key->offset;
    const struct config_output_limits *limits = field;
    int size = 0;
    ASSERT(text_size > CONFIG_TEXT_MAX);
    switch (key->type) {
        case CONFIG_TYPE_INT:
        case CONFIG_TYPE_DURATION:
            size = snprintf(ret_text, text_size, "%lld", (long long)*(const int64_t *)field);
            break;
        case CONFIG_TYPE_OCTAL:
            size = snprintf(ret_text, text_size, "%llo", (long long)*(const int64_t *)field);
            break;
        case CONFIG_TYPE_BOOL:
            size = snprintf(ret_text, text_size, "%s", *(const bool *)field ? "yes" : "no");
            break;
        case CONFIG_TYPE_ENUM:
            size = snprintf(ret_text, text_size, "%s", key->choices[*(const int *)field]);
            break;
        case CONFIG_TYPE_SIZE:
            size = snprintf(ret_text, text_size, "%llu", (unsigned long long)*(const uint64_t *)field);
            break;
        case CONFIG_TYPE_STRING:
            size = snprintf(ret_text, text_size, "%s", (const char *)field);
            break;
        case CONFIG_TYPE_LIST:
            size = (int)list_text(field, ret_text, text_size);
            break;
        case CONFIG_TYPE_OUTPUT_LIMIT:
            size =
                snprintf(ret_text, text_size, "normal %llu %llu %lld pubsub %llu %llu %lld",
                         (unsigned long long)limits->normal.hard_bytes, (unsigned long long)limits->normal.soft_bytes,
                         (long long)limits->normal.soft_s, (unsigned long long)limits->pubsub.hard_bytes,
                         (unsigned long long)limits->pubsub.soft_bytes, (long long)limits->pubsub.soft_s);
            break;
        case CONFIG_TYPE_EVENTS:
            size = (int)config_events_text(*(const uint32_t *)field, ret_text);
            break;
        case CONFIG_TYPE_SAVE_POINTS:
            size = (int)save_points_text(field, ret_text, text_size);
            break;
        case CONFIG_TYPE_FIXED:
            size = snprintf(ret_text, text_size, "%s", key->default_text);
            break;
    }
    return (size_t)size;
}

void config_each(const struct config *config,
                 void (*visit)(void *context, const char *name, const char *value, bool secret), void *context) {
    char text[CONFIG_TEXT_MAX + 1];
    for (int i = 0; i < CONFIG_KEY_COUNT; i++) {
        config_text(config, (enum config_key_id)i, text, sizeof text);
        visit(context, config_keys[i].name, text, config_keys[i].secret);
        for (const char *const *name = config_keys[i].get; name && *name; name++)
            visit(context, *name, text, config_keys[i].secret);
    }
}

/* ------------------------------------------------------ values that contradict */

bool config_is_loopback(const char *address) {
    unsigned char bytes[16];
    static const unsigned char one[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (*address == '-')
        address++;
    if (strcmp(address, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, address, bytes) == 1)
        return bytes[0] == 127;
    if (inet_pton(AF_INET6, address, bytes) == 1)
        return memcmp(bytes, one, 16) == 0 || (memcmp(bytes, mapped, 12) == 0 && bytes[12] == 127);
    return false;
}

static const char *plain_address(const char *address) { return *address == '-' ? address + 1 : address; }

static enum status check_bind(const struct config *config, struct config_error *ret_error) {
    const struct config_list *bind = &config->values.bind;
    char where[CONFIG_WHERE_MAX];
    config_where(config, CONFIG_BIND, where, sizeof where);
    if (bind->count == 0 && !config->values.unixsocket[0])
        return config_refuse(ret_error, "%s: there is nothing to listen on: give an address or a unixsocket", where);
    for (uint32_t i = 0; i < bind->count; i++) {
        const char *one = plain_address(bind->items[i]);
        for (uint32_t j = 0; j < bind->count; j++) {
            const char *other = plain_address(bind->items[j]);
            if (j > i && strcmp(one, other) == 0)
                return config_refuse(ret_error, "%s: %s stands there twice", where, one);
            bool wide4 = strcmp(one, "*") == 0 || strcmp(one, "0.0.0.0") == 0;
            bool wide6 = strcmp(one, "::*") == 0 || strcmp(one, "::") == 0;
            bool is6 = strchr(other, ':') != NULL;
            if (j != i && ((wide4 && !is6) || (wide6 && is6)))
                return config_refuse(ret_error, "%s: %s is already part of %s", where, other, one);
        }
    }
    return STATUS_OK;
}

static enum status check_protected(const struct config *config, struct config_error *ret_error) {
    const struct config_values *values = &config->values;
    char where[CONFIG_WHERE_MAX];
    config_where(config, CONFIG_BIND, where, sizeof where);
    /* Whether users need a password is known when they are read: until then, and if they do not, only this machine is answered. */
    if (!values->protected_mode || values->requirepass[0] || values->aclfile[0] || values->users[0])
        return STATUS_OK;
    for (uint32_t i = 0; i < values->bind.count; i++) {
        if (!config_is_loopback(values->bind.items[i]))
            return config_refuse(
                ret_error,
                "%s: %s can be reached from other machines, and there is no password: set requirepass, "
                "or bind to 127.0.0.1 only, or say 'protected-mode: no' if the network is trusted",
                where, plain_address(values->bind.items[i]));
    }
    return STATUS_OK;
}

static enum status check_paths_differ(const struct config *config, struct config_error *ret_error) {
    static const enum config_key_id ids[] = {CONFIG_UNIXSOCKET, CONFIG_PIDFILE, CONFIG_LOGFILE};
    char where[CONFIG_WHERE_MAX];
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        const char *one = (const char *)&config->values + config_keys[ids[i]].offset;
        for (size_t j = i + 1; j < COUNT_OF(ids); j++) {
            const char *other = (const char *)&config->values + config_keys[ids[j]].offset;
            if (!*one || strcmp(one, other) != 0)
                continue;
            config_where(config, ids[j], where, sizeof where);
            return config_refuse(ret_error, "%s: is the same file as %s: %.100s", where, config_keys[ids[i]].name, one);
        }
    }
    return STATUS_OK;
}

static enum status check_values(const struct config *config, struct config_error *ret_error) {
    const struct config_values *values = &config->values;
    char where[CONFIG_WHERE_MAX], wanted[32], there[32];
    TRY(check_bind(config, ret_error));
    TRY(check_protected(config, ret_error));
    TRY(check_paths_differ(config, ret_error));
    if (values->aclfile[0] && values->users[0]) {
        config_where(config, CONFIG_USERS, where, sizeof where);
        return config_refuse(ret_error, "%s: there is an aclfile as well: users can stand in one of them only", where);
    }
    if (config->origins[CONFIG_UNIXSOCKETPERM].source != CONFIG_FROM_DEFAULT && !values->unixsocket[0]) {
        config_where(config, CONFIG_UNIXSOCKETPERM, where, sizeof where);
        return config_refuse(ret_error, "%s: has no meaning without a unixsocket", where);
    }
    if (config->machine.memory_bytes && values->maxmemory_bytes > config->machine.memory_bytes) {
        config_where(config, CONFIG_MAXMEMORY, where, sizeof where);
        return config_refuse(ret_error, "%s: %s is more than the %s of memory that there are", where,
                             config_size_text(values->maxmemory_bytes, wanted, sizeof wanted),
                             config_size_text(config->machine.memory_bytes, there, sizeof there));
    }
    return STATUS_OK;
}

enum status config_check(const struct config *config, struct config_error *ret_error) {
    TRY(check_values(config, ret_error));
    return config_check_stores(config, ret_error);
}

/* The folder that a file is to be made in. */
static void folder_of(const char *path, char *ret_folder, size_t size) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        snprintf(ret_folder, size, ".");
    else
        snprintf(ret_folder, size, "%.*s", (int)(slash == path ? 1 : slash - path), path);
}

/* Relative paths are meant from `dir`, so they are looked at from there. */
static enum status check_path(const struct config *config, enum config_key_id id, int dir_fd,
                              struct config_error *ret_error) {
    char folder[CONFIG_PATH_MAX + 1], where[CONFIG_WHERE_MAX];
    const char *path = (const char *)&config->values + config_keys[id].offset;
    struct stat about;
    if (!*path)
        return STATUS_OK;
    config_where(config, id, where, sizeof where);
    folder_of(path, folder, sizeof folder);
    if (fstatat(dir_fd, folder, &about, 0) != 0)
        return config_refuse(ret_error, "%s: folder %.200s: %s", where, folder, strerror(errno));
    if (faccessat(dir_fd, folder, W_OK, 0) != 0)
        return config_refuse(ret_error, "%s: folder %.200s cannot be written: %s", where, folder, strerror(errno));
    if (id != CONFIG_UNIXSOCKET && fstatat(dir_fd, path, &about, 0) == 0 && S_ISDIR(about.st_mode))
        return config_refuse(ret_error, "%s: %.200s is a folder", where, path);
    return STATUS_OK;
}

enum status config_check_paths(const struct config *config, struct config_error *ret_error) {
    static const enum config_key_id ids[] = {CONFIG_UNIXSOCKET, CONFIG_PIDFILE, CONFIG_LOGFILE};
    char where[CONFIG_WHERE_MAX];
    int dir_fd = open(config->values.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        config_where(config, CONFIG_DIR, where, sizeof where);
        return config_refuse(ret_error, "%s: folder %.200s: %s", where, config->values.dir, strerror(errno));
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; i < COUNT_OF(ids) && status == STATUS_OK; i++)
        status = check_path(config, ids[i], dir_fd, ret_error);
    close(dir_fd);
    return status;
}

/* -------------------------------------------------------------------- CONFIG SET */

static enum status set_failed(struct config_error *ret_error, struct slice name, const char *why) {
    return config_refuse(ret_error, "CONFIG SET failed (possibly related to argument '%.*s') - %s",
                         (int)(name.size < 64 ? name.size : 64), (const char *)name.data, why);
}

enum status config_set(struct config *config, const struct slice *names, const struct slice *values, uint32_t count,
                       bool *ret_changed, struct config_error *ret_error) {
    bool changed[CONFIG_KEY_COUNT] = {false};
    struct config next = *config;
    struct config_problem problem;
    struct config_error error;
    for (uint32_t i = 0; i < count; i++) {
        enum config_key_id id = config_find(names[i]);
        if (id == CONFIG_KEY_COUNT)
            return config_refuse(ret_error, "Unknown option or number of arguments for CONFIG SET - '%.*s'",
                                 (int)(names[i].size < 128 ? names[i].size : 128), (const char *)names[i].data);
        if (!config_keys[id].running && config_keys[id].type != CONFIG_TYPE_FIXED)
            return set_failed(ret_error, names[i], "can't set immutable config");
        if (changed[id])
            return set_failed(ret_error, names[i], "duplicate parameter");
        changed[id] = true;
    }
    for (uint32_t i = 0; i < count; i++) {
        enum config_key_id id = config_find(names[i]);
        if (!config_value_parse(&config_keys[id], &next.machine, values[i], &next.values, &problem))
            return set_failed(ret_error, names[i], problem.redis);
        next.origins[id] = (struct config_origin){.source = CONFIG_FROM_RUNNING};
    }
    enum status status = check_values(&next, &error);
    if (status != STATUS_OK)
        return set_failed(ret_error, count ? names[0] : SLICE(""), error.text);
    *config = next;
    if (ret_changed)
        memcpy(ret_changed, changed, sizeof changed);
    return STATUS_OK;
}
