/* core/auth/selector.c: the rules of a selector: commands, keys, channels, classes and stores. */
#include "core/auth/auth.h"
#include "core/auth/inner.h"

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
            auth_list_remove(&selector->firsts, i, sizeof(struct auth_first));
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
    uint8_t *text = auth_take(user, name.size + 1);
    if (!text)
        return auth_no_room(user);
    text[0] = on ? '+' : '-';
    for (size_t i = 0; i < name.size; i++)
        text[i + 1] =
            (uint8_t)(i < small && name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] | 0x20 : name.data[i]);
    struct slice rule = slice_make(text, name.size + 1), about = slice_part(rule, 1, SIZE_MAX);
    for (uint32_t i = selector->rules.count; i-- > 0;)
        if (is_overruled(((const struct slice *)selector->rules.items)[i], about))
            auth_list_remove(&selector->rules, i, sizeof(struct slice));
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
    enum auth_fault fault = auth_copy_bytes(user, argument, &first.argument);
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
    if (argument.size == 0 || auth_has_spaces(argument))
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
    enum auth_fault fault = auth_copy_bytes(user, text, &pattern.text);
    return fault == AUTH_FINE ? auth_list_add(user, list, &pattern, sizeof pattern) : fault;
}

/* "class=user:{id}", "store=sessions". False: it is neither. */
static bool is_place(struct slice rule, struct auth_place *ret_place) {
    bool by_class = auth_takes(&rule, "class=");
    if (!by_class && !auth_takes(&rule, "store="))
        return false;
    ret_place->kind = by_class ? AUTH_CLASS : AUTH_STORE;
    ret_place->name = rule;
    return true;
}

static enum auth_fault place_add(struct auth_user *user, struct auth_list *list, struct auth_place place) {
    if (place.name.size == 0 || auth_has_spaces(place.name))
        return AUTH_SYNTAX;
    for (uint32_t i = 0; i < list->count; i++) {
        struct auth_place *old = (struct auth_place *)list->items + i;
        if (old->kind == place.kind && slice_equal(old->name, place.name)) {
            old->access |= place.access;
            return AUTH_FINE;
        }
    }
    enum auth_fault fault = auth_copy_bytes(user, place.name, &place.name);
    return fault == AUTH_FINE ? auth_list_add(user, list, &place, sizeof place) : fault;
}

/* The letters behind '%', which are taken off. 0: they are wrong. */
static uint32_t take_access(struct slice *rule) {
    uint32_t access = 0;
    size_t at = 1;
    for (; at < rule->size; at++) {
        uint8_t letter = rule->data[at] & (uint8_t)~0x20;
        uint32_t one = letter == 'R' ? AUTH_READ : letter == 'W' ? AUTH_WRITE : 0;
        if (one == 0)
            break;
        if (access & one)
            return 0;
        access |= one;
    }
    *rule = slice_part(*rule, at, SIZE_MAX);
    return access;
}

/* "~pattern", "%R~pattern", "%rw~pattern"; "class=name", "%Rclass=name", "store=name". */
static enum auth_fault apply_keys(struct auth_user *user, struct auth_selector *selector, struct slice rule) {
    struct auth_place place = {.access = AUTH_READ_WRITE};
    if (selector->all_keys)
        return AUTH_KEYS_AFTER_ALL;
    if (rule.data[0] == '%')
        place.access = take_access(&rule);
    if (place.access == 0)
        return AUTH_SYNTAX;
    if (is_place(rule, &place))
        return place_add(user, &selector->places, place);
    struct slice text = slice_part(rule, 1, SIZE_MAX);
    if ((rule.size && rule.data[0] != '~') || auth_has_spaces(text))
        return AUTH_SYNTAX;
    return pattern_add(user, &selector->keys, text, place.access);
}

static enum auth_fault apply_channels(struct auth_user *user, struct auth_selector *selector, struct slice rule) {
    struct slice text = slice_part(rule, 1, SIZE_MAX);
    if (selector->all_channels)
        return AUTH_CHANNELS_AFTER_ALL;
    return auth_has_spaces(text) ? AUTH_SYNTAX : pattern_add(user, &selector->channels, text, 0);
}

/* ---------------------------------------------------------------- selectors */

static void keys_set(struct auth_selector *selector, bool all) {
    selector->all_keys = all;
    selector->keys.count = selector->places.count = 0;
}

static void channels_set(struct auth_selector *selector, bool all) {
    selector->all_channels = all;
    selector->channels.count = 0;
}

