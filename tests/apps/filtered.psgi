# The application of hold.psgi, which puts itself beneath a filter of system calls when it is loaded.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);

my $tests = abs_path(dirname(__FILE__) . '/..');
{
    local @ARGV;
    do "$tests/support/filter.pl" or die "filter.pl: ", $@ || $!;
}
do("$tests/apps/hold.psgi") or die "hold.psgi: ", $@ || $!;
