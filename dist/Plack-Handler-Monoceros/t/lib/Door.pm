# The ways in, for tests: plackup always, and the program if MONOCEROS_PROGRAM says where it is.
package Door;
use strict;
use warnings;
use IO::Socket::INET;
use POSIX qw(_exit);
use Test::More;
use Test::TCP qw(empty_port);

# Name => code that becomes a server with these options and this application.
sub all {
    my %door = (plackup => sub { exec $^X, '-S', 'plackup', '-s', 'Monoceros', @_ });
    $door{program} = sub { exec $ENV{MONOCEROS_PROGRAM}, @_ } if $ENV{MONOCEROS_PROGRAM};
    return %door;
}

# A server of this door on a free port. Standard error goes to a file, for `log`.
sub start {
    my ($class, $open, @options) = @_;
    my $port = empty_port();
    open my $log, '+>', undef or die "a temporary file: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', $log or _exit(127);
        eval { $open->('--host', '127.0.0.1', '--port', $port, @options) };
        _exit(127);
    }
    my $self = bless { pid => $pid, port => $port, log => $log }, $class;
    for (1 .. 1_000) {
        return $self if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) && $self->log =~ / ready address=/;
        last if waitpid($pid, POSIX::WNOHANG()) == $pid;
        select undef, undef, undef, 0.02;
    }
    $self->{pid} = undef if $? != -1;
    die "the server did not start:\n" . $self->log;
}

sub url { return "http://127.0.0.1:$_[0]{port}$_[1]" }

sub log {
    my $self = shift;
    seek $self->{log}, 0, 0;
    local $/;
    return readline($self->{log}) // '';
}

# Waits until the log matches, behind what had been read before.
sub wait_for {
    my ($self, $match, $from) = @_;
    for (1 .. 500) {
        return pass("the log says $match") if substr($self->log, $from) =~ $match;
        select undef, undef, undef, 0.02;
    }
    fail("the log says $match");
    diag(substr $self->log, $from);
}

# Stops it, and says the exit status.
sub stop {
    my $self = shift;
    my $pid = delete $self->{pid} or return;
    kill TERM => $pid;
    waitpid $pid, 0;
    return $? >> 8 || $? & 127;
}

sub DESTROY { $_[0]->stop }

1;
