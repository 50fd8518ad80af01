/* What the application calls: the responder, the writer, psgix.informational, psgix.logger, and the
 * handlers of the worker's signals.
 *
 * An XSUB here has no barrier: above it are only C and Perl frames, up to the outermost barrier, so it
 * croaks and lets exits pass. Calls to Rust are wrapped in leave_perl and enter_perl: a handler that is
 * called at once must not die over a Rust frame.
 *
 * Responder, writer and psgix.informational carry the serial of their request, nothing else: kept past it
 * they match no request any more, and croak. Not here: the barrier (call.c), psgix.io (handle.c). */
#include "host.h"

#define WRITER "Plack::Handler::Monoceros::Writer"

static void complain_of(pTHX_ const struct fault *fault)
{
    croak("%" SVf, SVfARG(sv_2mortal(newSVpvn(fault->text, fault->len))));
}

static void start(pTHX_ struct perl_host *h, const struct response *head, int how)
{
    struct fault fault = { 0, "" };
    int failed;
    leave_perl(aTHX);
    failed = h->rust->start(h->conn, head, how, &fault);
    enter_perl(aTHX);
    if (failed)
        complain_of(aTHX_ &fault);
}

/* Writes all of it. False when the client has gone, or has taken nothing for too long. */
static bool write_all(pTHX_ struct perl_host *h, SV *piece)
{
    struct bytes rest = slice_of(piece);
    bool copied = false;
    while (rest.len && !h->gone) {
        size_t taken = 0;
        int wrote;
        leave_perl(aTHX);
        wrote = h->rust->write(h->conn, rest, &taken);
        enter_perl(aTHX);
        if (wrote == WROTE_ALL)
            return true;
        if (wrote == WROTE_GONE) {
            h->gone = true;
            break;
        }
        rest.at += taken;
        rest.len -= taken;
        if (!copied) {                           /* a handler may change the string meanwhile */
            SV *copy = sv_2mortal(newSVpvn(rest.at, rest.len));
            rest = slice_of(copy);
            copied = true;
        }
        if (!wait_writable(aTHX_ h, h->client_fd, h->write_timeout_ms))
            h->gone = true;
    }
    return !h->gone;
}

static void finish(pTHX_ struct perl_host *h)
{
    h->streamed = STREAMED_COMPLETE;
    leave_perl(aTHX);
    h->rust->close(h->conn);
    enter_perl(aTHX);
}

/* A handle or object: piece by piece, here and now. */
static void send_lines(pTHX_ struct perl_host *h, const struct response *head)
{
    SV *piece;
    start(aTHX_ h, head, START_FINISHED);
    h->streamed = STREAMED_BROKEN;               /* until its end has been seen */
    for (;;) {
        ENTER;
        SAVETMPS;
        piece = next_piece(aTHX_ h);
        if (piece && SvCUR(piece))
            write_all(aTHX_ h, piece);
        FREETMPS;
        LEAVE;
        if (!piece || h->gone)
            break;
    }
    finish(aTHX_ h);
    close_body(aTHX_ h);
}

static SV *make_writer(pTHX_ struct perl_host *h)
{
    return sv_setref_uv(sv_newmortal(), WRITER, h->serial);
}

static struct perl_host *stream_of(pTHX_ UV serial, const char *what)
{
    struct perl_host *h = the_host;
    if (!is_current(aTHX_ h, serial) || !h->conn)
        croak("The %s was kept past its request", what);
    if (h->busy)
        croak("The %s was called from inside a response", what);
    return h;
}

/* Takes a response apart while nothing else may: the scratch space is one. */
static void take_guarded(pTHX_ struct perl_host *h, SV *from, struct response *to)
{
    struct taking t = { from, to, true };
    if (take_plain(aTHX_ h, from, to, true))
        return;
    ENTER;
    SAVEINT(h->busy);
    h->busy = 1;
    take_apart(aTHX_ &t);
    LEAVE;
}

