/* app/shell/watch_modes.c: figures of a server over time. */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "app/shell/modes.h"
#include "base/number.h"
#include "sys/os/clock.h"

enum { HEAD_EVERY = 20, PING_PAUSE_MS = 10, HISTORY_S = 15 };

static void pause_for(double seconds) {
    struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0)
        continue;
}

/* ------------------------------------------------------------------------------------------ --stat */

/* The number behind "name:" at the beginning of a line of INFO; 0 if there is none. */
static uint64_t info_number(struct slice info, const char *name) {
    size_t size = strlen(name);
    for (size_t at = 0; at + size < info.size; at++) {
        if ((at && info.data[at - 1] != '\n') || memcmp(info.data + at, name, size) != 0 || info.data[at + size] != ':')
            continue;
        uint64_t number = 0;
        size_t from = at + size + 1, end = from;
        while (end < info.size && info.data[end] >= '0' && info.data[end] <= '9')
            end++;
        return number_parse_u64(slice_part(info, from, end - from), &number) ? number : 0;
    }
    return 0;
}

/* Of all databases: "db0:keys=5,expires=0". */
static uint64_t info_keys(struct slice info) {
    uint64_t total = 0, number;
    for (size_t at = 0; at + 8 < info.size; at++) {
        if ((at && info.data[at - 1] != '\n') || memcmp(info.data + at, "db", 2) != 0)
            continue;
        size_t from = at + 2;
        while (from < info.size && info.data[from] >= '0' && info.data[from] <= '9')
            from++;
        if (!slice_starts_with(slice_part(info, from, SIZE_MAX), SLICE(":keys=")))
            continue;
        size_t end = from += 6;
        while (end < info.size && info.data[end] >= '0' && info.data[end] <= '9')
            end++;
        total += number_parse_u64(slice_part(info, from, end - from), &number) ? number : 0;
    }
    return total;
}

static void print_bytes(uint64_t bytes) {
    static const char units[] = "BKMGT";
    double amount = (double)bytes;
    int unit = 0;
    for (; amount >= 1024 && units[unit + 1]; unit++)
        amount /= 1024;
    char text[32];
    snprintf(text, sizeof text, unit ? "%.2f%c" : "%.0f%c", amount, units[unit]);
    printf("%-9s", text);
}

/* What a line of --stat has of one INFO. */
struct reading {
    uint64_t keys, memory, clients, blocked, requests, since, connections;
    bool saves;
};

static struct reading read_info(struct slice info, uint64_t requests_before) {
    struct reading reading = {.keys = info_keys(info),
                              .memory = info_number(info, "used_memory"),
                              .clients = info_number(info, "connected_clients"),
                              .blocked = info_number(info, "blocked_clients"),
                              .requests = info_number(info, "total_commands_processed"),
                              .connections = info_number(info, "total_connections_received"),
                              .saves = info_number(info, "rdb_bgsave_in_progress") != 0};
    reading.since = requests_before == UINT64_MAX ? 0 : reading.requests - requests_before;
    return reading;
}

static void print_reading(const struct reading *reading) {
    char more[32];
    snprintf(more, sizeof more, "(+%" PRIu64 ")", reading->since);
    printf("%-11" PRIu64, reading->keys);
    print_bytes(reading->memory);
    printf("%-8" PRIu64 "%-8" PRIu64 "%-10" PRIu64 " %-8s %-12" PRIu64 "%s\n", reading->clients, reading->blocked,
           reading->requests, more, reading->connections, reading->saves ? "SAVE" : "");
}

static void print_reading_json(const struct reading *reading) {
    printf("{\"keys\":%" PRIu64 ",\"memory_bytes\":%" PRIu64 ",\"clients\":%" PRIu64 ",\"blocked\":%" PRIu64
           ",\"requests\":%" PRIu64 ",\"requests_since\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"saves\":%s}\n",
           reading->keys, reading->memory, reading->clients, reading->blocked, reading->requests, reading->since,
           reading->connections, reading->saves ? "true" : "false");
}

int modes_stat(struct session *session) {
    const struct shell_options *options = session->options;
    const struct slice words[] = {SLICE("INFO")};
    bool as_json = options->format.kind == FORMAT_JSON;
    uint64_t before = UINT64_MAX; /* none */
    for (int64_t line = 0; options->repeat <= 0 || line < options->repeat; line++) {
        if (line)
            pause_for(options->interval_s > 0 ? options->interval_s : 1);
        const struct resp_value *info = session_connect(session) ? session_ask(session, words, 1) : NULL;
        if (!info)
            return SHELL_FAILED;
        if (resp_type_is_error(info->type)) {
            session_complain("strata cli: INFO answers: ", info->text);
            return SHELL_FAILED;
        }
        if (line % HEAD_EVERY == 0 && !as_json)
            puts(
                "------- data ------ --------------------- load -------------------- - child -\n"
                "keys       mem      clients blocked requests            connections");
        struct reading reading = read_info(info->text, before);
        before = reading.requests;
        if (as_json)
            print_reading_json(&reading);
        else
            print_reading(&reading);
        if (fflush(stdout) != 0)
            return SHELL_FAILED;
    }
    return SHELL_GOOD;
}

