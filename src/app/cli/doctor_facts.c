/* app/cli/doctor_facts.c: reading what the system says of itself. */
#include <errno.h>
#include <linux/io_uring.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "app/cli/doctor_system.h"
#include "base/bits.h"
#include "sys/os/process.h"

enum { FUSE_MAGIC = 0x65735546, RAMFS_TYPE = 0x858458f6, CIFS_TYPE = 0xff534d42, LINE_SIZE = 256 };

static bool read_line(const char *path, char line[LINE_SIZE]) {
    FILE *file = fopen(path, "re");
    bool read = file && fgets(line, LINE_SIZE, file);
    if (file)
        fclose(file);
    if (read)
        line[strcspn(line, "\n")] = 0;
    return read;
}

static long long read_number(const char *path) {
    char line[LINE_SIZE];
    long long number;
    return read_line(path, line) && sscanf(line, "%lld", &number) == 1 ? number : SYSTEM_UNKNOWN;
}

/* "always [madvise] never": the one in brackets. */
static void read_choice(const char *path, char word[SYSTEM_WORD_SIZE]) {
    char line[LINE_SIZE];
    word[0] = 0;
    if (!read_line(path, line))
        return;
    const char *from = strchr(line, '['), *to = from ? strchr(from, ']') : NULL;
    if (to)
        snprintf(word, SYSTEM_WORD_SIZE, "%.*s", (int)(to - from - 1), from + 1);
}

static const char *name_of_file_system(unsigned type) {
    static const struct {
        unsigned type;
        const char *name;
    } names[] = {{TMPFS_MAGIC, "tmpfs"},   {RAMFS_TYPE, "ramfs"}, {OVERLAYFS_SUPER_MAGIC, "overlay"},
                 {NFS_SUPER_MAGIC, "nfs"}, {CIFS_TYPE, "cifs"},   {FUSE_MAGIC, "fuse"}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i].type == type)
            return names[i].name;
    return "";
}

static void read_disk(const char *dir, struct system_facts *facts) {
    struct statfs about;
    facts->dir_is_writable = access(dir, W_OK | X_OK) == 0;
    facts->disk_known = statfs(dir, &about) == 0;
    if (!facts->disk_known)
        return;
    facts->disk_free_bytes = (uint64_t)about.f_bavail * (uint64_t)about.f_bsize;
    snprintf(facts->file_system, sizeof facts->file_system, "%s", name_of_file_system((unsigned)about.f_type));
}

static int try_ring(void) {
    struct io_uring_params parameters;
    memset(&parameters, 0, sizeof parameters);
    long ring = syscall(SYS_io_uring_setup, 1, &parameters);
    if (ring < 0)
        return errno;
    close((int)ring);
    return 0;
}

void system_facts_read(const struct config_values *values, struct system_facts *ret_facts) {
    struct rlimit files;
    struct sysinfo about;
    char line[LINE_SIZE];
    *ret_facts = (struct system_facts){.overcommit = (int)read_number("/proc/sys/vm/overcommit_memory"),
                                       .swappiness = (int)read_number("/proc/sys/vm/swappiness"),
                                       .somaxconn = read_number("/proc/sys/net/core/somaxconn"),
                                       .memory_bytes = process_memory_total_bytes(),
                                       .io_uring_error = try_ring()};
    read_choice("/sys/kernel/mm/transparent_hugepage/enabled", ret_facts->huge_pages);
    if (read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", line))
        snprintf(ret_facts->clock_source, sizeof ret_facts->clock_source, "%.*s", SYSTEM_WORD_SIZE - 1, line);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        ret_facts->files_max = files.rlim_max == RLIM_INFINITY ? UINT64_MAX : files.rlim_max;
    if (sysinfo(&about) == 0)
        ret_facts->swap_bytes = (uint64_t)about.totalswap * about.mem_unit;
    read_disk(values->dir, ret_facts);
}
