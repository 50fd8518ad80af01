/* Boot, fork, shutdown: the life of an interpreter.
 *
 * The host is made by both doors; booting perl and ending it is door one's. Versions of perl differ here
 * and in call.c only.
 *
 * Not here: loading (load.c), door two (plackup.c), what happens for a request. */
#include "host.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

extern char **environ;

static struct perl_host host;
struct perl_host *the_host = &host;

/* ---- immediate handlers are put off while Rust runs ---- */

#if PERL_VERSION >= 32
static Sighandler1_t real_1p;
static Sighandler3_t real_3p;
#else
static Sighandler_t real_p;
#endif

static bool put_off(int sig)
{
    dTHXa(host.perl);
    if (in_perl)
        return false;
    if (PL_psig_pend[sig] < 100)                 /* at 120 perl croaks */
        PL_psig_pend[sig]++;
    PL_sig_pending = 1;
    return true;
}

#if PERL_VERSION >= 32
static void handler_1p(int sig)
{
    if (!put_off(sig))
        real_1p(sig);
}

static void handler_3p(int sig, Siginfo_t *info, void *context)
{
    if (!put_off(sig))
        real_3p(sig, info, context);
}
#else
static Signal_t handler_p(int sig, Siginfo_t *info, void *context)
{
    if (!put_off(sig))
        real_p(sig, info, context);
}
#endif

static void take_over_handlers(pTHX)
{
    int sig;
#if PERL_VERSION >= 32
    real_1p = PL_sighandler1p;
    real_3p = PL_sighandler3p;
    PL_sighandler1p = handler_1p;
    PL_sighandler3p = handler_3p;
#else
    real_p = PL_sighandlerp;
    PL_sighandlerp = handler_p;
#endif
    for (sig = 1; sig < NSIG; sig++) {           /* door two: the application may have set some */
        struct sigaction act;
        if (sigaction(sig, NULL, &act) != 0)
            continue;
#if PERL_VERSION >= 32
        if (act.sa_flags & SA_SIGINFO ? act.sa_sigaction == (void (*)(int, siginfo_t *, void *))real_3p
                                      : act.sa_handler == real_1p) {
            if (act.sa_flags & SA_SIGINFO)
                act.sa_sigaction = (void (*)(int, siginfo_t *, void *))handler_3p;
            else
                act.sa_handler = handler_1p;
            sigaction(sig, &act, NULL);
        }
#else
        if (act.sa_handler == (void (*)(int))real_p) {
            act.sa_handler = (void (*)(int))handler_p;
            sigaction(sig, &act, NULL);
        }
#endif
    }
}

static void forked(void)
{
    forked_by_app = 1;
}

/* ---- the host ---- */

static void store_constant(pTHX_ const char *name, SV *value)
{
    (void)hv_store(host.template, name, (I32)strlen(name), value, 0);
}

/* What is the same in every request and no string. Never an immortal: newHVhv would share it, and the
 * application could not assign to that key. */
static void fill_template(pTHX)
{
    static const char *const yes[] = { "psgi.multiprocess", "psgi.streaming", "psgix.input.buffered",
                                       "psgix.harakiri", "psgix.cleanup" };
    static const char *const no[] = { "psgi.multithread", "psgi.run_once", "psgi.nonblocking" };
    AV *version = newAV();
    SV *errors;
    size_t i;
    for (i = 0; i < C_ARRAY_LENGTH(yes); i++)
        store_constant(aTHX_ yes[i], newSViv(1));
    for (i = 0; i < C_ARRAY_LENGTH(no); i++)
        store_constant(aTHX_ no[i], newSVsv(&PL_sv_no));
    for (i = 0; i < 2; i++) {
        SV *one = newSViv(1);
        SvREADONLY_on(one);
        av_push(version, one);
    }
    SvREADONLY_on((SV *)version);
    store_constant(aTHX_ "psgi.version", newRV_noinc((SV *)version));
    errors = newSV(0);
    sv_setsv(errors, (SV *)PL_stderrgv);         /* *STDERR as it is now: `local *STDERR` is not its business */
    store_constant(aTHX_ "psgi.errors", newRV_noinc(errors));
    hv_ksplit(host.template, 64);
}

bool make_host(pTHX_ struct perl_host *h, const struct rust_calls *rust)
{
    h->perl = PERL_GET_CONTEXT;
    h->rust = rust;
    h->serial = 1;
    h->client_fd = -1;
    h->template = newHV();
    h->keep = newAV();
    h->thrown = newSV(0);
    h->error = newSVpvs("");
    h->record = newRV_noinc(newSViv(65536));
    h->key_input = newSVpvn_share("psgi.input", 10, 0);
    h->key_io = newSVpvn_share("psgix.io", 8, 0);
    h->key_informational = newSVpvn_share("psgix.informational", 19, 0);
    h->key_handlers = newSVpvn_share("psgix.cleanup.handlers", 22, 0);
    h->key_commit = newSVpvn_share("psgix.harakiri.commit", 21, 0);
    h->key_errors = newSVpvn_share("psgi.errors", 11, 0);
    make_callbacks(aTHX_ h);
    fill_template(aTHX);
    take_over_handlers(aTHX);
    pthread_atfork(NULL, NULL, forked);
    return barrier(h, compile_loader, NULL) == OUT_OK;
}

/* ---- door one ---- */

static int real_argc;
static char **real_argv;

__attribute__((constructor)) static void keep_argv(int argc, char **argv, char **envp)
{
    PERL_UNUSED_ARG(envp);
    real_argc = argc;
    real_argv = argv;
}

EXTERN_C void boot_DynaLoader(pTHX_ CV *cv);

static void init_xs(pTHX)
{
    newXS("DynaLoader::boot_DynaLoader", boot_DynaLoader, __FILE__);
}

