# What only code can say: a socket that is bound already, and what is called as a worker leaves.
use strict;
use warnings;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Test::More;
use lib do { require File::Basename; File::Basename::dirname(__FILE__) } . '/lib';
use Wire;
use Plack::Handler::Monoceros;

my $folder = tempdir(CLEANUP => 1);
my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 64) or die $!;
my $port   = $socket->sockport;

my $pid = fork // die $!;
if (!$pid) {
    open STDERR, '>', "$folder/log" or die $!;
    my $server = Plack::Handler::Monoceros->new(
        host        => '127.0.0.1',
        port        => 1,                        # as Plack::Loader's callers pass one
        keepalive   => 100,                      # as Catalyst's server script
        max_workers => 1,
        listen_sock => $socket,
        child_exit  => sub { print STDERR "child_exit\n" },
    );
    $server->run(sub { [ 200, [ 'Content-Type' => 'text/plain' ], ["port $_[0]{SERVER_PORT}"] ] }, 'ignored');
    exit(fileno $socket ? 0 : 9);
}
close $socket;
is(Wire->connect($port)->ask('/')->{body}, "port $port", 'a socket that was bound already is served');
kill TERM => $pid;
waitpid $pid, 0;
is $?, 0, 'stopped, and the handle is still open there';
open my $log, '<', "$folder/log" or die $!;
my @log = <$log>;
is scalar(grep { $_ eq "child_exit\n" } @log), 1, 'child_exit was called, once';
ok !(grep { /has opened sockets/ } @log), 'a listener is no conversation that workers would share';

ok !eval { Plack::Handler::Monoceros->new(listen_sock => 'no handle'); 1 }, 'what is no handle croaks';

done_testing;