/* ------------------------------------------------------------------------------------------ --latency */

struct trips {
    uint64_t count;
    double least_ms, most_ms, total_ms;
};

static void note_trip(struct trips *trips, double ms) {
    trips->least_ms = trips->count == 0 || ms < trips->least_ms ? ms : trips->least_ms;
    trips->most_ms = ms > trips->most_ms ? ms : trips->most_ms;
    trips->total_ms += ms;
    trips->count++;
}

static void print_trips(const struct trips *trips, const struct format *format, bool live) {
    double mean = trips->count ? trips->total_ms / (double)trips->count : 0;
    unsigned long long count = trips->count;
    if (live)
        printf("\x1b[0G\x1b[2Kmin: %.2f, max: %.2f, avg: %.2f (%llu samples)", trips->least_ms, trips->most_ms, mean,
               count);
    else if (format->kind == FORMAT_CSV)
        printf("%.3f,%.3f,%.3f,%llu\n", trips->least_ms, trips->most_ms, mean, count);
    else if (format->kind == FORMAT_JSON)
        printf("{\"min_ms\":%.3f,\"max_ms\":%.3f,\"avg_ms\":%.3f,\"samples\":%llu}\n", trips->least_ms, trips->most_ms,
               mean, count);
    else
        printf("%.3f %.3f %.3f %llu\n", trips->least_ms, trips->most_ms, mean, count);
    fflush(stdout);
}

/* One range of time; live: shown as it grows. */
static bool measure(struct session *session, double seconds, bool live, struct trips *trips) {
    const struct slice words[] = {SLICE("PING")};
    uint64_t begin_ns = clock_steady_ns();
    do {
        uint64_t sent_ns = clock_steady_ns();
        const struct resp_value *reply = session_ask(session, words, 1);
        if (!reply)
            return false;
        note_trip(trips, (double)(clock_steady_ns() - sent_ns) / 1e6);
        if (live)
            print_trips(trips, &session->options->format, true);
        pause_for(PING_PAUSE_MS / 1e3);
    } while ((double)(clock_steady_ns() - begin_ns) / 1e9 < seconds);
    return !ferror(stdout);
}

int modes_latency(struct session *session) {
    const struct shell_options *options = session->options;
    bool history = options->mode == SHELL_LATENCY_HISTORY;
    bool live = options->format.kind == FORMAT_STANDARD && isatty(STDOUT_FILENO);
    double seconds = options->interval_s > 0 ? options->interval_s : history ? HISTORY_S : 1;
    if (!session_connect(session))
        return SHELL_FAILED;
    for (int64_t range = 0;; range++) {
        struct trips trips = {0};
        if (!measure(session, live && !history ? HUGE_VAL : seconds, live, &trips))
            return SHELL_FAILED;
        if (live)
            printf(" -- %.2f seconds range\n", seconds);
        else
            print_trips(&trips, &options->format, false);
        if (!history || (options->repeat > 0 && range + 1 >= options->repeat))
            return SHELL_GOOD;
    }
}

/* ------------------------------------------------------------------------------------------ --intrinsic-latency */

static volatile sig_atomic_t is_over;

static void end(int signal) {
    (void)signal;
    is_over = 1;
}

/* Looks at the clock again and again: whatever lies between two looks, the system has taken. */
int modes_intrinsic_latency(const struct shell_options *options) {
    struct sigaction over = {.sa_handler = end};
    struct trips looks = {0};
    bool live = options->format.kind == FORMAT_STANDARD && isatty(STDOUT_FILENO);
    uint64_t before_ns = clock_steady_ns(), end_ns = before_ns + (uint64_t)(options->interval_s * 1e9);
    sigaction(SIGINT, &over, NULL);
    while (before_ns < end_ns && !is_over) {
        uint64_t now_ns = clock_steady_ns();
        double ms = (double)(now_ns - before_ns) / 1e6;
        before_ns = now_ns;
        bool longer = ms > looks.most_ms;
        note_trip(&looks, ms);
        if (longer && live) {
            printf("longest so far: %.3f ms\n", ms);
            before_ns = clock_steady_ns(); /* the terminal's time is not the system's */
        }
    }
    print_trips(&looks, &options->format, false);
    return fflush(stdout) == 0 ? SHELL_GOOD : SHELL_FAILED;
}
