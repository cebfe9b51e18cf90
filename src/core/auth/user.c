/* core/auth/user.c: users, and the rules that make them. */
#include "base/assert.h"
#include "core/auth/auth.h"
#include "core/auth/inner.h"

enum { ARENA_CHUNK_SIZE = 512, LIST_CAPACITY_MIN = 4 };

const char *auth_fault_text(enum auth_fault fault) {
    switch (fault) {
        case AUTH_UNKNOWN_COMMAND:
            return "Unknown command or category name in ACL";
        case AUTH_SYNTAX:
            return "Syntax error";
        case AUTH_KEYS_AFTER_ALL:
            return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any "
                   "effect. Try 'resetkeys' to start with an empty list of patterns";
        case AUTH_CHANNELS_AFTER_ALL:
            return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have "
                   "any effect. Try 'resetchannels' to start with an empty list of channels";
        case AUTH_NO_SUCH_PASSWORD:
            return "The password you are trying to remove from the user does not exist";
        case AUTH_BAD_HASH:
            return "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
        case AUTH_FIRST_OF_SUB:
            return "Allowing first-arg of a subcommand is not supported";
        case AUTH_DUPLICATE:
            return "Duplicate user found. A user can only be defined once in config files";
        case AUTH_TOO_LARGE:
            return "The rules of this user take more than 4 MiB";
        case AUTH_NO_MEMORY:
            return "out of memory";
        case AUTH_FINE:
            break;
    }
    return "Wrong format";
}

/* ------------------------------------------------------------------- memory */

/* NULL: over the limit, or no memory; auth_no_room says which. */
static void *take(struct auth_user *user, size_t size) {
    if (size > AUTH_USER_SIZE_MAX - user->taken_bytes) {
        user->taken_bytes = AUTH_USER_SIZE_MAX;
        return NULL;
    }
    void *bytes = arena_take(&user->arena, size);
    user->taken_bytes += bytes ? size : 0;
    return bytes;
}

static enum auth_fault no_room(const struct auth_user *user) {
    return user->taken_bytes == AUTH_USER_SIZE_MAX ? AUTH_TOO_LARGE : AUTH_NO_MEMORY;
}

static enum auth_fault copy_bytes(struct auth_user *user, struct slice from, struct slice *ret_copy) {
    uint8_t *copy = take(user, from.size + 1);
    if (!copy)
        return no_room(user);
    if (from.size)
        memcpy(copy, from.data, from.size);
    *ret_copy = slice_make(copy, from.size);
    return AUTH_FINE;
}

enum auth_fault auth_list_add(struct auth_user *user, struct auth_list *list, const void *item, size_t size) {
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : LIST_CAPACITY_MIN;
        void *items = take(user, capacity * size);
        if (!items)
            return no_room(user);
        if (list->count)
            memcpy(items, list->items, list->count * size);
        list->items = items;
        list->capacity = capacity;
    }
    memcpy((uint8_t *)list->items + list->count++ * size, item, size);
    return AUTH_FINE;
}

static void list_remove(struct auth_list *list, uint32_t at, size_t size) {
    uint8_t *items = list->items;
    memmove(items + at * size, items + (at + 1) * size, (list->count - at - 1) * size);
    list->count--;
}

static uint32_t slices_find(const struct auth_list *list, struct slice text) {
    for (uint32_t i = 0; i < list->count; i++)
        if (slice_equal(((const struct slice *)list->items)[i], text))
            return i;
    return AUTH_NONE;
}

/* What stands in a line of an ACL file as one word, and no more. */
static bool has_spaces(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == ' ' || (text.data[i] >= '\t' && text.data[i] <= '\r') || text.data[i] == 0)
            return true;
    return false;
}

/* ----------------------------------------------------------------- commands */

uint32_t auth_command_find(const struct auth_commands *commands, struct slice name) {
    for (uint32_t i = 0; i < commands->count; i++)
        if (slice_equal_nocase(slice_from_string(commands->list[i].name), name))
            return i;
    return AUTH_NONE;
}

uint32_t auth_category_find(const struct auth_commands *commands, struct slice name) {
    for (uint32_t i = 0; i < commands->category_count; i++)
        if (slice_equal_nocase(slice_from_string(commands->categories[i]), name))
            return i;
    return AUTH_NONE;
}

