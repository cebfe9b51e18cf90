#include "app/server/audit.h"

#include <errno.h>
#include <stdio.h>

#include "app/server/audit_inner.h"
#include "app/server/clients.h"
#include "app/server/rules.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/glob.h"
#include "base/version.h"
#include "core/auth/auth.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"
#include "sys/os/whole_file.h"

#define LOCK_NAME "audit.lock"

/* ------------------------------------------------------------------ words */

/* The next word of a text, separated by spaces or commas. False: there is none. */
static bool next_word(struct slice *text, struct slice *ret_word) {
    while (text->size && (text->data[0] == ' ' || text->data[0] == ','))
        *text = slice_part(*text, 1, SIZE_MAX);
    size_t size = 0;
    while (size < text->size && text->data[size] != ' ' && text->data[size] != ',')
        size++;
    *ret_word = slice_part(*text, 0, size);
    *text = slice_part(*text, size, SIZE_MAX);
    return size > 0;
}

/* False: `ret_wrong` is no class. */
static bool read_classes(const char *text, uint32_t *ret_classes, struct slice *ret_wrong) {
    struct slice rest = slice_from_string(text), word;
    uint32_t classes = 0;
    while (next_word(&rest, &word)) {
        const uint32_t class = audit_class_find(word);
        if (class == AUDIT_CLASSES) {
            *ret_wrong = word;
            return false;
        }
        classes |= 1u << class;
    }
    *ret_classes = classes;
    return true;
}

static void mark(uint64_t *commands, uint32_t index, bool on) {
    ASSERT(index < AUDIT_COMMANDS_MAX);
    if (on)
        commands[index / 64] |= (uint64_t)1 << index % 64;
    else
        commands[index / 64] &= ~((uint64_t)1 << index % 64);
}

/* "config|set", "config", "@dangerous". False: there is no such command. */
static bool mark_word(uint64_t *commands, struct slice word, bool on) {
    if (word.size && word.data[0] == '@') {
        const uint32_t category = auth_category_find(&cmd_rights, slice_part(word, 1, SIZE_MAX));
        if (category == AUTH_NONE)
            return false;
        for (uint32_t i = 0; i < cmd_rights.count; i++)
            if (cmd_rights.list[i].categories >> category & 1)
                mark(commands, i, on);
        return true;
    }
    const uint32_t command = auth_command_find(&cmd_rights, word);
    if (command == AUTH_NONE)
        return false;
    for (uint32_t i = 0; i <= cmd_rights.list[command].children; i++)
        mark(commands, command + i, on);
    return true;
}

/* Each word changes what those before it have said. False: `ret_wrong` is no command. */
static bool read_commands(const char *text, uint64_t ret_commands[AUDIT_COMMANDS_MAX / 64], struct slice *ret_wrong) {
    struct slice rest = slice_from_string(text), word;
    bool all = true;
    while (next_word(&rest, &word))
        all &= word.data[0] == '-';
    memset(ret_commands, all ? 0xff : 0, AUDIT_COMMANDS_MAX / 8);
    rest = slice_from_string(text);
    while (next_word(&rest, &word)) {
        const bool on = word.data[0] != '-';
        if (!mark_word(ret_commands, slice_part(word, !on, SIZE_MAX), on)) {
            *ret_wrong = word;
            return false;
        }
    }
    return true;
}

/* Whether one of the patterns takes the name. */
static bool names_user(const char *patterns, struct slice user) {
    struct slice rest = slice_from_string(patterns), word;
    while (next_word(&rest, &word))
        if (glob_matches(word, user, false))
            return true;
    return false;
}

bool audit_passes(struct server_audit *audit, const struct cmd_spec *spec, struct slice user) {
    pthread_mutex_lock(&audit->lock);
    bool passes = (!audit->users[0] || names_user(audit->users, user)) && !names_user(audit->users_except, user);
    if (spec)
        passes &= audit->commands[spec->index / 64] >> spec->index % 64 & 1;
    pthread_mutex_unlock(&audit->lock);
    return passes;
}

/* --------------------------------------------------------------- settings */

