#include "core/auth/users.h"

#include "base/assert.h"
#include "core/auth/inner.h"

enum { CAPACITY_MIN = 16 };

/* ------------------------------------------------------------------- tables */

/* The first whose name is not before. */
static uint32_t place_of(const struct auth_table *table, struct slice name) {
    uint32_t from = 0, to = table->count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (slice_compare(table->list[middle]->name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool is_at(const struct auth_table *table, uint32_t at, struct slice name) {
    return at < table->count && slice_equal(table->list[at]->name, name);
}

static struct auth_user *table_find(const struct auth_table *table, struct slice name) {
    uint32_t at = place_of(table, name);
    return is_at(table, at, name) ? table->list[at] : NULL;
}

static enum status table_make_room(struct auth_table *table, uint32_t max, const struct memory *memory) {
    if (table->count < table->capacity)
        return STATUS_OK;
    if (table->count >= max)
        return STATUS_FULL;
    uint32_t capacity = table->capacity ? table->capacity * 2 : CAPACITY_MIN;
    void *list = memory->resize(memory->context, table->list, table->capacity * sizeof *table->list,
                                capacity * sizeof *table->list);
    if (!list)
        return STATUS_NO_MEMORY;
    table->list = list;
    table->capacity = capacity;
    return STATUS_OK;
}

/* In the place of the one with its name, whose id it gets, or with an id of its own. */
static enum status table_put(struct auth_users *users, struct auth_table *table, uint32_t max, struct auth_user *user) {
    uint32_t at = place_of(table, user->name);
    if (is_at(table, at, user->name)) {
        user->id = table->list[at]->id;
        auth_user_unref(table->list[at]);
    } else {
        TRY(table_make_room(table, max, users->setting.memory));
        memmove(table->list + at + 1, table->list + at, (table->count - at) * sizeof *table->list);
        table->count++;
        user->id = ++users->id_last;
    }
    user->setting = &users->setting;
    table->list[at] = user;
    return STATUS_OK;
}

static bool table_remove(struct auth_table *table, struct slice name) {
    uint32_t at = place_of(table, name);
    if (!is_at(table, at, name))
        return false;
    auth_user_unref(table->list[at]);
    table->count--;
    memmove(table->list + at, table->list + at + 1, (table->count - at) * sizeof *table->list);
    return true;
}

static void table_drop(struct auth_table *table, const struct memory *memory) {
    for (uint32_t i = 0; i < table->count; i++)
        auth_user_unref(table->list[i]);
    memory_give(memory, table->list, table->capacity * sizeof *table->list);
    *table = (struct auth_table){0};
}

/* -------------------------------------------------------------------- users */

struct auth_user *auth_users_find(const struct auth_users *users, struct slice name) {
    return table_find(&users->users, name);
}

const struct auth_user *auth_roles_find(const struct auth_users *users, struct slice name) {
    return table_find(&users->roles, name);
}

bool auth_users_know_roles(const struct auth_users *users, const struct auth_user *user, struct slice *ret_missing) {
    for (uint32_t i = 0; i < user->roles.count; i++) {
        *ret_missing = auth_role_at(user, i)->name;
        if (!auth_roles_find(users, *ret_missing))
            return false;
    }
    return true;
}

/* Its roles as they are in the table now. */
static void take_roles(const struct auth_users *users, struct auth_user *user) {
    for (uint32_t i = 0; i < user->roles.count; i++) {
        struct auth_role *role = auth_role_at(user, i);
        auth_user_unref(role->user);
        role->user = table_find(&users->roles, role->name);
        if (role->user)
            (void)auth_user_ref(role->user);
    }
}

enum status auth_users_put(struct auth_users *users, struct auth_user *user) {
    struct slice missing;
    if (!auth_users_know_roles(users, user, &missing))
        return STATUS_INVALID;
    TRY(table_put(users, &users->users, AUTH_USERS_MAX, user));
    take_roles(users, user);
    return STATUS_OK;
}

bool auth_users_remove(struct auth_users *users, struct slice name) {
    if (!table_remove(&users->users, name))
        return false;
    auth_tokens_remove_of(&users->tokens, name);
    return true;
}

/* -------------------------------------------------------------------- roles */

static bool has_role(const struct auth_user *user, struct slice name) {
    for (uint32_t i = 0; i < user->roles.count; i++)
        if (slice_equal(auth_role_at(user, i)->name, name))
            return true;
    return false;
}

uint32_t auth_roles_holders(const struct auth_users *users, struct slice name) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < users->users.count; i++)
        count += has_role(users->users.list[i], name);
    return count;
}

/* Copies of all who have the role, which take their places when it has changed. A user never changes. */
static enum status copy_holders(const struct auth_users *users, struct slice name, struct auth_table *ret_copies) {
    const struct memory *memory = users->setting.memory;
    for (uint32_t i = 0; i < users->users.count; i++) {
        const struct auth_user *user = users->users.list[i];
        if (!has_role(user, name))
            continue;
        TRY(table_make_room(ret_copies, AUTH_USERS_MAX, memory));
        struct auth_user *copy = auth_user_copy(user);
        if (!copy)
            return STATUS_NO_MEMORY;
        ret_copies->list[ret_copies->count++] = copy;
    }
    return STATUS_OK;
}

enum status auth_roles_put(struct auth_users *users, struct auth_user *role) {
    const struct memory *memory = users->setting.memory;
    struct auth_table copies = {0};
    enum status status = copy_holders(users, role->name, &copies);
    if (status == STATUS_OK)
        status = table_put(users, &users->roles, AUTH_ROLES_MAX, role);
    if (status != STATUS_OK) {
        table_drop(&copies, memory);
        return status;
    }
    for (uint32_t i = 0; i < copies.count; i++) {
        status = auth_users_put(users, copies.list[i]);
        ASSERT(status == STATUS_OK); /* each takes the place of one, and its roles are there */
    }
    copies.count = 0;
    table_drop(&copies, memory);
    return STATUS_OK;
}

bool auth_roles_remove(struct auth_users *users, struct slice name) {
    ASSERT(auth_roles_holders(users, name) == 0);
    return table_remove(&users->roles, name);
}

/* ------------------------------------------------------------------- begin */

static void drop_all(struct auth_users *users) {
    table_drop(&users->users, users->setting.memory);
    table_drop(&users->roles, users->setting.memory);
    auth_tokens_fini(&users->tokens);
}

enum status auth_users_add_default(struct auth_users *users) {
    struct auth_user *user = auth_user_new_default(&users->setting);
    if (!user)
        return STATUS_NO_MEMORY;
    enum status status = auth_users_put(users, user);
    if (status != STATUS_OK)
        auth_user_unref(user);
    return status;
}

enum status auth_users_init(struct auth_users *users, const struct auth_setting *setting) {
    *users = (struct auth_users){.setting = *setting};
    auth_tokens_init(&users->tokens, setting->memory);
    enum status status = auth_users_add_default(users);
    if (status != STATUS_OK)
        drop_all(users);
    return status;
}

void auth_users_fini(struct auth_users *users) {
    drop_all(users);
    auth_log_clear(users);
}

/* A user that was there keeps its id, by which connections know it. */
static void keep_ids(const struct auth_table *old, struct auth_table *loaded, uint64_t *id_last) {
    for (uint32_t i = 0; i < loaded->count; i++) {
        const struct auth_user *before = table_find(old, loaded->list[i]->name);
        loaded->list[i]->id = before ? before->id : ++*id_last;
    }
}

static void adopt(struct auth_users *users, struct auth_table *table) {
    for (uint32_t i = 0; i < table->count; i++)
        table->list[i]->setting = &users->setting;
}

void auth_users_replace(struct auth_users *users, struct auth_users *loaded) {
    keep_ids(&users->users, &loaded->users, &users->id_last);
    keep_ids(&users->roles, &loaded->roles, &users->id_last);
    drop_all(users);
    users->users = loaded->users;
    users->roles = loaded->roles;
    users->tokens = loaded->tokens;
    adopt(users, &users->users);
    adopt(users, &users->roles);
}
