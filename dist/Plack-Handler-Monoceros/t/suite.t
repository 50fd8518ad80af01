# Plack's own suite for servers, under Plack::Middleware::Lint: over TCP, and over a UNIX socket
# behind a relay, because the suite speaks TCP only. With MONOCEROS_PROGRAM (the path of the other
# door's program) through that door as well.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Plack::Test::Suite;
use Test::More;
use lib dirname(__FILE__) . '/lib';
use Door;
use Relay;

my $dir  = tempdir(CLEANUP => 1);
my @tail = ('-E', 'production', '--max-workers=2', dirname(__FILE__) . '/suite.psgi');
my %door = Door->all;

# Behind the relay the server has no TCP address: what the suite expects is asserted apart.
my @unix = @Plack::Test::Suite::TEST;
my ($env) = grep { $unix[$_][0] eq 'validate env' } 0 .. $#unix;
my ($name, undef, $app) = @{ $unix[$env] };
$unix[$env] = [
    $name,
    sub {
        my $res = shift->(HTTP::Request->new(GET => 'http://127.0.0.1/foo/?dankogai=kogaidan'));
        like $res->content, qr{^PATH_INFO:/foo/\nQUERY_STRING:dankogai=kogaidan\nSERVER_NAME:localhost\nSERVER_PORT:80$}m,
            'a UNIX socket is localhost, port 80';
    },
    $app,
];

for my $door (sort keys %door) {
    subtest "$door, TCP" => sub {
        Plack::Test::Suite->run_server_tests(
            sub { $door{$door}->('--host', '127.0.0.1', '--port', shift, @tail) });
    };
    subtest "$door, UNIX" => sub {
        my $socket = "$dir/$door.sock";
        local @Plack::Test::Suite::TEST = @unix;
        Plack::Test::Suite->run_server_tests(
            sub { Relay::serve(shift, $socket, sub { $door{$door}->('--socket', $socket, @tail) }) });
    };
}

done_testing;
