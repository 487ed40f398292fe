// Small questions to the file system.

import Glibc

package func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

package func fileExists(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0
}
