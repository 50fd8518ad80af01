/* %env out of a request, and back: the hash of one request is the next one's, if nobody else has it.
 *
 * Making an env of thirty pairs and freeing it costs 20,000 instructions; looking it through and writing
 * this request's strings over the last one's costs 3,000. So release takes it back if the application
 * has kept nothing of it: no reference to the hash, strong or weak, no magic. Then whatever
 * is not as the server made it is freed there and then, as all of it would be: pairs that the application
 * added, values that it changed or refers to. What stays is plain strings, to be written over, and
 * constants that were compared. Anything unusual frees the hash, and the next env is made from the
 * template.
 *
 * Not here: psgi.input and the other values that are no strings (handle.c). */
#include "host.h"

enum kind { KIND_STRING, KIND_CONSTANT, KIND_INPUT, KIND_HANDLERS, KIND_INFORMATIONAL, KIND_IO };

/* A name that the server gives. */
struct slot {
    SV *key;
    SV *constant;                  /* KIND_CONSTANT: the template's */
    SV *value;                     /* in h->spare; for strings NULL once it is written over */
    enum kind kind;
};

enum {
    PLACES = 512,                  /* of the table from names to slots: at least twice as many */
    MOST_OUTCASTS = 64,            /* pairs to be deleted, before it is cheaper to begin anew */
    MOST_STRING = 1024,            /* a longer value's memory is not kept */
    MOST_PLACES = 256              /* nor is that of a hash that was this large */
};

static struct {
    struct slot *at;
    size_t n, n_constants;
    struct place { const HEK *hek; struct slot *slot; } places[PLACES];    /* by a name's hash */
    size_t *strings, n_strings;    /* the slots whose pairs are in h->spare */
    struct slot *special[KIND_IO + 1];
} known;

int perl_keys(struct perl_host *h, const struct bytes *names, size_t n)
{
    dTHXa(h->perl);
    size_t i;
    SV **keys = malloc(n * sizeof *keys);
    if (!keys)
        return -1;
    for (i = 0; i < n; i++)
        keys[i] = newSVpvn_share(names[i].at, (I32)names[i].len, 0);
    h->keys = keys;
    h->n_keys = n;
    return 0;
}

int perl_constants(struct perl_host *h, const struct var *vars, size_t n)
{
    dTHXa(h->perl);
    size_t i;
    for (i = 0; i < n; i++) {
        SV *value = newSVpvn(vars[i].value.at, vars[i].value.len);
        if (vars[i].key >= 0 && (size_t)vars[i].key < h->n_keys)
            (void)hv_store_ent(h->template, h->keys[vars[i].key], value, 0);
        else
            (void)hv_store(h->template, vars[i].name.at, (I32)vars[i].name.len, value, 0);
    }
    forget_env(aTHX_ h);
    return 0;
}

/* The template has changed: what was made from it is no good. */
void forget_env(pTHX_ struct perl_host *h)
{
    HV *spare = h->spare;
    h->spare = NULL;
    known.n = 0;
    SvREFCNT_dec((SV *)spare);
}

/* ---- the names ---- */

static struct slot *slot_of(const HEK *hek)
{
    const struct place *place = &known.places[HEK_HASH(hek) % PLACES];
    while (place->hek != hek) {                  /* names are shared: one place in memory each */
        if (!place->hek)
            return NULL;
        if (++place == known.places + PLACES)
            place = known.places;
    }
    return place->slot;
}

static struct slot *know(SV *key, enum kind kind)
{
    const HEK *hek = SvSHARED_HEK_FROM_PV(SvPVX_const(key));
    struct slot *slot = slot_of(hek);
    U32 at = HEK_HASH(hek) % PLACES;
    if (!slot) {
        while (known.places[at].hek)
            at = (at + 1) % PLACES;
        slot = &known.at[known.n++];
        known.places[at].hek = hek;
        known.places[at].slot = slot;
    }
    slot->key = key;
    slot->kind = kind;
    return slot;
}

static void know_special(SV *key, enum kind kind)
{
    known.special[kind] = know(key, kind);
}

