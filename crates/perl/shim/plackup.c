/* Door two: perl was there before us, loads this library, and calls _run.
 *
 * The server runs inside that XSUB until it comes back, in the supervisor and in every worker. Whoever
 * must leave does so here, by my_exit: then plackup's END blocks and destructors run. After an exit of
 * the application there is no frame of Perl's left to return to, and my_exit is the only way.
 *
 * Not here: the host (boot.c). */
#include "host.h"

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
            the_host->hooks[i] = newSVsv(*hook);
    }
    hook = hv_fetchs((HV *)SvRV(hooks), "psgi_app_builder", 0);
    if (hook && SvROK(*hook))
        the_host->builder = newSVsv(*hook);
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
    static bool running;
    if (items < 2 || !SvROK(ST(1)) || SvTYPE(SvRV(ST(1))) != SVt_PVAV)
        croak("Usage: _run($app, \\@options, \\%%hooks)");
    if (running)                                 /* in the application, or in a child of it */
        croak("Monoceros runs in this process already");
    pairs = (AV *)SvRV(ST(1));
    n = (size_t)(av_len(pairs) + 1) / 2;
    Newx(options, n + 1, struct field);
    SAVEFREEPV(options);
    for (i = 0; i < n; i++) {
        SV **name = av_fetch(pairs, (SSize_t)i * 2, 0), **value = av_fetch(pairs, (SSize_t)i * 2 + 1, 0);
        options[i].name = slice_or_none(aTHX_ name ? *name : &PL_sv_undef);
        options[i].value = slice_or_none(aTHX_ value ? *value : &PL_sv_undef);
    }
    SvREFCNT_dec(the_host->app);
    the_host->app = newSVsv(ST(0));
    if (items > 2)
        take_hooks(aTHX_ ST(2));
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (sig = 1; sig < NSIG; sig++)
        sigaction(sig, NULL, &before[sig]);

    running = true;
    forked_by_app = 0;                           /* plackup -r runs the server in a child of plackup */
    the_host->left = OUT_OK;
    leave_perl(aTHX);
    status = the_host->rust->run(the_host, options, n, &leave);
    enter_perl(aTHX);
    running = false;

    if (leave || the_host->left != OUT_OK) {     /* after an exit no context of Perl's is left */
        /* perl's main resets Perl's handlers before END blocks run: told to leave twice, a worker
         * would leave without them. It leaves already. */
        signal(SIGTERM, SIG_IGN);
        signal(SIGQUIT, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        my_exit((U32)status);
    }
    for (sig = 1; sig < NSIG; sig++)
        sigaction(sig, &before[sig], NULL);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    XSRETURN_IV(status);
}

void perl_boot_xs(void *my_perl_, void *cv_, const struct rust_calls *rust)
{
#ifdef MULTIPLICITY
    PerlInterpreter *my_perl = my_perl_;
#else
    PERL_UNUSED_ARG(my_perl_);                   /* without it a boot function gets the CV alone */
#endif
    CV *cv = cv_;
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
        if (!make_host(aTHX_ the_host, rust))
            croak("Plack::Handler::Monoceros: %" SVf, SVfARG(the_host->thrown));
        enter_perl(aTHX);
        newXS("Plack::Handler::Monoceros::_run", xs_run, __FILE__);
#if PERL_VERSION >= 22
        Perl_xs_boot_epilog(aTHX_ ax);
#else
        XSRETURN_YES;
#endif
    }
}