bool audit_try(const struct config_values *values, char *ret_error, size_t error_size) {
    uint64_t commands[AUDIT_COMMANDS_MAX / 64];
    uint32_t classes;
    struct slice wrong;
    if (!read_classes(values->audit_classes, &classes, &wrong)) {
        snprintf(ret_error, error_size,
                 "CONFIG SET failed (possibly related to argument 'audit-classes') - '%.*s' is none of authentication, "
                 "administration, rules, invalidation, denied, connection, data-read, data-write",
                 (int)slice_part(wrong, 0, 64).size, (const char *)wrong.data);
        return false;
    }
    if (!read_commands(values->audit_commands, commands, &wrong)) {
        snprintf(
            ret_error, error_size,
            "CONFIG SET failed (possibly related to argument 'audit-commands') - '%.*s' is no command and no category",
            (int)slice_part(wrong, 0, 64).size, (const char *)wrong.data);
        return false;
    }
    return true;
}

bool audit_check(const struct config_values *values, struct buf *reason) {
    char text[512];
    struct audit_key key;
    if (!audit_try(values, text, sizeof text)) {
        MAYBE(buf_printf(reason, "%s", text) != STATUS_OK);
        return false;
    }
    if (!values->audit_dir[0] || !values->audit_key_file[0])
        return true;
    const bool good = audit_key_load(&key, values->audit_key_file, text) == STATUS_OK;
    audit_key_clear(&key);
    if (!good)
        MAYBE(buf_printf(reason, "audit-key-file: %s", text) != STATUS_OK);
    return good;
}

static struct audit_log_setting setting_of(const struct config_values *values) {
    static const enum audit_sync syncs[] = {
        [CONFIG_AUDIT_SYNC_ALWAYS] = AUDIT_ALWAYS,
        [CONFIG_AUDIT_SYNC_EVERYSEC] = AUDIT_EVERY_SECOND,
        [CONFIG_AUDIT_SYNC_NO] = AUDIT_NEVER,
    };
    return (struct audit_log_setting){
        .sync = syncs[values->audit_sync],
        .queue_bytes = values->audit_queue_size_bytes,
        .file_bytes = values->audit_max_size_bytes,
        .file_ms = (uint64_t)values->audit_max_age_s * 1000,
        .keep = (uint32_t)values->audit_keep,
        .anchor_lines = (uint32_t)values->audit_anchor_lines,
        .anchor_ms = (uint64_t)values->audit_anchor_interval_s * 1000,
    };
}

/* --------------------------------------------------- full, and failing */

/* Under hold_lock. */
static void settle_hold(struct server *server) {
    struct server_audit *audit = server->audit;
    const bool holds = audit->full && atomic_load(&audit->waits) && !atomic_load(&audit->fails);
    if (holds == atomic_load(&audit->holds))
        return;
    atomic_store(&audit->holds, holds);
    if (holds) {
        atomic_fetch_add(&server->inboxes_full, 1);
    } else {
        atomic_fetch_sub(&server->inboxes_full, 1);
        clients_wake(server);
    }
}

static void on_full(void *context, bool full) {
    struct server *server = context;
    pthread_mutex_lock(&server->audit->hold_lock);
    server->audit->full = full;
    settle_hold(server);
    pthread_mutex_unlock(&server->audit->hold_lock);
}

static void on_fails(void *context, bool fails, int error) {
    struct server *server = context;
    struct server_audit *audit = server->audit;
    pthread_mutex_lock(&audit->hold_lock);
    atomic_store(&audit->fails, fails);
    settle_hold(server);
    pthread_mutex_unlock(&audit->hold_lock);
    /* The first worker settles it once a tick as well, should another have settled it meanwhile. */
    if (audit_refuses(server))
        atomic_fetch_or(&server->env.asked, CMD_ASK_AUDIT);
    else
        atomic_fetch_and(&server->env.asked, ~(uint32_t)CMD_ASK_AUDIT);
    if (!fails) {
        log_event(LOG_NOTICE, "audit_written_again", NULL, "The audit log is written again");
        return;
    }
    bool refuses = audit_refuses(server);
    log_event(LOG_WARNING, "audit_failed",
              LOG_FIELDS(log_text("problem", strerror(error)), log_text("meanwhile", refuses ? "refused" : "done")),
              "The audit log cannot be written: %s. What it has to note is %s", strerror(error),
              refuses ? "refused until it can" : "done, and may be lost");
}

/* Noted where it cannot be changed with the log. */
static void on_anchored(void *context, uint64_t lines, const char hash[AUDIT_HASH_SIZE]) {
    MAYBE(context == NULL);
    log_event(LOG_NOTICE, "audit_anchored",
              LOG_FIELDS(log_number("lines", lines), log_bytes("hash", slice_make(hash, AUDIT_HASH_SIZE))),
              "Audit log: %llu lines, the last one's hash is %.*s", (unsigned long long)lines, AUDIT_HASH_SIZE, hash);
}

