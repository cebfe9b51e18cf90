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
        case AUTH_NO_SUCH_ROLE:
            return "There is no such role";
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
void *auth_take(struct auth_user *user, size_t size) {
    if (size > AUTH_USER_SIZE_MAX - user->taken_bytes) {
        user->taken_bytes = AUTH_USER_SIZE_MAX;
        return NULL;
    }
    void *bytes = arena_take(&user->arena, size);
    user->taken_bytes += bytes ? size : 0;
    return bytes;
}

enum auth_fault auth_no_room(const struct auth_user *user) {
    return user->taken_bytes == AUTH_USER_SIZE_MAX ? AUTH_TOO_LARGE : AUTH_NO_MEMORY;
}

enum auth_fault auth_copy_bytes(struct auth_user *user, struct slice from, struct slice *ret_copy) {
    uint8_t *copy = auth_take(user, from.size + 1);
    if (!copy)
        return auth_no_room(user);
    if (from.size)
        memcpy(copy, from.data, from.size);
    *ret_copy = slice_make(copy, from.size);
    return AUTH_FINE;
}

enum auth_fault auth_list_add(struct auth_user *user, struct auth_list *list, const void *item, size_t size) {
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity ? list->capacity * 2 : LIST_CAPACITY_MIN;
        void *items = auth_take(user, capacity * size);
        if (!items)
            return auth_no_room(user);
        if (list->count)
            memcpy(items, list->items, list->count * size);
        list->items = items;
        list->capacity = capacity;
    }
    memcpy((uint8_t *)list->items + list->count++ * size, item, size);
    return AUTH_FINE;
}

void auth_list_remove(struct auth_list *list, uint32_t at, size_t size) {
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
bool auth_has_spaces(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == ' ' || (text.data[i] >= '\t' && text.data[i] <= '\r') || text.data[i] == 0)
            return true;
    return false;
}

/* -------------------------------------------------------------------- users */

/* "(+get ~x)", brackets included. */
static enum auth_fault add_selector(struct auth_user *user, struct slice text) {
    struct auth_selector selector;
    enum auth_fault fault = auth_selector_new(user, &selector);
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
        fault = closes ? AUTH_SYNTAX : auth_selector_apply(user, &selector, rule);
        from = until + 1;
    }
    return fault == AUTH_FINE ? auth_list_add(user, &user->selectors, &selector, sizeof selector) : fault;
}

static struct auth_selector *root(struct auth_user *user) { return user->selectors.items; }

bool auth_is_hash(struct slice text) {
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
    } else if (!auth_is_hash(hash)) {
        return AUTH_BAD_HASH;
    }
    uint32_t at = slices_find(&user->passwords, hash);
    if (!adds) {
        if (at == AUTH_NONE)
            return AUTH_NO_SUCH_PASSWORD;
        auth_list_remove(&user->passwords, at, sizeof(struct slice));
        return AUTH_FINE;
    }
    user->nopass = false;
    if (at != AUTH_NONE)
        return AUTH_FINE;
    enum auth_fault fault = auth_copy_bytes(user, hash, &hash);
    return fault == AUTH_FINE ? auth_list_add(user, &user->passwords, &hash, sizeof hash) : fault;
}

static void roles_drop(struct auth_user *user) {
    for (uint32_t i = 0; i < user->roles.count; i++)
        auth_user_unref(auth_role_at(user, i)->user);
    user->roles.count = 0;
}

static void reset(struct auth_user *user) {
    user->on = user->nopass = false;
    user->sanitize = AUTH_SANITIZE;
    user->passwords.count = 0;
    user->selectors.count = 1;
    roles_drop(user);
    user->service = SLICE("");
    auth_selector_reset(user, root(user));
}

/* ------------------------------------------------------------ roles, service */

static uint32_t role_find(const struct auth_user *user, struct slice name) {
    for (uint32_t i = 0; i < user->roles.count; i++)
        if (slice_equal(auth_role_at(user, i)->name, name))
            return i;
    return AUTH_NONE;
}

