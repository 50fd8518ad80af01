# A Plack::Test that asks a server started by its own command, the program's door included.
#
# An application is a closure of the test file, and a closure does not get through exec. So the server runs the
# test file as well: tests/plack/app.psgi goes through it up to the same call of Plack::Test, and what was
# about to be tested there is what it serves.
#
# PLACK_TEST_DOOR is the command, without address and application. The client keeps the Host of the request.
package Plack::Test::Door;
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Spec;
use IO::Socket::INET;
use LWP::UserAgent;
use POSIX qw(_exit WNOHANG);
use Test::TCP qw(empty_port);

my $count = 0;
my $app   = File::Spec->rel2abs(dirname(__FILE__) . '/../../../app.psgi');

sub new {
    my ($class, undef, %args) = @_;
    my $self = bless { ua => $args{ua}, port => empty_port(), owner => $$ }, $class;
    $self->{ua} ||= LWP::UserAgent->new(requests_redirectable => [], parse_head => 0, send_te => 0, timeout => 20);
    my $number = ++$count;
    open my $log, '+>', undef or die "a temporary file: $!";
    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        open STDOUT, '>&', $log or _exit(127);
        open STDERR, '>&', $log or _exit(127);
        local @ENV{qw(PLACK_TEST_FILE PLACK_TEST_NUMBER)} = ($0, $number);
        exec split(' ', $ENV{PLACK_TEST_DOOR}), '--host', '127.0.0.1', '--port', $self->{port}, $app or _exit(127);
    }
    for (1 .. 750) {
        return $self if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port});
        last if waitpid($self->{pid}, WNOHANG) == $self->{pid};
        select undef, undef, undef, 0.02;
    }
    seek $log, 0, 0;
    die "the server did not start:\n" . join '', readline $log;
}

sub request {
    my ($self, $request) = @_;
    my $uri = $request->uri;
    if (!$uri->scheme) {
        $uri->scheme('http');
    }
    elsif (!$request->header('Host')) {
        $request->header(Host => $uri->host . ($uri->port == $uri->default_port ? '' : ':' . $uri->port));
    }
    $uri->host('127.0.0.1');
    $uri->port($self->{port});
    return $self->{ua}->request($request);
}

sub DESTROY {
    my $self = shift;
    return if $$ != $self->{owner} || !$self->{pid};
    local ($?, $!, $@);
    kill TERM => $self->{pid};
    waitpid $self->{pid}, 0;
}

1;
