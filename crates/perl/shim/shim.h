/* The whole boundary between Rust and Perl, on one page.
 *
 * perl_* goes into Perl from Rust; rust_calls comes out of Perl into Rust. No Perl header is included
 * here, and src/ffi.rs mirrors this file in its order: change both together (a test there compares).
 *
 * Slices that come out live until perl_release; those of a BODY_ARRAY until Perl runs again, if that is
 * first, for they point into the application's own strings.
 * Not here: what the shim's own files share (host.h). */
#ifndef MONOCEROS_SHIM_H
#define MONOCEROS_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bytes { const char *at; size_t len; };
struct field { struct bytes name, value; };
struct var   { int key; struct bytes name, value; };      /* key from perl_keys, or -1: use the name */

enum family { FAMILY_INET, FAMILY_INET6, FAMILY_UNIX };

struct request {
    const struct var *vars;
    size_t n_vars;
    struct bytes body;                    /* used if body_fd is -1 */
    int body_fd;                          /* duplicated; read from offset 0 */
    int client_fd;                        /* borrowed until the call, or the stream, is over */
    struct bytes behind;                  /* read from the client already, psgix.io's; copied */
    int family;
    int write_timeout_ms;                 /* of one write that gets nowhere; -1: for ever */
};

enum body { BODY_ARRAY, BODY_FILE, BODY_LINES, BODY_CODE, BODY_NONE };

struct response {
    int64_t status;
    const struct field *fields;
    size_t n_fields;
    const struct bytes *chunks;           /* BODY_ARRAY */
    size_t n_chunks;
    int64_t offset, length;               /* BODY_FILE */
    int file_fd;                          /* BODY_FILE: Perl's own */
    int kind;
};

enum outcome  { OUT_OK, OUT_DIED, OUT_EXIT, OUT_FORKED };  /* of every call that can run Perl */
enum start    { START_WHOLE, START_FILE, START_FINISHED, START_LIVE };
enum wrote    { WROTE_ALL, WROTE_AGAIN, WROTE_GONE };
enum streamed { STREAMED_NOTHING, STREAMED_COMPLETE, STREAMED_OPEN, STREAMED_BROKEN };
enum hook     { HOOK_READY, HOOK_EXIT, HOOKS };
enum caught   { CAUGHT_TERM = 1, CAUGHT_QUIT = 2, CAUGHT_HUP = 4 };
enum source   { SOURCE_FILE, SOURCE_TEXT, SOURCE_GIVEN };

struct load  { int source; struct bytes text, mount; int development; };   /* mount.at NULL: none */
struct fault { size_t len; char text[504]; };

struct perl_host;

/* These never block, never call Perl, never unwind. */
struct rust_calls {
    int (*start)(void *conn, const struct response *, int how, struct fault *);     /* 0, -1 */
    int (*inform)(void *conn, const struct response *, struct fault *);             /* sent 1, not 0, -1 */
    int (*write)(void *conn, struct bytes, size_t *taken);                          /* enum wrote */
    void (*close)(void *conn);
    void (*look)(void *conn);                             /* psgix.io is being made */
    void (*log)(int level, struct bytes);
    double (*deadline)(void *conn, double seconds);   /* sets it, 0: none; or asks, < 0. Left; < 0: none */
    int (*run)(struct perl_host *, const struct field *options, size_t n, int *leave);
};

/* boot.c */
struct perl_host *perl_boot(int argc, char **argv, const struct rust_calls *);   /* door one; NULL: refused */
const char *perl_boot_reason(void);                       /* why it was; may be empty */
pid_t perl_fork(struct perl_host *);
void perl_vanish(struct perl_host *, int status);         /* ends a child of the application's */
int perl_status(struct perl_host *);
int perl_shutdown(struct perl_host *, int status);        /* door one: END, DESTROY; the status to leave with */

/* plackup.c */
void perl_boot_xs(void *my_perl, void *cv, const struct rust_calls *);           /* door two; may croak */

/* load.c */
enum outcome perl_load(struct perl_host *, const struct load *);
enum outcome perl_set_env(struct perl_host *, struct bytes name, struct bytes value);
enum outcome perl_set_title(struct perl_host *, struct bytes);
enum outcome perl_set_hook(struct perl_host *, int hook, struct bytes text);
enum outcome perl_hook(struct perl_host *, int hook, const struct field *, size_t);
enum outcome perl_offer_deadline(struct perl_host *);     /* monoceros.deadline is in every env */
enum outcome perl_born(struct perl_host *);
unsigned long perl_caught(struct perl_host *);            /* and forgets */

/* env.c */
int perl_keys(struct perl_host *, const struct bytes *, size_t);
int perl_constants(struct perl_host *, const struct var *, size_t);

/* call.c */
enum outcome perl_call(struct perl_host *, const struct request *, void *conn, struct response *);
enum outcome perl_stream(struct perl_host *, void *conn, int *streamed);
enum outcome perl_piece(struct perl_host *, struct bytes *, int *eof);
enum outcome perl_close(struct perl_host *);
int perl_saw_io(struct perl_host *);

/* finish.c */
int perl_has_cleanup(struct perl_host *);
enum outcome perl_cleanup(struct perl_host *, int *harakiri);
enum outcome perl_release(struct perl_host *);
struct bytes perl_error(struct perl_host *);
void perl_complain(struct perl_host *, struct bytes);
size_t perl_count(struct perl_host *);                    /* live SVs, for tests */

/* wait.c */
enum outcome perl_wait(struct perl_host *, int fd, int writable, int timeout_ms, int *ready);
enum outcome perl_claim(struct perl_host *, int list, int timeout_ms, uint64_t *data, int room, int *ready);

#endif
