#include <stdio.h>

#include "app/config/config.h"
#include "app/config/config_value.h"

#define SHOW(s) (int)((s).size < 64 ? (s).size : 64), (const char *)(s).data

static const struct slice environment_prefix = {(const uint8_t *)"STRATA_", 7};

/* ------------------------------------------------------------------- environment */

/* "MAXMEMORY_POLICY" becomes "maxmemory-policy". Empty when it is too long for any key. */
static struct slice key_from_variable(struct slice variable, char *text, size_t text_size) {
    if (variable.size > text_size)
        return slice_make(text, 0);
    for (size_t i = 0; i < variable.size; i++) {
        uint8_t c = variable.data[i];
        text[i] = (char)(c == '_' ? '-' : c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    return slice_make(text, variable.size);
}

static enum status load_variable(struct config *config, struct slice variable, struct slice value,
                                 bool seen[CONFIG_KEY_COUNT], struct config_error *ret_error) {
    char text[64], where[CONFIG_WHERE_MAX];
    struct slice name =
        key_from_variable(slice_part(variable, environment_prefix.size, variable.size), text, sizeof text);
    if (slice_equal(name, SLICE("config")))
        return STATUS_OK; /* names the file, see config_find_request */
    if (slice_equal(name, SLICE("stores")))
        return config_refuse(ret_error, "%.*s: stores can be described in the file only", SHOW(variable));
    enum config_key_id id = config_find(name);
    if (id == CONFIG_KEY_COUNT) {
        const char *near = config_suggest(name);
        if (!near)
            return STATUS_OK; /* not ours: orchestrators and tools use the prefix too */
        return config_refuse(ret_error, "%.*s: unknown key: did you mean '%s'?", SHOW(variable),
                             config_keys[config_find(slice_from_string(near))].environment);
    }
    snprintf(where, sizeof where, "%.*s", SHOW(variable));
    if (slice_starts_with(value, SLICE("tcp://")) && id == CONFIG_PORT)
        return config_refuse(ret_error,
                             "%s: '%.*s' is not a whole number (Kubernetes sets this for a service named 'strata': "
                             "rename the service, or set enableServiceLinks: false)",
                             where, SHOW(value));
    if (seen[id])
        return config_refuse(ret_error, "%s: '%s' is given twice in the environment", where, config_keys[id].name);
    seen[id] = true;
    struct config_origin origin = {.source = CONFIG_FROM_ENVIRONMENT};
    return config_assign(config, id, value, origin, where, ret_error) ? STATUS_OK : STATUS_INVALID;
}

enum status config_load_environment(struct config *config, char *const *environment, struct config_error *ret_error) {
    struct config next = *config;
    bool seen[CONFIG_KEY_COUNT] = {false};
    for (; environment && *environment; environment++) {
        struct slice line = slice_from_string(*environment);
        const char *equals = strchr(*environment, '=');
        if (!equals || !slice_starts_with(line, environment_prefix))
            continue;
        size_t name_size = (size_t)(equals - *environment);
        TRY(load_variable(&next, slice_part(line, 0, name_size), slice_part(line, name_size + 1, line.size), seen,
                          ret_error));
    }
    *config = next;
    return STATUS_OK;
}

/* ------------------------------------------------------------------------- flags */

struct flag {
    struct slice name;  /* without the dashes */
    struct slice value; /* after '=', or the next argument */
    bool has_value;     /* after '=' */
};

static enum status read_flag(const char *argument, struct flag *ret_flag, struct config_error *ret_error) {
    struct slice text = slice_from_string(argument);
    if (!slice_starts_with(text, SLICE("--")) || text.size == 2) {
        size_t length = text.size;
        if (length > 5 && (strcmp(argument + length - 5, ".yaml") == 0 || strcmp(argument + length - 4, ".yml") == 0 ||
                           strcmp(argument + length - 5, ".conf") == 0))
            return config_refuse(ret_error, "'%.*s': flags begin with two dashes: did you mean '--config %.*s'?",
                                 SHOW(text), SHOW(text));
        return config_refuse(ret_error, "'%.*s': flags begin with two dashes, as in --port 7000", SHOW(text));
    }
    text = slice_part(text, 2, text.size);
    const char *equals = memchr(text.data, '=', text.size);
    size_t name_size = equals ? (size_t)(equals - (const char *)text.data) : text.size;
    *ret_flag = (struct flag){.name = slice_part(text, 0, name_size), .has_value = equals != NULL};
    if (equals)
        ret_flag->value = slice_part(text, name_size + 1, text.size);
    return STATUS_OK;
}

static bool is_switch(struct slice name) {
    return slice_equal(name, SLICE("check-config")) || slice_equal(name, SLICE("help"));
}

/* Takes the value that belongs to the flag; `at` moves over it if it is an argument of its own. */
static enum status take_value(struct flag *flag, int argc, char *const *argv, int *at, struct config_error *ret_error) {
    if (is_switch(flag->name) && flag->has_value)
        return config_refuse(ret_error, "--%.*s: takes no value", SHOW(flag->name));
    if (flag->has_value || is_switch(flag->name))
        return STATUS_OK;
    if (*at + 1 >= argc)
        return config_refuse(ret_error, "--%.*s: has no value", SHOW(flag->name));
    flag->value = slice_from_string(argv[++*at]);
    if (slice_starts_with(flag->value, SLICE("--")))
        return config_refuse(ret_error, "--%.*s: has no value ('%.*s' is the next flag)", SHOW(flag->name),
                             SHOW(flag->value));
    return STATUS_OK;
}

static enum status unknown_flag(struct slice name, struct config_error *ret_error) {
    static const char *const others[] = {"config", "check-config", "help", NULL};
    if (slice_equal_nocase(name, SLICE("stores")))
        return config_refuse(ret_error, "--%.*s: stores can be described in the file only", SHOW(name));
    const char *near = config_suggest_word(name, others);
    const char *key = config_suggest(name);
    if (key || near)
        return config_refuse(ret_error, "--%.*s: unknown flag: did you mean '--%s'?", SHOW(name), key ? key : near);
    return config_refuse(ret_error, "--%.*s: unknown flag: 'strata server --help' lists them all", SHOW(name));
}

static enum status load_flag(struct config *config, const struct flag *flag, bool seen[CONFIG_KEY_COUNT],
                             struct config_error *ret_error) {
    char where[CONFIG_WHERE_MAX];
    enum config_key_id id = config_find(flag->name);
    snprintf(where, sizeof where, "--%.*s", SHOW(flag->name));
    if (seen[id])
        return config_refuse(ret_error, "%s: is given twice", where);
    seen[id] = true;
    struct config_origin origin = {.source = CONFIG_FROM_FLAG};
    return config_assign(config, id, flag->value, origin, where, ret_error) ? STATUS_OK : STATUS_INVALID;
}

enum status config_load_flags(struct config *config, int argc, char *const *argv, struct config_error *ret_error) {
    struct config next = *config;
    bool seen[CONFIG_KEY_COUNT] = {false};
    for (int i = 0; i < argc; i++) {
        struct flag flag;
        TRY(read_flag(argv[i], &flag, ret_error));
        bool other = is_switch(flag.name) || slice_equal(flag.name, SLICE("config"));
        if (!other && config_find(flag.name) == CONFIG_KEY_COUNT)
            return unknown_flag(flag.name, ret_error);
        TRY(take_value(&flag, argc, argv, &i, ret_error));
        if (!other)
            TRY(load_flag(&next, &flag, seen, ret_error));
    }
    *config = next;
    return STATUS_OK;
}

/* --------------------------------------------------------------- the whole order */

static enum status request_file(struct config_request *request, struct slice path, const char *where,
                                struct config_error *ret_error) {
    if (path.size == 0)
        return config_refuse(ret_error, "%s: names no file", where);
    if (path.size > CONFIG_PATH_MAX)
        return config_refuse(ret_error, "%s: is longer than %d bytes", where, CONFIG_PATH_MAX);
    memcpy(request->file, path.data, path.size);
    request->file[path.size] = 0;
    return STATUS_OK;
}

enum status config_find_request(struct config_request *ret_request, char *const *environment, int argc,
                                char *const *argv, struct config_error *ret_error) {
    struct config_request request = {.file = ""};
    bool seen = false;
    for (; environment && *environment; environment++) {
        struct slice line = slice_from_string(*environment), name = SLICE("STRATA_CONFIG=");
        if (slice_starts_with(line, name))
            TRY(request_file(&request, slice_part(line, name.size, line.size), "STRATA_CONFIG", ret_error));
    }
    for (int i = 0; i < argc; i++) {
        struct flag flag;
        TRY(read_flag(argv[i], &flag, ret_error));
        request.check |= slice_equal(flag.name, SLICE("check-config"));
        request.help |= slice_equal(flag.name, SLICE("help"));
        if (!is_switch(flag.name) && !slice_equal(flag.name, SLICE("config")) &&
            config_find(flag.name) == CONFIG_KEY_COUNT)
            return unknown_flag(flag.name, ret_error);
        TRY(take_value(&flag, argc, argv, &i, ret_error));
        if (!slice_equal(flag.name, SLICE("config")))
            continue;
        if (seen)
            return config_refuse(ret_error, "--config: is given twice");
        seen = true;
        TRY(request_file(&request, flag.value, "--config", ret_error));
    }
    *ret_request = request;
    return STATUS_OK;
}

enum status config_load(struct config *ret_config, struct config_request *ret_request,
                        const struct config_machine *machine, char *const *environment, int argc, char *const *argv,
                        const struct memory *memory, struct config_error *ret_error) {
    struct config config;
    struct config_request request;
    config_defaults(&config, machine);
    TRY(config_find_request(&request, environment, argc, argv, ret_error));
    if (!request.help) {
        if (request.file[0])
            TRY(config_load_file(&config, request.file, memory, ret_error));
        TRY(config_load_environment(&config, environment, ret_error));
        TRY(config_load_flags(&config, argc, argv, ret_error));
        TRY(config_check(&config, ret_error));
    }
    *ret_config = config;
    *ret_request = request;
    return STATUS_OK;
}
