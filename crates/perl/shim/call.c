/* The barrier, and every call that is made for a request: call, stream, piece, close, cleanup, release.
 *
 * die and exit are longjmps. Each entry from Rust goes through barrier(), which holds a JMPENV of its
 * own and a G_EVAL inside it, on a context stack of its own; so neither jumps over a frame of Rust's.
 * perl_call is the one shortcut: it holds its own JMPENV round building env and calling the application.
 *
 * Not here: waiting (wait.c), what the application calls (callback.c), values (value.c). */
#include "host.h"

#include <poll.h>

volatile sig_atomic_t in_perl;
volatile sig_atomic_t forked_by_app;
U32 unsafe_signals;

XS(xs_frame)                                     /* the body of host->trampoline */
{
    dXSARGS;
    struct frame *f = the_host->frame;
    PERL_UNUSED_VAR(items);
    f->fn(aTHX_ f->arg);                         /* may die, may exit */
    f->done = true;                              /* this, not $@, says that it finished */
    XSRETURN_EMPTY;
}

/* After a jump that met no eval of ours: every context is unwound, and only leaving is left. */
static void unwound(pTHX_ struct perl_host *h, int jumped, I32 scope)
{
    if (jumped != 2)
        STATUS_EXIT_SET(255);
    while (PL_scopestack_ix > scope)
        LEAVE;
    FREETMPS;                                    /* a DESTROY may exit again, and lands here again */
    if (PL_curstash != PL_defstash) {
        SvREFCNT_dec(PL_curstash);
        PL_curstash = (HV *)SvREFCNT_inc_simple_NN((SV *)PL_defstash);
    }
    PL_restartop = NULL;
    PL_restartjmpenv = NULL;
    h->status = STATUS_EXIT;
    leave_perl(aTHX);
}

/* Keeps what was thrown; it is made a string when somebody asks. */
static void keep_thrown(pTHX_ struct perl_host *h)
{
    h->died = true;
    sv_setsv(h->thrown, ERRSV);
}

/* What every call ends with: remembers an exit, and finds out whether this is the application's child. */
enum outcome settle(struct perl_host *h, enum outcome out)
{
    if (UNLIKELY(forked_by_app) && h->left != OUT_FORKED) {
        h->left = OUT_FORKED;
        if (out == OUT_OK)
            h->status = 0;
        if (out == OUT_DIED) {
            perl_complain(h, perl_error(h));     /* on STDERR: what is left is the child's own */
            h->status = 255;
        }
    }
    if (out == OUT_EXIT && h->left == OUT_OK)
        h->left = OUT_EXIT;
    return h->left == OUT_OK ? out : h->left;
}

enum outcome barrier(struct perl_host *h, shim_fn fn, void *arg)
{
    dTHXa(h->perl);
    struct frame f = { h->frame, fn, arg, false };
    I32 scope = PL_scopestack_ix;                /* never written after the push: valid after a jump */
    volatile enum outcome out = OUT_DIED;
    int jumped;
    dJMPENV;
    JMPENV_PUSH(jumped);
    if (jumped == 0) {
        dSP;
        PUSHSTACKi(PERLSI_REQUIRE);              /* own context stack: `last` finds no loop of the host */
        h->frame = &f;
        PUSHMARK(SP);
        PUTBACK;
        enter_perl(aTHX);
        call_sv((SV *)h->trampoline, G_VOID | G_DISCARD | G_NOARGS | G_EVAL);
        if (f.done)
            out = OUT_OK;
        else
            keep_thrown(aTHX_ h);
        leave_perl(aTHX);
        SPAGAIN;
        POPSTACK;
    } else {
        unwound(aTHX_ h, jumped, scope);
        out = OUT_EXIT;
    }
    h->frame = f.below;
    JMPENV_POP;
    return out;
}

/* An entry from Rust: nothing but leaving is possible after an exit, or in a child. */
static enum outcome enter(struct perl_host *h, shim_fn fn, void *arg)
{
    return h->left != OUT_OK ? h->left : settle(h, barrier(h, fn, arg));
}

/* The request's XSUBs and magic, wherever the application has put them, reach nothing from here on. */
void detach(struct perl_host *h)
{
    h->serial++;
    h->conn = NULL;
    h->client_fd = -1;
}

static void begin(struct perl_host *h, const struct request *request, void *conn)
{
    h->serial++;
    h->conn = conn;
    h->client_fd = request->client_fd;
    h->family = request->family;
    h->write_timeout_ms = request->write_timeout_ms;
    h->saw_io = h->gone = false;
    h->streamed = STREAMED_NOTHING;
    h->busy = 0;
    h->empties = 0;
}

/* Builds env and calls the application. Inside perl_call's JMPENV, not a barrier: an eval of its own
 * is all it needs beside it. */
static enum outcome call_app(pTHX_ struct perl_host *h, const struct request *request)
{
    enum outcome out = OUT_OK;
    SV *ret, *err;
    dSP;
    PUSHSTACKi(PERLSI_REQUIRE);
    ENTER;
    SAVETMPS;
    enter_perl(aTHX);
    h->env = build_env(aTHX_ h, request);
    PUSHMARK(SP);
    mXPUSHs(newRV_inc((SV *)h->env));
    PUTBACK;
    call_sv(h->app, G_SCALAR | G_EVAL);
    SPAGAIN;
    ret = POPs;
    PUTBACK;
    err = ERRSV;
    if (UNLIKELY(SvROK(err) || (SvPOK(err) && SvCUR(err)))) {
        keep_thrown(aTHX_ h);
        out = OUT_DIED;
    } else {
        h->response = SvREFCNT_inc_simple_NN(ret);
    }
    FREETMPS;
    LEAVE;
    leave_perl(aTHX);
    SPAGAIN;
    POPSTACK;
    return out;
}