/* "role=reader", "-role=reader". The role itself is looked up later (auth_users_put). */
static enum auth_fault apply_role(struct auth_user *user, struct slice name, bool on) {
    struct auth_role role = {.name = name};
    uint32_t at = role_find(user, name);
    if (!auth_name_is_good(name) || memchr(name.data, ')', name.size))
        return AUTH_SYNTAX;
    if (!on && at != AUTH_NONE) {
        auth_user_unref(auth_role_at(user, at)->user);
        auth_list_remove(&user->roles, at, sizeof role);
    }
    if (!on || at != AUTH_NONE)
        return on || at != AUTH_NONE ? AUTH_FINE : AUTH_NO_SUCH_ROLE;
    enum auth_fault fault = auth_copy_bytes(user, name, &role.name);
    return fault == AUTH_FINE ? auth_list_add(user, &user->roles, &role, sizeof role) : fault;
}

static enum auth_fault apply_service(struct auth_user *user, struct slice name) {
    if (name.size > AUTH_NAME_SIZE_MAX || auth_has_spaces(name))
        return AUTH_SYNTAX;
    return auth_copy_bytes(user, name, &user->service);
}

/* False: it is no word about the user as a whole. */
static bool apply_word(struct auth_user *user, struct slice rule) {
    if (auth_is(rule, "on") || auth_is(rule, "off")) {
        user->on = rule.size == 2;
    } else if (auth_is(rule, "nopass") || auth_is(rule, "resetpass")) {
        user->nopass = auth_is(rule, "nopass");
        user->passwords.count = 0;
    } else if (auth_is(rule, "skip-sanitize-payload") || auth_is(rule, "sanitize-payload")) {
        user->sanitize = auth_is(rule, "sanitize-payload") ? AUTH_SANITIZE : AUTH_SANITIZE_SKIP;
    } else if (auth_is(rule, "clearselectors")) {
        user->selectors.count = 1;
    } else if (auth_is(rule, "reset")) {
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
    else if (auth_takes(&rule, "role="))
        fault = apply_role(user, rule, true);
    else if (auth_takes(&rule, "-role="))
        fault = apply_role(user, rule, false);
    else if (auth_takes(&rule, "service="))
        fault = apply_service(user, rule);
    else if (rule.data[0] == '(' && rule.size > 1 && rule.data[rule.size - 1] == ')')
        fault = add_selector(user, rule);
    else if (!apply_word(user, rule))
        fault = auth_selector_apply(user, root(user), rule);
    user->free = root(user)->all_commands && root(user)->all_keys && root(user)->all_channels;
    return fault;
}

enum auth_fault auth_role_apply(struct auth_user *role, struct slice rule) {
    bool whole = auth_is(rule, "clearselectors") || auth_is(rule, "reset");
    if (rule.size == 0)
        return AUTH_FINE;
    if (whole || (rule.data[0] == '(' && rule.size > 1 && rule.data[rule.size - 1] == ')'))
        return auth_user_apply(role, rule);
    return auth_selector_apply(role, root(role), rule);
}

bool auth_name_is_good(struct slice name) {
    return name.size && name.size <= AUTH_NAME_SIZE_MAX && !auth_has_spaces(name);
}

static struct auth_user *user_begin(const struct auth_setting *setting, struct slice name) {
    struct auth_user *user = memory_take(setting->memory, sizeof *user);
    if (!user)
        return NULL;
    *user = (struct auth_user){.setting = setting};
    atomic_init(&user->refs, 1);
    arena_init(&user->arena, setting->memory, ARENA_CHUNK_SIZE);
    if (auth_copy_bytes(user, name, &user->name) == AUTH_FINE)
        return user;
    auth_user_unref(user);
    return NULL;
}

struct auth_user *auth_user_new(const struct auth_setting *setting, struct slice name) {
    struct auth_user *user = user_begin(setting, name);
    struct auth_selector selector;
    if (user && auth_selector_new(user, &selector) == AUTH_FINE &&
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

struct auth_user *auth_user_copy(const struct auth_user *from) {
    struct auth_user *user = user_begin(from->setting, from->name);
    if (!user)
        return NULL;
    user->id = from->id;
    user->on = from->on;
    user->nopass = from->nopass;
    user->sanitize = from->sanitize;
    user->free = from->free;
    enum auth_fault fault = auth_copy_slices(user, &from->passwords, &user->passwords);
    if (fault == AUTH_FINE)
        fault = auth_copy_bytes(user, from->service, &user->service);
    for (uint32_t i = 0; i < from->roles.count && fault == AUTH_FINE; i++)
        fault = apply_role(user, auth_role_at(from, i)->name, true);
    for (uint32_t i = 0; i < from->selectors.count && fault == AUTH_FINE; i++)
        fault = auth_copy_selector(user, auth_selector_at(from, i));
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
    roles_drop(user);
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
