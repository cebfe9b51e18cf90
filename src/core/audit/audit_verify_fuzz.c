/* Audit logs. Any bytes may be handed to the verifier; and of a log that was good, whatever a mutation does is found.
 *
 * The first byte says which: 0: the rest is a file. Otherwise the rest says what is done to a log of our own: which file, which place, and what.
 */
#include "base/assert.h"
#include "core/audit/audit_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct audit_verifier verifier;
static struct fixture_found found;

static void any_bytes(struct fixture_log *log, struct slice bytes) {
    fixture_begin(&verifier, log, &found);
    audit_verify_file(&verifier, "x", 0);
    audit_verify_bytes(&verifier, bytes);
    audit_verify_file(&verifier, "y", 2);
    audit_verify_bytes(&verifier, bytes);
    audit_verify_end(&verifier);
}

static uint32_t pick(const uint8_t **data, size_t *size, uint32_t limit) {
    uint32_t number = 0;
    for (int i = 0; i < 2 && *size; i++, (*data)++, (*size)--)
        number = number << 8 | **data;
    return number % limit;
}

static void remove_bytes(struct buf *file, size_t from, size_t until) {
    memmove(file->data + from, file->data + until, file->size - until);
    file->size -= until - from;
}

static void insert_bytes(struct buf *file, size_t at, struct slice bytes) {
    ASSERT(buf_reserve(file, bytes.size) == STATUS_OK);
    memmove(file->data + at + bytes.size, file->data + at, file->size - at);
    memcpy(file->data + at, bytes.data, bytes.size);
    file->size += bytes.size;
}

/* Each of these is to be found. */
static void mutate(struct fixture_log *log, const uint8_t *data, size_t size) {
    size_t begins[FIXTURE_LINES_MAX];
    const uint32_t which = pick(&data, &size, FIXTURE_FILES), what = pick(&data, &size, 5);
    struct buf *file = &log->files[which];
    const uint32_t count = fixture_lines(file, begins), line = pick(&data, &size, count - 1);
    const size_t at = begins[line], until = begins[line + 1];
    uint8_t copy[2048];
    ASSERT(until - at < sizeof copy);
    memcpy(copy, file->data + at, until - at);
    if (what == 0) {
        file->data[pick(&data, &size, (uint32_t)file->size)] ^= (uint8_t)(1u << pick(&data, &size, 8));
    } else if (what == 1) {
        remove_bytes(file, at, until);
    } else if (what == 2) {
        const uint32_t to = pick(&data, &size, count);
        insert_bytes(file, begins[to], slice_make(copy, until - at)); /* behind itself as well */
    } else if (what == 3) {
        insert_bytes(file, until + (begins[line + 2] - until), slice_make(copy, until - at));
        remove_bytes(file, at, until);
    } else {
        const uint32_t other = (which + 1 + pick(&data, &size, FIXTURE_FILES - 1)) % FIXTURE_FILES;
        const struct buf kept = log->files[other];
        log->files[other] = *file;
        *file = kept;
    }
    fixture_verify(log, &found, &verifier);
    ASSERT(verifier.tampered > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fixture_log log;
    fixture_log_init(&log, size ? data[0] & 2 : 0);
    if (size && data[0] & 1)
        mutate(&log, data + 1, size - 1);
    else
        any_bytes(&log, slice_make(data + (size > 0), size - (size > 0)));
    fixture_log_fini(&log);
    return 0;
}
