/* Values: slices out of a response.
 *
 * Most responses are plain strings and integers: take_plain() walks them without running any Perl, and
 * its slices point into the application's own strings, integers being spelled out beside. Whatever it does not know (ties, magic,
 * overloading, fractions, flagged utf8, handles) goes through take_apart() behind the barrier.
 * There Perl runs between one element and the next, so every string is copied.
 *
 * The application's values are never changed, not even their flags. Not here: what goes in (env.c). */
#include "host.h"

#include <sys/stat.h>
#include <unistd.h>

static bool room_for_fields(struct scratch *fields, size_t n)
{
    if (n > fields->room) {
        struct field *more = realloc(fields->at, (n + 16) * sizeof *more);
        if (!more)
            return false;
        fields->at = more;
        fields->room = n + 16;
    }
    return true;
}

static bool room_for_chunks(struct perl_host *h, size_t n)
{
    if (n > h->room_chunks) {
        struct bytes *more = realloc(h->chunks, (n + 16) * sizeof *more);
        if (!more)
            return false;
        h->chunks = more;
        h->room_chunks = n + 16;
    }
    return true;
}

/* The array behind a reference that nothing watches, or NULL. */
static AV *plain_array(SV *sv)
{
    if (!sv || SvGMAGICAL(sv) || !SvROK(sv) || SvTYPE(SvRV(sv)) != SVt_PVAV
        || SvOBJECT(SvRV(sv)) || SvMAGICAL(SvRV(sv)))
        return NULL;
    return (AV *)SvRV(sv);
}

/* A plain string as it is, a plain integer spelled out. Nothing of the value changes: an integer that
 * was made a string before has that string, but not every perl keeps it. */
static bool plain_text(struct perl_host *h, SV *sv, struct bytes *to)
{
    const U32 kinds = SVf_IOK | SVf_POK | SVf_ROK | SVs_GMG | SVf_IVisUV | SVf_NOK | SVp_NOK;
    char *end, *at;
    UV left;
    if (!sv)
        return false;
    if (is_plain(sv)) {
        *to = slice_of(sv);
        return true;
    }
    if ((SvFLAGS(sv) & kinds) != SVf_IOK || SvTYPE(sv) >= SVt_PVGV || h->n_numbers == NUMBERS)
        return false;
    at = end = h->numbers[h->n_numbers++] + sizeof h->numbers[0];
    left = SvIVX(sv) < 0 ? 0 - (UV)SvIVX(sv) : (UV)SvIVX(sv);
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (SvIVX(sv) < 0)
        *--at = '-';
    to->at = at;
    to->len = (size_t)(end - at);
    return true;
}

static bool plain_fields(struct perl_host *h, AV *av, struct response *to)
{
    size_t n = (size_t)(AvFILLp(av) + 1), i;
    SV **at = AvARRAY(av);
    if (n % 2 || !room_for_fields(&h->fields, n / 2))
        return false;
    for (i = 0; i < n; i += 2) {
        if (!plain_text(h, at[i], &h->fields.at[i / 2].name)
            || !plain_text(h, at[i + 1], &h->fields.at[i / 2].value))
            return false;
    }
    to->fields = h->fields.at;
    to->n_fields = n / 2;
    return true;
}

static bool plain_chunks(struct perl_host *h, AV *av, struct response *to)
{
    size_t n = (size_t)(AvFILLp(av) + 1), i;
    SV **at = AvARRAY(av);
    if (!room_for_chunks(h, n))
        return false;
    for (i = 0; i < n; i++)
        if (!plain_text(h, at[i], &h->chunks[i]))
            return false;
    to->kind = BODY_ARRAY;
    to->chunks = h->chunks;
    to->n_chunks = n;
    return true;
}

