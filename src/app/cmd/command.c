#include <stdio.h>

#include "app/cmd/cmd.h"
#include "app/cmd/commands.h"
#include "app/cmd/spec_docs.h"
#include "base/glob.h"

static size_t text_count(const char *const *texts) {
    size_t count = 0;
    while (texts[count])
        count++;
    return count;
}

/* ------------------------------------------------------------------- INFO */

static void reply_texts(struct reply *reply, const char *const *texts) {
    reply_set(reply, text_count(texts));
    for (; *texts; texts++)
        reply_simple(reply, slice_from_string(*texts));
}

static const char *const key_flag_names[] = {
    "RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "variable_flags", "not_key"};

static void reply_key_flags(struct reply *reply, uint32_t flags) {
    reply_set(reply, (size_t)__builtin_popcount(flags));
    for (size_t i = 0; i < sizeof key_flag_names / sizeof *key_flag_names; i++)
        if (flags & 1u << i)
            reply_simple(reply, slice_from_string(key_flag_names[i]));
}

static void reply_field(struct reply *reply, const char *name, int value) {
    reply_bulk_string(reply, name);
    reply_integer(reply, value);
}

static void reply_kind(struct reply *reply, const char *part, const char *type, size_t fields) {
    reply_bulk_string(reply, part);
    reply_map(reply, 2);
    reply_bulk_string(reply, "type");
    reply_bulk_string(reply, type);
    reply_bulk_string(reply, "spec");
    reply_map(reply, fields);
}

static void reply_key_spec(struct reply *reply, const struct cmd_key_spec *keys) {
    reply_map(reply, 3);
    reply_bulk_string(reply, "flags");
    reply_key_flags(reply, keys->flags);
    bool counted = keys->kind == CMD_KEYS_COUNTED;
    reply_kind(reply, "begin_search", "index", 1);
    reply_field(reply, "index", counted ? keys->count_at : keys->first);
    if (counted) {
        reply_kind(reply, "find_keys", "keynum", 3);
        reply_field(reply, "keynumidx", 0);
        reply_field(reply, "firstkey", keys->first - keys->count_at);
        reply_field(reply, "keystep", keys->step);
    } else {
        reply_kind(reply, "find_keys", "range", 3);
        reply_field(reply, "lastkey", keys->last < 0 ? keys->last : keys->last - keys->first);
        reply_field(reply, "keystep", keys->step);
        reply_field(reply, "limit", 0);
    }
}

static void reply_info(struct reply *reply, const struct cmd_spec *spec) {
    if (!spec) {
        reply_null(reply);
        return;
    }
    const struct cmd_docs *docs = spec->docs;
    reply_array(reply, 10);
    reply_bulk_string(reply, spec->name);
    reply_integer(reply, spec->arity);
    reply_texts(reply, docs->flags);
    reply_integer(reply, docs->key_first);
    reply_integer(reply, docs->key_last);
    reply_integer(reply, docs->key_step);
    reply_texts(reply, docs->categories);
    reply_array(reply, text_count(docs->tips));
    for (const char *const *tip = docs->tips; *tip; tip++)
        reply_bulk_string(reply, *tip);
    reply_array(reply, spec->key_count);
    for (uint32_t i = 0; i < spec->key_count; i++)
        reply_key_spec(reply, &spec->keys[i]);
    reply_array(reply, spec->subcommand_count);
    for (uint32_t i = 0; i < spec->subcommand_count; i++)
        reply_info(reply, &spec->subcommands[i]);
}

static void reply_info_all(struct reply *reply) {
    reply_array(reply, cmd_table_count);
    for (uint32_t i = 0; i < cmd_table_count; i++)
        reply_info(reply, &cmd_table[i]);
}

void cmd_command(struct cmd_call *call) { reply_info_all(call->reply); }

/* "get", "client|id"; NULL if there is none. */
static const struct cmd_spec *find_full(struct slice name) {
    const uint8_t *bar = name.size ? memchr(name.data, '|', name.size) : NULL;
    if (!bar)
        return cmd_lookup(name);
    size_t size = (size_t)(bar - name.data);
    const struct cmd_spec *container = cmd_lookup(slice_part(name, 0, size));
    return container ? cmd_lookup_sub(container, slice_part(name, size + 1, SIZE_MAX)) : NULL;
}

void cmd_command_info(struct cmd_call *call) {
    if (call->argc == 2) {
        reply_info_all(call->reply);
        return;
    }
    reply_array(call->reply, call->argc - 2);
    for (uint32_t i = 2; i < call->argc; i++)
        reply_info(call->reply, find_full(call->argv[i]));
}

void cmd_command_count(struct cmd_call *call) { reply_integer(call->reply, cmd_table_count); }

/* ------------------------------------------------------------------- DOCS */

static const char *const argument_type_names[] = {"string",    "integer",    "double", "key",  "pattern",
                                                  "unix-time", "pure-token", "oneof",  "block"};
static const char *const argument_flag_names[] = {"optional", "multiple", "multiple_token"};

static void reply_pair(struct reply *reply, const char *name, const char *value) {
    reply_bulk_string(reply, name);
    reply_bulk_string(reply, value);
}

static void reply_arguments(struct reply *reply, const struct cmd_argument *arguments, uint32_t count);

static void reply_argument(struct reply *reply, const struct cmd_argument *argument) {
    bool leaf = argument->child_count == 0;
    bool shown = leaf && argument->type != CMD_ARGUMENT_PURE_TOKEN;
    reply_map(reply,
              2u + shown + (argument->key_spec >= 0) + (argument->token != NULL) + (argument->flags != 0) + !leaf);
    reply_pair(reply, "name", argument->name);
    reply_pair(reply, "type", argument_type_names[argument->type]);
    if (shown)
        reply_pair(reply, "display_text", argument->name);
    if (argument->key_spec >= 0)
        reply_field(reply, "key_spec_index", argument->key_spec);
    if (argument->token)
        reply_pair(reply, "token", argument->token);
    if (argument->flags) {
        reply_bulk_string(reply, "flags");
        reply_set(reply, (size_t)__builtin_popcount(argument->flags));
        for (size_t i = 0; i < sizeof argument_flag_names / sizeof *argument_flag_names; i++)
            if (argument->flags & 1u << i)
                reply_simple(reply, slice_from_string(argument_flag_names[i]));
    }
    if (!leaf) {
        reply_bulk_string(reply, "arguments");
        reply_arguments(reply, argument->children, argument->child_count);
    }
}

/* As deep as spec/ nests them: the generator sets the bound. */
static void reply_arguments(struct reply *reply, const struct cmd_argument *arguments, uint32_t count) {
    reply_array(reply, count);
    for (uint32_t i = 0; i < count; i++)
        reply_argument(reply, &arguments[i]);
}

static void reply_docs(struct reply *reply, const struct cmd_spec *spec) {
    const struct cmd_docs *docs = spec->docs;
    bool old = docs->deprecated_since != NULL;
    reply_bulk_string(reply, spec->name);
    reply_map(reply, 4u + 3u * old + (docs->argument_count != 0) + (spec->subcommand_count != 0));
    reply_pair(reply, "summary", docs->summary);
    reply_pair(reply, "since", docs->since);
    reply_pair(reply, "group", docs->group);
    reply_pair(reply, "complexity", docs->complexity);
    if (old) {
        reply_bulk_string(reply, "doc_flags");
        reply_set(reply, 1);
        reply_simple(reply, SLICE("deprecated"));
        reply_pair(reply, "deprecated_since", docs->deprecated_since);
        reply_pair(reply, "replaced_by", docs->replaced_by);
    }
    if (docs->argument_count) {
        reply_bulk_string(reply, "arguments");
        reply_arguments(reply, docs->arguments, docs->argument_count);
    }
    if (spec->subcommand_count) {
        reply_bulk_string(reply, "subcommands");
        reply_map(reply, spec->subcommand_count);
        for (uint32_t i = 0; i < spec->subcommand_count; i++)
            reply_docs(reply, &spec->subcommands[i]);
    }
}

void cmd_command_docs(struct cmd_call *call) {
    struct reply *reply = call->reply;
    if (call->argc == 2) {
        reply_map(reply, cmd_table_count);
        for (uint32_t i = 0; i < cmd_table_count; i++)
            reply_docs(reply, &cmd_table[i]);
        return;
    }
    uint32_t known = 0;
    for (uint32_t i = 2; i < call->argc; i++)
        known += find_full(call->argv[i]) != NULL;
    reply_map(reply, known);
    for (uint32_t i = 2; i < call->argc; i++) {
        const struct cmd_spec *spec = find_full(call->argv[i]);
        if (spec)
            reply_docs(reply, spec);
    }
}

/* ---------------------------------------------------------------- GETKEYS */

static bool has_keys(const struct cmd_spec *spec) {
    for (uint32_t i = 0; i < spec->key_count; i++)
        if (!(spec->keys[i].flags & CMD_KEY_NOT_KEY))
            return true;
    return false;
}

/* The keys of the command that begins at argument 2; NULL and an error reply if there are none. */
static const struct cmd_spec *find_keys(struct cmd_call *call, uint32_t **ret_at, uint32_t *ret_count) {
    const struct slice *argv = call->argv + 2;
    uint32_t argc = call->argc - 2;
    const struct cmd_spec *spec = cmd_lookup(argv[0]);
    if (spec && spec->subcommand_count && argc > 1)
        spec = cmd_lookup_sub(spec, argv[1]);
    if (!spec) {
        reply_error(call->reply, SLICE("ERR Invalid command specified"));
    } else if (!has_keys(spec)) {
        reply_error(call->reply, SLICE("ERR The command has no key arguments"));
    } else if (spec->arity > 0 ? argc != (uint32_t)spec->arity : argc < (uint32_t)-spec->arity) {
        reply_error(call->reply, SLICE("ERR Invalid number of arguments specified for command"));
    } else {
        *ret_at = arena_take(call->arena, argc * sizeof **ret_at);
        if (!*ret_at) {
            cmd_error_status(call, STATUS_NO_MEMORY);
            return NULL;
        }
        *ret_count = cmd_key_positions(spec, argv, argc, *ret_at, argc);
        if (*ret_count)
            return spec;
        reply_error(call->reply, SLICE("ERR Invalid arguments specified for command"));
    }
    return NULL;
}

void cmd_command_getkeys(struct cmd_call *call) {
    uint32_t *at, count;
    if (!find_keys(call, &at, &count))
        return;
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++)
        reply_bulk(call->reply, call->argv[2 + at[i]]);
}

