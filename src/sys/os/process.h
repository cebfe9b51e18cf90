/* sys/os/process.h: facts about this process and its machine.
 *
 * Threads: any.
 * Errors:  a fact that the system does not tell is 0 or an empty text.
 */
#ifndef STRATA_SYS_OS_PROCESS_H
#define STRATA_SYS_OS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct process_facts {
    uint64_t resident_bytes, resident_peak_bytes;
    double cpu_user_s, cpu_system_s, cpu_user_children_s, cpu_system_children_s;
    int process_id;
};

void process_facts(struct process_facts *ret_facts);

/* What the machine has, or the cgroup allows, whichever is less. */
uint64_t process_memory_total_bytes(void);

/* What the system makes of memory: pages of this process that were swapped out; whether it gives out no more than it has (vm.overcommit_memory 2); and
 * when it uses huge pages: "always", "madvise", "never", or "": that is not known. */
enum { PROCESS_HUGE_PAGES_MAX = 8 };
struct process_memory {
    uint64_t swapped_bytes;
    bool commits_strictly;
    char huge_pages[PROCESS_HUGE_PAGES_MAX];
};
void process_memory(struct process_memory *ret_memory);

/* "Linux 6.1.0 x86_64" and the path of the running program. */
void process_system_name(char *ret_text, size_t size);
void process_executable(char *ret_text, size_t size);
/* The name of the machine. */
void process_host_name(char *ret_text, size_t size);

/* Raises the limit of open descriptors towards `wanted`; answers what holds now. */
uint64_t process_descriptors_raise(uint64_t wanted);

/* Writes the process id to a new file, or over an old one; STATUS_IO with errno. */
MUST_CHECK enum status process_id_file_write(const char *path);

#endif
