#include "core/history/history.h"

#include <assert.h>

#include "base/assert.h"
#include "base/bits.h"

/* 32 bytes: two in a line. */
struct history_record {
    uint64_t hash;
    uint64_t when_kind; /* when_ms 48 | kind 4 | detail 8 | has text 1 */
    uint32_t back;      /* how many records before this one the next of the chain is; 0: there is none */
    uint32_t text_at;   /* low bits of its place */
    uint64_t author;    /* client 40 | command 16 */
};
static_assert(sizeof(struct history_record) == 32, "two records are one cache line");

enum {
    KIND_AT = 12,
    KIND_MASK = 15,
    DETAIL_AT = 4,
    DETAIL_MASK = 255,
    HAS_TEXT = 1,
    WHEN_AT = 16,
    COMMAND_AT = 40,
    TEXT_HEAD = 2, /* bytes before a text: its size */
};

enum status history_init(struct history *history, size_t size_bytes, const struct memory *memory) {
    ASSERT(size_bytes >= HISTORY_SIZE_MIN && size_bytes <= HISTORY_SIZE_MAX);
    *history = (struct history){.memory = memory};
    /* Half or a bit less for texts; the rest for records and as many heads, or fewer. */
    uint32_t text_room = 1;
    while ((size_t)text_room * 2 <= size_bytes / 2)
        text_room *= 2;
    size_t rest = size_bytes - text_room;
    uint32_t heads = 1;
    while ((size_t)heads * 2 * (sizeof(struct history_record) + sizeof(uint32_t)) <= rest)
        heads *= 2;
    history->record_count = (uint32_t)((rest - heads * sizeof(uint32_t)) / sizeof(struct history_record));
    ASSERT(history->record_count >= HISTORY_RECORDS_MIN);
    history->size =
        (size_t)history->record_count * sizeof(struct history_record) + heads * sizeof(uint32_t) + text_room;
    history->piece = memory_take(memory, history->size);
    if (!history->piece)
        return STATUS_NO_MEMORY;
    history->records = history->piece;
    history->heads = (uint32_t *)(void *)(history->records + history->record_count);
    history->texts = (uint8_t *)(history->heads + heads);
    history->head_mask = heads - 1;
    history->text_room = text_room;
    memset(history->heads, 0, heads * sizeof(uint32_t));
    return STATUS_OK;
}

void history_fini(struct history *history) {
    if (history->piece)
        memory_give(history->memory, history->piece, history->size);
    *history = (struct history){.piece = NULL};
}

/* ------------------------------------------------------------------------------------------ chains */

static struct history_record *record_at(const struct history *history, uint64_t number) {
    return &history->records[number % history->record_count];
}

/* The number of the newest record of a bucket; false: none that is still there. */
static bool head_of(const struct history *history, uint64_t hash, uint64_t *ret_number) {
    uint32_t head = history->heads[hash & history->head_mask];
    if (head == 0)
        return false;
    uint32_t ago = (uint32_t)history->added - head; /* 0: the last one that was added */
    *ret_number = history->added - 1 - ago;
    return ago < history->record_count && ago < history->added;
}

/* The next one of the chain. */
static bool go_back(const struct history *history, uint64_t *number) {
    uint32_t back = record_at(history, *number)->back;
    if (back == 0 || back > *number || history->added - (*number - back) > history->record_count)
        return false;
    *number -= back;
    return true;
}

/* Finds the record of a hash; `ret_after`: the one before it in the chain, UINT64_MAX: it is the first. */
static bool find(const struct history *history, uint64_t hash, uint64_t *ret_number, uint64_t *ret_after) {
    uint64_t number, after = UINT64_MAX;
    if (!head_of(history, hash, &number))
        return false;
    for (int steps = 0; steps < HISTORY_STEPS_MAX; steps++) {
        if (record_at(history, number)->hash == hash) {
            *ret_number = number;
            *ret_after = after;
            return true;
        }
        after = number;
        if (!go_back(history, &number))
            return false;
    }
    return false;
}

