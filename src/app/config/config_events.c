#include "app/config/config_events.h"

#include "base/bits.h"

/* As they are written; A replaces the first ten. Redis leaves n out beside A, and would lose it when it writes its file. */
static const struct {
    char letter;
    uint32_t events;
} letters[] = {
    {'A', CONFIG_EVENTS_ALL},       {'g', CONFIG_EVENT_GENERIC},  {'$', CONFIG_EVENT_STRING},
    {'l', CONFIG_EVENT_LIST},       {'s', CONFIG_EVENT_SET},      {'h', CONFIG_EVENT_HASH},
    {'z', CONFIG_EVENT_SORTED_SET}, {'x', CONFIG_EVENT_EXPIRED},  {'e', CONFIG_EVENT_EVICTED},
    {'t', CONFIG_EVENT_STREAM},     {'d', CONFIG_EVENT_MODULE},   {'n', CONFIG_EVENT_NEW},
    {'K', CONFIG_EVENT_TO_KEY},     {'E', CONFIG_EVENT_TO_EVENT}, {'m', CONFIG_EVENT_MISS},
};

bool config_events_parse(struct slice text, uint32_t *ret_events) {
    uint32_t events = 0;
    for (size_t i = 0; i < text.size; i++) {
        size_t at = 0;
        while (at < COUNT_OF(letters) && letters[at].letter != (char)text.data[i])
            at++;
        if (at == COUNT_OF(letters))
            return false;
        events |= letters[at].events;
    }
    *ret_events = events;
    return true;
}

size_t config_events_text(uint32_t events, char *ret_text) {
    size_t size = 0;
    uint32_t left = events;
    for (size_t i = 0; i < COUNT_OF(letters); i++)
        if ((left & letters[i].events) == letters[i].events) {
            ret_text[size++] = letters[i].letter;
            left &= ~letters[i].events;
        }
    ret_text[size] = 0;
    return size;
}