/* Top level is a statement of the boot program, not "compiling": messages name a line, and readline
 * heeds $/ (while compiling it reads lines, whatever $/ says). */
static void stand_on_statement(pTHX)
{
    OP *o;
    for (o = PL_main_start; o; o = o->op_next) {
        if (o->op_type == OP_NEXTSTATE || o->op_type == OP_DBSTATE) {
            PL_curcop = (COP *)o;
            return;
        }
    }
}

/* $0 writes over the memory of the real argv, and over environ's behind it, once perl has copied that. */
static void give_argv(pTHX)
{
    char *end;
    int i;
    if (!real_argc || !real_argv || !real_argv[0])
        return;
    end = real_argv[0] + strlen(real_argv[0]);
    for (i = 1; i < real_argc && real_argv[i] == end + 1; i++)
        end = real_argv[i] + strlen(real_argv[i]);
#if PERL_VERSION < 38
    if (i == real_argc && PL_origenviron && PL_origenviron == environ) {
        char **old = PL_origenviron;
        for (i = 0; old[i] && old[i] == end + 1; i++)
            end = old[i] + strlen(old[i]);
        my_setenv("NoNe  SuCh", NULL);           /* perl copies environ before it changes it */
    }
#endif
    sv_setpv(get_sv("0", GV_ADD), real_argv[0]); /* no magic: the memory is as it should be */
    PL_origargv = real_argv;
    PL_origalen = (U32)(end - real_argv[0]);
}

/* Once END blocks have run: a late signal must not meet freed memory. */
static void quiet_signals(pTHX_ void *unused)
{
    int sig;
    PERL_UNUSED_CONTEXT;
    PERL_UNUSED_ARG(unused);
    for (sig = 1; sig < NSIG; sig++) {
        struct sigaction act;
        if (sigaction(sig, NULL, &act) != 0 || act.sa_handler == SIG_DFL || act.sa_handler == SIG_IGN)
            continue;
        if (sig == SIGSEGV || sig == SIGBUS)
            continue;
        memset(&act, 0, sizeof act);
        act.sa_handler = sig == SIGTERM || sig == SIGQUIT || sig == SIGHUP ? SIG_IGN : SIG_DFL;
        sigaction(sig, &act, NULL);
    }
}

/* Why perl_boot failed: perl has printed it, and it would go with the interpreter. */
static char reason[512];

static struct perl_host *refuse(pTHX)
{
    SV *why = SvPOK(ERRSV) && SvCUR(ERRSV) ? ERRSV : host.error;
    if (why && SvPOK(why))                       /* no object: its code may not run here */
        (void)my_strlcpy(reason, SvPVX(why), sizeof reason);
    perl_destruct(PERL_GET_CONTEXT);
    return NULL;
}

const char *perl_boot_reason(void)
{
    return reason;
}

struct perl_host *perl_boot(int argc, char **argv, const struct rust_calls *rust)
{
    PerlInterpreter *my_perl;
    signal(SIGPIPE, SIG_DFL);                    /* Rust's runtime has changed these three */
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    PERL_SYS_INIT3(&argc, &argv, &environ);
#ifdef USE_ITHREADS
    PTHREAD_ATFORK(Perl_atfork_lock, Perl_atfork_unlock, Perl_atfork_unlock);
#endif
    my_perl = perl_alloc();
    if (!my_perl)
        return NULL;
    PERL_SET_CONTEXT(my_perl);
    PL_perl_destruct_level = 0;
    perl_construct(my_perl);
#if PERL_VERSION < 38
    PL_use_safe_putenv = FALSE;                  /* or `local %ENV` leaks: pitfall 16 */
#endif
    PL_origalen = 1;
    PL_exit_flags |= PERL_EXIT_DESTRUCT_END;
    host.embedded = true;
    if (perl_parse(my_perl, init_xs, argc, argv, environ) != 0 || perl_run(my_perl) != 0)
        return refuse(aTHX);
    stand_on_statement(aTHX);
    if (!make_host(aTHX_ &host, rust))
        return refuse(aTHX);
    give_argv(aTHX);
    return &host;
}

int perl_shutdown(struct perl_host *h, int status)
{
    dTHXa(h->perl);
    int ends;
    STATUS_EXIT_SET(status);
    call_atexit(quiet_signals, NULL);
    enter_perl(aTHX);
    ends = perl_destruct(h->perl);
    perl_free(h->perl);
    PERL_SYS_TERM();
    return ends;
}

/* ---- both doors ---- */

static void flush_body(pTHX_ void *unused)
{
    PERL_UNUSED_ARG(unused);
    PERL_FLUSHALL_FOR_CHILD;
}

/* What pp_fork would do. All signals wait meanwhile, so that none is counted in both. */
pid_t perl_fork(struct perl_host *h)
{
    dTHXa(h->perl);
    sigset_t all, before;
    pid_t pid;
    int error, sig;
    settle(h, barrier(h, flush_body, NULL));
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    error = errno;
    if (pid == 0) {
        forked_by_app = 0;
        PL_sig_pending = 0;
        for (sig = 0; sig < SIG_SIZE; sig++)
            PL_psig_pend[sig] = 0;
        PL_srand_called = FALSE;                 /* or every worker has the same rand */
        h->caught = 0;
        h->ends = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

/* The end of a child that the application forked, from wherever it came back: as plain perl would, with
 * END blocks and destructors, and nothing of Rust's. */
void perl_vanish(struct perl_host *h, int status)
{
    dTHXa(h->perl);
    STATUS_EXIT_SET(status);
    enter_perl(aTHX);
    _exit(perl_destruct(h->perl));
}

int perl_status(struct perl_host *h)
{
    return h->status;
}
