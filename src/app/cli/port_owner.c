#include "app/cli/port_owner.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    INODES_MAX = 64,      /* listeners looked for: servers with many workers have many on one port */
    STATE_LISTENS = 0x0a, /* as the kernel numbers them */
    PATH_SIZE = 300
};

/*   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
 *    0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22501 1 ... */
bool port_owner_parse_line(const char *line, uint16_t port, uint64_t *ret_inode) {
    unsigned found_port, state;
    unsigned long long inode;
    if (sscanf(line, " %*u: %*32[0-9A-Fa-f]:%4x %*32[0-9A-Fa-f]:%*4x %2x %*x:%*x %*x:%*x %*x %*u %*u %llu", &found_port,
               &state, &inode) != 3)
        return false;
    if (found_port != port || state != STATE_LISTENS)
        return false;
    *ret_inode = inode;
    return true;
}

static size_t listeners(const char *path, uint16_t port, uint64_t inodes[INODES_MAX], size_t count) {
    char line[512];
    FILE *file = fopen(path, "re");
    if (!file)
        return count;
    while (count < INODES_MAX && fgets(line, sizeof line, file))
        count += port_owner_parse_line(line, port, &inodes[count]);
    fclose(file);
    return count;
}

/* Whether one of the open files of /proc/PID/fd is one of the sockets. */
static bool holds_socket(const char *process, const uint64_t *inodes, size_t count) {
    char path[PATH_SIZE], target[64];
    snprintf(path, sizeof path, "/proc/%s/fd", process);
    DIR *folder = opendir(path);
    if (!folder)
        return false;
    bool holds = false;
    for (struct dirent *entry; !holds && (entry = readdir(folder));) {
        ssize_t size = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        unsigned long long inode;
        target[size > 0 ? size : 0] = 0;
        if (sscanf(target, "socket:[%llu]", &inode) != 1)
            continue;
        for (size_t i = 0; i < count; i++)
            holds |= inodes[i] == inode;
    }
    closedir(folder);
    return holds;
}

static void read_name(const char *process, char *ret_name, size_t size) {
    char path[PATH_SIZE];
    ret_name[0] = 0;
    snprintf(path, sizeof path, "/proc/%s/comm", process);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (!fgets(ret_name, (int)size, file))
        ret_name[0] = 0;
    ret_name[strcspn(ret_name, "\n")] = 0;
    fclose(file);
}

bool port_owner_find(uint16_t port, struct port_owner *ret_owner) {
    uint64_t inodes[INODES_MAX];
    size_t count = listeners("/proc/net/tcp", port, inodes, 0);
    count = listeners("/proc/net/tcp6", port, inodes, count);
    if (count == 0)
        return false;
    *ret_owner = (struct port_owner){0};
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        int process_id = atoi(entry->d_name);
        if (process_id <= 0 || !holds_socket(entry->d_name, inodes, count))
            continue;
        ret_owner->process_id = process_id;
        read_name(entry->d_name, ret_owner->name, sizeof ret_owner->name);
        break;
    }
    if (folder)
        closedir(folder);
    return true;
}
