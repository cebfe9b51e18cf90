/* app/cmd/dump.c: values as portable bytes, and back. */
#include "app/cmd/commands.h"
#include "app/cmd/key_call.h"
#include "base/assert.h"
#include "core/rdb/rdb_string.h"

/* -------------------------------------------------------------------- DUMP */

/* The value is copied to its place between head and footer, straight into the reply. Only a value that may become an
 * integer stops over in `digits`. */
struct dump {
    struct cmd_call *call;
    struct reply_mark mark;
    uint8_t *payload; /* in the reply, NULL while `digits` is used */
    size_t head_size;
    uint8_t digits[RDB_INTEGER_TEXT_MAX];
};

static void *dump_reserve(void *context, uint64_t size) {
    struct dump *dump = context;
    reply_rewind(dump->call->reply, dump->mark);
    dump->payload = NULL;
    if (size <= RDB_INTEGER_TEXT_MAX)
        return dump->digits;
    uint8_t head[RDB_HEAD_SIZE_MAX];
    dump->head_size = rdb_string_head(size, head);
    dump->payload = reply_bulk_reserve(dump->call->reply, dump->head_size + size + RDB_FOOTER_SIZE);
    if (!dump->payload)
        return NULL;
    memcpy(dump->payload, head, dump->head_size);
    return dump->payload + dump->head_size;
}

static void dump_short(struct cmd_call *call, struct slice value) {
    uint8_t payload[RDB_HEAD_SIZE_MAX + RDB_INTEGER_TEXT_MAX + RDB_FOOTER_SIZE];
    ASSERT(value.size <= RDB_INTEGER_TEXT_MAX);
    size_t size = rdb_string_integer(value, payload);
    if (size == 0) {
        size = rdb_string_head(value.size, payload);
        if (value.size)
            memcpy(payload + size, value.data, value.size);
        size += value.size;
    }
    rdb_footer(slice_make(payload, size), payload + size);
    reply_bulk(call->reply, slice_make(payload, size + RDB_FOOTER_SIZE));
}

void cmd_dump(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    struct dump dump = {.call = call, .mark = reply_mark(call->reply)};
    bool quiet = call->client->no_touch, found;
    struct cache_read read = {.size_max = UINT64_MAX, .quiet = quiet, .reserve = dump_reserve, .context = &dump};
    enum status status = cache_get(call->env->cache, call->actor, &key, &read, &found);
    if (quiet && status == STATUS_OK)
        key_call_count(call, &key, found);
    if (status != STATUS_OK || !found) {
        reply_rewind(call->reply, dump.mark);
        if (status != STATUS_OK)
            cmd_error_status(call, status);
        else
            reply_null(call->reply);
    } else if (read.size <= RDB_INTEGER_TEXT_MAX) {
        reply_rewind(call->reply, dump.mark);
        dump_short(call, slice_make(dump.digits, read.size));
    } else {
        size_t body_size = dump.head_size + read.size;
        rdb_footer(slice_make(dump.payload, body_size), dump.payload + body_size);
    }
}

/* ----------------------------------------------------------------- RESTORE */

struct restore {
    struct cmd_call *call;
    struct cache_key key;
    bool replace, absolute;
    uint64_t expires_at_ms; /* 0: never */
    struct rdb_string *string;
};

/* IDLETIME and FREQ are checked and otherwise ignored: an entry's age is that of the segment it is written to, and a
 * use count begins with its first use. */
static bool restore_options(struct restore *restore) {
    struct cmd_call *call = restore->call;
    bool idle = false, used = false;
    for (uint32_t i = 4; i < call->argc; i++) {
        bool value = i + 1 < call->argc;
        int64_t number;
        if (cmd_is(call, i, "replace")) {
            restore->replace = true;
        } else if (cmd_is(call, i, "absttl")) {
            restore->absolute = true;
        } else if (cmd_is(call, i, "idletime") && value && !used) {
            if (!cmd_integer(call, ++i, &number))
                return false;
            if (number < 0) {
                reply_error(call->reply, SLICE("ERR Invalid IDLETIME value, must be >= 0"));
                return false;
            }
            idle = true;
        } else if (cmd_is(call, i, "freq") && value && !idle) {
            if (!cmd_integer(call, ++i, &number))
                return false;
            if (number < 0 || number > 255) {
                reply_error(call->reply, SLICE("ERR Invalid FREQ value, must be >= 0 and <= 255"));
                return false;
            }
            used = true;
        } else {
            cmd_error_syntax(call);
            return false;
        }
    }
    return true;
}

static bool restore_expiry(struct restore *restore) {
    struct cmd_call *call = restore->call;
    int64_t ttl_ms;
    if (!cmd_integer(call, 2, &ttl_ms))
        return false;
    if (ttl_ms < 0) {
        reply_error(call->reply, SLICE("ERR Invalid TTL value, must be >= 0"));
        return false;
    }
    uint64_t base_ms = ttl_ms == 0 || restore->absolute ? 0 : call->actor->now_ms;
    restore->expires_at_ms = base_ms + (uint64_t)ttl_ms;
    if (restore->expires_at_ms > INT64_MAX) {
        reply_error(call->reply, SLICE("ERR Invalid TTL value, out of range"));
        return false;
    }
    return true;
}

