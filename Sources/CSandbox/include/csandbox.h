// The walls around a process that decodes untrusted files. Swift can't write a seccomp filter (macros, unions) itself.
#ifndef CSANDBOX_H
#define CSANDBOX_H

#include <stdint.h>
#include <sys/types.h>

/// From here on this process can read and write the descriptors it has, use memory and end; anything else kills it: no
/// files, no network, no processes, no executable memory. Its memory and its CPU time are limited and it dumps no core.
/// There is no way back.
///
/// Returns 0, or -1 with errno: nothing may be decoded then.
int sandbox_enter(uint64_t memory_bytes_max);

/// Starts a program with `descriptor` as its 3, /dev/null as 0 to 2, nothing else open and no environment.
///
/// Returns its process id, or -1 with errno.
pid_t sandbox_spawn(const char *program, char *const arguments[], int descriptor);

#endif