enum auth_fault auth_selector_apply(struct auth_user *user, struct auth_selector *selector, struct slice rule) {
    const struct auth_commands *commands = user->setting->commands;
    struct auth_place place;
    if (rule.size == 0)
        return AUTH_FINE;
    if (auth_is(rule, "allkeys") || auth_is(rule, "~*"))
        keys_set(selector, true);
    else if (auth_is(rule, "resetkeys"))
        keys_set(selector, false);
    else if (auth_is(rule, "allchannels") || auth_is(rule, "&*"))
        channels_set(selector, true);
    else if (auth_is(rule, "resetchannels"))
        channels_set(selector, false);
    else if (auth_is(rule, "allcommands") || auth_is(rule, "+@all"))
        permit_all(selector, commands, true);
    else if (auth_is(rule, "nocommands") || auth_is(rule, "-@all"))
        permit_all(selector, commands, false);
    else if (rule.data[0] == '~' || rule.data[0] == '%' || is_place(rule, &place))
        return apply_keys(user, selector, rule);
    else if (rule.data[0] == '&')
        return apply_channels(user, selector, rule);
    else if (rule.data[0] == '+' || rule.data[0] == '-')
        return apply_command(user, selector, rule);
    else
        return AUTH_SYNTAX;
    return AUTH_FINE;
}

enum auth_fault auth_selector_new(struct auth_user *user, struct auth_selector *ret_selector) {
    struct auth_selector selector = {.all_channels = user->setting->all_channels};
    size_t size = bit_words(user->setting->commands) * sizeof *selector.permitted;
    selector.permitted = auth_take(user, size);
    if (!selector.permitted)
        return auth_no_room(user);
    memset(selector.permitted, 0, size);
    *ret_selector = selector;
    return AUTH_FINE;
}

void auth_selector_reset(const struct auth_user *user, struct auth_selector *selector) {
    keys_set(selector, false);
    channels_set(selector, user->setting->all_channels);
    permit_all(selector, user->setting->commands, false);
}

enum auth_fault auth_copy_slices(struct auth_user *user, const struct auth_list *from, struct auth_list *to) {
    enum auth_fault fault = AUTH_FINE;
    for (uint32_t i = 0; i < from->count && fault == AUTH_FINE; i++) {
        struct slice text = ((const struct slice *)from->items)[i];
        fault = auth_copy_bytes(user, text, &text);
        if (fault == AUTH_FINE)
            fault = auth_list_add(user, to, &text, sizeof text);
    }
    return fault;
}

static enum auth_fault copy_patterns(struct auth_user *user, const struct auth_list *from, struct auth_list *to) {
    enum auth_fault fault = AUTH_FINE;
    for (uint32_t i = 0; i < from->count && fault == AUTH_FINE; i++) {
        struct auth_pattern pattern = ((const struct auth_pattern *)from->items)[i];
        fault = auth_copy_bytes(user, pattern.text, &pattern.text);
        if (fault == AUTH_FINE)
            fault = auth_list_add(user, to, &pattern, sizeof pattern);
    }
    return fault;
}

static enum auth_fault copy_firsts(struct auth_user *user, const struct auth_list *from, struct auth_list *to) {
    enum auth_fault fault = AUTH_FINE;
    for (uint32_t i = 0; i < from->count && fault == AUTH_FINE; i++) {
        struct auth_first first = ((const struct auth_first *)from->items)[i];
        fault = auth_copy_bytes(user, first.argument, &first.argument);
        if (fault == AUTH_FINE)
            fault = auth_list_add(user, to, &first, sizeof first);
    }
    return fault;
}

static enum auth_fault copy_places(struct auth_user *user, const struct auth_list *from, struct auth_list *to) {
    enum auth_fault fault = AUTH_FINE;
    for (uint32_t i = 0; i < from->count && fault == AUTH_FINE; i++) {
        struct auth_place place = ((const struct auth_place *)from->items)[i];
        fault = auth_copy_bytes(user, place.name, &place.name);
        if (fault == AUTH_FINE)
            fault = auth_list_add(user, to, &place, sizeof place);
    }
    return fault;
}

enum auth_fault auth_copy_selector(struct auth_user *user, const struct auth_selector *from) {
    struct auth_selector copy;
    enum auth_fault fault = auth_selector_new(user, &copy);
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
        fault = copy_places(user, &from->places, &copy.places);
    if (fault == AUTH_FINE)
        fault = auth_copy_slices(user, &from->rules, &copy.rules);
    if (fault == AUTH_FINE)
        fault = copy_firsts(user, &from->firsts, &copy.firsts);
    return fault == AUTH_FINE ? auth_list_add(user, &user->selectors, &copy, sizeof copy) : fault;
}
