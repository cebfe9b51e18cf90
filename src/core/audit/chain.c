#include "core/audit/chain.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/number.h"
#include "core/audit/record.h"

_Static_assert((int)AUDIT_LINE_SIZE_MAX > AUDIT_BODY_SIZE_MAX + 256, "a body with its place in the chain is a line");

void audit_chain_init(struct audit_chain *chain, const struct audit_hash *hash) {
    *chain = (struct audit_chain){.hash = hash};
    memset(chain->last, '0', sizeof chain->last);
}

/* Without printf, which would go over each byte twice. */
static enum status add(struct audit_chain *chain, struct slice body, struct buf *to, size_t from,
                       char ret_hash[AUDIT_HASH_SIZE]) {
    char number[NUMBER_TEXT_MAX];
    TRY(buf_append_slice(to, SLICE("{\"seq\":")));
    TRY(buf_append(to, number, number_format_u64(chain->seq + 1, number)));
    TRY(buf_append_slice(to, SLICE(",")));
    TRY(buf_append_slice(to, body));
    TRY(buf_append_slice(to, SLICE(",\"prev\":\"")));
    TRY(buf_append(to, chain->last, AUDIT_HASH_SIZE));
    TRY(buf_append_slice(to, SLICE("\"")));
    chain->hash->digits(chain->hash->context, slice_make(to->data + from, to->size - from), ret_hash);
    TRY(buf_append_slice(to, SLICE(",\"hash\":\"")));
    TRY(buf_append(to, ret_hash, AUDIT_HASH_SIZE));
    return buf_append_slice(to, SLICE("\"}\n"));
}

enum status audit_chain_add(struct audit_chain *chain, struct slice body, struct buf *to) {
    const size_t from = to->size;
    char hash[AUDIT_HASH_SIZE];
    ASSERT(body.size && !memchr(body.data, '\n', body.size));
    enum status status = add(chain, body, to, from, hash);
    if (status != STATUS_OK) {
        to->size = from;
        return status;
    }
    chain->seq++;
    memcpy(chain->last, hash, sizeof hash);
    return STATUS_OK;
}

/* The rest of such a body begins with `,` or is empty. */
static enum status add_own(struct audit_chain *chain, uint64_t time_us, const char *kind, const char *rest,
                           struct buf *to) {
    char body[512], time[AUDIT_TIME_SIZE + 1];
    audit_time_text(time_us, time);
    int size = snprintf(body, sizeof body, "\"time\":\"%s\",\"kind\":\"%s\"%s", time, kind, rest);
    ASSERT(size > 0 && (size_t)size < sizeof body);
    return audit_chain_add(chain, slice_make(body, (size_t)size), to);
}

enum status audit_chain_file(struct audit_chain *chain, uint64_t time_us, const char *node, uint64_t file,
                             struct buf *to) {
    char rest[256];
    const char *key = chain->hash->key_id;
    snprintf(rest, sizeof rest, ",\"format\":1,\"file\":%llu,\"node\":\"%.64s\"%s%s%s", (unsigned long long)file, node,
             key[0] ? ",\"key\":\"" : "", key, key[0] ? "\"" : "");
    return add_own(chain, time_us, "file", rest, to);
}

enum status audit_chain_start(struct audit_chain *chain, uint64_t time_us, const char *node, const char *version,
                              struct buf *to) {
    char rest[256];
    snprintf(rest, sizeof rest, ",\"node\":\"%.64s\",\"version\":\"%.64s\"", node, version);
    return add_own(chain, time_us, "start", rest, to);
}

enum status audit_chain_stop(struct audit_chain *chain, uint64_t time_us, struct buf *to) {
    return add_own(chain, time_us, "stop", "", to);
}

static enum status add_number(struct audit_chain *chain, uint64_t time_us, const char *kind, const char *name,
                              uint64_t number, struct buf *to) {
    char rest[64];
    snprintf(rest, sizeof rest, ",\"%s\":%llu", name, (unsigned long long)number);
    return add_own(chain, time_us, kind, rest, to);
}

enum status audit_chain_anchor(struct audit_chain *chain, uint64_t time_us, struct buf *to) {
    return add_number(chain, time_us, "anchor", "lines", chain->seq + 1, to);
}

enum status audit_chain_lost(struct audit_chain *chain, uint64_t time_us, uint64_t count, struct buf *to) {
    return add_number(chain, time_us, "lost", "lost", count, to);
}

enum status audit_chain_removed(struct audit_chain *chain, uint64_t time_us, uint64_t file, struct buf *to) {
    return add_number(chain, time_us, "removed", "file", file, to);
}

enum status audit_chain_recovered(struct audit_chain *chain, uint64_t time_us, struct slice torn, struct buf *to) {
    char rest[160], hash[AUDIT_HASH_SIZE];
    chain->hash->digits(chain->hash->context, torn, hash);
    snprintf(rest, sizeof rest, ",\"bytes\":%zu,\"torn\":\"%.*s\"", torn.size, AUDIT_HASH_SIZE, hash);
    return add_own(chain, time_us, "recovered", rest, to);
}

void audit_file_name(uint64_t number, char ret_name[AUDIT_FILE_NAME_SIZE]) {
    ASSERT(number > 0 && number <= AUDIT_FILE_NUMBER_MAX);
    snprintf(ret_name, AUDIT_FILE_NAME_SIZE, "audit-%06u.jsonl", (unsigned)number);
}

uint64_t audit_file_number(struct slice name) {
    struct slice begin = SLICE("audit-"), end = SLICE(".jsonl");
    enum { DIGITS = 6 };
    uint64_t number = 0;
    if (name.size != begin.size + DIGITS + end.size || !slice_starts_with(name, begin) ||
        !slice_equal(slice_part(name, begin.size + DIGITS, end.size), end))
        return 0;
    for (size_t i = begin.size; i < begin.size + DIGITS; i++) {
        if (name.data[i] < '0' || name.data[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(name.data[i] - '0');
    }
    return number;
}