XS(xs_respond)
{
    dXSARGS;
    struct perl_host *h = stream_of(aTHX_ CvXSUBANY(cv).any_uv, "responder");
    struct response head;
    if (h->streamed != STREAMED_NOTHING)
        croak("The responder was called twice");
    if (items != 1)
        croak("The responder takes one array");
    take_guarded(aTHX_ h, ST(0), &head);
    switch (head.kind) {
    case BODY_ARRAY:
        start(aTHX_ h, &head, START_WHOLE);
        h->streamed = STREAMED_COMPLETE;
        break;
    case BODY_FILE:
        start(aTHX_ h, &head, START_FILE);
        h->streamed = STREAMED_COMPLETE;
        close_body(aTHX_ h);
        break;
    case BODY_LINES:
        send_lines(aTHX_ h, &head);
        break;
    default:
        start(aTHX_ h, &head, START_LIVE);
        h->streamed = STREAMED_OPEN;
        ST(0) = make_writer(aTHX_ h);
        XSRETURN(1);
    }
    XSRETURN_EMPTY;
}

CV *make_responder(pTHX_ struct perl_host *h)
{
    CV *cv = newXS(NULL, xs_respond, __FILE__);
    CvXSUBANY(cv).any_uv = h->serial;
    return cv;
}

static struct perl_host *writer_of(pTHX_ SV *self)
{
    if (!SvROK(self) || !SvIOK(SvRV(self)))
        croak("This is no writer");
    return stream_of(aTHX_ SvUVX(SvRV(self)), "writer");
}

XS(xs_writer_write)
{
    dXSARGS;
    struct perl_host *h;
    SV *piece;
    if (items != 2)
        croak("Usage: $writer->write($bytes)");
    h = writer_of(aTHX_ ST(0));
    if (h->streamed != STREAMED_OPEN)
        croak("The writer is closed");
    piece = is_plain(ST(1)) ? ST(1) : as_bytes(aTHX_ ST(1), "write");
    if (h->streamed != STREAMED_OPEN)            /* as_bytes may have run code that closed it */
        croak("The writer is closed");
    if (write_all(aTHX_ h, piece))
        XSRETURN_YES;
    XSRETURN_NO;
}

XS(xs_writer_close)
{
    dXSARGS;
    struct perl_host *h;
    if (items < 1)
        croak("Usage: $writer->close");
    h = writer_of(aTHX_ ST(0));
    if (h->streamed == STREAMED_OPEN)
        finish(aTHX_ h);
    XSRETURN_EMPTY;
}

/* ---- psgix.informational, psgix.logger, signals ---- */

XS(xs_inform)
{
    dXSARGS;
    struct perl_host *h = the_host;
    struct response head = { .file_fd = -1, .kind = BODY_NONE };
    struct fault fault = { 0, "" };
    int sent;
    if (!is_current(aTHX_ h, CvXSUBANY(cv).any_uv))
        croak("psgix.informational was kept past its request");
    if (items != 2)
        croak("psgix.informational takes a status and an array");
    if (h->busy)
        croak("psgix.informational was called from inside a response");
    ENTER;
    SAVEINT(h->busy);
    h->busy = 1;
    head.status = take_status(aTHX_ ST(0));
    take_fields(aTHX_ h, &h->inform_fields, ST(1), &head);
    LEAVE;
    if (!h->conn)
        XSRETURN_NO;
    leave_perl(aTHX);
    sent = h->rust->inform(h->conn, &head, &fault);
    enter_perl(aTHX);
    if (sent < 0)
        complain_of(aTHX_ &fault);
    if (sent)
        XSRETURN_YES;
    XSRETURN_NO;
}

