#define _GNU_SOURCE
#include "CFileCalls.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

int saed_rename_no_replace(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

int saed_clone(int from, int to) { return ioctl(to, FICLONE, from); }

long saed_copy_range(int from, int to, unsigned long count) {
    return copy_file_range(from, NULL, to, NULL, count, 0);
}

long saed_access_list(const char *path, void *list, unsigned long size) {
    return getxattr(path, "system.posix_acl_access", list, size);
}

long saed_file_system(const char *path) {
    struct statfs info;
    return statfs(path, &info) == 0 ? (long)((unsigned long)info.f_type & 0xffffffffUL) : -1;
}
