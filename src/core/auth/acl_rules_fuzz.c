/* Rules of a user, a line each. What describes the user makes one that is described the same and that permits the same.
 */
#include "base/assert.h"
#include "core/auth/auth_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void describe(const struct auth_user *user, struct buf *out) {
    buf_init(out, &memory_libc);
    ASSERT(auth_user_describe(user, out) == STATUS_OK);
}

/* By way of a file, behind the roles that he has; as words with brackets and spaces stand there. */
static void check(const struct auth_setting *setting, const struct auth_user *user) {
    struct auth_users users;
    struct buf text, errors, again;
    ASSERT(auth_users_init(&users, setting) == STATUS_OK);
    describe(user, &text);
    buf_init(&errors, &memory_libc);
    struct buf file;
    buf_init(&file, &memory_libc);
    for (uint32_t i = 0; i < user->roles.count; i++) {
        struct slice name = auth_role_at(user, i)->name;
        ASSERT(buf_append(&file, "role ", 5) == STATUS_OK && buf_append_slice(&file, name) == STATUS_OK &&
               buf_append(&file, "\n", 1) == STATUS_OK);
    }
    ASSERT(buf_append(&file, "user joe ", 9) == STATUS_OK && buf_append_slice(&file, buf_slice(&text)) == STATUS_OK);
    ASSERT(auth_users_load(&users, buf_slice(&file), "f", &errors) == STATUS_OK);
    const struct auth_user *made = auth_users_find(&users, SLICE("joe"));
    describe(made, &again);
    ASSERT(slice_equal(buf_slice(&text), buf_slice(&again)) && made->free == user->free);
    for (uint32_t i = 0; i < fixture_table.count; i++) {
        struct auth_touch key = {.name = SLICE("k"), .access = AUTH_READ};
        ASSERT(auth_permits_key(made, i, key) == auth_permits_key(user, i, key));
    }
    buf_fini(&file);
    buf_fini(&text);
    buf_fini(&again);
    buf_fini(&errors);
    auth_users_fini(&users);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct auth_setting setting = fixture_setting(&memory_libc);
    struct auth_user *user = auth_user_new(&setting, SLICE("joe"));
    struct slice rest = slice_make(data, size);
    ASSERT(user);
    while (rest.size) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        size_t rule_size = end ? (size_t)(end - rest.data) : rest.size;
        struct auth_user *next = auth_user_copy(user);
        ASSERT(next);
        enum auth_fault fault = auth_user_apply(next, slice_part(rest, 0, rule_size));
        auth_user_unref(fault == AUTH_FINE ? user : next);
        user = fault == AUTH_FINE ? next : user;
        rest = slice_part(rest, rule_size + 1, SIZE_MAX);
    }
    check(&setting, user);
    auth_user_unref(user);
    return 0;
}