static void on_taken(void *context, uint64_t file) {
    char name[AUDIT_FILE_NAME_SIZE];
    MAYBE(context == NULL);
    audit_file_name(file, name);
    log_warning("Audit log: somebody has removed, cut or replaced %s while it was written. It goes on in the next file",
                name);
}

bool audit_holds(const struct server *server) {
    return server->audit && atomic_load_explicit(&server->audit->holds, memory_order_relaxed);
}

bool audit_refuses(const struct server *server) {
    return server->audit && atomic_load(&server->audit->fails) && atomic_load(&server->audit->refuses_failed);
}

void audit_settle(struct server *server) {
    struct server_audit *audit = server->audit;
    const struct config_values *values = &server->config.values;
    struct slice wrong;
    uint32_t classes = 0;
    if (!audit)
        return;
    bool good = read_classes(values->audit_classes, &classes, &wrong);
    pthread_mutex_lock(&audit->lock);
    good &= read_commands(values->audit_commands, audit->commands, &wrong);
    snprintf(audit->users, sizeof audit->users, "%s", values->audit_users);
    snprintf(audit->users_except, sizeof audit->users_except, "%s", values->audit_users_except);
    pthread_mutex_unlock(&audit->lock);
    ASSERT(good);                                             /* audit_try came before */
    atomic_store(&audit->keys, (uint32_t)values->audit_keys); /* in the order of enum audit_keys */
    atomic_store(&audit->classes, classes);
    atomic_store(&audit->refuses_failed, values->audit_on_failure == CONFIG_AUDIT_ON_FAILURE_REFUSE);
    pthread_mutex_lock(&audit->hold_lock);
    atomic_store(&audit->waits, values->audit_back_pressure == CONFIG_AUDIT_BACK_PRESSURE_WAIT);
    settle_hold(server);
    pthread_mutex_unlock(&audit->hold_lock);
    const struct audit_log_setting setting = setting_of(values);
    audit_log_set(audit->log, &setting);
    atomic_fetch_and(&server->observers, ~(OBSERVED_BY_AUDIT | OBSERVED_ROWS));
    const uint32_t rows = 1u << AUDIT_DATA_READ | 1u << AUDIT_DATA_WRITE;
    atomic_fetch_or(&server->observers, (classes ? OBSERVED_BY_AUDIT : 0u) | (classes & rows ? OBSERVED_ROWS : 0u));
    rules_settle(server);
}

void audit_put(struct server_audit *audit, struct slice body) {
    /* What waits for room is held up before it happens; what has happened all the same finds some. */
    MAYBE(!audit_log_put(audit->log, body, atomic_load(&audit->waits) && !atomic_load(&audit->fails)));
}

/* ------------------------------------------------------------ begin and end */

static struct audit_now now(void) {
    return (struct audit_now){.unix_us = clock_unix_us(), .steady_ms = clock_steady_ms()};
}

static enum status open_directory(struct server_audit *audit, const char *path) {
    int owner = 0;
    enum status status = directory_open(path, true, &audit->directory);
    if (status != STATUS_OK) {
        audit->directory.fd = -1;
        log_warning("The directory of the audit log %s cannot be opened: %s", path, strerror(errno));
        return status;
    }
    status = directory_lock_as(&audit->directory, LOCK_NAME, &owner);
    if (status == STATUS_BUSY)
        log_warning("Another server writes the audit log in %s: process %d. Give this one another `audit-dir`", path,
                    owner);
    else if (status != STATUS_OK)
        log_warning("The directory of the audit log %s cannot be locked: %s", path, strerror(errno));
    return status;
}

static enum status open_log(struct server *server) {
    struct server_audit *audit = server->audit;
    const struct audit_log_options options = {
        .files = &audit->directory.files,
        .hash = &audit->key.hash,
        .node = audit->node,
        .version = STRATA_VERSION,
        .setting = setting_of(&server->config.values),
        .user = {.full = on_full, .fails = on_fails, .anchored = on_anchored, .taken = on_taken, .context = server},
        .memory = &memory_libc,
    };
    char reason[AUDIT_REASON_SIZE], notice[AUDIT_REASON_SIZE];
    enum status status = audit_log_open(&options, now(), &audit->log, reason, notice);
    if (status != STATUS_OK)
        log_warning("The audit log in %s cannot be written: %s", server->config.values.audit_dir, reason);
    else if (notice[0])
        log_warning("The audit log in %s: %s", server->config.values.audit_dir, notice);
    return status;
}

