# danger.psgi under valgrind, every process of both doors: no error of ours. Each path once, or as many times as
# MONOCEROS_VALGRIND says; 0 leaves it out. The doors are tried side by side, each by this file with its name.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;
use lib dirname(__FILE__) . '/lib';
use Danger;
use Door;
use Wire;

my $here  = dirname(__FILE__);
my $times = $ENV{MONOCEROS_VALGRIND} // 1;
my %door  = Door->all;

plan skip_all => 'asked not to' if !$times;
BAIL_OUT('there is no valgrind here') if system 'valgrind --version >/dev/null 2>&1';
@ARGV ? tries($ARGV[0]) : starts();
done_testing;

sub starts {
    my %said;
    open $said{$_}, '-|', "'$^X' '$0' $_ 2>&1" or die "$^X: $!" for sort keys %door;
    for my $name (sort keys %said) {
        my $all = join '', readline $said{$name};
        ok close $said{$name}, "$name: no errors under valgrind" or diag $all =~ s/^ *(?:ok|1\.\.|# Subtest).*\n//gmr;
    }
    return;
}

sub tries {
    my $name = shift;
    ($Door::slower, $Wire::patience) = (10, 100);
    my $reports = tempdir(CLEANUP => 1);
    # Programs that the application starts are their own affair.
    @Door::behind = ('valgrind', '--quiet', '--trace-children=yes', '--trace-children-skip=/bin/*,/usr/bin/[!p]*',
        '--error-exitcode=99', "--suppressions=$here/valgrind.supp", "--log-file=$reports/%p");
    local $ENV{DANGER_SMALL} = 1;
    my $server = Danger->start($door{$name});
    for my $row (grep { !$_->{real} } Danger::Table->rows) {
        my $wire;
        for (2 .. $times) {
            (my $answer, $wire) = Danger::ask($server, $row, $wire);
            is $answer->{status}, $row->{status}, $row->{path};
        }
        subtest $row->{path} => sub { Danger::proves($server, $row) };
    }
    is $server->stop, 0, 'stopped';
    my @reports = glob "$reports/*";
    ok @reports > 3, 'every process reports';
    for my $report (@reports) {
        open my $in, '<', $report or die "$report: $!";
        # What valgrind says of itself, of a system call that it does not know for instance, begins with two hyphens.
        my @errors = grep { !/^--[0-9]+-- / } <$in> or next;
        fail 'no errors';
        diag @errors;
    }
    return;
}