/* Fills the table: h->keys first, so that a key's number is its slot's. False if there are too many. */
static bool know_names(pTHX_ struct perl_host *h)
{
    size_t room = h->n_keys + HvUSEDKEYS(h->template) + KIND_IO + 1, i;
    HE *he;
    if (known.n)
        return true;
    if (room > PLACES / 2 || !h->n_keys)
        return false;
    free(known.at);
    free(known.strings);
    memset(&known, 0, sizeof known);
    known.at = calloc(room, sizeof *known.at);
    known.strings = calloc(room, sizeof *known.strings);
    if (!known.at || !known.strings)
        return false;
    for (i = 0; i < h->n_keys; i++)
        know(h->keys[i], KIND_STRING);
    know_special(h->key_input, KIND_INPUT);
    know_special(h->key_handlers, KIND_HANDLERS);
    know_special(h->key_informational, KIND_INFORMATIONAL);
    know_special(h->key_io, KIND_IO);
    hv_iterinit(h->template);
    while ((he = hv_iternext(h->template))) {
        SV *key = newSVpvn_share(HeKEY(he), (I32)HeKLEN(he), HeHASH(he));
        struct slot *slot = know(key, KIND_CONSTANT);
        slot->constant = HeVAL(he);
        known.n_constants++;
    }
    return true;
}

/* ---- a new env ---- */

static void store_string(pTHX_ struct perl_host *h, HV *env, const struct var *v)
{
    SV *value;
    if (v->key >= 0 && (size_t)v->key >= h->n_keys)
        return;
    value = newSVpvn(v->value.len ? v->value.at : "", v->value.len);
    if (v->key >= 0)
        (void)hv_store_ent(env, h->keys[v->key], value, 0);
    else
        (void)hv_store(env, v->name.at, (I32)v->name.len, value, 0);
}

/* A copy of the template, then what is this request's. Shared keys come with their hashes. */
static void new_env(pTHX_ struct perl_host *h, const struct request *request)
{
    HV *env = newHVhv(h->template);
    size_t i;
    h->env = env;
    for (i = 0; i < request->n_vars; i++)
        store_string(aTHX_ h, env, &request->vars[i]);
    (void)hv_store_ent(env, h->key_input, make_input(aTHX_ h, request), 0);
    (void)hv_store_ent(env, h->key_handlers, make_handlers(aTHX_ h), 0);
    (void)hv_store_ent(env, h->key_io, make_lazy_io(aTHX_ h), 0);
    (void)hv_store_ent(env, h->key_informational, make_inform(aTHX_ h), 0);
}

/* ---- the last one again ---- */

static void write_over(pTHX_ SV *sv, struct bytes b)
{
    if (SvFLAGS(sv) == (SVt_PV | SVf_POK | SVp_POK) && SvLEN(sv) > b.len) {
        Copy(b.at, SvPVX(sv), b.len, char);
        SvPVX(sv)[b.len] = '\0';
        SvCUR_set(sv, b.len);
    } else {
        sv_setpvn(sv, b.len ? b.at : "", b.len); /* it may have been used as a number, or shared */
    }
}

/* Puts a new reference into its place. */
static void refer(pTHX_ HV *env, enum kind kind, SV *rv)
{
    struct slot *slot = known.special[kind];
    if (slot->value) {
        SvRV_set(slot->value, SvREFCNT_inc_simple_NN(SvRV(rv)));
        SvROK_on(slot->value);
        SvREFCNT_dec_NN(rv);
    } else {
        (void)hv_store_ent(env, slot->key, rv, 0);
    }
}

