# What start_server does before it executes a server: listens, and says so in SERVER_STARTER_PORT. Or, with
# `systemd` as first argument, what systemd does: descriptors from 3 on, and LISTEN_FDS.
# Arguments: addresses (host:port, a path, or udp:host:port), `--`, the command.
use strict;
use warnings;
use Fcntl;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket;

my $systemd = @ARGV && $ARGV[0] eq 'systemd' && shift @ARGV;
my (@kept, @entries);
while (defined(my $address = shift @ARGV)) {
    last if $address eq '--';
    my $name = $address;
    my $socket;
    if ($address =~ s/^udp://) {
        $socket = IO::Socket::IP->new(LocalAddr => $address, Proto => 'udp');
    }
    elsif ($address =~ m{^/}) {
        $socket = IO::Socket::UNIX->new(Local => $address, Listen => 128);
    }
    else {
        $socket = IO::Socket::IP->new(LocalAddr => $address, Listen => 128, ReuseAddr => 1);
        my $host = $socket && $socket->sockhost;
        $host = "[$host]" if $host && $host =~ /:/;
        $name = join ':', $host, $socket->sockport if $socket;
    }
    $socket or die "$address: $@ $!";
    fcntl $socket, F_SETFD, 0 or die "fcntl: $!";
    print STDERR "starter: $name\n";
    push @kept,    $socket;
    push @entries, join '=', $name, fileno $socket;
}
if ($systemd) {
    require POSIX;
    my @high = map { POSIX::dup2(fileno $_, 100 + fileno $_) } @kept;
    POSIX::dup2($high[$_], 3 + $_) for 0 .. $#high;
    POSIX::close($_) for @high;
    $ENV{LISTEN_PID}     = $$;
    $ENV{LISTEN_FDS}     = @high;
    $ENV{LISTEN_FDNAMES} = join ':', map { "web$_.socket" } 1 .. @high;
}
else {
    $ENV{SERVER_STARTER_PORT}       = join ';', @entries;
    $ENV{SERVER_STARTER_GENERATION} = 1;
}
exec @ARGV or die "exec $ARGV[0]: $!";
