/* app/shell/key_modes.c: keys that are listed, and the largest and busiest of them. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "app/shell/modes.h"
#include "base/bits.h"
#include "base/number.h"

enum { KEY_SHOWN_MAX = 512, WORDS_MAX = 8, BATCH_PAUSE = 100 };

/* ------------------------------------------------------------------------------------------ SCAN */

struct scan {
    struct session *session;
    char cursor[NUMBER_TEXT_MAX];
    uint64_t batches;
    bool (*visit)(void *context, const struct resp_value *keys, uint32_t count);
    void *context;
};

static const struct resp_value *ask_scan(struct scan *scan) {
    const struct shell_options *options = scan->session->options;
    char count[NUMBER_TEXT_MAX + 1];
    struct slice words[WORDS_MAX] = {SLICE("SCAN"), slice_from_string(scan->cursor)};
    size_t at = 2;
    if (options->pattern) {
        words[at++] = SLICE("MATCH");
        words[at++] = slice_from_string(options->pattern);
    }
    if (options->count > 0) {
        words[at++] = SLICE("COUNT");
        words[at++] = slice_make(count, number_format_i64(options->count, count));
    }
    if (options->type) {
        words[at++] = SLICE("TYPE");
        words[at++] = slice_from_string(options->type);
    }
    return session_ask(scan->session, words, at);
}

static void pause_between(const struct session *session) {
    double seconds = session->options->interval_s;
    struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    if (seconds > 0)
        nanosleep(&left, NULL);
}

/* False: told. `pause_every` batches it pauses for -i. */
static bool scan_all(struct scan *scan, uint64_t pause_every) {
    snprintf(scan->cursor, sizeof scan->cursor, "0");
    if (!session_connect(scan->session))
        return false;
    do {
        if (scan->batches++ % pause_every == pause_every - 1)
            pause_between(scan->session);
        const struct resp_value *reply = ask_scan(scan);
        if (!reply)
            return false;
        if (reply->type != RESP_ARRAY || reply->count != 2 || reply->members[0].text.size >= sizeof scan->cursor ||
            reply->members[1].type != RESP_ARRAY) {
            session_complain("strata cli: SCAN answers: ", reply->text);
            return false;
        }
        snprintf(scan->cursor, sizeof scan->cursor, "%.*s", (int)reply->members[0].text.size,
                 (const char *)reply->members[0].text.data);
        if (reply->members[1].count && !scan->visit(scan->context, reply->members[1].members, reply->members[1].count))
            return false;
    } while (strcmp(scan->cursor, "0") != 0);
    return true;
}

static bool print_keys(void *context, const struct resp_value *keys, uint32_t count) {
    struct session *session = context;
    for (uint32_t i = 0; i < count; i++) {
        buf_clear(&session->out);
        if (format_reply(&session->options->format, &keys[i], false, &session->out) != STATUS_OK)
            return false;
        fwrite(session->out.data, 1, session->out.size, stdout);
    }
    return !ferror(stdout);
}

int modes_scan(struct session *session) {
    struct scan scan = {.session = session, .visit = print_keys, .context = session};
    return scan_all(&scan, 1) ? SHELL_GOOD : SHELL_FAILED;
}

/* ------------------------------------------------------------------------------------------ the largest */

struct kind {
    const char *name, *command, *unit;
    uint64_t keys, total, largest;
    struct buf key; /* the largest */
};

struct largest {
    struct session *session;
    bool by_memory, as_json;
    struct kind kinds[6];
    uint64_t sampled, other, key_bytes;
};

static struct kind *kind_of(struct largest *largest, struct slice type) {
    for (size_t i = 0; i < COUNT_OF(largest->kinds); i++)
        if (slice_equal(type, slice_from_string(largest->kinds[i].name)))
            return &largest->kinds[i];
    return NULL;
}

static bool add_size(struct largest *largest, const struct kind *kind, struct slice key) {
    char samples[NUMBER_TEXT_MAX + 1];
    if (!largest->by_memory) {
        const struct slice words[] = {slice_from_string(kind->command), key};
        return server_link_add(&largest->session->link, words, 2);
    }
    int64_t count = largest->session->options->memory_samples;
    const struct slice words[] = {SLICE("MEMORY"), SLICE("USAGE"), key, SLICE("SAMPLES"),
                                  slice_make(samples, number_format_i64(count, samples))};
    return server_link_add(&largest->session->link, words, count < 0 ? 3 : 5);
}

static const char *unit_of(const struct largest *largest, const struct kind *kind) {
    return largest->by_memory ? "bytes" : kind->unit;
}