/* The key specification that the argument at `position` falls under. */
static const struct cmd_key_spec *keys_at(const struct cmd_spec *spec, uint32_t position) {
    uint32_t i = spec->key_count - 1;
    while (i > 0 && position < (uint32_t)spec->keys[i].first)
        i--;
    return &spec->keys[i];
}

void cmd_command_getkeysandflags(struct cmd_call *call) {
    uint32_t *at, count;
    const struct cmd_spec *spec = find_keys(call, &at, &count);
    if (!spec)
        return;
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++) {
        reply_array(call->reply, 2);
        reply_bulk(call->reply, call->argv[2 + at[i]]);
        reply_key_flags(call->reply, cmd_key_flags(keys_at(spec, at[i]), call->argv + 2, call->argc - 2));
    }
}

/* ------------------------------------------------------------------- LIST */

struct list_filter {
    enum { LIST_ALL, LIST_MODULE, LIST_CATEGORY, LIST_PATTERN } kind;
    struct slice value;
};

static bool has_category(const struct cmd_spec *spec, struct slice name) {
    for (const char *const *category = spec->docs->categories; *category; category++)
        if (slice_equal_nocase(slice_from_string(*category + 1), name))
            return true;
    return false;
}

static bool listed(const struct cmd_spec *spec, const struct list_filter *filter) {
    switch (filter->kind) {
        case LIST_MODULE:
            return false; /* there are no modules */
        case LIST_CATEGORY:
            return has_category(spec, filter->value);
        case LIST_PATTERN:
            return glob_matches(filter->value, slice_from_string(spec->name), true);
        default:
            return true;
    }
}

