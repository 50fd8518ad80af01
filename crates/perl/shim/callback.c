/* What the application calls, and what is built when it looks: psgi.input, psgix.io, the responder, the
 * writer, psgix.informational, psgix.logger, and the handlers of the worker's signals.
 *
 * An XSUB here has no barrier: above it are only C and Perl frames, up to the outermost barrier, so it
 * croaks and lets exits pass. Calls to Rust are wrapped in leave_perl and enter_perl: a handler that is
 * called at once must not die over a Rust frame.
 *
 * Responder, writer, psgix.io and psgix.informational carry the serial of their request, nothing else:
 * kept past it they match no request any more, and croak. Not here: the barrier (call.c). */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define WRITER "Plack::Handler::Monoceros::Writer"

/* ---- psgi.input ---- */

static GV *anonymous_glob(pTHX)
{
    GV *gv = (GV *)newSV(0);
    gv_init_pvn(gv, gv_stashpvs("IO::Handle", GV_ADD), "_GEN_MONOCEROS", 14, 0);
    return gv;
}

static GV *glob_of(pTHX_ PerlIO *in)
{
    GV *gv = anonymous_glob(aTHX);
    IO *io = GvIOn(gv);
    IoTYPE(io) = IoTYPE_RDONLY;
    IoIFP(io) = in;
    return gv;
}

static GV *memory_input(pTHX_ struct bytes body)
{
    SV *ref = sv_2mortal(newRV_noinc(newSVpvn(body.len ? body.at : "", body.len)));
    PerlIO *in = PerlIO_openn(aTHX_ "scalar", "r", -1, 0, 0, NULL, 1, &ref);
    if (!in)
        croak("psgi.input could not be opened");
    return glob_of(aTHX_ in);
}

static GV *file_input(pTHX_ int body_fd)
{
    int fd = fcntl(body_fd, F_DUPFD_CLOEXEC, 3);
    PerlIO *in;
    if (fd < 0)
        croak("psgi.input could not be duplicated: %s", Strerror(errno));
    (void)lseek(fd, 0, SEEK_SET);
    in = PerlIO_fdopen(fd, "rb");
    if (!in) {
        close(fd);
        croak("psgi.input could not be opened: %s", Strerror(errno));
    }
    return glob_of(aTHX_ in);
}

/* Whether nobody has kept, closed or changed the shared handle on nothing. */
static bool still_empty(pTHX_ GV *gv)
{
    IO *io = isGV_with_GP((SV *)gv) ? GvIOp(gv) : NULL;
    PerlIO *in = io ? IoIFP(io) : NULL;
    if (!in || !PerlIOValid(in) || SvREFCNT(gv) != 1 || GvREFCNT(gv) != 1 || SvREFCNT(io) != 1)
        return false;
    if (SvOBJECT(gv) || SvMAGICAL(gv) || SvMAGICAL(io) || GvHV(gv) || GvAV(gv))
        return false;
    if (PerlIOBase(in)->tab != the_host->scalar_layer
        || (PerlIOBase(in)->flags & (PERLIO_F_UTF8 | PERLIO_F_CRLF)))
        return false;
    PerlIO_clearerr(in);
    IoLINES(io) = 0;
    return PerlIO_seek(in, 0, SEEK_SET) == 0;
}

SV *make_input(pTHX_ struct perl_host *h, const struct request *request)
{
    if (request->body_fd >= 0)
        return newRV_noinc((SV *)file_input(aTHX_ request->body_fd));
    if (request->body.len)
        return newRV_noinc((SV *)memory_input(aTHX_ request->body));
    if (!h->empty_input || !still_empty(aTHX_ h->empty_input)) {
        GV *old = h->empty_input;
        h->empty_input = NULL;
        SvREFCNT_dec((SV *)old);
        h->empty_input = memory_input(aTHX_ request->body);
        h->scalar_layer = PerlIOBase(IoIFP(GvIOp(h->empty_input)))->tab;
    }
    return newRV_inc((SV *)h->empty_input);
}

/* ---- what is built at the first look ---- */

