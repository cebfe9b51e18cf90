#include "sys/os/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

static double seconds(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

void process_facts(struct process_facts *ret_facts) {
    struct process_facts facts = {.process_id = (int)getpid()};
    struct rusage self, children;
    if (getrusage(RUSAGE_SELF, &self) == 0) {
        facts.cpu_user_s = seconds(self.ru_utime);
        facts.cpu_system_s = seconds(self.ru_stime);
        facts.resident_peak_bytes = (uint64_t)self.ru_maxrss * 1024;
    }
    if (getrusage(RUSAGE_CHILDREN, &children) == 0) {
        facts.cpu_user_children_s = seconds(children.ru_utime);
        facts.cpu_system_children_s = seconds(children.ru_stime);
    }
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        unsigned long pages = 0, resident = 0;
        if (fscanf(file, "%lu %lu", &pages, &resident) == 2)
            facts.resident_bytes = (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
        fclose(file);
    }
    *ret_facts = facts;
}

/* The number in a file of one line; 0 if there is none ("max"). */
static uint64_t number_in(const char *path) {
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    unsigned long long value = 0;
    if (fscanf(file, "%llu", &value) != 1)
        value = 0;
    fclose(file);
    return value;
}

uint64_t process_memory_total_bytes(void) {
    uint64_t total = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        uint64_t limit = number_in(limits[i]);
        if (limit && limit < total)
            total = limit;
    }
    return total;
}

static uint64_t swapped_bytes(void) {
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long kib = 0;
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file) && sscanf(line, "VmSwap: %llu kB", &kib) != 1)
        ;
    fclose(file);
    return kib * 1024;
}

/* The word in brackets: "always [madvise] never". */
static void word_in_brackets(const char *path, char *ret_word, size_t size) {
    FILE *file = fopen(path, "re");
    char line[128] = "";
    ret_word[0] = 0;
    if (!file)
        return;
    const char *begin = fgets(line, sizeof line, file) ? strchr(line, '[') : NULL;
    size_t length = begin ? strcspn(begin + 1, "]") : 0;
    if (length && length < size) {
        memcpy(ret_word, begin + 1, length);
        ret_word[length] = 0;
    }
    fclose(file);
}

void process_memory(struct process_memory *ret_memory) {
    enum { STRICTLY = 2 };
    *ret_memory = (struct process_memory){.swapped_bytes = swapped_bytes(),
                                          .commits_strictly = number_in("/proc/sys/vm/overcommit_memory") == STRICTLY};
    word_in_brackets("/sys/kernel/mm/transparent_hugepage/enabled", ret_memory->huge_pages,
                     sizeof ret_memory->huge_pages);
}

void process_system_name(char *ret_text, size_t size) {
    struct utsname name;
    if (uname(&name) == 0)
        snprintf(ret_text, size, "%s %s %s", name.sysname, name.release, name.machine);
    else
        ret_text[0] = 0;
}

void process_executable(char *ret_text, size_t size) {
    ssize_t length = readlink("/proc/self/exe", ret_text, size - 1);
    ret_text[length > 0 ? length : 0] = 0;
}

void process_host_name(char *ret_text, size_t size) {
    if (gethostname(ret_text, size) != 0)
        ret_text[0] = 0;
    ret_text[size - 1] = 0; /* of one that is too long */
}

uint64_t process_descriptors_raise(uint64_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    if (limit.rlim_cur >= wanted)
        return limit.rlim_cur;
    struct rlimit more = {.rlim_cur = wanted, .rlim_max = limit.rlim_max > wanted ? limit.rlim_max : wanted};
    if (setrlimit(RLIMIT_NOFILE, &more) == 0)
        return wanted;
    /* Not privileged: as far as the hard limit goes. */
    more = (struct rlimit){.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted, .rlim_max = limit.rlim_max};
    return setrlimit(RLIMIT_NOFILE, &more) == 0 ? more.rlim_cur : limit.rlim_cur;
}

enum status process_id_file_write(const char *path) {
    FILE *file = fopen(path, "we");
    if (!file)
        return STATUS_IO;
    int written = fprintf(file, "%d\n", (int)getpid());
    return fclose(file) == 0 && written > 0 ? STATUS_OK : STATUS_IO;
}
