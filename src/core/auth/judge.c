/* core/auth/judge.c: whether a request is permitted. */
#include "base/glob.h"
#include "core/auth/auth.h"

static inline bool matches(const struct auth_pattern *pattern, struct slice name) {
    switch (pattern->kind) {
        case AUTH_EXACT:
            return slice_equal(pattern->text, name);
        case AUTH_PREFIX:
            return name.size >= pattern->plain &&
                   (pattern->plain == 0 || memcmp(name.data, pattern->text.data, pattern->plain) == 0);
        case AUTH_GLOB:
            break;
    }
    return glob_matches(pattern->text, name, false);
}

/* Of keys that are not named it is not known where they belong. */
static bool permits_place(const struct auth_selector *selector, const struct auth_touch *key) {
    const struct auth_place *places = selector->places.items;
    for (uint32_t i = 0; i < selector->places.count && !key->prefix && key->where; i++)
        if ((places[i].access & key->access) == key->access &&
            key->where->is_of(key->where->context, key->name, &places[i]))
            return true;
    return false;
}

static bool permits_key(const struct auth_selector *selector, const struct auth_touch *key) {
    if (selector->all_keys)
        return true;
    const struct auth_pattern *patterns = selector->keys.items;
    for (uint32_t i = 0; i < selector->keys.count; i++) {
        if ((patterns[i].access & key->access) != key->access)
            continue;
        /* Every name that begins so is one that a shorter prefix permits; of other patterns that is not known. */
        if ((!key->prefix || patterns[i].kind == AUTH_PREFIX) && matches(&patterns[i], key->name))
            return true;
    }
    return selector->places.count && permits_place(selector, key);
}

static bool permits_channel(const struct auth_selector *selector, struct slice channel, bool pattern) {
    if (selector->all_channels)
        return true;
    const struct auth_pattern *patterns = selector->channels.items;
    for (uint32_t i = 0; i < selector->channels.count; i++)
        if (pattern ? slice_equal(patterns[i].text, channel) : matches(&patterns[i], channel))
            return true;
    return false;
}

static bool permits_first(const struct auth_selector *selector, const struct auth_request *request) {
    const struct auth_first *firsts = selector->firsts.items;
    for (uint32_t i = 0; i < selector->firsts.count && request->argc > 1; i++)
        if (firsts[i].command == request->command && slice_equal_nocase(firsts[i].argument, request->argv[1]))
            return true;
    return false;
}

static inline bool has_bit(const struct auth_selector *selector, uint32_t command) {
    return selector->all_commands || (selector->permitted[command / 64] >> (command % 64) & 1) != 0;
}

static enum auth_verdict judge(const struct auth_selector *selector, const struct auth_request *request,
                               uint32_t *ret_at) {
    if (!request->always && !has_bit(selector, request->command) && !permits_first(selector, request)) {
        *ret_at = 0;
        return AUTH_NOT_COMMAND;
    }
    for (uint32_t i = 0; i < request->key_count; i++) {
        if (permits_key(selector, &request->keys[i]))
            continue;
        *ret_at = request->keys[i].at;
        return AUTH_NOT_KEY;
    }
    for (uint32_t at = request->channel_from; at < request->channel_until; at++) {
        if (permits_channel(selector, request->argv[at], request->channel_patterns))
            continue;
        *ret_at = at;
        return AUTH_NOT_CHANNEL;
    }
    return AUTH_PERMITTED;
}

/* What was told of so far as the best that any selector says. */
struct farthest {
    enum auth_verdict verdict;
    uint32_t at;
};

/* Of a user, or of one of the roles. True: it is permitted. */
static bool judge_each(const struct auth_user *user, const struct auth_request *request, struct farthest *farthest) {
    for (uint32_t i = 0; i < user->selectors.count; i++) {
        uint32_t at = 0;
        enum auth_verdict verdict = judge(auth_selector_at(user, i), request, &at);
        if (verdict == AUTH_PERMITTED)
            return true;
        if (verdict > farthest->verdict || (verdict == farthest->verdict && at > farthest->at))
            *farthest = (struct farthest){verdict, at};
    }
    return false;
}

enum auth_verdict auth_judge(const struct auth_user *user, const struct auth_request *request, uint32_t *ret_at) {
    struct farthest farthest = {AUTH_NOT_COMMAND, 0};
    bool permitted = judge_each(user, request, &farthest);
    for (uint32_t i = 0; i < user->roles.count && !permitted; i++)
        permitted = auth_role_at(user, i)->user && judge_each(auth_role_at(user, i)->user, request, &farthest);
    *ret_at = permitted ? 0 : farthest.at;
    return permitted ? AUTH_PERMITTED : farthest.verdict;
}

static bool any_permits_key(const struct auth_user *user, uint32_t command, const struct auth_touch *key) {
    for (uint32_t i = 0; i < user->selectors.count; i++) {
        const struct auth_selector *selector = auth_selector_at(user, i);
        if (has_bit(selector, command) && permits_key(selector, key))
            return true;
    }
    return false;
}

bool auth_permits_key(const struct auth_user *user, uint32_t command, struct auth_touch key) {
    bool permitted = any_permits_key(user, command, &key);
    for (uint32_t i = 0; i < user->roles.count && !permitted; i++)
        permitted = auth_role_at(user, i)->user && any_permits_key(auth_role_at(user, i)->user, command, &key);
    return permitted;
}

static const struct auth_pattern *gate_of(const struct auth_user *user, uint32_t command, uint32_t access) {
    for (uint32_t i = 0; i < user->selectors.count; i++) {
        const struct auth_selector *selector = auth_selector_at(user, i);
        const struct auth_pattern *patterns = selector->keys.items;
        for (uint32_t k = 0; k < selector->keys.count && has_bit(selector, command); k++)
            if (patterns[k].kind == AUTH_PREFIX && patterns[k].plain && (patterns[k].access & access) == access)
                return &patterns[k];
    }
    return NULL;
}

const struct auth_pattern *auth_gate(const struct auth_user *user, uint32_t command, uint32_t access) {
    const struct auth_pattern *gate = gate_of(user, command, access);
    for (uint32_t i = 0; i < user->roles.count && !gate; i++)
        gate = auth_role_at(user, i)->user ? gate_of(auth_role_at(user, i)->user, command, access) : NULL;
    return gate;
}

static bool any_permits_channel(const struct auth_user *user, struct slice channel, bool pattern) {
    for (uint32_t i = 0; i < user->selectors.count; i++)
        if (permits_channel(auth_selector_at(user, i), channel, pattern))
            return true;
    return false;
}

bool auth_permits_channel(const struct auth_user *user, struct slice channel, bool pattern) {
    bool permitted = any_permits_channel(user, channel, pattern);
    for (uint32_t i = 0; i < user->roles.count && !permitted; i++)
        permitted = auth_role_at(user, i)->user && any_permits_channel(auth_role_at(user, i)->user, channel, pattern);
    return permitted;
}