static bool is_current(pTHX_ struct perl_host *h, UV serial)
{
#ifdef USE_ITHREADS
    if (aTHX != h->perl)                         /* a thread of the application's */
        return false;
#endif
    return serial == h->serial && !forked_by_app;
}

/* The client's socket, on a descriptor of Perl's own: closing it closes no connection. */
static SV *make_io(pTHX_ struct perl_host *h)
{
    static const char *const classes[] = { "IO::Socket::INET", "IO::Socket::IP", "IO::Socket::UNIX" };
    int fd = h->client_fd < 0 ? -1 : fcntl(h->client_fd, F_DUPFD_CLOEXEC, 3);
    PerlIO *in, *out;
    GV *gv;
    IO *io;
    if (fd < 0)
        return &PL_sv_undef;
    in = PerlIO_fdopen(fd, "rb");
    out = in ? PerlIO_fdopen(fd, "wb") : NULL;
    if (!out) {
        if (in)
            PerlIO_close(in);
        else
            close(fd);
        return &PL_sv_undef;
    }
    gv = anonymous_glob(aTHX);
    io = GvIOn(gv);
    IoTYPE(io) = IoTYPE_SOCKET;
    IoIFP(io) = in;
    IoOFP(io) = out;
    IoFLAGS(io) |= IOf_FLUSH;
    h->saw_io = true;
    return sv_bless(sv_2mortal(newRV_noinc((SV *)gv)), gv_stashpv(classes[h->family], GV_ADD));
}

static int lazy_get(pTHX_ SV *sv, MAGIC *mg)
{
    struct perl_host *h = the_host;
    UV serial = PTR2UV(mg->mg_ptr);
    if (!serial)                                 /* built, or stored over, before */
        return 0;
    mg->mg_ptr = NULL;
    sv_setsv(sv, is_current(aTHX_ h, serial) ? make_io(aTHX_ h) : &PL_sv_undef);
    return 0;
}

static int lazy_set(pTHX_ SV *sv, MAGIC *mg)
{
    PERL_UNUSED_CONTEXT;
    PERL_UNUSED_ARG(sv);
    mg->mg_ptr = NULL;
    return 0;
}

static MGVTBL lazy_table = { lazy_get, lazy_set, NULL, NULL, NULL, NULL, NULL, NULL };

SV *make_lazy_io(pTHX_ struct perl_host *h)
{
    SV *sv = newSV(0);
    sv_magicext(sv, NULL, PERL_MAGIC_ext, &lazy_table, INT2PTR(char *, h->serial), 0);
    return sv;
}

/* ---- what is used again, unless the application has kept it ---- */

XS(xs_inform);

SV *make_inform(pTHX_ struct perl_host *h)
{
    if (!h->inform || SvREFCNT(h->inform) != 1 || SvOBJECT(h->inform)) {
        CV *old = h->inform;                     /* its serial stays: it matches nothing any more */
        h->inform = NULL;
        SvREFCNT_dec((SV *)old);
        h->inform = newXS(NULL, xs_inform, __FILE__);
    }
    CvXSUBANY(h->inform).any_uv = h->serial;
    return newRV_inc((SV *)h->inform);
}

SV *make_handlers(pTHX_ struct perl_host *h)
{
    AV *av = h->handlers;
    if (!av || SvREFCNT(av) != 1 || SvMAGICAL(av) || SvOBJECT(av) || AvFILLp(av) >= 0) {
        h->handlers = NULL;
        SvREFCNT_dec((SV *)av);
        h->handlers = newAV();
    }
    return newRV_inc((SV *)h->handlers);
}

/* ---- the responder and the writer ---- */

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

XS(xs_caught)                                    /* in %SIG of a worker: TERM, QUIT, HUP */
{
    dXSARGS;
    const char *name = items ? SvPV_nolen_const(ST(0)) : "";
    if (strEQ(name, "TERM"))
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
    newXS("Plack::Handler::Monoceros::_caught", xs_caught, __FILE__);
    newXS(WRITER "::write", xs_writer_write, __FILE__);
    newXS(WRITER "::close", xs_writer_close, __FILE__);
}