static size_t bit_words(const struct auth_commands *commands) { return (commands->count + 63u) / 64; }

static void firsts_forget(struct auth_selector *selector, uint32_t command) {
    for (uint32_t i = selector->firsts.count; i-- > 0;)
        if (((const struct auth_first *)selector->firsts.items)[i].command == command)
            list_remove(&selector->firsts, i, sizeof(struct auth_first));
}

/* A command and its subcommands. */
static void permit(struct auth_selector *selector, const struct auth_commands *commands, uint32_t command, bool on) {
    for (uint32_t i = command; i <= command + commands->list[command].children; i++) {
        uint64_t bit = 1ull << (i % 64);
        if (on)
            selector->permitted[i / 64] |= bit;
        else
            selector->permitted[i / 64] &= ~bit;
        firsts_forget(selector, i);
    }
    selector->all_commands &= on;
}

static void permit_category(struct auth_selector *selector, const struct auth_commands *commands, uint32_t category,
                            bool on) {
    for (uint32_t i = 0; i < commands->count; i++)
        if (commands->list[i].categories >> category & 1)
            permit(selector, commands, i, on);
}

static void permit_all(struct auth_selector *selector, const struct auth_commands *commands, bool on) {
    memset(selector->permitted, on ? 0xff : 0, bit_words(commands) * sizeof *selector->permitted);
    selector->all_commands = selector->future = on;
    selector->rules.count = selector->firsts.count = 0;
}

/* Whether the rule `old` ("+get", "-config|get") says nothing any more once there is one about `name`: it is about the same, or a part of it. */
static bool is_overruled(struct slice old, struct slice name) {
    struct slice about = slice_part(old, 1, SIZE_MAX);
    return slice_starts_with(about, name) && (about.size == name.size || about.data[name.size] == '|');
}

/* Notes a rule as it will be described: its first `small` bytes in small letters, without those it makes void. */
static enum auth_fault note_rule(struct auth_user *user, struct auth_selector *selector, struct slice name,
                                 size_t small, bool on) {
    uint8_t *text = take(user, name.size + 1);
    if (!text)
        return no_room(user);
    text[0] = on ? '+' : '-';
    for (size_t i = 0; i < name.size; i++)
        text[i + 1] =
            (uint8_t)(i < small && name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] | 0x20 : name.data[i]);
    struct slice rule = slice_make(text, name.size + 1), about = slice_part(rule, 1, SIZE_MAX);
    for (uint32_t i = selector->rules.count; i-- > 0;)
        if (is_overruled(((const struct slice *)selector->rules.items)[i], about))
            list_remove(&selector->rules, i, sizeof(struct slice));
    return auth_list_add(user, &selector->rules, &rule, sizeof rule);
}

/* "+select|0": of a command that has no subcommands, this first argument. What is said twice stays as it was said first. */
static enum auth_fault permit_first(struct auth_user *user, struct auth_selector *selector, uint32_t command,
                                    struct slice name, size_t bar) {
    struct auth_first first = {.command = command};
    struct slice argument = slice_part(name, bar + 1, SIZE_MAX);
    for (uint32_t i = 0; i < selector->firsts.count; i++) {
        const struct auth_first *old = (const struct auth_first *)selector->firsts.items + i;
        if (old->command == command && slice_equal_nocase(old->argument, argument))
            return AUTH_FINE;
    }
    enum auth_fault fault = copy_bytes(user, argument, &first.argument);
    if (fault == AUTH_FINE)
        fault = auth_list_add(user, &selector->firsts, &first, sizeof first);
    return fault == AUTH_FINE ? note_rule(user, selector, name, bar, true) : fault;
}

