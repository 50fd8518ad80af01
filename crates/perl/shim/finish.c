/* What follows an answer: cleanup handlers, harakiri, release; and what is said of a death.
 *
 * Freeing runs destructors, which may die and exit; so it is behind the barrier like everything else.
 *
 * Not here: the order of these steps (crates/psgi keeps it). */
#include "host.h"

/* An element of env, or NULL. May run Perl if env or the element is magical. */
static SV *env_get(pTHX_ struct perl_host *h, SV *key)
{
    HE *he;
    if (!h->env)
        return NULL;
    he = hv_fetch_ent(h->env, key, FALSE, 0);
    return he ? HeVAL(he) : NULL;
}

int perl_has_cleanup(struct perl_host *h)
{
    dTHXa(h->perl);
    SV *list;
    if (!h->env || h->left != OUT_OK)
        return 0;
    if (SvMAGICAL(h->env))
        return 1;                                /* tied: only the barrier may look */
    list = env_get(aTHX_ h, h->key_handlers);
    if (!list)
        return 0;
    if (SvGMAGICAL(list))
        return 1;
    if (!SvROK(list) || SvTYPE(SvRV(list)) != SVt_PVAV)
        return 0;
    return SvMAGICAL(SvRV(list)) || AvFILLp((AV *)SvRV(list)) >= 0;
}

struct cleaning { struct perl_host *host; SSize_t next; bool more, harakiri; };

/* Runs one handler. It is found again for each: the application may replace the list meanwhile. */
static void cleanup_body(pTHX_ void *arg)
{
    struct cleaning *c = arg;
    SV *list = env_get(aTHX_ c->host, c->host->key_handlers), **handler;
    c->more = false;
    if (!list)
        return;
    SvGETMAGIC(list);
    if (!SvROK(list) || SvTYPE(SvRV(list)) != SVt_PVAV || c->next > av_len((AV *)SvRV(list)))
        return;
    c->more = true;
    handler = av_fetch((AV *)SvRV(list), c->next++, 0);
    if (handler) {
        SV *code = sv_mortalcopy(*handler);
        dSP;
        PUSHMARK(SP);
        mXPUSHs(newRV_inc((SV *)c->host->env));
        PUTBACK;
        call_sv(code, G_VOID | G_DISCARD);
    }
}

/* A handler that holds env is held by it: the list, if it is still ours, lets go. */
static void forget_body(pTHX_ void *arg)
{
    struct perl_host *h = arg;
    if (h->handlers && !SvMAGICAL(h->handlers) && AvFILLp(h->handlers) >= 0)
        av_clear(h->handlers);
}

static void harakiri_body(pTHX_ void *arg)
{
    struct cleaning *c = arg;
    SV *commit = env_get(aTHX_ c->host, c->host->key_commit);
    c->harakiri = commit && SvTRUE(commit);
}

enum outcome perl_cleanup(struct perl_host *h, int *harakiri)
{
    dTHXa(h->perl);
    struct cleaning c = { h, 0, false, false };
    enum outcome out = h->left;

    *harakiri = 0;
    detach(h);
    if (out != OUT_OK || !h->env)
        return out;
    if (perl_has_cleanup(h)) {
        do {
            c.more = true;                       /* a signal handler may die before it begins */
            out = enter(h, cleanup_body, &c);
            if (out == OUT_DIED)
                perl_complain(h, perl_error(h));
            else if (out != OUT_OK)
                return out;
        } while (c.more);
        out = enter(h, forget_body, h);
        if (out == OUT_DIED)
            perl_complain(h, perl_error(h));
        else if (out != OUT_OK)
            return out;
    }
    if (SvMAGICAL(h->env) || hv_exists_ent(h->env, h->key_commit, 0)) {
        out = enter(h, harakiri_body, &c);
        if (out == OUT_DIED)
            perl_complain(h, perl_error(h));
        *harakiri = c.harakiri;
    }
    return out == OUT_DIED ? OUT_OK : out;
}

/* Each field is forgotten before it is freed: a destructor may exit, and this is called again. */
static void drop(pTHX_ SV **field)
{
    SV *sv = *field;
    *field = NULL;
    SvREFCNT_dec(sv);
}

static void release_body(pTHX_ void *arg)
{
    struct perl_host *h = arg;
    drop(aTHX_ &h->piece);
    drop(aTHX_ &h->body);
    drop(aTHX_ &h->response);
    if (!take_back_env(aTHX_ h))
        drop(aTHX_ (SV **)&h->env);
    drop(aTHX_ (SV **)&h->client_io);
    if (AvFILLp(h->keep) >= 0)
        av_clear(h->keep);
    if (SvOK(h->thrown))
        sv_setsv(h->thrown, &PL_sv_undef);
}

