#ifndef CPROGRAMS_H
#define CPROGRAMS_H

#include <sys/types.h>

/// Starts a program with no signal blocked or ignored and no descriptor but the three, which are files. `output` and
/// `errors` are written on at their end, and made where they are not there. `folder` may be NULL: this process's.
///
/// - Returns: 0, or an errno.
int saed_programs_start(
    pid_t *identifier, const char *path, char *const arguments[], char *const environment[], const char *input, const char *output,
    const char *errors, const char *folder);

#endif
