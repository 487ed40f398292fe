#define _GNU_SOURCE
#include "CInotify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/vfs.h>

int saed_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

int64_t saed_file_system_type(const char *path) {
    struct statfs facts;
    return statfs(path, &facts) == 0 ? (int64_t)(uint32_t)facts.f_type : -1;
}

// A read lease is granted only while nobody has the file open for writing: fcntl(2), F_SETLEASE.
int saed_has_writer(int descriptor) {
    // Should a writer open the file while the lease is held (some microseconds), the kernel signals us and lets it
    // wait for the release. SIGIO, the default, would end the process; SIGURG is ignored by default.
    if (fcntl(descriptor, F_SETSIG, SIGURG) != 0) return -1;
    if (fcntl(descriptor, F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN ? 1 : -1;
    fcntl(descriptor, F_SETLEASE, F_UNLCK);
    return 0;
}
