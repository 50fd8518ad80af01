# What an application does with psgix.io, by path. Everything but `/look` and `/methods` takes it over.
use strict;
use warnings;
use IO::Select;

my @head   = ('Content-Type' => 'text/plain');
my @switch = (Upgrade => 'echo', Connection => 'Upgrade');
my $switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n";

sub gate { open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die $!; sysread $gate, my $byte, 1 }

sub echo {
    my $io = shift;
    while (sysread $io, my $bytes, 65_536) { syswrite $io, "echo $bytes" }
}

# All that can be asked of a socket, and changes nothing.
sub methods {
    my $io = shift;
    my %says = (class => ref $io, low => fileno $io < 1024, blocking => $io->blocking, connected => defined $io->connected);
    $says{$_} = $io->$_ for $io->isa('IO::Socket::UNIX') ? 'hostpath' : qw(peerhost peerport sockhost sockport);
    $says{timeout} = join ' ', map { $_ // 'none' } $io->timeout, $io->timeout(7), $io->timeout;
    vec(my $writable = '', fileno $io, 1) = 1;
    $says{select} = select undef, $writable, undef, 0;
    $says{waiting} = () = IO::Select->new($io)->can_read(0);
    return [ 200, [@head], [ map {"$_=$says{$_}\n"} sort keys %says ] ];
}

# All that can be read and written.
sub talk {
    my $io = shift;
    print {$io} 'print,';
    printf {$io} '%s,', 'printf';
    $io->print('method,');
    $io->syswrite("syswrite\n");
    my $line = <$io>;
    read $io, my $some, 4;
    $io->print($line, "$some\n");
    sysread $io, $some, 100;
    binmode $io, ':utf8';
    print {$io} "\x{e9}$some";
    binmode $io;
    $io->autoflush(0);
    print {$io} 'not flushed';
}

my %do = (
    '/look' => sub { my %copy = %{ $_[0] }; return [ 200, [@head], [ ref $copy{'psgix.io'} ] ] },
    '/methods'     => sub { methods($_[0]{'psgix.io'}) },
    '/descriptors' => sub { [ 200, [@head], [ scalar( () = glob "/proc/$$/fd/*" ) ] ] },
    '/mode'        => sub { my $io = $_[0]{'psgix.io'}; my $was = $io->blocking; $io->blocking(0); [ 200, [@head], [$was] ] },
    '/bytes'       => sub { [ 200, [@head], [ 'x' x 20_000_000 ] ] },
    '/file'        => sub { open my $file, '<', "$ENV{TEST_DIR}/file" or die $!; [ 200, [@head], $file ] },

    '/by-hand' => sub { my $io = $_[0]{'psgix.io'}; sub { syswrite $io, $switch; echo($io) } },
    '/lifted'  => sub { my $io = $_[0]{'psgix.io'}; $_[0]{'monoceros.deadline'}->(0); sub { syswrite $io, $switch; echo($io) } },
    '/writer'  => sub { my $env = shift; sub { shift->([ 101, [@switch] ]); echo($env->{'psgix.io'}) } },
    '/three'   => sub { my $env = shift; sub { shift->([ 101, [@switch], [] ]); echo($env->{'psgix.io'}) } },
    '/array'   => sub { my $io = $_[0]{'psgix.io'}; [ 101, [@switch], [] ] },
    '/unseen'  => sub { [ 101, [@switch], [] ] },
    '/talk'    => sub { my $io = $_[0]{'psgix.io'}; sub { shift->([ 101, [@switch] ]); talk($io) } },
    '/close'   => sub { my $io = $_[0]{'psgix.io'}; sub { syswrite $io, $switch; close $io } },
    '/shut'    => sub { my $io = $_[0]{'psgix.io'}; sub { syswrite $io, $switch; $io->shutdown(1); gate() } },
    '/nothing' => sub { my $io = $_[0]{'psgix.io'}; sub { } },
    '/plain'   => sub { my $io = $_[0]{'psgix.io'}; sub { print {$io} "no HTTP at all\n" } },
    '/hold'    => sub { my $io = $_[0]{'psgix.io'}; sub { syswrite $io, $switch; print STDERR "holding pid=$$\n"; gate() } },

    '/dies/silent'  => sub { my %copy = %{ $_[0] }; sub { die "before a byte\n" } },
    '/dies/101'     => sub { my $io = $_[0]{'psgix.io'}; sub { shift->([ 101, [@switch] ]); die "after a 101\n" } },
    '/dies/by-hand' => sub { my $io = $_[0]{'psgix.io'}; sub { syswrite $io, $switch; die "after some bytes\n" } },
    '/dies/early'   => sub { syswrite $_[0]{'psgix.io'}, $switch; die "too early\n" },
    '/dies/informed' => sub { my $io = $_[0]{'psgix.io'}; $_[0]{'psgix.informational'}->(103, [ Link => '</a>' ]); die "informed\n" },
    '/dies/unread'  => sub { my $io = $_[0]{'psgix.io'}; die "having looked\n" },
);

sub {
    my $env = shift;
    my $do = $do{ $env->{PATH_INFO} } or return [ 200, [@head], [ $env->{PATH_INFO} ] ];
    return $do->($env);
};
