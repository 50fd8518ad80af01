# What the applications have in common: a server behind a door, a browser, and steps that are counted.
#
# A file of tests/applications describes one application of the archive: its packages, how it is set up in a folder
# of its own, and what a visitor does there. Nothing outside that folder is touched.
package Application;
use strict;
use warnings;
use Exporter qw(import);
use IO::Socket::INET;
use POSIX qw(_exit WNOHANG);
use Test::TCP qw(empty_port);

our @EXPORT_OK = qw(step write_file run_quietly mark);

# The steps of the flow that is being gone through: name and fault, '' if none.
our @steps;

# One step of a flow: passes if the code comes back. The flow ends with the first that does not.
sub step {
    my ($name, $code) = @_;
    local $@;
    my $whole = eval { $code->(); 1 };
    push @steps, [$name, $whole ? '' : $@ || 'died'];
    die { step => $name } if !$whole;
}

# Goes through a flow; returns the steps that were taken.
sub walk {
    my ($flow, @arguments) = @_;
    local @steps;
    eval { $flow->(@arguments); 1 } or ref $@ eq 'HASH' or push @steps, ['between the steps', $@];
    return @steps;
}

# What a visitor writes into the application: its own number is in it, so that it is seen where it does not belong.
sub mark { "mark-$_[0]-" . "\x{2603}" }

sub write_file {
    my ($path, $text, $mode) = @_;
    open my $file, '>:raw', $path or die "$path: $!";
    print $file $text;
    close $file or die "$path: $!";
    chmod $mode, $path if $mode;
}

# A command of the installation; what it says is shown if it fails.
sub run_quietly {
    my ($dir, @command) = @_;
    defined(my $pid = fork) or die "fork: $!";
    if (!$pid) {
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>>', "$dir/setup.log";
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or _exit(127);
    }
    waitpid $pid, 0;
    die "@command: $?\n" . `tail -n 30 $dir/setup.log` if $?;
}

# Starts the application through a door and waits until it is ready. `door` is a command, in pieces.
sub start {
    my ($class, $door, $setup, $dir, @options) = @_;
    my $port = empty_port();
    my $self = bless { port => $port, log => "$dir/server.log", owner => $$ }, $class;
    unlink $self->{log};
    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', $self->{log} or _exit(127);
        open STDERR, '>&', \*STDOUT;
        %ENV = (%ENV, %{ $setup->{env} || {} }, APPLICATION_PORT => $port);
        chdir($setup->{chdir} || $dir);
        exec @$door, '--host', '127.0.0.1', '--port', $port, @options, @{ $setup->{options} || [] }, $setup->{psgi} or _exit(127);
    }
    for (1 .. 1_200) {
        return $self if $ENV{MONOCEROS_REFERENCE} ? $self->connects : $self->said(qr/ ready address=/);
        last if waitpid($self->{pid}, WNOHANG) == $self->{pid};
        select undef, undef, undef, 0.1;
    }
    die "the server did not start:\n" . $self->said(qr/(.*)/s);
}

sub connects { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_[0]{port}) }

sub url { "http://127.0.0.1:$_[0]{port}" }

# What the log has of this.
sub said {
    my ($self, $pattern) = @_;
    open my $log, '<', $self->{log} or return;
    return join('', readline $log) =~ $pattern ? $1 // 1 : ();
}

# What the log has of complaints by the server itself.
sub complaints {
    my $self = shift;
    open my $log, '<', $self->{log} or return;
    return grep { /^\d{4}-\S+Z (?:WARN|ERROR) / } readline $log;
}

# Stops it, and says its status: 0 if all is well.
sub stop {
    my $self = shift;
    my $pid = delete $self->{pid} or return;
    kill TERM => $pid;
    waitpid $pid, 0;
    return $?;
}

sub DESTROY {
    my $self = shift;
    local ($?, $!, $@);
    $self->stop if $$ == $self->{owner};
}

1;