enum outcome perl_call(struct perl_host *h, const struct request *request, void *conn,
                       struct response *response)
{
    dTHXa(h->perl);
    I32 scope = PL_scopestack_ix;
    volatile enum outcome out;
    int jumped;
    dJMPENV;

    if (h->left != OUT_OK)
        return h->left;
    begin(h, request, conn);
    JMPENV_PUSH(jumped);
    if (jumped == 0) {
        out = call_app(aTHX_ h, request);
    } else {
        unwound(aTHX_ h, jumped, scope);
        out = OUT_EXIT;
    }
    JMPENV_POP;
    h->conn = NULL;
    if (out == OUT_OK && !take_plain(aTHX_ h, h->response, response, false)) {
        struct taking t = { h->response, response, false };
        out = barrier(h, take_apart, &t);
    }
    return settle(h, out);
}

static void stream_body(pTHX_ void *arg)
{
    struct perl_host *h = arg;
    dSP;
    PUSHMARK(SP);
    mXPUSHs(newRV_noinc((SV *)make_responder(aTHX_ h)));
    PUTBACK;
    call_sv(h->response, G_VOID | G_DISCARD);
}

enum outcome perl_stream(struct perl_host *h, void *conn, int *streamed)
{
    enum outcome out;
    h->conn = conn;
    out = enter(h, stream_body, h);
    *streamed = h->streamed;
    h->conn = NULL;
    return out;
}

/* Calls a method of the body without arguments. The result is mortal. */
static SV *call_body(pTHX_ struct perl_host *h, const char *method)
{
    SV *ret;
    dSP;
    PUSHMARK(SP);
    mXPUSHs(SvREFCNT_inc_simple_NN(h->body));
    PUTBACK;
    call_method(method, G_SCALAR);
    SPAGAIN;
    ret = POPs;
    PUTBACK;
    return ret;
}

SV *next_piece(pTHX_ struct perl_host *h)
{
    SV *ret;
    ENTER;
    save_item(PL_rs);                            /* $/ is the application's again when this is over */
    sv_setsv(PL_rs, h->record);
    ret = call_body(aTHX_ h, "getline");
    LEAVE;
    SvGETMAGIC(ret);
    if (!SvOK(ret))
        return NULL;
    if (!is_plain(ret))
        ret = as_bytes(aTHX_ ret, "response body");
    if (SvCUR(ret))
        h->empties = 0;
    else if (++h->empties > 100)                 /* it has nothing now, and says so in a loop */
        (void)poll(NULL, 0, 1);
    return ret;
}

static void piece_body(pTHX_ void *arg)
{
    struct perl_host *h = arg;
    SV *old = h->piece, *ret;
    h->piece = NULL;
    SvREFCNT_dec(old);
    ret = next_piece(aTHX_ h);
    h->piece = ret ? SvREFCNT_inc_simple_NN(ret) : NULL;
}

enum outcome perl_piece(struct perl_host *h, struct bytes *piece, int *eof)
{
    enum outcome out = h->body ? enter(h, piece_body, h) : OUT_OK;
    *eof = out != OUT_OK || !h->piece;
    if (!*eof)
        *piece = slice_of(h->piece);
    return out;
}

void close_body(pTHX_ struct perl_host *h)
{
    SV *body = SvRV(h->body);
    if (!h->body_open)
        return;
    h->body_open = false;
    if (SvOBJECT(body) && !gv_fetchmethod_autoload(SvSTASH(body), "close", FALSE))
        return;
    call_body(aTHX_ h, "close");
}

static void close_barred(pTHX_ void *arg)
{
    close_body(aTHX_ (struct perl_host *)arg);
}

enum outcome perl_close(struct perl_host *h)
{
    return h->body_open && h->body ? enter(h, close_barred, h) : h->left;
}

int perl_saw_io(struct perl_host *h)
{
    return h->saw_io;
}

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
            out = enter(h, cleanup_body, &c);
            if (out == OUT_DIED)
                perl_complain(h, perl_error(h));
            else if (out != OUT_OK)
                return out;
        } while (c.more);
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
    drop(aTHX_ (SV **)&h->env);
    if (AvFILLp(h->keep) >= 0)
        av_clear(h->keep);
    if (SvOK(h->thrown))
        sv_setsv(h->thrown, &PL_sv_undef);
}

enum outcome perl_release(struct perl_host *h)
{
    if (!h->env && !h->response && !h->body && !SvOK(h->thrown))
        return h->left;
    detach(h);
    if (h->body_open && h->body && h->left == OUT_OK && perl_close(h) == OUT_DIED)
        perl_complain(h, perl_error(h));
    h->body_open = false;
    return settle(h, barrier(h, release_body, h));
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

static bool print_line(pTHX_ IO *io, SV *line)
{
    if (!io || !IoOFP(io) || (SvRMAGICAL(io) && mg_find((SV *)io, PERL_MAGIC_tiedscalar)))
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
