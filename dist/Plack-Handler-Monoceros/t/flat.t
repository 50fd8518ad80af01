# danger.psgi again and again: what a path costs, it costs once. No process of either door grows by 256 KiB or by one
# descriptor. Every path 20 times and then 60 (2 and 4 where a request forks, waits, or ends the worker);
# with MONOCEROS_SOAK set 300 times and then 5,000 (20 and 150), and what each process has grown by is told.
use strict;
use warnings;
use File::Basename qw(dirname);
use Test::More;
use lib dirname(__FILE__) . '/lib';
use Danger;
use Door;
use Wire;

my $soak = $ENV{MONOCEROS_SOAK};
my ($warm, $then, $few_warm, $few_then) = $soak ? (300, 5_000, 20, 150) : (20, 60, 2, 4);
my $most = 256;
my $only = $ENV{MONOCEROS_ONLY} // '';
my %door = Door->all;
my %grown;

for my $door (sort keys %door) {
    my $server = Danger->start($door{$door}, '--max-keepalive-reqs=0');
    for my $row (grep { $_->{path} =~ $only } Danger::Table->rows) {
        my $few = $row->{few} || $row->{gone};
        my $wrong = many($server, $row, $few ? $few_warm : $warm);
        my (@before, @after);
        for (1 .. 3) {    # a heap may take one step up at any time, but not three times
            @before = costs($server);
            $wrong += many($server, $row, $few ? $few_then : $then);
            @after = costs($server, \@before);
            last if !grep { ($after[$_]{memory} // 0) - $before[$_]{memory} >= $most } 0 .. $#before;
        }
        is $wrong, 0, "$door $row->{path}: wrong answers";
        is scalar @after, scalar @before, "$door $row->{path}: processes";
        for my $at (0 .. $#before) {
            my ($memory, $handles) = map { ($after[$at]{$_} // 0) - $before[$at]{$_} } qw(memory handles);
            my $who = (qw(supervisor manager worker))[$at] // 'another';
            cmp_ok $memory, '<', $most, "$door $row->{path}: the $who has grown, in KiB";
            cmp_ok $handles, '<=', 0, "$door $row->{path}: descriptors of the $who";
            push @{ $grown{"$door $who"} }, [ $memory, $row->{path} ];
        }
    }
    is $server->stop, 0, "$door: stopped";
}
if ($soak) {
    for my $who (sort keys %grown) {
        my @worst = (sort { $b->[0] <=> $a->[0] } @{ $grown{$who} })[ 0 .. 4 ];
        diag "$who: ", join ', ', map { "$_->[1] $_->[0] KiB" } grep { $_ } @worst;
    }
}

# Asks so many times, on connections that are kept where they can be; how many answers were wrong.
sub many {
    my ($server, $row, $times) = @_;
    my ($wire, $answer, $wrong);
    $wrong = 0;
    for (1 .. $times) {
        ($answer, $wire) = Danger::ask($server, $row, $wire);
        $wrong++ if $answer->{status} != $row->{status} || $answer->{whole} != $row->{whole};
    }
    return $wrong;
}

# What each process has: anonymous memory in KiB, and descriptors. Asked of idle processes: it waits until they
# have no more descriptors than before, for copies of a connection's are closed some time after it.
sub costs {
    my ($server, $before) = @_;
    my @now;
    for my $try (0 .. 499) {
        Wire->connect($server->{port})->ask('/') if $try % 50 == 0;
        @now = map { cost($_) } $server->processes;
        last if !$before || (@now == @$before && !grep { $now[$_]{handles} > $before->[$_]{handles} } 0 .. $#now);
        select undef, undef, undef, 0.02;
    }
    return @now;
}

sub cost {
    my $pid = shift;
    open my $status, '<', "/proc/$pid/status" or return;
    my ($memory) = map { /^RssAnon:\s+([0-9]+)/ ? $1 : () } <$status>;
    return { pid => $pid, memory => $memory // 0, handles => scalar(() = glob "/proc/$pid/fd/*") };
}

done_testing;
