/* The smallest perl there is: its words are perl's own.
 *
 * Built and run by libperl.rs only, which asks it and $PERL the same question: does this libperl.a link into a
 * program, and is it the library that $PERL is made of? Part of nothing that is shipped. */
#include <EXTERN.h>
#include <perl.h>

int main(int argc, char **argv, char **env)
{
    PerlInterpreter *my_perl;
    int failed;
    PERL_SYS_INIT3(&argc, &argv, &env);
    my_perl = perl_alloc();
    if (!my_perl)
        return 1;
    perl_construct(my_perl);
    PL_exit_flags |= PERL_EXIT_DESTRUCT_END;
    failed = perl_parse(my_perl, NULL, argc, argv, NULL);
    if (!failed)
        perl_run(my_perl);
    failed = perl_destruct(my_perl);
    perl_free(my_perl);
    PERL_SYS_TERM();
    return failed;
}