/* "+config|get", whatever stands behind the last bar. */
static enum auth_fault add_part(struct auth_user *user, struct auth_selector *selector, struct slice name, size_t bar) {
    const struct auth_commands *commands = user->setting->commands;
    struct slice argument = slice_part(name, bar + 1, SIZE_MAX);
    uint32_t command = auth_command_find(commands, slice_part(name, 0, bar));
    if (command == AUTH_NONE)
        return AUTH_UNKNOWN_COMMAND;
    if (commands->list[command].parent != AUTH_NONE)
        return AUTH_FIRST_OF_SUB;
    if (argument.size == 0 || has_spaces(argument))
        return AUTH_SYNTAX;
    if (commands->list[command].children == 0)
        return permit_first(user, selector, command, name, bar);
    command = auth_command_find(commands, name);
    if (command == AUTH_NONE)
        return AUTH_UNKNOWN_COMMAND;
    permit(selector, commands, command, true);
    return note_rule(user, selector, name, name.size, true);
}

/* "+get", "-get", "+@read", "-@read". */
static enum auth_fault apply_command(struct auth_user *user, struct auth_selector *selector, struct slice rule) {
    const struct auth_commands *commands = user->setting->commands;
    bool on = rule.data[0] == '+';
    struct slice name = slice_part(rule, 1, SIZE_MAX);
    if (name.size && name.data[0] == '@') {
        uint32_t category = auth_category_find(commands, slice_part(name, 1, SIZE_MAX));
        if (category == AUTH_NONE)
            return AUTH_UNKNOWN_COMMAND;
        permit_category(selector, commands, category, on);
        return note_rule(user, selector, name, name.size, on);
    }
    const uint8_t *bar = on && name.size ? memrchr(name.data, '|', name.size) : NULL;
    if (bar)
        return add_part(user, selector, name, (size_t)(bar - name.data));
    uint32_t command = auth_command_find(commands, name);
    if (command == AUTH_NONE)
        return AUTH_UNKNOWN_COMMAND;
    permit(selector, commands, command, on);
    return note_rule(user, selector, name, name.size, on);
}

/* ----------------------------------------------------------------- patterns */

size_t auth_plain_size(struct slice text) {
    size_t plain = 0;
    while (plain < text.size && !memchr("*?[\\", text.data[plain], 4))
        plain++;
    return plain;
}

static enum auth_fault pattern_add(struct auth_user *user, struct auth_list *list, struct slice text, uint32_t access) {
    for (uint32_t i = 0; i < list->count; i++) {
        struct auth_pattern *old = (struct auth_pattern *)list->items + i;
        if (slice_equal(old->text, text)) {
            old->access |= access;
            return AUTH_FINE;
        }
    }
    struct auth_pattern pattern = {.access = access, .plain = auth_plain_size(text)};
    bool last_is_star = pattern.plain + 1 == text.size && text.data[pattern.plain] == '*';
    pattern.kind = pattern.plain == text.size ? AUTH_EXACT : last_is_star ? AUTH_PREFIX : AUTH_GLOB;
    enum auth_fault fault = copy_bytes(user, text, &pattern.text);
    return fault == AUTH_FINE ? auth_list_add(user, list, &pattern, sizeof pattern) : fault;
}

/* "~pattern", "%R~pattern", "%rw~pattern". */
static enum auth_fault apply_keys(struct auth_user *user, struct auth_selector *selector, struct slice rule) {
    uint32_t access = 0;
    size_t at = 1;
    if (selector->all_keys)
        return AUTH_KEYS_AFTER_ALL;
    if (rule.data[0] == '~') {
        access = AUTH_READ_WRITE;
    } else {
        for (; at < rule.size && rule.data[at] != '~'; at++) {
            uint8_t letter = rule.data[at] & (uint8_t)~0x20;
            uint32_t one = letter == 'R' ? AUTH_READ : letter == 'W' ? AUTH_WRITE : 0;
            if (one == 0 || access & one)
                return AUTH_SYNTAX;
            access |= one;
        }
        at++;
    }
    struct slice text = slice_part(rule, at, SIZE_MAX);
    if (access == 0 || has_spaces(text))
        return AUTH_SYNTAX;
    return pattern_add(user, &selector->keys, text, access);
}

static enum auth_fault apply_channels(struct auth_user *user, struct auth_selector *selector, struct slice rule) {
    struct slice text = slice_part(rule, 1, SIZE_MAX);
    if (selector->all_channels)
        return AUTH_CHANNELS_AFTER_ALL;
    return has_spaces(text) ? AUTH_SYNTAX : pattern_add(user, &selector->channels, text, 0);
}

