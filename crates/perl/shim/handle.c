/* What is built for an env that is no string: psgi.input, psgix.io, and what can be used again.
 *
 * psgi.input is a real glob with PerlIO, on memory or on a file. psgix.io costs a duplicated descriptor
 * and two PerlIO handles, so it is built by magic, when the application looks. The handle on an empty
 * body, psgix.informational and the list of cleanup handlers serve every request, until the application
 * keeps or changes one.
 *
 * What carries a serial belongs to the request with that number. Not here: the strings (value.c). */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

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

bool is_current(pTHX_ struct perl_host *h, UV serial)
{
#ifdef USE_ITHREADS
    if (aTHX != h->perl)                         /* a thread of the application's */
        return false;
#endif
    return serial == h->serial && !forked_by_app;
}

/* Tells Rust that the application has the socket. While a body is read there is nobody to tell. */
static void tell_look(pTHX_ struct perl_host *h)
{
    h->saw_io = true;
    if (!h->conn)
        return;
    leave_perl(aTHX);
    h->rust->look(h->conn);
    enter_perl(aTHX);
}

/* The client's socket, on a descriptor of Perl's own: closing it closes no connection. It shares its
 * mode with all copies, so an earlier request may have left it non-blocking. */
static SV *make_io(pTHX_ struct perl_host *h)
{
    static const char *const classes[] = { "IO::Socket::INET", "IO::Socket::IP", "IO::Socket::UNIX" };
    int fd = h->client_fd < 0 ? -1 : fcntl(h->client_fd, F_DUPFD_CLOEXEC, 3), mode;
    PerlIO *in, *out;
    GV *gv;
    IO *io;
    if (fd < 0)
        return &PL_sv_undef;
    mode = fcntl(fd, F_GETFL);
    if (mode >= 0 && (mode & O_NONBLOCK))
        (void)fcntl(fd, F_SETFL, mode & ~O_NONBLOCK);
    in = PerlIO_fdopen(fd, "rb");
    out = in ? PerlIO_fdopen(fd, "wb") : NULL;
    if (!out) {
        if (in)
            PerlIO_close(in);
        else
            close(fd);
        return &PL_sv_undef;
    }
    if (h->behind) {                             /* read and getline give it, sysread does not know it */
        struct bytes behind = slice_of(h->behind);
        PerlIO_unread(in, behind.at, behind.len);
    }
    gv = anonymous_glob(aTHX);
    io = GvIOn(gv);
    IoTYPE(io) = IoTYPE_SOCKET;
    IoIFP(io) = in;
    IoOFP(io) = out;
    IoFLAGS(io) |= IOf_FLUSH;
    h->client_io = (IO *)SvREFCNT_inc_simple_NN((SV *)io);
    tell_look(aTHX_ h);
    return sv_bless(sv_2mortal(newRV_noinc((SV *)gv)), gv_stashpv(classes[h->family], GV_ADD));
}

/* What the application has printed and not flushed leaves before the connection is shut down. */
void flush_io(pTHX_ struct perl_host *h)
{
    PerlIO *out = h->client_io ? IoOFP(h->client_io) : NULL;
    if (out && PerlIOValid(out))
        (void)PerlIO_flush(out);
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

/* Flags of one that nobody has looked at, stored over, copied from or blessed. */
static U32 lazy_flags(pTHX)
{
    static U32 flags;
    if (!flags) {
        SV *sv = newSV(0);
        sv_magicext(sv, NULL, PERL_MAGIC_ext, &lazy_table, NULL, 0);
        flags = SvFLAGS(sv);
        SvREFCNT_dec_NN(sv);
    }
    return flags;
}

bool is_lazy_io(pTHX_ SV *sv)
{
    MAGIC *mg = SvFLAGS(sv) == lazy_flags(aTHX) ? SvMAGIC(sv) : NULL;
    return mg && mg->mg_virtual == &lazy_table && mg->mg_ptr && !mg->mg_moremagic;
}

void renew_lazy_io(pTHX_ struct perl_host *h, SV *sv)
{
    PERL_UNUSED_CONTEXT;
    SvMAGIC(sv)->mg_ptr = INT2PTR(char *, h->serial);
}

/* ---- what is used again, unless the application has kept it ---- */

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
