#include "app/cli/doctor_system.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/json_text.h"
#include "sys/os/process.h"
#include "sys/os/thread.h"

enum { FILES_BESIDE_CLIENTS = 64, EXIT_GOOD = 0, EXIT_FINDINGS = 1, EXIT_UNREADABLE = 2 };

extern char **environ;

static struct finding *add(struct findings *findings, enum finding_severity severity, const char *subject,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));

static struct finding *add(struct findings *findings, enum finding_severity severity, const char *subject,
                           const char *format, ...) {
    struct finding *finding = &findings->list[findings->count];
    va_list arguments;
    findings->count += findings->count < FINDINGS_MAX - 1;
    *finding = (struct finding){.severity = severity, .subject = subject};
    va_start(arguments, format);
    vsnprintf(finding->reason, sizeof finding->reason, format, arguments);
    va_end(arguments);
    return finding;
}

static void mend(struct finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void mend(struct finding *finding, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->command, sizeof finding->command, format, arguments);
    va_end(arguments);
}

/* ------------------------------------------------------------------------------------------ memory */

static double in_gb(uint64_t bytes) { return (double)bytes / (1 << 30); }

static void judge_memory(const struct system_facts *facts, const struct config_values *values,
                         struct findings *findings) {
    uint64_t most = values->maxmemory_bytes, room = facts->memory_bytes;
    if (room && most > room - room / 10) /* more than all of it is refused as a configuration */
        mend(add(findings, FINDING_WARNING, "memory",
                 "maxmemory is %.1f GB of the %.1f GB that the machine or its control group has: connections and "
                 "snapshots need some beside it",
                 in_gb(most), in_gb(room)),
             "set maxmemory to 80%% or less");
    if (facts->overcommit == 2)
        mend(add(findings, FINDING_WARNING, "overcommit",
                 "vm.overcommit_memory is 2: the server reserves maxmemory as one range at its start, and the kernel "
                 "may refuse that"),
             "sysctl -w vm.overcommit_memory=0");
    if (facts->swap_bytes && facts->swappiness > 10)
        mend(add(findings, FINDING_WARNING, "swap",
                 "there is swap and vm.swappiness is %d: parts of the cache may be swapped out, and reading them takes "
                 "milliseconds",
                 facts->swappiness),
             "sysctl -w vm.swappiness=1");
    if (strcmp(facts->huge_pages, "never") == 0)
        mend(add(findings, FINDING_NOTE, "huge pages",
                 "transparent huge pages are off: the server asks for them where they help, and lookups take longer "
                 "without"),
             "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

/* ------------------------------------------------------------------------------------------ connections, time */

static void judge_connections(const struct system_facts *facts, const struct config_values *values,
                              struct findings *findings) {
    long long backlog = (long long)values->tcp_backlog;
    uint64_t wanted = (uint64_t)values->maxclients + FILES_BESIDE_CLIENTS;
    if (facts->somaxconn >= 0 && facts->somaxconn < backlog)
        mend(add(findings, FINDING_WARNING, "backlog",
                 "net.core.somaxconn is %lld, below tcp-backlog %lld: when many connect at once, some are turned away",
                 (long long)facts->somaxconn, backlog),
             "sysctl -w net.core.somaxconn=%lld", backlog);
    if (facts->files_max && facts->files_max < wanted)
        mend(add(findings, FINDING_WARNING, "open files",
                 "a process may open %llu files, and maxclients %lld needs %llu: fewer clients will be served",
                 (unsigned long long)facts->files_max, (long long)values->maxclients, (unsigned long long)wanted),
             "LimitNOFILE=%llu in the unit of systemd, or ulimit -n %llu", (unsigned long long)wanted,
             (unsigned long long)wanted);
    static const char *const slow[] = {"hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"};
    for (size_t i = 0; i < COUNT_OF(slow); i++)
        if (strcmp(facts->clock_source, slow[i]) == 0)
            mend(add(findings, FINDING_WARNING, "clock",
                     "the clock source is %s: asking for the time takes a system call", slow[i]),
                 "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource, if it is in "
                 "available_clocksource");
}

/* ------------------------------------------------------------------------------------------ disk */

static void judge_file_system(const char *name, struct findings *findings) {
    if (strcmp(name, "tmpfs") == 0 || strcmp(name, "ramfs") == 0)
        mend(add(findings, FINDING_ERROR, "dir",
                 "dir is on %s, which is memory: what is kept there is gone when the machine restarts", name),
             "set dir to a directory on a disk");
    else if (strcmp(name, "overlay") == 0)
        mend(add(findings, FINDING_WARNING, "dir",
                 "dir is on overlay, as in a container: what is kept there is gone with the container"),
             "mount a volume at dir");
    else if (name[0])
        mend(add(findings, FINDING_WARNING, "dir",
                 "dir is on %s: what is flushed is as durable, and as fast, as its other end makes it", name),
             "set dir to a directory on a disk of this machine");
}

static void judge_disk(const struct system_facts *facts, const struct config_values *values,
                       struct findings *findings) {
    bool tiered = values->warm_file[0];
    if (!values->appendonly && !tiered)
        return;
    if (!facts->disk_known || !facts->dir_is_writable)
        add(findings, FINDING_ERROR, "dir", "dir is not there, or this user may not write to it: %.200s", values->dir);
    judge_file_system(facts->file_system, findings);
    if (values->appendonly && facts->disk_known && facts->disk_free_bytes < values->maxmemory_bytes)
        mend(add(findings, FINDING_WARNING, "disk",
                 "%.1f GB are free where dir is, less than maxmemory %.1f GB: when the cache is full, a snapshot and "
                 "the log may not fit",
                 in_gb(facts->disk_free_bytes), in_gb(values->maxmemory_bytes)),
             "make room for twice maxmemory, or lower it");
    if (tiered && facts->io_uring_error)
        mend(add(findings, FINDING_NOTE, "io_uring",
                 "the kernel refuses io_uring (%s): the warm tier is read by threads instead, which takes more of the "
                 "processor",
                 strerror(facts->io_uring_error)),
             "sysctl -w kernel.io_uring_disabled=0, or allow io_uring in the container's seccomp profile");
}

void system_judge(const struct system_facts *facts, const struct config_values *values, struct findings *ret_findings) {
    ret_findings->count = 0;
    judge_memory(facts, values, ret_findings);
    judge_connections(facts, values, ret_findings);
    judge_disk(facts, values, ret_findings);
}

/* ------------------------------------------------------------------------------------------ telling */

static const char *const severities[] = {"good", "note", "warning", "error"};

static void print_text(const struct findings *findings) {
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        printf("%s: %s: %s\n", severities[finding->severity], finding->subject, finding->reason);
        if (finding->command[0])
            printf("    %s\n", finding->command);
    }
    if (findings->count == 0)
        puts("good: this system is set up for a server");
}

static enum status write_json(const struct findings *findings, struct buf *out) {
    TRY(buf_printf(out, "{\"findings\":["));
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        TRY(buf_printf(out, "%s{\"severity\":\"%s\",\"subject\":\"%s\",\"reason\":", i ? "," : "",
                       severities[finding->severity], finding->subject));
        TRY(json_text_write(out, slice_from_string(finding->reason)));
        TRY(buf_printf(out, ",\"command\":"));
        TRY(finding->command[0] ? json_text_write(out, slice_from_string(finding->command))
                                : buf_append(out, "null", 4));
        TRY(buf_append(out, "}", 1));
    }
    return buf_append(out, "]}\n", 3);
}