/* ---------------------------------------------------------------- selectors */

static bool is(struct slice rule, const char *word) { return slice_equal_nocase(rule, slice_from_string(word)); }

static void keys_set(struct auth_selector *selector, bool all) {
    selector->all_keys = all;
    selector->keys.count = 0;
}

static void channels_set(struct auth_selector *selector, bool all) {
    selector->all_channels = all;
    selector->channels.count = 0;
}

static enum auth_fault selector_apply(struct auth_user *user, struct auth_selector *selector, struct slice rule) {
    const struct auth_commands *commands = user->setting->commands;
    if (rule.size == 0)
        return AUTH_FINE;
    if (is(rule, "allkeys") || is(rule, "~*"))
        keys_set(selector, true);
    else if (is(rule, "resetkeys"))
        keys_set(selector, false);
    else if (is(rule, "allchannels") || is(rule, "&*"))
        channels_set(selector, true);
    else if (is(rule, "resetchannels"))
        channels_set(selector, false);
    else if (is(rule, "allcommands") || is(rule, "+@all"))
        permit_all(selector, commands, true);
    else if (is(rule, "nocommands") || is(rule, "-@all"))
        permit_all(selector, commands, false);
    else if (rule.data[0] == '~' || rule.data[0] == '%')
        return apply_keys(user, selector, rule);
    else if (rule.data[0] == '&')
        return apply_channels(user, selector, rule);
    else if (rule.data[0] == '+' || rule.data[0] == '-')
        return apply_command(user, selector, rule);
    else
        return AUTH_SYNTAX;
    return AUTH_FINE;
}

static enum auth_fault selector_new(struct auth_user *user, struct auth_selector *ret_selector) {
    struct auth_selector selector = {.all_channels = user->setting->all_channels};
    size_t size = bit_words(user->setting->commands) * sizeof *selector.permitted;
    selector.permitted = take(user, size);
    if (!selector.permitted)
        return no_room(user);
    memset(selector.permitted, 0, size);
    *ret_selector = selector;
    return AUTH_FINE;
}

/* "(+get ~x)", brackets included. */
static enum auth_fault add_selector(struct auth_user *user, struct slice text) {
    struct auth_selector selector;
    enum auth_fault fault = selector_new(user, &selector);
    struct slice inner = slice_part(text, 1, text.size - 2);
    while (inner.size && inner.data[0] == ' ')
        inner = slice_part(inner, 1, SIZE_MAX);
    while (inner.size && inner.data[inner.size - 1] == ' ')
        inner.size--;
    for (size_t from = 0; fault == AUTH_FINE && inner.size && from <= inner.size;) {
        const uint8_t *space = from < inner.size ? memchr(inner.data + from, ' ', inner.size - from) : NULL;
        size_t until = space ? (size_t)(space - inner.data) : inner.size;
        struct slice rule = slice_part(inner, from, until - from);
        /* In a file it would be the end of the selector. */
        bool closes = rule.size && rule.data[rule.size - 1] == ')';
        fault = closes ? AUTH_SYNTAX : selector_apply(user, &selector, rule);
        from = until + 1;
    }
    return fault == AUTH_FINE ? auth_list_add(user, &user->selectors, &selector, sizeof selector) : fault;
}

/* -------------------------------------------------------------------- users */

static struct auth_selector *root(struct auth_user *user) { return user->selectors.items; }

static bool is_hash(struct slice text) {
    if (text.size != AUTH_HASH_SIZE)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!((text.data[i] >= '0' && text.data[i] <= '9') || (text.data[i] >= 'a' && text.data[i] <= 'f')))
            return false;
    return true;
}