XS(xs_log)
{
    dXSARGS;
    static const char *const levels[] = { "debug", "info", "warn", "error", "fatal" };
    SV **level, **message, *line;
    HV *args;
    int i;
#ifdef USE_ITHREADS
    if (aTHX != the_host->perl)
        croak("psgix.logger was called in another thread");
#endif
    if (items != 1 || !SvROK(ST(0)) || SvTYPE(SvRV(ST(0))) != SVt_PVHV)
        croak("psgix.logger takes a hash of level and message");
    args = (HV *)SvRV(ST(0));
    level = hv_fetchs(args, "level", 0);
    message = hv_fetchs(args, "message", 0);
    if (!level || !message)
        croak("psgix.logger takes a hash of level and message");
    SvGETMAGIC(*message);
    line = as_text(aTHX_ *message);
    for (i = 0; i < 5; i++) {
        if (strEQ(SvPV_nolen_const(*level), levels[i])) {
            leave_perl(aTHX);
            the_host->rust->log(i, slice_of(line));
            enter_perl(aTHX);
            XSRETURN_EMPTY;
        }
    }
    croak("psgix.logger has no level %" SVf, SVfARG(*level));
}

/* Always the request at hand: it costs nothing where nobody asks for more time. */
XS(xs_deadline)
{
    dXSARGS;
    struct perl_host *h = the_host;
    double seconds = -1, left;
    if (!is_current(aTHX_ h, h->serial) || !h->conn)
        croak("monoceros.deadline was called outside of a request");
    if (items > 1)
        croak("monoceros.deadline takes seconds, or nothing");
    if (items == 1) {
        seconds = looks_like_number(ST(0)) ? SvNV(ST(0)) : -1;
        if (!(seconds >= 0))
            croak("monoceros.deadline takes seconds, 0 for no limit: not %" SVf, SVfARG(ST(0)));
    }
    leave_perl(aTHX);
    left = h->rust->deadline(h->conn, seconds);
    enter_perl(aTHX);
    if (items == 1)
        left = seconds;
    ST(0) = left < 0 ? &PL_sv_undef : sv_2mortal(newSVnv(left));
    XSRETURN(1);
}

static void offer_deadline_body(pTHX_ void *arg)
{
    struct perl_host *h = arg;
    CV *cv = get_cv("Plack::Handler::Monoceros::_deadline", 0);
    (void)hv_stores(h->template, "monoceros.deadline", newRV_inc((SV *)cv));
    forget_env(aTHX_ h);
}

enum outcome perl_offer_deadline(struct perl_host *h)
{
    return enter(h, offer_deadline_body, h);
}

/* The supervisor's: the request has taken too long. A stack trace, if it still goes on. */
static void interrupt(pTHX)
{
    struct perl_host *h = the_host;
    dSP;
    if (!h->running || forked_by_app)
        return;
    PUSHMARK(SP);
    mXPUSHs(h->env ? newRV_inc((SV *)h->env) : newSV(0));
    PUTBACK;
    call_pv("Plack::Handler::Monoceros::_interrupted", G_VOID | G_DISCARD);
}

XS(xs_caught)                                    /* in %SIG of a worker; INT and USR1 end here */
{
    dXSARGS;
    const char *name = items ? SvPV_nolen_const(ST(0)) : "";
    if (strEQ(name, "STKFLT"))
        interrupt(aTHX);
    else if (strEQ(name, "TERM"))
        the_host->caught |= CAUGHT_TERM;
    else if (strEQ(name, "QUIT"))
        the_host->caught |= CAUGHT_QUIT;
    else if (strEQ(name, "HUP"))
        the_host->caught |= CAUGHT_HUP;
    XSRETURN_EMPTY;
}

void make_callbacks(pTHX_ struct perl_host *h)
{
    CV *log;
    h->trampoline = (CV *)SvREFCNT_inc(newXS("Plack::Handler::Monoceros::_frame", xs_frame, __FILE__));
    log = newXS("Plack::Handler::Monoceros::_log", xs_log, __FILE__);
    (void)hv_stores(h->template, "psgix.logger", newRV_inc((SV *)log));
    newXS("Plack::Handler::Monoceros::_deadline", xs_deadline, __FILE__);
    newXS("Plack::Handler::Monoceros::_caught", xs_caught, __FILE__);
    newXS(WRITER "::write", xs_writer_write, __FILE__);
    newXS(WRITER "::close", xs_writer_close, __FILE__);
}
