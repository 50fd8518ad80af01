/* Boot, load, fork, shutdown: the life of an interpreter, for both doors.
 *
 * Door one makes it and ends it. In door two perl was there before: perl_boot_xs registers XSUBs, and
 * the server runs inside one of them, _run, until it comes back; whoever must leave, leaves there, by
 * my_exit. Versions of perl differ here and in call.c only.
 *
 * Not here: what happens for a request. */
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
    store_constant(aTHX_ "psgi.errors", newRV_inc((SV *)PL_stderrgv));
    hv_ksplit(host.template, 64);
}

static const char loader[] =
    "#line 1 \"monoceros\"\n"
    "package Plack::Handler::Monoceros;\n"
    "require IO::Handle; require IO::File; require PerlIO; require PerlIO::scalar;\n"
    "sub _load {\n"
    "    my ($how, $text, $mount, $development, $given, $builder) = @_;\n"
    "    require Plack::Util;\n"
    "    for (qw(INET UNIX IP)) { eval \"require IO::Socket::$_\" }\n"
    "    my $app = $how == 0 ? Plack::Util::load_psgi($text)\n"
    "            : $how == 1 ? _text($text)\n"
    "            : $builder ? $builder->() : $given;\n"
    "    require Scalar::Util;\n"
    "    $app = $app->to_app\n"
    "        if Scalar::Util::blessed($app) && Scalar::Util::reftype($app) ne 'CODE'\n"
    "           && $app->can('to_app');\n"
    "    my $code = ref $app && eval { \\&$app }\n"
    "        or die \"The application is no CODE but \", defined $app ? \"'$app'\" : 'undef', \"\\n\";\n"
    "    if (defined $mount) {\n"
    "        require Plack::App::URLMap;\n"
    "        my $map = Plack::App::URLMap->new;\n"
    "        $map->mount($mount => $code);\n"
    "        $code = $map->to_app;\n"
    "    }\n"
    "    if ($development) {\n"
    "        for (qw(Lint StackTrace AccessLog)) {\n"
    "            my $class = Plack::Util::load_class($_, 'Plack::Middleware');\n"
    "            $code = $class->wrap($code);\n"
    "        }\n"
    "    }\n"
    "    return $code;\n"
    "}\n"
    "sub _text {\n"
    "    require Plack::Builder;\n"
    "    my $app = eval \"package main; use Plack::Builder; no strict; no warnings; builder {\\n$_[0];\\n}\";\n"
    "    die $@ if $@;\n"
    "    return $app;\n"
    "}\n"
    "1;\n";