/* ">password", "#hash", "<password", "!hash". */
static enum auth_fault apply_password(struct auth_user *user, struct slice rule) {
    bool adds = rule.data[0] == '>' || rule.data[0] == '#';
    struct slice hash = slice_part(rule, 1, SIZE_MAX);
    char digits[AUTH_HASH_SIZE];
    if (rule.data[0] == '>' || rule.data[0] == '<') {
        user->setting->hash(hash, digits);
        hash = slice_make(digits, sizeof digits);
    } else if (!is_hash(hash)) {
        return AUTH_BAD_HASH;
    }
    uint32_t at = slices_find(&user->passwords, hash);
    if (!adds) {
        if (at == AUTH_NONE)
            return AUTH_NO_SUCH_PASSWORD;
        list_remove(&user->passwords, at, sizeof(struct slice));
        return AUTH_FINE;
    }
    user->nopass = false;
    if (at != AUTH_NONE)
        return AUTH_FINE;
    enum auth_fault fault = copy_bytes(user, hash, &hash);
    return fault == AUTH_FINE ? auth_list_add(user, &user->passwords, &hash, sizeof hash) : fault;
}

static void reset(struct auth_user *user) {
    user->on = user->nopass = false;
    user->sanitize = AUTH_SANITIZE;
    user->passwords.count = 0;
    user->selectors.count = 1;
    keys_set(root(user), false);
    channels_set(root(user), user->setting->all_channels);
    permit_all(root(user), user->setting->commands, false);
}

/* False: it is no word about the user as a whole. */
static bool apply_word(struct auth_user *user, struct slice rule) {
    if (is(rule, "on") || is(rule, "off")) {
        user->on = rule.size == 2;
    } else if (is(rule, "nopass") || is(rule, "resetpass")) {
        user->nopass = is(rule, "nopass");
        user->passwords.count = 0;
    } else if (is(rule, "skip-sanitize-payload") || is(rule, "sanitize-payload")) {
        user->sanitize = is(rule, "sanitize-payload") ? AUTH_SANITIZE : AUTH_SANITIZE_SKIP;
    } else if (is(rule, "clearselectors")) {
        user->selectors.count = 1;
    } else if (is(rule, "reset")) {
        reset(user);
    } else {
        return false;
    }
    return true;
}

enum auth_fault auth_user_apply(struct auth_user *user, struct slice rule) {
    enum auth_fault fault = AUTH_FINE;
    if (rule.size == 0)
        return AUTH_FINE;
    if (memchr("><#!", rule.data[0], 4))
        fault = apply_password(user, rule);
    else if (rule.data[0] == '(' && rule.size > 1 && rule.data[rule.size - 1] == ')')
        fault = add_selector(user, rule);
    else if (!apply_word(user, rule))
        fault = selector_apply(user, root(user), rule);
    user->free = root(user)->all_commands && root(user)->all_keys && root(user)->all_channels;
    return fault;
}

bool auth_name_is_good(struct slice name) { return name.size && name.size <= AUTH_NAME_SIZE_MAX && !has_spaces(name); }

static struct auth_user *user_begin(const struct auth_setting *setting, struct slice name) {
    struct auth_user *user = memory_take(setting->memory, sizeof *user);
    if (!user)
        return NULL;
    *user = (struct auth_user){.setting = setting};
    atomic_init(&user->refs, 1);
    arena_init(&user->arena, setting->memory, ARENA_CHUNK_SIZE);
    if (copy_bytes(user, name, &user->name) == AUTH_FINE)
        return user;
    auth_user_unref(user);
    return NULL;
}

struct auth_user *auth_user_new(const struct auth_setting *setting, struct slice name) {
    struct auth_user *user = user_begin(setting, name);
    struct auth_selector selector;
    if (user && selector_new(user, &selector) == AUTH_FINE &&
        auth_list_add(user, &user->selectors, &selector, sizeof selector) == AUTH_FINE)
        return user;
    auth_user_unref(user);
    return NULL;
}

struct auth_user *auth_user_new_default(const struct auth_setting *setting) {
    static const char words[][8] = {"on", "nopass", "~*", "&*", "+@all"};
    struct auth_user *user = auth_user_new(setting, SLICE("default"));
    for (size_t i = 0; user && i < sizeof words / sizeof *words; i++) {
        if (auth_user_apply(user, slice_from_string(words[i])) == AUTH_FINE)
            continue;
        auth_user_unref(user);
        user = NULL;
    }
    return user;
}

