#include "sys/os/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>

#include "base/bits.h"

static void *thread_main(void *argument) {
    struct thread *thread = argument;
    thread->run(thread->context);
    return NULL;
}

/* Signals are for the program's own threads; but for those that a thread raises itself, and of profilers. */
static void signals_of_others(sigset_t *ret_signals) {
    static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS, SIGPROF};
    sigfillset(ret_signals);
    for (size_t i = 0; i < COUNT_OF(own); i++)
        sigdelset(ret_signals, own[i]);
}

enum status thread_start(struct thread *thread, const char *name, void (*run)(void *context), void *context) {
    sigset_t signals, before;
    thread->run = run;
    thread->context = context;
    signals_of_others(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    int error = pthread_create(&thread->id, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return STATUS_NO_MEMORY;
    char short_name[16];
    snprintf(short_name, sizeof short_name, "%s", name);
    (void)pthread_setname_np(thread->id, short_name);
    return STATUS_OK;
}

void thread_join(struct thread *thread) { pthread_join(thread->id, NULL); }

void thread_yield(void) { (void)sched_yield(); }

/* The cgroup's processor share ("max 100000" or "150000 100000"), 0 if there is none. */
static unsigned cgroup_cores(void) {
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return 0;
    double quota = 0, period = 0;
    int fields = fscanf(file, "%lf %lf", &quota, &period);
    fclose(file);
    return fields == 2 && period > 0 ? (unsigned)((quota + period - 1) / period) : 0;
}

unsigned thread_cores(void) {
    cpu_set_t set;
    unsigned cores = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    unsigned share = cgroup_cores();
    if (share && share < cores)
        cores = share;
    return cores ? cores : 1;
}