static void compile_loader(pTHX_ void *unused)
{
    PERL_UNUSED_ARG(unused);
    eval_pv(loader, TRUE);
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
    if (perl_parse(my_perl, init_xs, argc, argv, environ) != 0 || perl_run(my_perl) != 0) {
        perl_destruct(my_perl);
        return NULL;
    }
    stand_on_statement(aTHX);
    if (!make_host(aTHX_ &host, rust)) {
        perl_destruct(my_perl);
        return NULL;
    }
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

/* ---- door two ---- */

static struct bytes slice_or_none(pTHX_ SV *sv)
{
    struct bytes none = { NULL, 0 };
    return SvOK(sv) ? slice_of(as_text(aTHX_ sv)) : none;
}

/* `{server_ready => CODE, child_exit => CODE, psgi_app_builder => CODE}`, each optional. */
static void take_hooks(pTHX_ SV *hooks)
{
    static const char *const names[] = { "server_ready", "child_exit" };
    SV **hook;
    int i;
    if (!SvROK(hooks) || SvTYPE(SvRV(hooks)) != SVt_PVHV)
        return;
    for (i = 0; i < HOOKS; i++) {
        hook = hv_fetch((HV *)SvRV(hooks), names[i], (I32)strlen(names[i]), 0);
        if (hook && SvROK(*hook))
            host.hooks[i] = newSVsv(*hook);
    }
    hook = hv_fetchs((HV *)SvRV(hooks), "psgi_app_builder", 0);
    if (hook && SvROK(*hook))
        host.builder = newSVsv(*hook);
}

XS(xs_run)                                       /* _run($app, [name => value, ...], \%hooks) */
{
    dXSARGS;
    struct sigaction before[NSIG];
    sigset_t mask;
    struct field *options;
    AV *pairs;
    size_t n, i;
    int leave = 1, status, sig;
    if (items < 2 || !SvROK(ST(1)) || SvTYPE(SvRV(ST(1))) != SVt_PVAV)
        croak("Usage: _run($app, \\@options, \\%%hooks)");
    pairs = (AV *)SvRV(ST(1));
    n = (size_t)(av_len(pairs) + 1) / 2;
    Newx(options, n + 1, struct field);
    SAVEFREEPV(options);
    for (i = 0; i < n; i++) {
        SV **name = av_fetch(pairs, (SSize_t)i * 2, 0), **value = av_fetch(pairs, (SSize_t)i * 2 + 1, 0);
        options[i].name = slice_or_none(aTHX_ name ? *name : &PL_sv_undef);
        options[i].value = slice_or_none(aTHX_ value ? *value : &PL_sv_undef);
    }
    SvREFCNT_dec(host.app);
    host.app = newSVsv(ST(0));
    if (items > 2)
        take_hooks(aTHX_ ST(2));
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (sig = 1; sig < NSIG; sig++)
        sigaction(sig, NULL, &before[sig]);

    leave_perl(aTHX);
    status = host.rust->run(&host, options, n, &leave);
    enter_perl(aTHX);

    if (leave || host.left != OUT_OK)            /* after an exit no context of Perl's is left */
        my_exit((U32)status);
    for (sig = 1; sig < NSIG; sig++)
        sigaction(sig, &before[sig], NULL);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    XSRETURN_IV(status);
}

void perl_boot_xs(void *my_perl_, void *cv_, const struct rust_calls *rust)
{
#ifdef MULTIPLICITY
    PerlInterpreter *my_perl = my_perl_;
    CV *cv = cv_;
#else
    CV *cv = my_perl_;                           /* without it a boot function gets the CV alone */
    PERL_UNUSED_ARG(cv_);
#endif
    {
#ifdef dXSBOOTARGSAPIVERCHK
        dXSBOOTARGSAPIVERCHK;
#else
        dXSARGS;
        XS_APIVERSION_BOOTCHECK;
#endif
        PERL_UNUSED_VAR(items);
        PERL_UNUSED_VAR(cv);
        in_perl = 1;
        if (!make_host(aTHX_ &host, rust))
            croak("Plack::Handler::Monoceros: %" SVf, SVfARG(host.thrown));
        enter_perl(aTHX);
        newXS("Plack::Handler::Monoceros::_run", xs_run, __FILE__);
#if PERL_VERSION >= 22
        Perl_xs_boot_epilog(aTHX_ ax);
#else
        XSRETURN_YES;
#endif
    }
}

/* ---- both ---- */

static enum outcome leave_or(struct perl_host *h, shim_fn fn, void *arg)
{
    return h->left != OUT_OK ? h->left : settle(h, barrier(h, fn, arg));
}

struct loading { struct perl_host *host; const struct load *load; };

static SV *sv_of(pTHX_ struct bytes b)
{
    return b.at ? sv_2mortal(newSVpvn(b.at, b.len)) : &PL_sv_undef;
}

static void load_body(pTHX_ void *arg)
{
    struct loading *l = arg;
    SV *app;
    dSP;
    PUSHMARK(SP);
    EXTEND(SP, 6);
    mPUSHi(l->load->source);
    PUSHs(sv_of(aTHX_ l->load->text));
    PUSHs(sv_of(aTHX_ l->load->mount));
    mPUSHi(l->load->development);
    PUSHs(l->host->app ? l->host->app : &PL_sv_undef);
    PUSHs(l->host->builder ? l->host->builder : &PL_sv_undef);
    PUTBACK;
    call_pv("Plack::Handler::Monoceros::_load", G_SCALAR);
    SPAGAIN;
    app = newSVsv(POPs);
    PUTBACK;
    SvREFCNT_dec(l->host->app);
    l->host->app = app;
}

enum outcome perl_load(struct perl_host *h, const struct load *load)
{
    struct loading l = { h, load };
    return leave_or(h, load_body, &l);
}

struct setting { struct perl_host *host; struct bytes name, value; int hook; };

static void set_env_body(pTHX_ void *arg)
{
    struct setting *s = arg;
    HV *env = get_hv("ENV", GV_ADD);
    SV **at = hv_fetch(env, s->name.at, (I32)s->name.len, 1);
    sv_setpvn(*at, s->value.at, s->value.len);
    SvSETMAGIC(*at);
}

enum outcome perl_set_env(struct perl_host *h, struct bytes name, struct bytes value)
{
    struct setting s = { h, name, value, 0 };
    return leave_or(h, set_env_body, &s);
}

static void set_title_body(pTHX_ void *arg)
{
    struct setting *s = arg;
    SV *title = get_sv("0", GV_ADD);
    sv_setpvn(title, s->value.at, s->value.len);
    SvSETMAGIC(title);
}

enum outcome perl_set_title(struct perl_host *h, struct bytes title)
{
    struct setting s = { h, { NULL, 0 }, title, 0 };
    return leave_or(h, set_title_body, &s);
}

static void set_hook_body(pTHX_ void *arg)
{
    struct setting *s = arg;
    SV *text = sv_2mortal(newSVpvf("#line 1 \"monoceros\"\npackage main; sub { %.*s\n}",
                                   (int)s->value.len, s->value.at));
    SV *code = newSVsv(eval_pv(SvPV_nolen(text), TRUE));
    SvREFCNT_dec(s->host->hooks[s->hook]);
    s->host->hooks[s->hook] = code;
}

enum outcome perl_set_hook(struct perl_host *h, int hook, struct bytes text)
{
    struct setting s = { h, { NULL, 0 }, text, hook };
    return leave_or(h, set_hook_body, &s);
}

struct hooking { struct perl_host *host; int hook; const struct field *pairs; size_t n; };

static void hook_body(pTHX_ void *arg)
{
    struct hooking *k = arg;
    HV *args = newHV();
    SV *ref = sv_2mortal(newRV_noinc((SV *)args));
    size_t i;
    dSP;
    for (i = 0; i < k->n; i++)
        (void)hv_store(args, k->pairs[i].name.at, (I32)k->pairs[i].name.len,
                       newSVpvn(k->pairs[i].value.at, k->pairs[i].value.len), 0);
    PUSHMARK(SP);
    XPUSHs(ref);
    PUTBACK;
    call_sv(k->host->hooks[k->hook], G_VOID | G_DISCARD);
}

enum outcome perl_hook(struct perl_host *h, int hook, const struct field *pairs, size_t n)
{
    struct hooking k = { h, hook, pairs, n };
    return h->hooks[hook] ? leave_or(h, hook_body, &k) : h->left;
}

static void set_signal(pTHX_ const char *name, SV *value)
{
    SV **at = hv_fetch(get_hv("SIG", GV_ADD), name, (I32)strlen(name), 1);
    sv_setsv_flags(*at, value, SV_NOSTEAL);      /* it is used again */
    SvSETMAGIC(*at);
}

/* Through %SIG, not behind its back: `local $SIG{TERM}` in the application puts ours back (pitfall 9). */
static void born_body(pTHX_ void *unused)
{
    SV *ours = sv_2mortal(newRV_inc((SV *)get_cv("Plack::Handler::Monoceros::_caught", 0)));
    SV *ignore = sv_2mortal(newSVpvs("IGNORE")), *normal = sv_2mortal(newSVpvs("DEFAULT"));
    PERL_UNUSED_ARG(unused);
    set_signal(aTHX_ "TERM", ours);
    set_signal(aTHX_ "QUIT", ours);
    set_signal(aTHX_ "HUP", ours);
    set_signal(aTHX_ "INT", ignore);
    set_signal(aTHX_ "PIPE", ignore);
    set_signal(aTHX_ "CHLD", normal);
}

enum outcome perl_born(struct perl_host *h)
{
    return leave_or(h, born_body, NULL);
}

unsigned long perl_caught(struct perl_host *h)
{
    unsigned long caught = h->caught;
    h->caught = 0;
    return caught;
}

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
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

int perl_status(struct perl_host *h)
{
    return h->status;
}