static enum auth_fault copy_slices(struct auth_user *user, const struct auth_list *from, struct auth_list *to) {
    enum auth_fault fault = AUTH_FINE;
    for (uint32_t i = 0; i < from->count && fault == AUTH_FINE; i++) {
        struct slice text = ((const struct slice *)from->items)[i];
        fault = copy_bytes(user, text, &text);
        if (fault == AUTH_FINE)
            fault = auth_list_add(user, to, &text, sizeof text);
    }
    return fault;
}

static enum auth_fault copy_patterns(struct auth_user *user, const struct auth_list *from, struct auth_list *to) {
    enum auth_fault fault = AUTH_FINE;
    for (uint32_t i = 0; i < from->count && fault == AUTH_FINE; i++) {
        struct auth_pattern pattern = ((const struct auth_pattern *)from->items)[i];
        fault = copy_bytes(user, pattern.text, &pattern.text);
        if (fault == AUTH_FINE)
            fault = auth_list_add(user, to, &pattern, sizeof pattern);
    }
    return fault;
}

static enum auth_fault copy_firsts(struct auth_user *user, const struct auth_list *from, struct auth_list *to) {
    enum auth_fault fault = AUTH_FINE;
    for (uint32_t i = 0; i < from->count && fault == AUTH_FINE; i++) {
        struct auth_first first = ((const struct auth_first *)from->items)[i];
        fault = copy_bytes(user, first.argument, &first.argument);
        if (fault == AUTH_FINE)
            fault = auth_list_add(user, to, &first, sizeof first);
    }
    return fault;
}

static enum auth_fault copy_selector(struct auth_user *user, const struct auth_selector *from) {
    struct auth_selector copy;
    enum auth_fault fault = selector_new(user, &copy);
    if (fault != AUTH_FINE)
        return fault;
    copy.all_commands = from->all_commands;
    copy.future = from->future;
    copy.all_keys = from->all_keys;
    copy.all_channels = from->all_channels;
    memcpy(copy.permitted, from->permitted, bit_words(user->setting->commands) * sizeof *copy.permitted);
    fault = copy_patterns(user, &from->keys, &copy.keys);
    if (fault == AUTH_FINE)
        fault = copy_patterns(user, &from->channels, &copy.channels);
    if (fault == AUTH_FINE)
        fault = copy_slices(user, &from->rules, &copy.rules);
    if (fault == AUTH_FINE)
        fault = copy_firsts(user, &from->firsts, &copy.firsts);
    return fault == AUTH_FINE ? auth_list_add(user, &user->selectors, &copy, sizeof copy) : fault;
}

struct auth_user *auth_user_copy(const struct auth_user *from) {
    struct auth_user *user = user_begin(from->setting, from->name);
    if (!user)
        return NULL;
    user->id = from->id;
    user->on = from->on;
    user->nopass = from->nopass;
    user->sanitize = from->sanitize;
    user->free = from->free;
    enum auth_fault fault = copy_slices(user, &from->passwords, &user->passwords);
    for (uint32_t i = 0; i < from->selectors.count && fault == AUTH_FINE; i++)
        fault = copy_selector(user, auth_selector_at(from, i));
    if (fault == AUTH_FINE)
        return user;
    auth_user_unref(user);
    return NULL;
}

struct auth_user *auth_user_ref(struct auth_user *user) {
    atomic_fetch_add_explicit(&user->refs, 1, memory_order_relaxed);
    return user;
}

void auth_user_unref(struct auth_user *user) {
    if (!user || atomic_fetch_sub_explicit(&user->refs, 1, memory_order_acq_rel) != 1)
        return;
    const struct memory *memory = user->setting->memory;
    arena_fini(&user->arena);
    memory_give(memory, user, sizeof *user);
}

bool auth_user_knows(const struct auth_user *user, const char hash[AUTH_HASH_SIZE]) {
    bool known = user->nopass;
    for (uint32_t i = 0; i < user->passwords.count; i++) {
        const uint8_t *kept = ((const struct slice *)user->passwords.items)[i].data;
        volatile uint8_t difference = 0;
        for (size_t at = 0; at < AUTH_HASH_SIZE; at++)
            difference |= kept[at] ^ (uint8_t)hash[at];
        known |= difference == 0;
    }
    return known;
}