/* Counts the commands that pass, and writes their names if `reply` is not NULL. */
static size_t list(const struct cmd_spec *specs, uint32_t count, const struct list_filter *filter,
                   struct reply *reply) {
    size_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (listed(&specs[i], filter)) {
            found++;
            if (reply)
                reply_bulk_string(reply, specs[i].name);
        }
        found += list(specs[i].subcommands, specs[i].subcommand_count, filter, reply);
    }
    return found;
}

void cmd_command_list(struct cmd_call *call) {
    static const char *const words[] = {"MODULE", "ACLCAT", "PATTERN"};
    struct list_filter filter = {LIST_ALL, {NULL, 0}};
    if (call->argc == 5 && cmd_is(call, 2, "FILTERBY")) {
        for (int i = 0; i < 3; i++)
            if (cmd_is(call, 3, words[i]))
                filter.kind = LIST_MODULE + (unsigned)i;
        filter.value = call->argv[4];
    }
    if (call->argc != 2 && filter.kind == LIST_ALL) {
        cmd_error_syntax(call);
        return;
    }
    reply_array(call->reply, list(cmd_table, cmd_table_count, &filter, NULL));
    list(cmd_table, cmd_table_count, &filter, call->reply);
}

/* ------------------------------------------------------------------- HELP */

enum { HELP_LINE_SIZE = 768 }; /* no syntax or summary is longer: tools/gen_commands_test.py */

static void help_line(struct reply *reply, const char *indent, const char *text) {
    char line[HELP_LINE_SIZE];
    int size = snprintf(line, sizeof line, "%s%s", indent, text);
    reply_simple(reply, slice_make(line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1));
}

void cmd_help(struct cmd_call *call) {
    const struct cmd_spec *container = cmd_lookup(call->argv[0]);
    size_t prefix = container->last_name.size + 1; /* of "CLIENT " in front of each syntax */
    reply_array(call->reply, 1 + 2 * (size_t)container->subcommand_count);
    char head[128];
    snprintf(head, sizeof head, "%.*s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", (int)prefix - 1,
             container->subcommands[0].docs->syntax);
    help_line(call->reply, "", head);
    for (uint32_t i = 0; i < container->subcommand_count; i++) {
        const struct cmd_docs *docs = container->subcommands[i].docs;
        help_line(call->reply, "", docs->syntax + prefix);
        help_line(call->reply, "    ", docs->summary);
    }
}