static void same_env(pTHX_ struct perl_host *h, const struct request *request)
{
    HV *env = h->spare;
    size_t i;
    h->env = env;
    h->spare = NULL;
    for (i = 0; i < request->n_vars; i++) {
        const struct var *v = &request->vars[i];
        struct slot *slot = v->key >= 0 && (size_t)v->key < h->n_keys ? &known.at[v->key] : NULL;
        if (slot && slot->kind == KIND_STRING && slot->value) {
            write_over(aTHX_ slot->value, v->value);
            slot->value = NULL;
        } else {
            store_string(aTHX_ h, env, v);
        }
    }
    for (i = 0; i < known.n_strings; i++) {      /* what the last request had and this one has not */
        struct slot *slot = &known.at[known.strings[i]];
        if (slot->value)
            (void)hv_delete_ent(env, slot->key, G_DISCARD, 0);
        slot->value = NULL;
    }
    refer(aTHX_ env, KIND_INPUT, make_input(aTHX_ h, request));
    refer(aTHX_ env, KIND_HANDLERS, make_handlers(aTHX_ h));
    refer(aTHX_ env, KIND_INFORMATIONAL, make_inform(aTHX_ h));
    if (known.special[KIND_IO]->value)
        renew_lazy_io(aTHX_ h, known.special[KIND_IO]->value);
    else
        (void)hv_store_ent(env, h->key_io, make_lazy_io(aTHX_ h), 0);
}

void build_env(pTHX_ struct perl_host *h, const struct request *request)
{
    if (UNLIKELY(request->behind.len || h->behind)) {
        SV *old = h->behind;
        h->behind = request->behind.len ? newSVpvn(request->behind.at, request->behind.len) : NULL;
        SvREFCNT_dec(old);
    }
    if (h->spare)
        same_env(aTHX_ h, request);
    else
        new_env(aTHX_ h, request);
}

/* ---- taking it back ---- */

#ifdef SVphv_HasAUX
#define HAS_AUX SVphv_HasAUX
#else
#define HAS_AUX SVf_OOK
#endif

/* Whether the hash is as new, and known to nobody else. Weak references are in what perl keeps beside a
 * hash, as is where an iteration stands: that begins anew, for which a deleted pair may have to be freed.
 * Blessings and locks are flags; magic need not be. */
static bool is_alone(pTHX_ HV *env)
{
    if (SvREFCNT(env) != 1 || SvMAGIC(env) || !HvARRAY(env) || HvMAX(env) >= MOST_PLACES)
        return false;
    if (SvFLAGS(env) & HAS_AUX) {
        const struct xpvhv_aux *aux = HvAUX(env);
        if (aux->xhv_backreferences || aux->xhv_name_u.xhvnameu_name || aux->xhv_mro_meta)
            return false;
        (void)hv_iterinit(env);
    }
    return (SvFLAGS(env) & ~(U32)(SVphv_HASKFLAGS | HAS_AUX)) == (SVt_PVHV | SVphv_SHAREKEYS);
}

/* Whether it may be written over. It may have been used as a number, and its buffer be shared. */
static bool is_string(SV *sv)
{
    const U32 whatever = SVTYPEMASK | SVf_IOK | SVp_IOK | SVf_NOK | SVp_NOK | SVf_IsCOW;
    U32 type = SvTYPE(sv);
    return (SvFLAGS(sv) & ~whatever) == (SVf_POK | SVp_POK)
        && (type == SVt_PV || type == SVt_PVIV || type == SVt_PVNV)
        && SvLEN(sv) && SvLEN(sv) <= MOST_STRING;
}

static bool is_same(SV *sv, SV *constant)
{
    if ((SvFLAGS(sv) ^ SvFLAGS(constant)) & ~(U32)SVf_IsCOW)
        return false;
    if (SvROK(sv))
        return SvRV(sv) == SvRV(constant);
    if (SvIOK(sv) && SvIVX(sv) != SvIVX(constant))
        return false;
    if (SvNOK(sv) && SvNVX(sv) != SvNVX(constant))
        return false;
    return !SvPOK(sv) || (SvCUR(sv) == SvCUR(constant)
        && (SvPVX_const(sv) == SvPVX_const(constant)
            || memEQ(SvPVX_const(sv), SvPVX_const(constant), SvCUR(sv))));
}

