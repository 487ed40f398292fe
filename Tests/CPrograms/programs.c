// In C, since Swift's Glibc does not show what glibc adds to POSIX: closing descriptors from a number on.

#define _GNU_SOURCE
#include "CPrograms.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>

static int start(
    pid_t *identifier, const char *path, char *const arguments[], char *const environment[], const char *const files[3], const char *folder,
    posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes) {
    int error = posix_spawn_file_actions_addopen(actions, 0, files[0], O_RDONLY, 0);
    for (int i = 1; i < 3 && error == 0; i++)
        error = posix_spawn_file_actions_addopen(actions, i, files[i], O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (error == 0 && folder != NULL) error = posix_spawn_file_actions_addchdir_np(actions, folder);
    if (error == 0) error = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (error == 0) error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0) error = posix_spawnattr_setsigdefault(attributes, &all);
    if (error == 0) error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return error != 0 ? error : posix_spawn(identifier, path, actions, attributes, arguments, environment);
}

int saed_programs_start(
    pid_t *identifier, const char *path, char *const arguments[], char *const environment[], const char *input, const char *output,
    const char *errors, const char *folder) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) return error;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        const char *const files[3] = {input, output, errors};
        error = start(identifier, path, arguments, environment, files, folder, &actions, &attributes);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}
