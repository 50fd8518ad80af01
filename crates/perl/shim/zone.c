/* Local time without a look at /etc/localtime.
 *
 * As long as TZ is not set, the C library asks the kernel before each localtime whether that file is still the same:
 * a system call per request for whoever writes an access log. So a worker names the zone in TZ, where it can be
 * named, and then it is read once. %ENV does not have it. Whoever has set TZ is let alone. */
#include "host.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONES "/usr/share/zoneinfo/"
#define LOCAL "/etc/localtime"
#define LONGEST 512

extern char **environ;

static bool is_alnum(char c)
{
    return isALPHA_A(c) || isDIGIT_A(c);
}

/* Words between single slashes: what begins with a slash, or a colon, is something else to the C library, and what
 * goes up is to others. */
static bool is_name(const char *name)
{
    const char *at;
    for (at = name; ; at++) {
        if (!is_alnum(*at))                      /* where a word begins */
            return false;
        while (is_alnum(*at) || *at == '_' || *at == '+' || *at == '-')
            at++;
        if (*at != '/')
            return *at == '\0';
    }
}

const char *zone_in(const char *link)
{
    const char *name = strstr(link, "/zoneinfo/");
    return name && is_name(name += sizeof "/zoneinfo/" - 1) ? name : NULL;
}

/* The zone of /etc/localtime, as a link says, which `link` has room for. NULL: it is none, or the C library would not
 * find it there. */
static const char *zone_of_link(char link[LONGEST])
{
    char path[sizeof ZONES + LONGEST];
    struct stat local, named;
    const char *name;
    ssize_t n = readlink(LOCAL, link, LONGEST - 1);
    if (n <= 0)
        return NULL;
    link[n] = '\0';
    if (!(name = zone_in(link)))
        return NULL;
    strcat(strcpy(path, ZONES), name);
    return stat(LOCAL, &local) == 0 && stat(path, &named) == 0
        && local.st_dev == named.st_dev && local.st_ino == named.st_ino ? name : NULL;
}

/* In the environment of C alone. Before 5.38 perl would realloc environ, which is the C library's if something in C
 * has called setenv, and whose next setenv would free it again. */
static void set_in_c(pTHX_ const char *name, const char *value)
{
#if PERL_VERSION < 38
    if (!PL_use_safe_putenv && environ != PL_origenviron) {
        size_t n = 0, room = strlen(name) + strlen(value) + 2;
        char **with;
        while (environ[n])
            n++;
        Newx(with, n + 2, char *);
        Copy(environ, with, n, char *);
        Newx(with[n], room, char);
        strcat(strcat(strcpy(with[n], name), "="), value);
        with[n + 1] = NULL;
        environ = with;
        return;
    }
#endif
    my_setenv(name, value);
}

void name_zone(pTHX)
{
    char link[LONGEST];
    const char *name;
    if (!getenv("TZ") && !getenv("TZDIR") && (name = zone_of_link(link)))
        set_in_c(aTHX_ "TZ", name);
}
