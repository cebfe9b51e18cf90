/* ACL files. What a file makes is saved as a file that makes the same.
 */
#include "base/assert.h"
#include "core/auth/auth_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct auth_setting setting = fixture_setting(&memory_libc);
    struct auth_users users, again;
    struct buf errors, first, second;
    ASSERT(auth_users_init(&users, &setting) == STATUS_OK && auth_users_init(&again, &setting) == STATUS_OK);
    buf_init(&errors, &memory_libc);
    buf_init(&first, &memory_libc);
    buf_init(&second, &memory_libc);
    enum status status = auth_users_load(&users, slice_make(data, size), "f", &errors);
    ASSERT(status == STATUS_OK || (status == STATUS_INVALID && errors.size && users.users.count == 1));
    ASSERT(auth_users_save(&users, &first) == STATUS_OK);
    ASSERT(auth_users_load(&again, buf_slice(&first), "f", &errors) == STATUS_OK);
    ASSERT(auth_users_save(&again, &second) == STATUS_OK);
    ASSERT(slice_equal(buf_slice(&first), buf_slice(&second)));
    buf_fini(&errors);
    buf_fini(&first);
    buf_fini(&second);
    auth_users_fini(&users);
    auth_users_fini(&again);
    return 0;
}
