// Parse, run, exit. What a command does is in its own file; docs/JSON.md has the answers of --json.

import ArgumentParser
import Glibc
import SaectlKit

signal(SIGPIPE, SIG_IGN)  // a closed pipe is seen at the write and is success
exit(Saectl.run(arguments: Array(CommandLine.arguments.dropFirst())))
