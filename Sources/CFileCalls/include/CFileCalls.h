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

#endif
