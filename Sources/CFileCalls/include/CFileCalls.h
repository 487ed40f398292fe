// File calls of Linux that glibc shows only to GNU sources, and so not to Swift.
#ifndef C_FILE_CALLS_H
#define C_FILE_CALLS_H

// Renames within one file system; fails with EEXIST where `to` exists. 0, or -1 with errno.
int saed_rename_no_replace(const char *from, const char *to);

// Makes the empty file `to` share all blocks of `from` (btrfs, XFS, bcachefs). 0, or -1 with errno where the file
// system can't.
int saed_clone(int from, int to);

// Copies up to `count` bytes between the descriptors' own offsets inside the kernel. Bytes copied (0: end of file),
// or -1 with errno where the file systems can't.
long saed_copy_range(int from, int to, unsigned long count);

// The POSIX access control list of a file in the kernel's form: its bytes, or -1 with errno (ENODATA: it has none).
long saed_access_list(const char *path, void *list, unsigned long size);

// The kernel's number of the file system that a path lies on, or -1 with errno.
long saed_file_system(const char *path);

#endif