static bool restore_payload(struct restore *restore) {
    struct cmd_call *call = restore->call;
    struct slice body;
    if (!rdb_payload_body(call->argv[3], &body)) {
        reply_error(call->reply, SLICE("ERR DUMP payload version or checksum are wrong"));
        return false;
    }
    restore->string = arena_take(call->arena, sizeof *restore->string);
    if (!restore->string) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return false;
    }
    if (!rdb_string_open(restore->string, body)) {
        reply_error(call->reply, SLICE("ERR Bad data format"));
        return false;
    }
    return true;
}

/* The value, from the payload or unpacked into the arena. */
static enum status restore_small(struct restore *restore, struct slice *ret_value) {
    struct rdb_string *string = restore->string;
    if (!string->compressed) {
        *ret_value = string->plain;
        return STATUS_OK;
    }
    uint8_t *bytes = arena_take(restore->call->arena, string->size);
    if (!bytes)
        return STATUS_NO_MEMORY;
    if (string->size && !rdb_string_read(string, bytes, string->size))
        return STATUS_CORRUPT;
    *ret_value = slice_make(bytes, string->size);
    return STATUS_OK;
}

/* A large value goes piece by piece to where it will stay, before any lock is taken. */
static enum status restore_large(struct restore *restore, struct cache_upload *ret_upload) {
    struct cmd_call *call = restore->call;
    struct cache *cache = call->env->cache;
    struct rdb_string *string = restore->string;
    struct cache_upload upload;
    TRY(cache_upload_begin(cache, string->size, &upload));
    enum status status = cache_upload_aim(cache, restore->call->actor, &upload, &restore->key);
    while (status == STATUS_OK && upload.filled < upload.size) {
        void *room;
        uint64_t size;
        status = cache_upload_room(cache, call->actor, &upload, &room, &size);
        if (status != STATUS_OK)
            break;
        if (size > upload.size - upload.filled)
            size = upload.size - upload.filled;
        if (!string->compressed)
            memcpy(room, string->plain.data + upload.filled, size);
        else if (!rdb_string_read(string, room, size))
            status = STATUS_CORRUPT;
        cache_upload_filled(&upload, size);
    }
    if (status == STATUS_OK)
        *ret_upload = upload;
    else
        cache_upload_drop(cache, call->actor, &upload);
    return status;
}

/* Puts the value under the key. STATUS_BUSY: there is another one, and it is not to be replaced. */
static enum status restore_write(struct restore *restore, struct slice value, struct cache_upload *upload) {
    struct cmd_call *call = restore->call;
    struct cache_edit edit;
    enum status status = STATUS_OK;
    bool past = restore->expires_at_ms && restore->expires_at_ms <= call->actor->now_ms;
    cache_edit_begin(call->env->cache, call->actor, &restore->key, &edit);
    if (edit.found && !restore->replace)
        status = STATUS_BUSY;
    else if (past)
        cache_edit_delete(&edit);
    else if (upload)
        status = cache_edit_set_upload(&edit, upload, restore->expires_at_ms);
    else
        status = cache_edit_set(&edit, CACHE_STRING, value, restore->expires_at_ms);
    cache_edit_end(&edit);
    return status;
}

static enum status restore_value(struct restore *restore) {
    struct cache *cache = restore->call->env->cache;
    bool large = restore->string->size >= cache_upload_size_min(cache) && !cache_locked(restore->call->actor);
    if (large) {
        struct cache_upload upload;
        TRY(restore_large(restore, &upload));
        enum status status = restore_write(restore, SLICE(""), &upload);
        if (upload.size) /* it was not taken */
            cache_upload_drop(cache, restore->call->actor, &upload);
        return status;
    }
    struct slice value;
    TRY(restore_small(restore, &value));
    cache_prepare(cache, restore->call->actor, &restore->key, value.size);
    return restore_write(restore, value, NULL);
}

void cmd_restore(struct cmd_call *call) {
    struct restore restore = {.call = call, .key = cmd_key(call, 1)};
    struct cache_info info;
    if (!restore_options(&restore))
        return;
    enum status status = STATUS_BUSY;
    if (restore.replace || !cache_find(call->env->cache, call->actor, &restore.key, false, &info)) {
        if (!restore_expiry(&restore) || !restore_payload(&restore))
            return;
        status = restore_value(&restore);
    }
    if (status == STATUS_OK)
        reply_ok(call->reply);
    else if (status == STATUS_BUSY)
        reply_error(call->reply, SLICE("BUSYKEY Target key name already exists."));
    else if (status == STATUS_CORRUPT)
        reply_error(call->reply, SLICE("ERR Bad data format"));
    else
        cmd_error_status(call, status);
}