static int tell(const struct findings *findings, bool json) {
    enum finding_severity worst = FINDING_GOOD;
    struct buf out;
    for (size_t i = 0; i < findings->count; i++)
        worst = findings->list[i].severity > worst ? findings->list[i].severity : worst;
    buf_init(&out, &memory_libc);
    if (json && write_json(findings, &out) == STATUS_OK)
        fwrite(out.data, 1, out.size, stdout);
    else
        print_text(findings);
    buf_fini(&out);
    return fflush(stdout) != 0 ? EXIT_UNREADABLE : worst >= FINDING_WARNING ? EXIT_FINDINGS : EXIT_GOOD;
}

int doctor_system(const char *config_file, bool json) {
    static struct config config; /* large: not on the stack */
    struct config_machine machine = {process_memory_total_bytes(), thread_cores()};
    struct config_request request;
    struct config_error error;
    struct system_facts facts;
    struct findings findings;
    char flag[] = "--config", file[CONFIG_PATH_MAX + 1];
    snprintf(file, sizeof file, "%s", config_file ? config_file : "");
    char *const flags[] = {flag, file, NULL};
    if (config_load(&config, &request, &machine, environ, config_file ? 2 : 0, flags, &memory_libc, &error) !=
        STATUS_OK) {
        fprintf(stderr, "strata doctor: %s\n", error.text);
        return EXIT_UNREADABLE;
    }
    system_facts_read(&config.values, &facts);
    system_judge(&facts, &config.values, &findings);
    return tell(&findings, json);
}