/* As at the prompt, and not too long for a line; until the next. */
static const char *shown_key(const struct largest *largest, const struct kind *kind) {
    static char text[KEY_SHOWN_MAX];
    struct buf *quoted = &largest->session->out;
    buf_clear(quoted);
    if (format_quoted(quoted, buf_slice(&kind->key)) != STATUS_OK)
        return "";
    snprintf(text, sizeof text, "%.*s", (int)quoted->size, (const char *)quoted->data);
    return text;
}

static void note_size(struct largest *largest, struct kind *kind, struct slice key, const struct resp_value *reply) {
    if (reply->type != RESP_INTEGER || reply->integer < 0)
        return; /* gone, or of another type, since */
    uint64_t size = (uint64_t)reply->integer;
    largest->sampled++;
    largest->key_bytes += key.size;
    kind->keys++;
    kind->total += size;
    if (kind->keys > 1 && size <= kind->largest)
        return;
    kind->largest = size;
    buf_clear(&kind->key);
    if (buf_append_slice(&kind->key, key) == STATUS_OK && !largest->as_json)
        printf("Biggest %-6s found so far %s with %" PRIu64 " %s\n", kind->name, shown_key(largest, kind), size,
               unit_of(largest, kind));
}

/* The types of all keys of a batch, then their sizes. */
static bool measure(void *context, const struct resp_value *keys, uint32_t count) {
    struct largest *largest = context;
    struct server_link *link = &largest->session->link;
    struct arena arena;
    arena_init(&arena, &memory_libc, 64 * 1024);
    struct slice *names = arena_take(&arena, count * sizeof *names);
    struct kind **kinds = arena_take(&arena, count * sizeof *kinds);
    bool good = names && kinds;
    for (uint32_t i = 0; i < count && good; i++) {
        good = arena_copy(&arena, keys[i].text, &names[i]);
        const struct slice words[] = {SLICE("TYPE"), names[i]};
        good = good && server_link_add(link, words, 2);
    }
    good = good && server_link_send(link);
    for (uint32_t i = 0; i < count && good; i++) {
        const struct resp_value *type = session_read(largest->session);
        good = type != NULL;
        kinds[i] = good ? kind_of(largest, type->text) : NULL;
        largest->other += good && !kinds[i];
    }
    for (uint32_t i = 0; i < count && good; i++)
        good = !kinds[i] || add_size(largest, kinds[i], names[i]);
    good = good && server_link_send(link);
    for (uint32_t i = 0; i < count && good; i++) {
        const struct resp_value *size = kinds[i] ? session_read(largest->session) : NULL;
        good = size || !kinds[i];
        if (size)
            note_size(largest, kinds[i], names[i], size);
    }
    arena_fini(&arena);
    return good;
}

/* One object on one line. */
static bool print_json(const struct largest *largest) {
    struct buf *text = &largest->session->out;
    const char *between = "";
    printf("{\"keys\":%" PRIu64 ",\"key_bytes\":%" PRIu64 ",\"others\":%" PRIu64 ",\"types\":{", largest->sampled,
           largest->key_bytes, largest->other);
    for (size_t i = 0; i < COUNT_OF(largest->kinds); i++) {
        const struct kind *kind = &largest->kinds[i];
        const struct resp_value key = {.type = RESP_BULK, .text = buf_slice(&kind->key)};
        if (!kind->keys)
            continue;
        buf_clear(text);
        if (format_reply(&largest->session->options->format, &key, false, text) != STATUS_OK)
            return false;
        printf("%s\"%s\":{\"keys\":%" PRIu64 ",\"unit\":\"%s\",\"total\":%" PRIu64 ",\"largest\":%" PRIu64
               ",\"key\":%.*s}",
               between, kind->name, kind->keys, unit_of(largest, kind), kind->total, kind->largest, (int)text->size - 1,
               (const char *)text->data); /* without its line end */
        between = ",";
    }
    puts("}}");
    return true;
}

