/* Loading the application, and the interpreter's few settings: environment, title, hooks, the worker's
 * signals.
 *
 * Loading is Perl's own code, compiled at boot: there Plack says what an application is. Not here: the
 * interpreter's beginning and end (boot.c). */
#include "host.h"

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
    "sub _interrupted {\n"
    "    my ($env) = @_;\n"
    "    require Carp;\n"
    "    my $line = join ' ', grep { defined } @{ $env || {} }{qw(REQUEST_METHOD REQUEST_URI)};\n"
    "    Carp::confess(\"request-timeout: $line has taken too long\");\n"
    "}\n"
    "1;\n";

void compile_loader(pTHX_ void *unused)
{
    PERL_UNUSED_ARG(unused);
    eval_pv(loader, TRUE);
    if (the_host->embedded)                      /* perl names its own file: it would be the program */
        eval_pv("require Config; $^X = $Config::Config{perlpath}", TRUE);
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
    return enter(h, load_body, &l);
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
    return enter(h, set_env_body, &s);
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
    return enter(h, set_title_body, &s);
}

static void set_hook_body(pTHX_ void *arg)
{
    struct setting *s = arg;
    SV *text = sv_2mortal(newSVpvf("#line 1 \"monoceros\"\npackage main; %.*s\n",
                                   (int)s->value.len, s->value.at));
    SV *code = newSVsv(eval_pv(SvPV_nolen(text), TRUE));
    if (!SvROK(code) || SvTYPE(SvRV(code)) != SVt_PVCV) {
        SvREFCNT_dec(code);
        croak("this is no sub { ... }\n");
    }
    SvREFCNT_dec(s->host->hooks[s->hook]);
    s->host->hooks[s->hook] = code;
}

enum outcome perl_set_hook(struct perl_host *h, int hook, struct bytes text)
{
    struct setting s = { h, { NULL, 0 }, text, hook };
    return enter(h, set_hook_body, &s);
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
    return h->hooks[hook] ? enter(h, hook_body, &k) : h->left;
}

static void set_signal(pTHX_ const char *name, SV *value)
{
    SV **at = hv_fetch(get_hv("SIG", GV_ADD), name, (I32)strlen(name), 1);
    sv_setsv_flags(*at, value, SV_NOSTEAL);      /* it is used again */
    SvSETMAGIC(*at);
}

static bool has_handler(pTHX_ const char *name)
{
    SV **at = hv_fetch(get_hv("SIG", GV_ADD), name, (I32)strlen(name), 0);
    if (!at)
        return false;
    SvGETMAGIC(*at);
    if (SvPOK(*at))
        return SvCUR(*at) && strNE(SvPVX_const(*at), "DEFAULT");
    return SvOK(*at);
}

/* A handler of ours, which only notes the signal: what the application was doing goes on where it was.
 * Perl asks for no restart, so a sysread in mid-conversation would come back with nothing. Our own waits
 * are ended all the same: the kernel starts no poll again. */
static void set_ours(pTHX_ const char *name, int signal, SV *ours)
{
    struct sigaction act;
    set_signal(aTHX_ name, ours);
    if (sigaction(signal, NULL, &act) == 0) {
        act.sa_flags |= SA_RESTART;
        (void)sigaction(signal, &act, NULL);
    }
}

/* Through %SIG, not behind its back: `local $SIG{TERM}` in the application puts ours back (pitfall 9).
 * STKFLT is the supervisor's word that a request has taken too long. INT (from a terminal, to everybody)
 * and USR1 (to a whole group, by mistake) are caught and nothing follows: ignored, they would be ignored
 * in the application's children too (pitfall 10). */
static void born_body(pTHX_ void *unused)
{
    SV *ours = sv_2mortal(newRV_inc((SV *)get_cv("Plack::Handler::Monoceros::_caught", 0)));
    SV *ignore = sv_2mortal(newSVpvs("IGNORE")), *normal = sv_2mortal(newSVpvs("DEFAULT"));
    PERL_UNUSED_ARG(unused);
    set_ours(aTHX_ "TERM", SIGTERM, ours);
    set_ours(aTHX_ "QUIT", SIGQUIT, ours);
    set_ours(aTHX_ "HUP", SIGHUP, ours);
    set_ours(aTHX_ "INT", SIGINT, ours);
    set_signal(aTHX_ "STKFLT", ours);            /* this one ends what the application was doing */
    if (!has_handler(aTHX_ "USR1"))
        set_ours(aTHX_ "USR1", SIGUSR1, ours);
    set_signal(aTHX_ "PIPE", ignore);
    set_signal(aTHX_ "CHLD", normal);
    name_zone(aTHX);
}

enum outcome perl_born(struct perl_host *h)
{
    return enter(h, born_body, NULL);
}

unsigned long perl_caught(struct perl_host *h)
{
    unsigned long caught = h->caught;
    h->caught = 0;
    return caught;
}
