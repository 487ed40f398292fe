// What the watcher needs of Linux beyond Swift's own Glibc module. Plain prototypes: including the system's
// headers here under _GNU_SOURCE would clash with how other modules were imported.
#ifndef SAED_CINOTIFY_H
#define SAED_CINOTIFY_H

#include <stdint.h>

/// A non-blocking eventfd, closed on exec; -1 with errno.
int saed_eventfd(void);

/// statfs(2)'s f_type of the file system that holds `path`; -1 where it can't be told.
int64_t saed_file_system_type(const char *path);

/// 1 while someone has the file open for writing, 0 while nobody has, -1 where it can't be told.
/// `descriptor`: opened read-only.
int saed_has_writer(int descriptor);

#endif
