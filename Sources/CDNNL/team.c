// The compute team: helper threads that take part in loops which other threads start.
//
// Why not OpenMP's: there every thread of a team must begin and end every region, so where the processors are busy
// with something else each small loop waits for a time slice (measured: 4 ms a loop, 300 ms for a small tower).
// Here whoever starts a loop works through it itself; helpers join if they are awake and free, and only those
// that did join are waited for. oneDNN therefore runs on the calling thread alone (saed_product_run), on pieces.
//
// Helpers spin for some 30 microseconds after their last work, the time between two layers, then sleep.

#define _GNU_SOURCE
#include "CDNNL.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct loop {
    _Atomic int64_t next;
    int64_t count;
    void *context;
    void (*body)(int64_t, void *);
    _Atomic int helpers;  // changed under the lock only
    int helpers_max;
    struct loop *following;
} loop;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_came = PTHREAD_COND_INITIALIZER;
static pthread_cond_t helper_left = PTHREAD_COND_INITIALIZER;
static loop *open_loops;            // under the lock
static int helper_count, sleeping;  // under the lock
static _Atomic int open_count;      // a hint for those who spin
static _Thread_local int is_inside;

static const int SPINS = 2000;

static inline void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static void run(loop *l) {
    int64_t i;
    is_inside++;
    while ((i = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed)) < l->count) l->body(i, l->context);
    is_inside--;
}

static loop *find_work(void) {
    for (loop *l = open_loops; l; l = l->following)
        if (atomic_load_explicit(&l->next, memory_order_relaxed) < l->count && l->helpers < l->helpers_max) return l;
    return NULL;
}

static void *help(void *unused) {
    (void)unused;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load_explicit(&open_count, memory_order_relaxed) == 0; i++) pause_briefly();
        pthread_mutex_lock(&lock);
        loop *l;
        while (!(l = find_work())) {
            sleeping++;
            pthread_cond_wait(&work_came, &lock);
            sleeping--;
        }
        l->helpers++;
        pthread_mutex_unlock(&lock);
        run(l);
        pthread_mutex_lock(&lock);
        // The starter takes the lock before it forgets the loop, so `l` is valid up to the unlocking.
        if (--l->helpers == 0) pthread_cond_broadcast(&helper_left);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

/// Under the lock. Fewer threads than wanted only make it slower.
static void hire(int wanted) {
    while (helper_count < wanted) {
        pthread_t thread;
        sigset_t all, old;
        // Signals belong to the program's own threads.
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        const int failed = pthread_create(&thread, NULL, help, NULL);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (failed) return;
        pthread_setname_np(thread, "saed-compute");
        pthread_detach(thread);
        helper_count++;
    }
}

void saed_team_for(int64_t count, int threads, void *context, void (*body)(int64_t, void *)) {
    loop own = {.count = count, .context = context, .body = body};
    own.helpers_max = (int)(threads < count ? threads : count) - 1;
    if (own.helpers_max <= 0 || is_inside) {
        run(&own);
        return;
    }
    pthread_mutex_lock(&lock);
    hire(threads - 1);
    own.following = open_loops;
    open_loops = &own;
    atomic_fetch_add(&open_count, 1);
    if (sleeping) pthread_cond_broadcast(&work_came);
    pthread_mutex_unlock(&lock);

    run(&own);
    for (int i = 0; i < SPINS && atomic_load(&own.helpers) > 0; i++) pause_briefly();

    pthread_mutex_lock(&lock);
    loop **place = &open_loops;
    while (*place != &own) place = &(*place)->following;
    *place = own.following;
    atomic_fetch_sub(&open_count, 1);
    while (own.helpers > 0) pthread_cond_wait(&helper_left, &lock);
    pthread_mutex_unlock(&lock);
}

int saed_team_default(void) {
    const char *asked = getenv("OMP_NUM_THREADS");
    const int number = asked ? atoi(asked) : 0;
    if (number > 0) return number < 1024 ? number : 1024;
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
}
