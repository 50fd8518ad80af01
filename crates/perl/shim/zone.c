/* Local time without a look at /etc/localtime.
 *
 * As long as TZ is not set, the C library asks the kernel before each localtime whether that file is still the same:
 * a system call per request for whoever writes an access log. So a worker sets TZ to it, and then it is read
 * once. Nobody sees that: %ENV does not have it, and children of the application do not inherit it, for not every
 * program understands the colon. Whoever sets TZ, or has set it, is let alone. */
#include "host.h"

#include <stdlib.h>
#include <time.h>

#define ZONE ":/etc/localtime"

extern char **environ;

static bool is_ours;

void keep_zone(pTHX)
{
#ifdef __GLIBC__                                 /* others look once anyway */
    if (getenv("TZ"))
        return;
    tzset();                                     /* the supervisor's may be of long ago */
    my_setenv("TZ", ZONE);                       /* as perl does for %ENV, but without it */
    is_ours = true;
#endif
}

/* In a child of a process that may have had another thread, so without the C library's lock. */
void give_up_zone(void)
{
    char **at;
    if (!is_ours || !environ)
        return;
    is_ours = false;
    for (at = environ; *at; at++) {
        if (strEQ(*at, "TZ=" ZONE)) {
            for (; *at; at++)
                at[0] = at[1];
            return;
        }
    }
}
