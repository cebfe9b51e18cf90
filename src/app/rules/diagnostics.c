#include "app/rules/diagnostics.h"

#include "app/config/config.h"
#include "base/assert.h"

void diagnostics_init(struct diagnostics *diagnostics, const struct memory *memory) {
    *diagnostics = (struct diagnostics){.count = 0};
    arena_init(&diagnostics->arena, memory, 4096);
}

void diagnostics_fini(struct diagnostics *diagnostics) { arena_fini(&diagnostics->arena); }

static const char *keep(struct diagnostics *diagnostics, const char *text) {
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = arena_take(&diagnostics->arena, size);
    if (copy)
        memcpy(copy, text, size);
    else
        diagnostics->short_of_memory = true;
    return copy;
}

static bool is_before(const struct manifest_problem *a, const struct manifest_problem *b) {
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line;
    return a->place.column < b->place.column;
}

/* Keeps the list sorted; when it is full, what stands last in the file goes. */
static void tell(void *context, const struct manifest_problem *problem) {
    struct diagnostics *diagnostics = context;
    if (problem->severity == MANIFEST_ERROR)
        diagnostics->errors++;
    else
        diagnostics->warnings++;
    bool is_full = diagnostics->count == MANIFEST_PROBLEMS_MAX;
    if (is_full && !is_before(problem, &diagnostics->problems[MANIFEST_PROBLEMS_MAX - 1]))
        return;
    struct manifest_problem kept = *problem;
    kept.message = keep(diagnostics, problem->message);
    kept.note = keep(diagnostics, problem->note);
    kept.help = keep(diagnostics, problem->help);
    if (!kept.message)
        return;
    uint32_t to = is_full ? MANIFEST_PROBLEMS_MAX - 1 : diagnostics->count++;
    for (; to > 0 && is_before(&kept, &diagnostics->problems[to - 1]); to--)
        diagnostics->problems[to] = diagnostics->problems[to - 1];
    diagnostics->problems[to] = kept;
}

struct manifest_sink diagnostics_sink(struct diagnostics *diagnostics) {
    return (struct manifest_sink){tell, config_suggest_word, diagnostics};
}

/* ------------------------------------------------------------------------------------------ as text */

enum { LINE_SHOWN_MAX = 160 };

static struct slice line_of(struct slice source, uint32_t line) {
    size_t at = 0;
    for (uint32_t i = 1; i < line && at < source.size; at++)
        i += source.data[at] == '\n';
    size_t size = 0;
    while (at + size < source.size && source.data[at + size] != '\n' && source.data[at + size] != '\r')
        size++;
    return slice_part(source, at, size);
}

/* The line, and a caret under the place. Tabs become spaces, other control bytes dots. */
static enum status write_line(struct buf *out, struct slice source, const struct manifest_place *place) {
    struct slice line = line_of(source, place->line);
    if (place->column > LINE_SHOWN_MAX || line.size == 0)
        return STATUS_OK;
    TRY(buf_printf(out, "%6u | ", place->line));
    for (size_t i = 0; i < line.size && i < LINE_SHOWN_MAX; i++) {
        uint8_t byte = line.data[i];
        TRY(buf_append(out, byte == '\t' ? " " : byte < ' ' || byte == 127 ? "." : (const char *)&byte, 1));
    }
    TRY(buf_printf(out, "\n       | %*s^", (int)place->column - 1, ""));
    for (uint32_t i = 1; i < place->width && i < LINE_SHOWN_MAX; i++)
        TRY(buf_append(out, "~", 1));
    return buf_append(out, "\n", 1);
}

static enum status write_place(struct buf *out, const char *name, const struct manifest_place *place) {
    return place->line ? buf_printf(out, "%s:%u:%u: ", name, place->line, place->column)
                       : buf_printf(out, "%s: ", name);
}

/* Messages may carry bytes of keys: those that would move a terminal's cursor become dots. */
static enum status write_clean(struct buf *out, const char *text) {
    for (; *text; text++)
        TRY(buf_append(out, (uint8_t)*text < ' ' || *text == 127 ? "." : text, 1));
    return STATUS_OK;
}

