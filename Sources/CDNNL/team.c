// libgomp's thread team, which oneDNN uses too: one set of threads for everything, no oversubscription.
//
// GOMP_parallel is what GCC itself makes of `#pragma omp parallel`; it is part of libgomp's stable interface, so
// no compiler with OpenMP is needed. Between regions libgomp's threads spin for some milliseconds, then sleep.

#include "CDNNL.h"

#include <stdatomic.h>

void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);
void omp_set_num_threads(int threads);
int omp_get_max_threads(void);
int omp_in_parallel(void);

typedef struct {
    _Atomic int64_t next;
    int64_t count;
    void *context;
    void (*body)(int64_t, void *);
} work;

static void run(void *data) {
    work *shared = data;
    int64_t i;
    while ((i = atomic_fetch_add_explicit(&shared->next, 1, memory_order_relaxed)) < shared->count)
        shared->body(i, shared->context);
}

// The number of threads is a property of the calling thread in OpenMP: it is set again wherever a thread enters.
void saed_team_set(int threads) {
    if (omp_get_max_threads() != threads) omp_set_num_threads(threads);
}

int saed_team_default(void) { return omp_get_max_threads(); }

void saed_team_for(int64_t count, void *context, void (*body)(int64_t, void *)) {
    work shared = {0, count, context, body};
    int64_t threads = omp_get_max_threads();
    if (threads > count) threads = count;
    if (threads <= 1 || omp_in_parallel())
        run(&shared);
    else
        GOMP_parallel(run, &shared, (unsigned)threads, 0);
}
