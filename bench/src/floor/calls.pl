# Calls an application in a loop, with no server and no network: perl calls.pl APP SECONDS
# Each call has an environment of its own, as PSGI demands. Prints calls, seconds, and seconds of processor time.
use strict;
use warnings;
use Plack::Util;
use Time::HiRes 'time';

my ($file, $seconds) = @ARGV;
$ENV{PLACK_ENV} = 'deployment';
my $app = Plack::Util::load_psgi($file);
open my $input, '<', \my $nothing or die $!;
my %template = (
    REQUEST_METHOD => 'GET',
    REQUEST_URI    => '/foo?foo=bar&bar=baz&baz=hoge&hoge=foo',
    PATH_INFO      => '/foo',
    QUERY_STRING   => 'foo=bar&bar=baz&baz=hoge&hoge=foo',
    SCRIPT_NAME    => '',
    SERVER_NAME    => '127.0.0.1',
    SERVER_PORT    => 5000,
    SERVER_PROTOCOL     => 'HTTP/1.1',
    SERVER_SOFTWARE     => 'none',
    REMOTE_ADDR         => '127.0.0.1',
    REMOTE_PORT         => 40000,
    HTTP_HOST           => '127.0.0.1:5000',
    'psgi.version'      => [ 1, 1 ],
    'psgi.url_scheme'   => 'http',
    'psgi.input'        => $input,
    'psgi.errors'       => \*STDERR,
    'psgi.multithread'  => 0,
    'psgi.multiprocess' => 1,
    'psgi.run_once'     => 0,
    'psgi.streaming'    => 1,
    'psgi.nonblocking'  => 0,
);
my $call = sub { my %env = %template; $app->( \%env ) };
$call->() for 1 .. 200;

my ( $calls, $begun ) = ( 0, time );
my $before = (times)[0] + (times)[1];
do { $call->() for 1 .. 200; $calls += 200 } while time - $begun < $seconds;
my $spent = (times)[0] + (times)[1] - $before;
printf "%d %.6f %.6f\n", $calls, time - $begun, $spent;