/* A reference to what serves every request: it is held by the value no longer. */
static bool let_go(pTHX_ SV *sv, SV *shared)
{
    if (SvFLAGS(sv) == (SVt_IV | SVf_ROK) && SvRV(sv) == shared) {
        SvROK_off(sv);
        SvRV_set(sv, NULL);
        SvREFCNT_dec_NN(shared);                 /* not the last: the host has it */
    }
    return SvFLAGS(sv) == SVt_IV;
}

/* Whether the pair may stay; its value is as good as new then. */
static bool stays(pTHX_ struct perl_host *h, struct slot *slot, SV *sv)
{
    if (SvREFCNT(sv) != 1)
        return false;
    switch (slot->kind) {
    case KIND_STRING: return is_string(sv);
    case KIND_CONSTANT: return is_same(sv, slot->constant);
    case KIND_INPUT: return let_go(aTHX_ sv, (SV *)h->empty_input);
    case KIND_HANDLERS: return let_go(aTHX_ sv, (SV *)h->handlers);
    case KIND_INFORMATIONAL: return let_go(aTHX_ sv, (SV *)h->inform);
    case KIND_IO: return is_lazy_io(aTHX_ sv);
    }
    return false;
}

/* A pair that may not stay. */
struct outcast { const HEK *hek; struct slot *slot; };
struct outcasts { struct outcast at[MOST_OUTCASTS]; size_t n; };

/* Looks the hash through, and counts the constants. No Perl runs. False: there is too much to put out. */
static bool look_through(pTHX_ struct perl_host *h, HV *env, struct outcasts *out, size_t *constants)
{
    HE **places = HvARRAY(env), *he;
    STRLEN i;
    for (i = 0; i < known.n_strings; i++)
        known.at[known.strings[i]].value = NULL;
    for (i = KIND_INPUT; i <= KIND_IO; i++)
        known.special[i]->value = NULL;
    known.n_strings = 0;
    for (i = 0; i <= HvMAX(env); i++)
        for (he = places[i]; he; he = HeNEXT(he)) {
            struct slot *slot = slot_of(HeKEY_hek(he));
            if (slot && slot->kind == KIND_CONSTANT)
                ++*constants;
            if (!slot || !stays(aTHX_ h, slot, HeVAL(he))) {
                if (out->n == MOST_OUTCASTS)
                    return false;
                out->at[out->n].hek = HeKEY_hek(he);
                out->at[out->n++].slot = slot;
            } else if (slot->kind == KIND_STRING) {
                slot->value = HeVAL(he);
                known.strings[known.n_strings++] = (size_t)(slot - known.at);
            } else {
                slot->value = HeVAL(he);
            }
        }
    return true;
}

/* Deletes what may not stay; destructors run. A constant comes back. */
static void put_out(pTHX_ HV *env, const struct outcasts *out)
{
    size_t i;
    for (i = 0; i < out->n; i++) {
        const HEK *hek = out->at[i].hek;         /* the pair holds it */
        struct slot *slot = out->at[i].slot;
        hv_common(env, NULL, HEK_KEY(hek), (STRLEN)HEK_LEN(hek), HEK_UTF8(hek),
                  HV_DELETE | G_DISCARD, NULL, HEK_HASH(hek));
        if (slot && slot->kind == KIND_CONSTANT)
            (void)hv_store_ent(env, slot->key, newSVsv(slot->constant), 0);
    }
}

/* Keeps h->env for the next request, if it is nobody else's. Behind the barrier: destructors run, none of
 * which can reach it; one may exit, and then it is still h->env. */
bool take_back_env(pTHX_ struct perl_host *h)
{
    HV *env = h->env;
    struct outcasts out;
    size_t constants = 0;
    out.n = 0;
    if (!env || h->left != OUT_OK || h->spare || !is_alone(aTHX_ env) || !know_names(aTHX_ h)
        || !look_through(aTHX_ h, env, &out, &constants) || constants != known.n_constants)
        return false;
    put_out(aTHX_ env, &out);
    if (!is_alone(aTHX_ env))
        return false;
    h->spare = env;
    h->env = NULL;
    return true;
}
