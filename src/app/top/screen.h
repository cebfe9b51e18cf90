/* app/top/screen.h: what `strata top` shows, as lines of text, and as JSON.
 *
 * Threads: no state.
 * Errors:  STATUS_NO_MEMORY.
 */
#ifndef STRATA_APP_TOP_SCREEN_H
#define STRATA_APP_TOP_SCREEN_H

#include "app/top/reading.h"

enum screen_view { VIEW_OVERVIEW, VIEW_COMMANDS, VIEW_MEMORY, VIEW_CLASSES, VIEW_HOT_KEYS, VIEWS };

struct screen {
    const struct reading *before, *now;
    const char *place;
    enum screen_view view;
    uint32_t sort; /* column of the view's table, modulo their number */
    bool paused;
    int width, height; /* height 0: as many lines as there are */
};

/* Lines of at most `width` columns, each with its end. */
MUST_CHECK enum status screen_write(const struct screen *screen, struct buf *out);

/* One object in one line. */
MUST_CHECK enum status screen_write_json(const struct screen *screen, struct buf *out);

#endif
