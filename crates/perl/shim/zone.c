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
        if (!is_alnum(*at))              /* where a word begins */
            return false;
        while (is_alnum(*at) || *at == '_' || *at == '+' || *at == '-')
            at++;
        if (*at != '/')
            return *at == '\0';
    }
}

/* The zone of /etc/localtime, as a link says: `Europe/Berlin`. Not what the C library would not find there. */
static bool zone_of_link(char *name, size_t room)
{
    char link[512], path[sizeof ZONES + 512];
    struct stat local, named;
    const char *at;
    ssize_t n = readlink(LOCAL, link, sizeof link - 1);
    if (n <= 0)
        return false;
    link[n] = '\0';
    at = strstr(link, "/zoneinfo/");
    if (!at || strlen(at += sizeof "/zoneinfo/" - 1) >= room || !is_name(at))
        return false;
    strcpy(name, at);
    strcat(strcpy(path, ZONES), name);
    return stat(LOCAL, &local) == 0 && stat(path, &named) == 0
        && local.st_dev == named.st_dev && local.st_ino == named.st_ino;
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

void keep_zone(pTHX)
{
    char name[512];
    if (!getenv("TZ") && !getenv("TZDIR") && zone_of_link(name, sizeof name))
        set_in_c(aTHX_ "TZ", name);
}