enum outcome perl_release(struct perl_host *h)
{
    enum outcome out;
    if (!h->env && !h->response && !h->body && !SvOK(h->thrown))
        return h->left;
    detach(h);
    if (h->body_open && h->body && h->left == OUT_OK && perl_close(h) == OUT_DIED)
        perl_complain(h, perl_error(h));
    h->body_open = false;
    /* A destructor's death stays in it, so this is a signal handler's: as in perl_claim, the end. */
    while ((out = barrier(h, release_body, h)) == OUT_DIED) {
        perl_complain(h, perl_error(h));
        h->ends = true;
    }
    return settle(h, out);
}

static void error_body(pTHX_ void *arg)
{
    struct perl_host *h = arg;
    SV *thrown = sv_mortalcopy(h->thrown);
    sv_setsv(h->thrown, &PL_sv_undef);
    sv_setsv(h->error, as_text(aTHX_ thrown));
}

struct bytes perl_error(struct perl_host *h)
{
    static const char none[] = "(exception could not be stringified)\n";
    static const struct bytes bad = { none, sizeof none - 1 };
    if (h->died) {
        enum outcome out = barrier(h, error_body, h);
        h->died = false;
        h->unspeakable = out != OUT_OK;
        if (out == OUT_EXIT && h->left == OUT_OK)
            h->left = OUT_EXIT;
    }
    return h->unspeakable || !SvPOK(h->error) ? bad : slice_of(h->error);
}

/* Text for people: on the application's psgi.errors, or on STDERR. */
struct complaint { struct perl_host *host; struct bytes text; };

static SV *line_of(pTHX_ struct bytes text)
{
    SV *line = sv_2mortal(newSVpvn(text.at, text.len));
    if (!text.len || text.at[text.len - 1] != '\n')
        sv_catpvs(line, "\n");
    return line;
}

static bool is_tied(pTHX_ IO *io)
{
    return SvRMAGICAL(io) && mg_find((SV *)io, PERL_MAGIC_tiedscalar);
}

static bool print_line(pTHX_ IO *io, SV *line)
{
    if (!io || !IoOFP(io) || is_tied(aTHX_ io))
        return false;
    if (PerlIO_write(IoOFP(io), SvPVX_const(line), SvCUR(line)) != (SSize_t)SvCUR(line))
        return false;
    return PerlIO_flush(IoOFP(io)) == 0;
}

static void complain_body(pTHX_ void *arg)
{
    struct complaint *c = arg;
    SV *errors = env_get(aTHX_ c->host, c->host->key_errors), *line = line_of(aTHX_ c->text);
    SV *glob;
    if (!errors)
        croak("psgi.errors is gone");
    SvGETMAGIC(errors);
    glob = SvROK(errors) ? SvRV(errors) : errors;
    if (!SvOBJECT(glob) && isGV_with_GP(glob) && print_line(aTHX_ GvIO((GV *)glob), line))
        return;
    if (!SvROK(errors))
        croak("psgi.errors is no handle");
    if (isGV_with_GP(glob) && GvIO((GV *)glob) && !IoOFP(GvIO((GV *)glob))
        && !is_tied(aTHX_ GvIO((GV *)glob)))
        croak("psgi.errors is closed");
    {
        dSP;
        PUSHMARK(SP);
        EXTEND(SP, 2);
        PUSHs(sv_mortalcopy(errors));
        PUSHs(line);
        PUTBACK;
        call_method("print", G_VOID | G_DISCARD);
    }
}

static void stderr_body(pTHX_ void *arg)
{
    struct complaint *c = arg;
    SV *line = line_of(aTHX_ c->text);
    if (!print_line(aTHX_ PL_stderrgv ? GvIO(PL_stderrgv) : NULL, line))
        PerlIO_write(PerlIO_stderr(), SvPVX_const(line), SvCUR(line));
}

void perl_complain(struct perl_host *h, struct bytes text)
{
    struct complaint c = { h, text };
    enum outcome out = h->env && h->left == OUT_OK ? barrier(h, complain_body, &c) : OUT_DIED;
    if (out == OUT_DIED)
        out = barrier(h, stderr_body, &c);
    if (out == OUT_EXIT && h->left == OUT_OK)
        h->left = OUT_EXIT;
}

static void count_body(pTHX_ void *arg)
{
    PERL_UNUSED_ARG(arg);
    FREETMPS;
}

size_t perl_count(struct perl_host *h)
{
    dTHXa(h->perl);
    barrier(h, count_body, NULL);
    return (size_t)PL_sv_count;
}
