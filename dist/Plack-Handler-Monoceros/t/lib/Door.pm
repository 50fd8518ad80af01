# The ways in, for tests: plackup always, and the program if MONOCEROS_PROGRAM says where it is.
package Door;
use strict;
use warnings;
use POSIX qw(_exit);
use Test::More;

# A command that runs the rest of its command line, and how many times longer a server takes under it.
our (@behind, $slower);

# Name => code that becomes a server with these options and this application.
sub all {
    my %door = (plackup => sub { exec @behind, $^X, '-S', 'plackup', '-s', 'Monoceros', @_ });
    $door{program} = sub { exec @behind, $ENV{MONOCEROS_PROGRAM}, @_ } if $ENV{MONOCEROS_PROGRAM};
    return %door;
}

# A server of this door on a free port. What it says on either stream goes to a file, for `log`.
sub start { my ($class, $open, @options) = @_; return $class->start_at('127.0.0.1:0', $open, @options) }

# The same at an address. Nobody asks for connections before it says that it is ready: a connection to a port where
# nobody listens may come from the very same port, and that is then taken.
sub start_at {
    my ($class, $address, $open, @options) = @_;
    my ($said, $log) = _file();
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', $said or _exit(127);
        open STDOUT, '>&', $said or _exit(127);
        eval { $open->('--listen', $address, @options) };
        _exit(127);
    }
    my $self = bless { pid => $pid, log => $log }, $class;
    for (1 .. 3_000 * ($slower || 1)) {
        return $self if ($self->{port}) = $self->log =~ / ready address=\S+:([0-9]+) /;
        last if waitpid($pid, POSIX::WNOHANG()) == $pid;
        select undef, undef, undef, 0.02;
    }
    $self->{pid} = undef if $? != -1;
    die "the server did not start:\n" . $self->log;
}

# A file without a name, twice: to append to, and to read. One description would be one place in the file, and a server
# that writes while somebody reads from the start would write over what is there.
sub _file {
    open my $any, '+>', undef or die "a temporary file: $!";
    return map { open my $handle, $_, '/proc/self/fd/' . fileno $any or die "a temporary file: $!"; $handle } '>>', '<';
}

sub url { return "http://127.0.0.1:$_[0]{port}$_[1]" }

# What it said so far, behind what had been read before.
sub log {
    my ($self, $from) = @_;
    seek $self->{log}, $from || 0, 0;
    local $/;
    return readline($self->{log}) // '';
}

# Whether the log matches, behind what had been read before, within 25 seconds.
sub says {
    my ($self, $match, $from) = @_;
    for (1 .. 1_250 * ($slower || 1)) {
        return 1 if $self->log($from) =~ $match;
        select undef, undef, undef, 0.02;
    }
    return 0;
}

# The same as a test.
sub wait_for {
    my ($self, $match, $from) = @_;
    ok($self->says($match, $from), "the log says $match") or diag($self->log($from));
}

# Waits for the end of one of its processes, 25 seconds at most.
sub until_gone {
    my ($self, $pid) = @_;
    for (1 .. 1_250 * ($slower || 1)) {
        return 1 if !kill 0, $pid;
        select undef, undef, undef, 0.02;
    }
    return 0;
}

# The processes: supervisor, manager, and whoever else there is, from the oldest on.
sub processes {
    my $self = shift;
    open my $list, '<', "/proc/$self->{pid}/task/$self->{pid}/children" or return $self->{pid};
    return $self->{pid}, split / /, <$list> // '';
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