/* A plain integer, or a plain string of three digits. */
static bool plain_status(SV *sv, int64_t *status)
{
    const char *at;
    if (!sv)
        return false;
    if (is_plain(sv) && !SvIOK(sv) && !SvNOK(sv) && SvCUR(sv) == 3) {
        at = SvPVX_const(sv);
        if (!isDIGIT(at[0]) || !isDIGIT(at[1]) || !isDIGIT(at[2]))
            return false;
        *status = (at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0');
        return true;
    }
    if ((SvFLAGS(sv) & (SVf_IOK | SVf_ROK | SVs_GMG | SVf_IVisUV)) != SVf_IOK)
        return false;
    *status = SvIVX(sv);
    return true;
}

bool take_plain(pTHX_ struct perl_host *h, SV *from, struct response *to, bool in_responder)
{
    AV *av = plain_array(from), *fields, *chunks;
    SV **at;
    memset(to, 0, sizeof *to);
    to->file_fd = -1;
    if (!av) {
        if (in_responder || SvGMAGICAL(from) || !SvROK(from) || SvTYPE(SvRV(from)) != SVt_PVCV)
            return false;
        to->kind = BODY_CODE;
        return true;
    }
    if (AvFILLp(av) != 2)
        return false;
    at = AvARRAY(av);
    h->n_numbers = 0;
    if (!plain_status(at[0], &to->status))
        return false;
    fields = plain_array(at[1]);
    chunks = plain_array(at[2]);
    if (!fields || !chunks)
        return false;
    return plain_fields(h, fields, to) && plain_chunks(h, chunks, to);
}

SV *as_bytes(pTHX_ SV *sv, const char *where)
{
    SV *copy, *out;
    STRLEN len;
    const char *p;
    SvGETMAGIC(sv);
    if (!SvOK(sv))
        return sv_2mortal(newSVpvs(""));
    if (SvROK(sv) && !SvAMAGIC(sv))
        croak("A reference (%s) is no string, in %s", sv_reftype(SvRV(sv), TRUE), where);
    copy = sv_newmortal();
    sv_setsv_flags(copy, sv, SV_NOSTEAL);
    p = SvPV_nomg_const(copy, len);              /* overloading sets UTF8 on the copy */
    out = newSVpvn_flags(p, len, SVs_TEMP | (SvUTF8(copy) ? SVf_UTF8 : 0));
    if (SvUTF8(out) && !sv_utf8_downgrade(out, TRUE))
        croak("Wide character in %s", where);
    return out;
}

SV *as_text(pTHX_ SV *sv)
{
    STRLEN len;
    const char *p = SvPV_const(sv, len);
    SV *out = newSVpvn_flags(p, len, SVs_TEMP | (SvUTF8(sv) ? SVf_UTF8 : 0));
    if (SvUTF8(out) && !sv_utf8_downgrade(out, TRUE))
        sv_utf8_encode(out);
    return out;
}

/* A copy that lives until the request is released. */
static struct bytes kept(pTHX_ struct perl_host *h, SV *sv, const char *where)
{
    SV *out = as_bytes(aTHX_ sv, where);
    av_push(h->keep, SvREFCNT_inc_simple_NN(out));
    return slice_of(out);
}

/* A mortal copy without magic: a tie's FETCH is called once. */
static SV *element(pTHX_ AV *av, SSize_t i)
{
    SV **at = av_fetch(av, i, 0), *copy = sv_newmortal();
    if (at) {
        SvGETMAGIC(*at);
        sv_setsv_flags(copy, *at, SV_NOSTEAL);
    }
    return copy;
}

static const char *what_is(pTHX_ SV *sv)
{
    if (!SvOK(sv))
        return "undef";
    return SvROK(sv) ? sv_reftype(SvRV(sv), TRUE) : "a plain scalar";
}

int64_t take_status(pTHX_ SV *sv)
{
    SV *copy = as_bytes(aTHX_ sv, "response status");
    if (!looks_like_number(copy) || SvNV(copy) != (NV)SvIV(copy))
        croak("The response's status is no whole number: \"%" SVf "\"", SVfARG(copy));
    return SvIV(copy);
}

/* Where a value that is wide is found: only such a one needs to be told by its field's name. */
static const char *value_of(pTHX_ SV *name, SV *value)
{
    if (!SvUTF8(value) && !SvROK(value))
        return "response header";
    return SvPV_nolen(sv_2mortal(newSVpvf("response header \"%s\"", SvPV_nolen(name))));
}

void take_fields(pTHX_ struct perl_host *h, struct scratch *fields, SV *from, struct response *to)
{
    AV *av;
    SSize_t n, i;
    SvGETMAGIC(from);
    if (!SvROK(from) || SvTYPE(SvRV(from)) != SVt_PVAV)
        croak("The response's headers are %s, not an array", what_is(aTHX_ from));
    av = (AV *)SvRV(from);
    n = av_len(av) + 1;
    if (n % 2)
        croak("The response's headers have an odd number of elements");
    if (!room_for_fields(fields, (size_t)n / 2))
        croak("Out of memory for a response's headers");
    for (i = 0; i < n; i += 2) {
        SV *name = element(aTHX_ av, i), *value = element(aTHX_ av, i + 1);
        if (!SvOK(value)) {
            SV *line = sv_2mortal(newSVpvf("response header %" SVf " is undef", SVfARG(name)));
            line = as_text(aTHX_ line);
            leave_perl(aTHX);
            h->rust->log(2, slice_of(line));
            enter_perl(aTHX);
        }
        fields->at[i / 2].name = kept(aTHX_ h, name, "response header");
        fields->at[i / 2].value = kept(aTHX_ h, value, value_of(aTHX_ name, value));
    }
    to->fields = fields->at;
    to->n_fields = (size_t)n / 2;
}

static void take_chunks(pTHX_ struct perl_host *h, AV *av, struct response *to)
{
    SSize_t n = av_len(av) + 1, i;
    if (!room_for_chunks(h, (size_t)n))
        croak("Out of memory for a response's body");
    for (i = 0; i < n; i++)
        h->chunks[i] = kept(aTHX_ h, element(aTHX_ av, i), "response body");
    to->kind = BODY_ARRAY;
    to->chunks = h->chunks;
    to->n_chunks = (size_t)n;
}

/* Whether bytes of this handle are those of its file: no layer translates. */
static bool raw_layers(pTHX_ PerlIO *fp)
{
    PerlIOl *l;
    if (!PerlIOValid(fp))
        return false;
    for (l = *fp; l; l = l->next) {
        if (!l->tab || (l->flags & (PERLIO_F_UTF8 | PERLIO_F_CRLF)))
            return false;
        if (strNE(l->tab->name, "unix") && strNE(l->tab->name, "perlio"))
            return false;
    }
    return true;
}

/* Whether the handle's own getline is IO::Handle's: an object may have made its own. */
static bool stock_getline(pTHX_ SV *glob)
{
    GV *stock, *own;
    if (!SvOBJECT(glob))
        return true;
    stock = gv_fetchmethod_autoload(gv_stashpvs("IO::Handle", GV_ADD), "getline", FALSE);
    own = gv_fetchmethod_autoload(SvSTASH(glob), "getline", FALSE);
    return stock && own && GvCV(stock) == GvCV(own);
}

/* Whether the size is that of the bytes. Files of procfs say 0, those of sysfs a page; both say that
 * they have no blocks, which otherwise only the empty, the sparse and the very small do. */
static bool honest_size(int fd, const struct stat *st)
{
    char byte;
    if (st->st_blocks)
        return true;
    if (!st->st_size)
        return pread(fd, &byte, 1, 0) == 0;
    return pread(fd, &byte, 1, st->st_size - 1) == 1;
}

static void take_file(pTHX_ SV *glob, struct response *to)
{
    IO *io = GvIO((GV *)glob);
    PerlIO *fp = io ? IoIFP(io) : NULL;
    struct stat st;
    Off_t at;
    int fd;
    to->kind = BODY_LINES;
    if (!fp || (SvRMAGICAL(io) && mg_find((SV *)io, PERL_MAGIC_tiedscalar)))
        return;
    if (!stock_getline(aTHX_ glob) || !raw_layers(aTHX_ fp) || (fd = PerlIO_fileno(fp)) < 0)
        return;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    if (PerlIOBase(fp)->flags & PERLIO_F_WRBUF)
        PerlIO_flush(fp);
    at = PerlIO_tell(fp);
    if (at < 0 || fstat(fd, &st) != 0 || !honest_size(fd, &st))
        return;
    to->kind = BODY_FILE;
    to->file_fd = fd;
    to->offset = at;
    to->length = st.st_size > at ? st.st_size - at : 0;
}

static void take_body(pTHX_ struct perl_host *h, SV *body, struct response *to)
{
    SV *thing = SvROK(body) ? SvRV(body) : body;
    bool object = SvROK(body) && SvOBJECT(thing);
    bool handle = isGV_with_GP(thing) || SvTYPE(thing) == SVt_PVIO;
    bool lines = handle
        || (object && gv_fetchmethod_autoload(SvSTASH(thing), "getline", TRUE)
            && (SvTYPE(thing) != SVt_PVAV
                || gv_fetchmethod_autoload(SvSTASH(thing), "getline", FALSE)));
    if (SvROK(body) && SvTYPE(thing) == SVt_PVAV && !lines) {
        take_chunks(aTHX_ h, (AV *)thing, to);
        return;
    }
    if (!lines)
        croak("The response's body is %s, neither an array nor a handle", what_is(aTHX_ body));
    h->body = SvROK(body) ? newSVsv(body) : newRV_inc(body);
    h->body_open = true;
    to->kind = BODY_LINES;
    if (isGV_with_GP(thing))
        take_file(aTHX_ thing, to);
}

void take_apart(pTHX_ void *taking)
{
    struct taking *t = taking;
    struct perl_host *h = the_host;
    SV *from = t->from;
    AV *av;
    SSize_t n;
    memset(t->to, 0, sizeof *t->to);
    t->to->file_fd = -1;
    SvGETMAGIC(from);
    if (SvROK(from) && SvTYPE(SvRV(from)) == SVt_PVCV && !t->in_responder) {
        t->to->kind = BODY_CODE;
        return;
    }
    if (!SvROK(from) || SvTYPE(SvRV(from)) != SVt_PVAV)
        croak("The response is %s, %s", what_is(aTHX_ from),
              t->in_responder ? "not an array" : "neither an array nor a CODE");
    av = (AV *)SvRV(from);
    n = av_len(av) + 1;
    if (n != 3 && !(n == 2 && t->in_responder))
        croak("The response has %ld elements, not three", (long)n);
    t->to->status = take_status(aTHX_ element(aTHX_ av, 0));
    t->to->kind = BODY_NONE;
    take_fields(aTHX_ h, &h->fields, element(aTHX_ av, 1), t->to);
    if (n == 3)
        take_body(aTHX_ h, element(aTHX_ av, 2), t->to);
}
