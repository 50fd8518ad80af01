# Applications that die, leave, fork, answer nonsense and keep what is not theirs: what the client gets, what the log
# says, and what becomes of the worker. Row by row in lib/Danger/Table.pm, through both doors; and what fits into no row.
use strict;
use warnings;
use File::Basename qw(dirname);
use Test::More;
use lib dirname(__FILE__) . '/lib';
use Danger;
use Door;
use Wire;

my %door = Door->all;

for my $door (sort keys %door) {
    my $server = Danger->start($door{$door});
    for my $row (Danger::Table->rows) {
        subtest "$door $row->{path}" => sub { Danger::proves($server, $row) };
    }
    is $server->stop, 0, "$door: stopped";
    is scalar(() = $server->log =~ /\Q$_/g), 1, "$door: '$_', without a newline, is printed once"
        for 'loaded once;', 'printed, not flushed;', 'printed before TERM;';

    subtest "$door pitfall 9: SIGCHLD ignored by the application" => sub {
        local $ENV{DANGER_CHLD} = 1;
        my $server = Danger->start($door{$door});
        Danger::proves($server, $_) for grep { $_->{path} eq '/10-segv' } Danger::Table->rows;
        is $server->stop, 0, 'stopped';
    };

    subtest "$door pitfall 14: workers differ" => sub {
        my $server = Danger->start($door{$door}, '--max-reqs-per-child=1');
        my %seen;
        $seen{$_}++ for map { split / /, Wire->connect($server->{port})->ask('/14-rand')->{body} } 1 .. 4;
        is scalar keys %seen, 8, 'in rand and in $$';
    };
}

# The loop is round the server, and `last` in the application would leave it.
subtest 'pitfall 3: a loop of the host' => sub {
    my $host = 'for my $once (1) { Plack::Handler::Monoceros->new(@ARGV[0 .. $#ARGV - 1])->run('
        . 'Plack::Util::load_psgi($ARGV[-1])) } print STDERR "behind the loop\n"';
    my $server = Danger->start(sub {
        exec $^X, '-MPlack::Handler::Monoceros', '-MPlack::Util', '-e', $host, listen => $_[1], max_workers => 1, $_[-1];
    });
    Danger::proves($server, $_) for grep { $_->{path} =~ m{^/3-} } Danger::Table->rows;
    unlike $server->log, qr/behind the loop/, 'nobody has left it';
    is $server->stop, 0, 'stopped';
};

done_testing;