/* Takes the record out of its chain, so that a name that comes again and again does not fill a bucket. */
static void leave_chain(struct history *history, uint64_t hash, uint64_t number, uint64_t after) {
    uint32_t back = record_at(history, number)->back;
    if (after != UINT64_MAX) {
        struct history_record *newer = record_at(history, after);
        newer->back = back && (uint64_t)newer->back + back <= UINT32_MAX ? newer->back + back : 0;
        return;
    }
    /* A record that is gone already ends the chain as well as none. */
    history->heads[hash & history->head_mask] = back ? (uint32_t)(number - back + 1) : 0;
}

/* ------------------------------------------------------------------------------------------ texts */

static struct slice text_at(const struct history *history, uint64_t at) {
    const uint8_t *from = history->texts + (at & (history->text_room - 1));
    uint16_t size;
    memcpy(&size, from, sizeof size);
    return slice_make(from + TEXT_HEAD, size);
}

/* A text stands in one piece: what is left at the end of the ring is passed over. */
static uint64_t put_text(struct history *history, struct slice text) {
    uint32_t size = (uint32_t)bits_align_up(TEXT_HEAD + text.size, TEXT_HEAD);
    if (history->last_text_size == text.size && slice_equal(text_at(history, history->last_text_at), text) &&
        history->texts_end - history->last_text_at <= history->text_room / 2)
        return history->last_text_at;
    uint32_t left = history->text_room - (uint32_t)(history->texts_end & (history->text_room - 1));
    if (left < size)
        history->texts_end += left;
    uint64_t at = history->texts_end;
    uint8_t *to = history->texts + (at & (history->text_room - 1));
    uint16_t text_size = (uint16_t)text.size;
    memcpy(to, &text_size, sizeof text_size);
    memcpy(to + TEXT_HEAD, text.data, text.size);
    history->texts_end += size;
    history->last_text_at = at;
    history->last_text_size = text_size;
    return at;
}

/* ------------------------------------------------------------------------------------------ in and out */

void history_add(struct history *history, uint64_t hash, const struct history_event *event) {
    uint64_t before, after;
    ASSERT(event->kind <= KIND_MASK && event->detail <= DETAIL_MASK && event->command <= UINT16_MAX);
    ASSERT(event->text.size <= HISTORY_TEXT_MAX);
    if (find(history, hash, &before, &after))
        leave_chain(history, hash, before, after);
    struct history_record record = {
        .hash = hash,
        .when_kind = event->when_ms << WHEN_AT | (uint64_t)event->kind << KIND_AT | event->detail << DETAIL_AT,
        .author = (event->client & ((1ull << COMMAND_AT) - 1)) | (uint64_t)event->command << COMMAND_AT};
    if (event->text.size) {
        record.when_kind |= HAS_TEXT;
        record.text_at = (uint32_t)put_text(history, event->text);
    }
    uint64_t newest;
    if (head_of(history, hash, &newest))
        record.back = (uint32_t)(history->added - newest);
    *record_at(history, history->added) = record;
    history->added++;
    history->heads[hash & history->head_mask] = (uint32_t)history->added ? (uint32_t)history->added : 0;
}

bool history_find(const struct history *history, uint64_t hash, struct history_event *ret_event) {
    uint64_t number, after;
    if (!history->record_count || !find(history, hash, &number, &after))
        return false;
    const struct history_record *record = record_at(history, number);
    *ret_event = (struct history_event){.when_ms = record->when_kind >> WHEN_AT,
                                        .client = record->author & ((1ull << COMMAND_AT) - 1),
                                        .kind = record->when_kind >> KIND_AT & KIND_MASK,
                                        .detail = record->when_kind >> DETAIL_AT & DETAIL_MASK,
                                        .command = (uint32_t)(record->author >> COMMAND_AT)};
    if (record->when_kind & HAS_TEXT) {
        uint32_t ago = (uint32_t)history->texts_end - record->text_at;
        ret_event->text_lost = ago > history->text_room;
        if (!ret_event->text_lost)
            ret_event->text = text_at(history, history->texts_end - ago);
    }
    return true;
}

void history_verify(const struct history *history) {
    for (uint32_t i = 0; history->record_count && i <= history->head_mask; i++) {
        uint64_t number;
        if (!head_of(history, i, &number))
            continue;
        do
            ASSERT((record_at(history, number)->hash & history->head_mask) == i || history->added > UINT32_MAX);
        while (go_back(history, &number));
    }
    ASSERT(history->text_room == 0 || history->last_text_at <= history->texts_end);
}
