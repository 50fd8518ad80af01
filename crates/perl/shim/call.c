/* The barrier, and the calls that make an answer: call, stream, piece, close.
 *
 * die and exit are longjmps. Each entry from Rust goes through barrier(), which holds a JMPENV of its
 * own and a G_EVAL inside it, on a context stack of its own; so neither jumps over a frame of Rust's.
 * perl_call is the one shortcut: it holds its own JMPENV round building env and calling the application.
 *
 * Not here: what follows an answer (finish.c), waiting (wait.c), what the application calls
 * (callback.c), values (value.c). */
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

/* What a signal handler threw behind the end of `fn`, where later perls still look for signals: what `fn`
 * has done counts, and this is said; the process serves on until its next claim. */
static void say_late(pTHX_ void *arg)
{
    SV *late = as_text(aTHX_ sv_2mortal((SV *)arg));
    PerlIO_write(PerlIO_stderr(), SvPVX_const(late), SvCUR(late));
    PerlIO_flush(PerlIO_stderr());
}

enum outcome barrier(struct perl_host *h, shim_fn fn, void *arg)
{
    dTHXa(h->perl);
    SV *volatile late = NULL;
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
        if (!f.done)
            keep_thrown(aTHX_ h);
        else if (UNLIKELY(SvROK(ERRSV) || (SvPOK(ERRSV) && SvCUR(ERRSV))))
            late = newSVsv(ERRSV);
        if (f.done)
            out = OUT_OK;
        leave_perl(aTHX);
        SPAGAIN;
        POPSTACK;
    } else {
        unwound(aTHX_ h, jumped, scope);
        out = OUT_EXIT;
    }
    h->frame = f.below;
    JMPENV_POP;
    if (UNLIKELY(late != NULL)) {
        h->ends = true;
        if (barrier(h, say_late, late) == OUT_EXIT)
            out = OUT_EXIT;
    }
    return out;
}

/* An entry from Rust: nothing but leaving is possible after an exit, or in a child. */
enum outcome enter(struct perl_host *h, shim_fn fn, void *arg)
{
    return h->left != OUT_OK ? h->left : settle(h, barrier(h, fn, arg));
}

/* The request's XSUBs and magic, wherever the application has put them, reach nothing from here on. */
void detach(struct perl_host *h)
{
    h->serial++;
    h->conn = NULL;
    h->running = false;
    h->client_fd = -1;
}

static void begin(struct perl_host *h, const struct request *request, void *conn)
{
    h->serial++;
    h->conn = conn;
    h->running = true;
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
    build_env(aTHX_ h, request);
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
    flush_io(aTHX_ h);
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
    ENTER;                                       /* local $/ = \65536 */
    sv_setsv_mg(save_scalar(gv_fetchpvs("/", GV_ADD | GV_NOTQUAL, SVt_PV)), h->record);
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