static enum status load_key(struct server_audit *audit, const char *path) {
    char reason[AUDIT_KEY_REASON_SIZE];
    audit_key_none(&audit->key);
    enum status status = path[0] ? audit_key_load(&audit->key, path, reason) : STATUS_OK;
    if (status != STATUS_OK)
        log_warning("audit-key-file: %s", reason);
    else if (path[0])
        whole_file_judge(path, "audit-key-file");
    return status == STATUS_IO ? STATUS_INVALID : status;
}

static enum status start(struct server *server) {
    const struct config_values *values = &server->config.values;
    char text[512];
    if (!audit_try(values, text, sizeof text)) {
        log_warning("%s", text);
        return STATUS_INVALID;
    }
    TRY(load_key(server->audit, values->audit_key_file));
    TRY(open_directory(server->audit, values->audit_dir));
    TRY(open_log(server));
    audit_settle(server);
    TRY(thread_start(&server->audit->thread, "strata-audit", audit_log_run, server->audit->log));
    server->audit->runs = true;
    return STATUS_OK;
}

enum status audit_start(struct server *server) {
    if (!server->config.values.audit_dir[0])
        return STATUS_OK;
    struct server_audit *audit = memory_take(&memory_libc, sizeof *audit);
    if (!audit)
        return STATUS_NO_MEMORY;
    *audit = (struct server_audit){.directory = {.fd = -1, .lock = -1}};
    pthread_mutex_init(&audit->lock, NULL);
    pthread_mutex_init(&audit->hold_lock, NULL);
    memcpy(audit->node, server->run_id, AUDIT_NODE_SIZE);
    ASSERT(cmd_index_count <= AUDIT_COMMANDS_MAX);
    server->audit = audit;
    enum status status = start(server);
    if (status != STATUS_OK)
        audit_stop(server);
    return status;
}

void audit_stop(struct server *server) {
    struct server_audit *audit = server->audit;
    if (!audit)
        return;
    if (audit->log)
        audit_tell_left_out(audit);
    if (audit->runs) {
        audit_log_end(audit->log);
        thread_join(&audit->thread);
    }
    if (audit->log && audit_log_close(audit->log, now()) != STATUS_OK)
        log_warning("Not all of the audit log is on disk: %s", strerror(errno));
    if (audit->directory.fd >= 0)
        directory_close(&audit->directory);
    audit_key_clear(&audit->key);
    pthread_mutex_destroy(&audit->lock);
    pthread_mutex_destroy(&audit->hold_lock);
    memory_give(&memory_libc, audit, sizeof *audit);
    server->audit = NULL;
}

/* ------------------------------------------------------- what commands ask */

void audit_api_counts(struct cmd_server *api, struct cmd_audit_counts *ret_counts) {
    struct server_audit *audit = server_of(api)->audit;
    struct audit_log_facts facts;
    *ret_counts = (struct cmd_audit_counts){.enabled = false};
    if (!audit)
        return;
    audit_log_facts(audit->log, &facts);
    *ret_counts = (struct cmd_audit_counts){
        .enabled = true,
        .keyed = audit->key.hash.key_id[0] != 0,
        .fails = facts.fails,
        .refuses = audit_refuses(server_of(api)),
        .holds = atomic_load(&audit->holds),
        .error = facts.error,
        .written = facts.written,
        .lost = facts.lost,
        .waiting = facts.waiting,
        .waiting_bytes = facts.waiting_bytes,
        .failures = facts.failures,
        .bytes = facts.bytes,
        .lines = facts.lines,
        .file = facts.file,
        .file_bytes = facts.file_bytes,
    };
    memcpy(ret_counts->last_hash, facts.last, sizeof facts.last);
}

bool audit_api_rotate(struct cmd_server *api) {
    struct server_audit *audit = server_of(api)->audit;
    if (!audit)
        return false;
    audit_log_rotate(audit->log);
    return true;
}

/* The user may become another one by this very command: with a filter of users it is asked for who he is now. */
bool audit_api_notes(struct cmd_server *api, struct cmd_client *client, const struct cmd_spec *spec) {
    struct server_audit *audit = server_of(api)->audit;
    return audit && spec->audited && audit_is_on(audit, spec->audit) && audit_passes(audit, spec, client->user->name);
}