static void print_summary(const struct largest *largest) {
    double keys = largest->sampled ? (double)largest->sampled : 1;
    printf("\n-------- summary -------\n\nSampled %" PRIu64 " keys in the keyspace!\n", largest->sampled);
    printf("Total key length in bytes is %" PRIu64 " (avg len %.2f)\n\n", largest->key_bytes,
           (double)largest->key_bytes / keys);
    for (size_t i = 0; i < COUNT_OF(largest->kinds); i++) {
        const struct kind *kind = &largest->kinds[i];
        if (kind->keys)
            printf("Biggest %6s found %s has %" PRIu64 " %s\n", kind->name, shown_key(largest, kind), kind->largest,
                   unit_of(largest, kind));
    }
    puts("");
    for (size_t i = 0; i < COUNT_OF(largest->kinds); i++) {
        const struct kind *kind = &largest->kinds[i];
        if (kind->keys)
            printf("%" PRIu64 " %ss with %" PRIu64 " %s (%.2f%% of keys, avg size %.2f)\n", kind->keys, kind->name,
                   kind->total, unit_of(largest, kind), 100 * (double)kind->keys / keys,
                   (double)kind->total / (double)kind->keys);
    }
    if (largest->other)
        printf("%" PRIu64 " keys of other types, or gone meanwhile\n", largest->other);
}

int modes_largest(struct session *session) {
    struct largest largest = {.session = session,
                              .by_memory = session->options->mode == SHELL_MEMORY_KEYS,
                              .as_json = session->options->format.kind == FORMAT_JSON,
                              .kinds = {{.name = "string", .command = "STRLEN", .unit = "bytes"},
                                        {.name = "list", .command = "LLEN", .unit = "items"},
                                        {.name = "hash", .command = "HLEN", .unit = "fields"},
                                        {.name = "set", .command = "SCARD", .unit = "members"},
                                        {.name = "zset", .command = "ZCARD", .unit = "members"},
                                        {.name = "stream", .command = "XLEN", .unit = "entries"}}};
    struct scan scan = {.session = session, .visit = measure, .context = &largest};
    for (size_t i = 0; i < COUNT_OF(largest.kinds); i++)
        buf_init(&largest.kinds[i].key, &memory_libc);
    bool good = scan_all(&scan, BATCH_PAUSE);
    if (!good && session->is_open && session->link.problem[0])
        fprintf(stderr, "strata cli: %s\n", session->link.problem);
    if (good && largest.as_json)
        good = print_json(&largest);
    else if (good)
        print_summary(&largest);
    for (size_t i = 0; i < COUNT_OF(largest.kinds); i++)
        buf_fini(&largest.kinds[i].key);
    return good ? SHELL_GOOD : SHELL_FAILED;
}

/* ------------------------------------------------------------------------------------------ the busiest */

static const struct resp_value *field(const struct resp_value *map, const char *name) {
    for (uint32_t i = 0; i + 1 < map->count; i += 2)
        if (slice_equal(map->members[i].text, slice_from_string(name)))
            return &map->members[i + 1];
    static const struct resp_value none = {.type = RESP_NULL};
    return &none;
}

static double number_of(const struct resp_value *map, const char *name) {
    const struct resp_value *value = field(map, name);
    return value->type == RESP_DOUBLE ? value->number : value->type == RESP_INTEGER ? (double)value->integer : 0;
}

static bool print_hot(struct session *session, const struct resp_value *reply) {
    printf("%10s %10s %10s %10s  %6s %3s  %s\n", "uses/s", "reads/s", "writes/s", "misses/s", "share", "db", "key");
    for (uint32_t i = 0; i < reply->count; i++) {
        const struct resp_value *key = &reply->members[i];
        buf_clear(&session->out);
        if (format_quoted(&session->out, field(key, "key")->text) != STATUS_OK)
            return false;
        printf("%10.1f %10.1f %10.1f %10.1f %6.1f%% %3d  %.*s\n", number_of(key, "rate"), number_of(key, "reads"),
               number_of(key, "writes"), number_of(key, "misses"), 100 * number_of(key, "share"),
               (int)number_of(key, "database"), (int)session->out.size, (const char *)session->out.data);
    }
    return true;
}

/* Numbers come as doubles, so by RESP3. */
int modes_hot(struct session *session) {
    const struct slice words[] = {SLICE("HOTKEYS"), SLICE("GET")};
    session->place.protocol = 3;
    if (session->options->format.kind == FORMAT_JSON || session->options->format.kind == FORMAT_CSV) {
        enum session_result result = session_run(session, words, 2);
        return result == SESSION_DONE ? SHELL_GOOD : SHELL_FAILED;
    }
    const struct resp_value *reply = session_connect(session) ? session_ask(session, words, 2) : NULL;
    if (reply && reply->type != RESP_ARRAY)
        session_complain("strata cli: HOTKEYS answers: ", reply->text);
    return reply && reply->type == RESP_ARRAY && print_hot(session, reply) ? SHELL_GOOD : SHELL_FAILED;
}
