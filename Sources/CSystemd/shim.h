// libsystemd: what a service tells its manager (sd-daemon) and the journal (sd-journal).

// Swift imports no macros with arguments, and a C file's line would say nothing of ours.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