static enum status write_text(const struct manifest_problem *problem, const char *name, struct slice source,
                              struct buf *out) {
    TRY(write_place(out, name, &problem->place));
    TRY(buf_printf(out, "%s: ", problem->severity == MANIFEST_ERROR ? "error" : "warning"));
    TRY(write_clean(out, problem->message));
    TRY(buf_printf(out, " [%s]\n", problem->code));
    if (problem->place.line)
        TRY(write_line(out, source, &problem->place));
    if (problem->note) {
        TRY(write_place(out, name, &problem->note_place));
        TRY(buf_printf(out, "note: "));
        TRY(write_clean(out, problem->note));
        TRY(buf_printf(out, "\n"));
        if (problem->note_place.line)
            TRY(write_line(out, source, &problem->note_place));
    }
    if (problem->help) {
        TRY(buf_printf(out, "help: "));
        TRY(write_clean(out, problem->help));
        TRY(buf_printf(out, "\n"));
    }
    return buf_printf(out, "\n");
}

static enum status write_all_text(const struct diagnostics *diagnostics, const char *name, struct slice source,
                                  struct buf *out) {
    for (uint32_t i = 0; i < diagnostics->count; i++)
        TRY(write_text(&diagnostics->problems[i], name, source, out));
    uint32_t all = diagnostics->errors + diagnostics->warnings;
    if (all > diagnostics->count)
        TRY(buf_printf(out, "%s: the first %u of %u problems are shown\n", name, diagnostics->count, all));
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ as JSON */

/* Bytes over 127 stay as they are where they are UTF-8, as YAML demands of its texts; what a key brought in may not be. */
static size_t utf8_size(const uint8_t *bytes) {
    size_t size = bytes[0] >= 0xc2 && bytes[0] < 0xe0   ? 2
                  : (bytes[0] & 0xf0) == 0xe0           ? 3
                  : bytes[0] >= 0xf0 && bytes[0] < 0xf5 ? 4
                                                        : 0;
    for (size_t i = 1; i < size; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    if (size == 3 && ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f)))
        return 0;
    if (size == 4 && ((bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f)))
        return 0;
    return size;
}

static enum status write_json_string(struct buf *out, const char *text) {
    TRY(buf_append(out, "\"", 1));
    for (const uint8_t *at = (const uint8_t *)text; *at;) {
        size_t size = *at < 0x80 ? 1 : utf8_size(at);
        if (*at == '"' || *at == '\\')
            TRY(buf_printf(out, "\\%c", *at));
        else if (*at < ' ' || *at == 127 || size == 0)
            TRY(buf_printf(out, "\\u%04x", size ? *at : 0xfffd));
        else
            TRY(buf_append(out, at, size));
        at += size ? size : 1;
    }
    return buf_append(out, "\"", 1);
}

static enum status write_json_place(struct buf *out, const struct manifest_place *place) {
    return buf_printf(out, "\"line\": %u, \"column\": %u, \"width\": %u", place->line, place->column,
                      place->width ? place->width : 1);
}

static enum status write_json(const struct manifest_problem *problem, struct buf *out) {
    TRY(buf_printf(out, "    {\"severity\": \"%s\", \"code\": \"%s\", ",
                   problem->severity == MANIFEST_ERROR ? "error" : "warning", problem->code));
    TRY(write_json_place(out, &problem->place));
    TRY(buf_printf(out, ", \"message\": "));
    TRY(write_json_string(out, problem->message));
    if (problem->note) {
        TRY(buf_printf(out, ", \"note\": {"));
        TRY(write_json_place(out, &problem->note_place));
        TRY(buf_printf(out, ", \"message\": "));
        TRY(write_json_string(out, problem->note));
        TRY(buf_printf(out, "}"));
    }
    if (problem->help) {
        TRY(buf_printf(out, ", \"help\": "));
        TRY(write_json_string(out, problem->help));
    }
    return buf_printf(out, "}");
}

static enum status write_all_json(const struct diagnostics *diagnostics, const char *name, struct buf *out) {
    TRY(buf_printf(out, "{\n  \"file\": "));
    TRY(write_json_string(out, name));
    TRY(buf_printf(out, ",\n  \"errors\": %u,\n  \"warnings\": %u,\n  \"problems\": [", diagnostics->errors,
                   diagnostics->warnings));
    for (uint32_t i = 0; i < diagnostics->count; i++) {
        TRY(buf_printf(out, i ? ",\n" : "\n"));
        TRY(write_json(&diagnostics->problems[i], out));
    }
    return buf_printf(out, diagnostics->count ? "\n  ]\n}\n" : "]\n}\n");
}

enum status diagnostics_write(struct diagnostics *diagnostics, enum diagnostics_form form, const char *name,
                              struct slice source, struct buf *out) {
    if (diagnostics->short_of_memory)
        return STATUS_NO_MEMORY;
    return form == DIAGNOSTICS_JSON ? write_all_json(diagnostics, name, out)
                                    : write_all_text(diagnostics, name, source, out);
}
