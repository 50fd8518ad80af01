/* Waiting: the only places where a process that holds Perl blocks. All of it behind the barrier, for a
 * signal handler of the application may run here, and die.
 *
 * A signal must not slip in between the look at the pending ones and the block: so all are blocked
 * before the look, and the kernel opens the mask and waits in one step.
 *
 * Not here: what the signals mean (the worker; `caught` holds ours until it asks). */
#include "host.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>

enum { MOST_EVENTS = 16 };       /* of one claim */

struct waiting {
    struct perl_host *host;
    sigset_t open;                 /* the mask of the worker, once it was `closed` */
    int64_t until;                 /* in ms of the monotonic clock; -1: for ever */
    int fd, events;                /* perl_wait */
    struct epoll_event event;      /* perl_claim: one event out of the list `fd` */
    bool claims, closed;
    int ready;
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t until_of(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
}

/* Blocks once, with the worker's mask. Below zero with EINTR after a signal. */
static int block(struct waiting *w)
{
    int64_t left = w->until < 0 ? -1 : w->until - now_ms();
    if (w->until >= 0 && left < 0)
        left = 0;
    if (w->claims)
        return epoll_pwait(w->fd, &w->event, 1, (int)left, &w->open);
    struct timespec t = { left / 1000, left % 1000 * 1000000 };
    struct pollfd p = { w->fd, (short)w->events, 0 };
    return ppoll(&p, 1, left < 0 ? NULL : &t, &w->open);
}

/* One round: pending handlers, then the block. True when the wait is over. */
static bool wait_once(pTHX_ struct waiting *w)
{
    sigset_t all;
    int error;
    sigfillset(&all);
    for (;;) {
        PERL_ASYNC_CHECK();                      /* Perl's pending handlers; signals open; may die */
        pthread_sigmask(SIG_SETMASK, &all, &w->open);
        w->closed = true;
        if (!PL_sig_pending)
            break;                               /* none came between the check and the block */
        pthread_sigmask(SIG_SETMASK, &w->open, NULL);
    }
    errno = 0;
    w->ready = w->claims && w->host->caught ? 0 : block(w);
    error = errno;
    if (w->ready > 0)
        leave_perl(aTHX);                        /* what was claimed must get out: put handlers off */
    pthread_sigmask(SIG_SETMASK, &w->open, NULL);
    if (w->ready > 0)
        return true;
    PERL_ASYNC_CHECK();
    if (w->ready == 0)
        return true;
    if (error != EINTR) {                        /* a descriptor that cannot be waited for is "ready" */
        w->ready = w->claims ? 0 : 1;
        return true;
    }
    return w->claims && w->host->caught;
}

static void wait_body(pTHX_ void *arg)
{
    struct waiting *w = arg;
    while (!wait_once(aTHX_ w))
        ;
    if (w->ready < 0)
        w->ready = 0;
}

static enum outcome wait_barred(struct perl_host *h, struct waiting *w)
{
    enum outcome out;
    out = settle(h, barrier(h, wait_body, w));
    if (out != OUT_OK && w->closed)                           /* the jump may have come from inside the wait */
        pthread_sigmask(SIG_SETMASK, &w->open, NULL);
    return out;
}

enum outcome perl_wait(struct perl_host *h, int fd, int writable, int timeout_ms, int *ready)
{
    struct waiting w = { .host = h, .fd = fd, .events = writable ? POLLOUT : POLLIN };
    enum outcome out;
    *ready = 0;
    if (h->left != OUT_OK)
        return h->left;
    w.until = until_of(timeout_ms);
    out = wait_barred(h, &w);
    *ready = w.ready > 0;
    return out;
}

/* An event's data, with the top bit set if it says more than that there are bytes: the end is near. */
static uint64_t data_of(const struct epoll_event *event)
{
    return event->data.u64 | (event->events & ~(uint32_t)EPOLLIN ? UINT64_C(1) << 63 : 0);
}

/* Takes what is there, as far as there is room: a busy worker pays for one system call and no barrier. */
static int claim_now(int list, uint64_t *data, int room)
{
    struct epoll_event events[MOST_EVENTS];
    int got = epoll_wait(list, events, room < MOST_EVENTS ? room : MOST_EVENTS, 0);
    for (int i = 0; i < got; i++)
        data[i] = data_of(&events[i]);
    return got;
}

/* Who does not wait is given as many events as there is room for; who waits, one, for then others may be
 * idle as well. */
enum outcome perl_claim(struct perl_host *h, int list, int timeout_ms, uint64_t *data, int room, int *ready)
{
    dTHXa(h->perl);
    struct waiting w = { .host = h, .fd = list, .claims = true };
    enum outcome out = OUT_OK;
    *ready = 0;
    if (h->left != OUT_OK)
        return h->left;
    if (UNLIKELY(h->ends)) {
        h->status = 255;
        return settle(h, OUT_EXIT);
    }
    if (timeout_ms == 0 && !PL_sig_pending && !h->caught) {
        int got = claim_now(list, data, room);
        *ready = got > 0 ? got : 0;
        return OUT_OK;
    }
    w.until = until_of(timeout_ms);
    out = wait_barred(h, &w);
    if (out == OUT_OK && w.ready > 0) {
        *data = data_of(&w.event);
        *ready = 1;
    }
    return out;
}

static void reopen(pTHX_ void *mask)
{
    PERL_UNUSED_CONTEXT;
    pthread_sigmask(SIG_SETMASK, (const sigset_t *)SvPVX((SV *)mask), NULL);
}

/* In an XSUB: whatever a handler throws goes up to the application, with the mask as it was. */
bool wait_writable(pTHX_ struct perl_host *h, int fd, int timeout_ms)
{
    struct waiting w = { .host = h, .fd = fd, .events = POLLOUT };
    SV *mask;
    w.until = until_of(timeout_ms);
    pthread_sigmask(SIG_SETMASK, NULL, &w.open);
    ENTER;
    mask = newSVpvn((const char *)&w.open, sizeof w.open);
    SAVEFREESV(mask);
    SAVEDESTRUCTOR_X(reopen, mask);              /* before the mask is freed */
    while (!wait_once(aTHX_ &w))
        ;
    LEAVE;
    enter_perl(aTHX);
    return w.ready > 0;
}
