/* What the files of the shim share: the host, the barrier, and the switch between Perl and Rust.
 *
 * There is one host per process: Perl's own globals allow no second one, and a signal handler has to
 * find it. Not here: anything Rust sees (shim.h). */
#ifndef MONOCEROS_HOST_H
#define MONOCEROS_HOST_H

#define PERL_NO_GET_CONTEXT
#include "EXTERN.h"
#include "perl.h"
#include "XSUB.h"
#include "perliol.h"

#include <stdbool.h>
#include <signal.h>

#include "shim.h"

#if PERL_VERSION < 16
#error "Monoceros needs perl 5.16 or later: before it, $$ is cached across our fork"
#endif
#ifdef PERL_RC_STACK
#error "Monoceros does not work with a perl built with PERL_RC_STACK"
#endif

typedef void (*shim_fn)(pTHX_ void *arg);

struct frame { struct frame *below; shim_fn fn; void *arg; bool done; };

enum { NUMBERS = 16 };             /* integers of an answer that are spelled out without a copy */

struct scratch { struct field *at; size_t room; };

struct perl_host {
    PerlInterpreter *perl;
    const struct rust_calls *rust;
    CV *trampoline;
    struct frame *frame;
    bool embedded;                 /* door one */

    SV *app, *builder, *hooks[HOOKS];
    SV **keys;
    size_t n_keys;
    HV *template;
    SV *key_input, *key_io, *key_informational, *key_handlers, *key_commit, *key_errors;
    SV *record;                    /* \65536, for $/ */
    GV *empty_input;               /* these three serve every request, until one is kept */
    CV *inform;
    AV *handlers;
    const PerlIO_funcs *scalar_layer;

    /* The request at hand. `serial` says which one an XSUB or a magic belongs to: only the one with
     * this number may reach `conn`, which is NULL unless the application is running. */
    UV serial;
    void *conn;
    bool running;                                /* the application: call, stream, body; until detach */
    int client_fd, family, write_timeout_ms;
    SV *behind;                    /* what psgix.io gives first; usually NULL */
    IO *client_io;                 /* the handle that was made of the socket; usually NULL */
    bool saw_io, gone, body_open;
    int streamed, busy;
    HV *env, *spare;               /* the spare one is between two requests: the next one's */
    SV *response, *body, *piece;
    AV *keep;                      /* strings that had to be copied */
    unsigned empties;

    /* Slices that go out; grown, never shrunk. An interim answer has its own, for it may be sent from
     * a getline, when the fields of the final one are still to be used. */
    struct scratch fields, inform_fields;
    struct bytes *chunks;
    size_t room_chunks;
    char numbers[NUMBERS][24];
    unsigned n_numbers;

    SV *thrown, *error;
    bool died;                     /* `thrown` has not been made a string yet */
    bool unspeakable;              /* and it could not be */
    bool ends;                     /* a signal handler died between two requests: no further one */
    enum outcome left;             /* OUT_EXIT and OUT_FORKED stay: the only way on is out */
    int status;
    unsigned long caught;
};

extern struct perl_host *the_host;

/* Set while Perl's code may run: a handler that is called at once may die only then. */
extern volatile sig_atomic_t in_perl;
extern volatile sig_atomic_t forked_by_app;
extern U32 unsafe_signals;

PERL_STATIC_INLINE void enter_perl(pTHX)
{
    in_perl = 1;
    PL_signals |= unsafe_signals;
}

PERL_STATIC_INLINE void leave_perl(pTHX)
{
    if (!in_perl)
        return;
    unsafe_signals = PL_signals & PERL_SIGNALS_UNSAFE_FLAG;
    PL_signals &= ~(U32)PERL_SIGNALS_UNSAFE_FLAG;
    in_perl = 0;
}

/* call.c */
XS(xs_frame);
enum outcome barrier(struct perl_host *, shim_fn, void *arg);
enum outcome settle(struct perl_host *, enum outcome);
enum outcome enter(struct perl_host *, shim_fn, void *arg);
void detach(struct perl_host *);
SV *next_piece(pTHX_ struct perl_host *);        /* mortal bytes, or NULL at the end; croaks */
void close_body(pTHX_ struct perl_host *);       /* once; croaks */

/* env.c */
void build_env(pTHX_ struct perl_host *, const struct request *);   /* sets h->env; croaks */
bool take_back_env(pTHX_ struct perl_host *);    /* false: h->env is to be freed; destructors run */
void forget_env(pTHX_ struct perl_host *);       /* the template has changed */

/* value.c */
struct taking { SV *from; struct response *to; bool in_responder; };
bool take_plain(pTHX_ struct perl_host *, SV *from, struct response *, bool in_responder);
void take_apart(pTHX_ void *taking);             /* croaks */
void take_fields(pTHX_ struct perl_host *, struct scratch *, SV *from, struct response *);  /* croaks */
int64_t take_status(pTHX_ SV *);                 /* croaks */
SV *as_bytes(pTHX_ SV *, const char *where);     /* a mortal copy, downgraded; croaks */
SV *as_text(pTHX_ SV *);                         /* the same, UTF-8 if it cannot be; for people */

PERL_STATIC_INLINE bool is_plain(SV *sv)
{
    return (SvFLAGS(sv) & (SVf_POK | SVf_ROK | SVf_UTF8 | SVs_GMG)) == SVf_POK
        && SvTYPE(sv) < SVt_PVGV;
}

PERL_STATIC_INLINE struct bytes slice_of(SV *sv)
{
    struct bytes b = { SvPVX_const(sv), SvCUR(sv) };
    return b;
}

/* callback.c */
void make_callbacks(pTHX_ struct perl_host *);
CV *make_responder(pTHX_ struct perl_host *);
XS(xs_inform);

/* handle.c */
bool is_current(pTHX_ struct perl_host *, UV serial);
SV *make_lazy_io(pTHX_ struct perl_host *);
bool is_lazy_io(pTHX_ SV *);                     /* made by that, and as it was */
void renew_lazy_io(pTHX_ struct perl_host *, SV *);
void flush_io(pTHX_ struct perl_host *);
SV *make_inform(pTHX_ struct perl_host *);
SV *make_handlers(pTHX_ struct perl_host *);
SV *make_input(pTHX_ struct perl_host *, const struct request *);

/* zone.c */
const char *zone_in(const char *link);           /* `Europe/Berlin` of ../usr/share/zoneinfo/Europe/Berlin, or NULL */
void name_zone(pTHX);

/* wait.c */
bool wait_writable(pTHX_ struct perl_host *, int fd, int timeout_ms);   /* in an XSUB; handlers may die */

/* load.c */
void compile_loader(pTHX_ void *unused);

/* boot.c */
bool make_host(pTHX_ struct perl_host *, const struct rust_calls *);

#endif
