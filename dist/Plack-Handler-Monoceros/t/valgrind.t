# danger.psgi under valgrind, every process of both doors: no error of ours. A few requests per path, or as many as
# MONOCEROS_VALGRIND says; 0 leaves it out.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;
use lib dirname(__FILE__) . '/lib';
use Danger;
use Door;
use Wire;

my $times = $ENV{MONOCEROS_VALGRIND} // 1;
plan skip_all => 'asked not to' if !$times;
BAIL_OUT('there is no valgrind here') if system 'valgrind --version >/dev/null 2>&1';

($Door::slower, $Wire::patience) = (10, 100);
my $here = dirname(__FILE__);
my %door = Door->all;

for my $door (sort keys %door) {
    my $reports = tempdir(CLEANUP => 1);
    # Programs that the application starts are their own affair.
    local @Door::behind = ('valgrind', '--quiet', '--trace-children=yes', '--trace-children-skip=/bin/*,/usr/bin/[!p]*',
        '--error-exitcode=99', "--suppressions=$here/valgrind.supp", "--log-file=$reports/%p");
    local $ENV{DANGER_SMALL} = 1;
    my $server = Danger->start($door{$door});
    for my $row (grep { !$_->{real} } Danger::Table->rows) {
        my $wire;
        for (2 .. $times) {
            (my $answer, $wire) = Danger::ask($server, $row, $wire);
            is $answer->{status}, $row->{status}, "$door $row->{path}";
        }
        subtest "$door $row->{path}" => sub { Danger::proves($server, $row) };
    }
    is $server->stop, 0, "$door: stopped";
    my @reports = glob "$reports/*";
    ok @reports > 3, "$door: every process reports";
    for my $report (grep { -s } @reports) {
        open my $in, '<', $report or die "$report: $!";
        fail "$door: no errors";
        diag join '', <$in>;
    }
}

done_testing;
