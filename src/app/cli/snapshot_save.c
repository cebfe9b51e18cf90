/* app/cli/snapshot_save.c: `strata snapshot save`: one connection asks for it and waits, another one looks how far it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/snapshot.h"
#include "base/terminal_text.h"
#include "sys/os/clock.h"

enum { LOOK_MS = 200, LINE_MS = 1000, INFO_MAX = 64 * 1024 };

/* A field of INFO; `missing` if it is not there. */
static double field(const char *info, const char *name, double missing) {
    char line[64];
    int size = snprintf(line, sizeof line, "\n%s:", name);
    const char *at = strstr(info, line);
    return at ? strtod(at + size, NULL) : missing;
}

struct watching {
    struct snapshot_progress progress;
    uint64_t line_ms; /* when the last line was written, where there is no terminal */
};

static void size_text(double bytes, char text[32]) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    int unit = 0;
    for (; bytes >= 1024 && unit < 4; unit++)
        bytes /= 1024;
    snprintf(text, 32, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

static void show(struct watching *watching, const char *info) {
    char written[32], rate[32];
    double percent = field(info, "snapshot_percent", -1);
    uint64_t now_ms = clock_steady_ms();
    bool is_line = !watching->progress.is_terminal;
    if (percent < 0 || (is_line && now_ms - watching->line_ms < LINE_MS))
        return;
    watching->line_ms = now_ms;
    size_text(field(info, "snapshot_bytes_written", 0), written);
    size_text(field(info, "snapshot_bytes_per_sec", 0), rate);
    snapshot_show(&watching->progress, is_line, "snapshot: %.0f %%, %s, %s/s, about %.0f s left", percent, written,
                  rate, field(info, "snapshot_remaining_sec", 0));
}

static bool look(struct server_link *link, struct watching *watching) {
    static char info[INFO_MAX];
    struct resp_value reply;
    if (!server_link_ask(link, "INFO persistence", &reply))
        return false;
    snprintf(info, sizeof info, "%.*s", (int)reply.text.size, (const char *)reply.text.data);
    show(watching, info);
    return true;
}

static int wait_for_end(struct server_link *saving, struct server_link *looking) {
    struct watching watching = {.line_ms = clock_steady_ms()};
    struct resp_value reply;
    uint64_t begun_ms = clock_steady_ms();
    snapshot_progress_init(&watching.progress);
    while (!server_link_is_due(saving, LOOK_MS))
        if (!look(looking, &watching)) {
            fprintf(stderr, "strata snapshot: %s\n", looking->problem);
            return SNAPSHOT_UNREADABLE;
        }
    if (!server_link_read(saving, &reply)) {
        fprintf(stderr, "strata snapshot: %s\n", saving->problem);
        return SNAPSHOT_UNREADABLE;
    }
    if (resp_type_is_error(reply.type)) {
        char shown[300];
        terminal_text_copy(reply.text, shown, sizeof shown);
        snapshot_show(&watching.progress, true, "strata snapshot: the server answers: %s", shown);
        return SNAPSHOT_WRONG;
    }
    snapshot_show(&watching.progress, true, "snapshot: done in %.1f s", (double)(clock_steady_ms() - begun_ms) / 1000);
    return SNAPSHOT_GOOD;
}

int snapshot_save(const struct snapshot_options *options) {
    const struct slice words[] = {SLICE("SAVE")};
    struct server_link saving, looking;
    int code = SNAPSHOT_UNREADABLE;
    bool good = server_link_open(&saving, &options->server.place),
         looks = good && server_link_open(&looking, &options->server.place);
    if (looks && server_link_add(&saving, words, 1) && server_link_send(&saving))
        code = wait_for_end(&saving, &looking);
    else
        fprintf(stderr, "strata snapshot: %s\n", good && !looks ? looking.problem : saving.problem);
    if (good)
        server_link_close(&looking);
    server_link_close(&saving);
    return code;
}
