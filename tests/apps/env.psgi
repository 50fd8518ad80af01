# What env holds beside strings, and what an application does to it, by path.
use strict;
use warnings;

my $text = [ 'Content-Type' => 'text/plain' ];

sub gate   { open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die $!; sysread $gate, my $byte, 1 }
sub opened { opendir my $fds, '/proc/self/fd' or die $!; scalar readdir $fds for 1 .. 2; scalar(() = readdir $fds) }
sub value  { my $v = shift; ref $v eq 'ARRAY' ? "[@$v]" : ref $v || $v }

my %do = (
    '/all'    => sub { my $env = shift; join '', map { "$_=" . value($env->{$_}) . "\n" } sort keys %$env },
    '/assign' => sub { $_[0]{$_} = 'mine' for keys %{ $_[0] }; 'assigned' },
    '/delete' => sub { delete @{ $_[0] }{ keys %{ $_[0] } }; 'deleted' },
    '/push'   => sub { eval { push @{ $_[0]{'psgi.version'} }, 2; 1 } ? 'pushed' : "refused: $@" },
    '/queue'  => sub { $_[0]{'monoceros.queue_time'} // 'absent' },
    '/hold'   => sub { print STDERR "holding\n"; gate(); 'held' },
    '/copy'   => sub { my %copy = %{ $_[0] }; ref($copy{'psgix.io'}) . ' ' . opened() },
    '/close'  => sub { my $io = $_[0]{'psgix.io'}; close $io; opened() },
    '/input'  => \&input,
    '/get'    => sub { my $n = read $_[0]{'psgi.input'}, my $bytes, 131072, 0; "$n " . (eof $_[0]{'psgi.input'} ? 'eof' : 'more') },
    '/shut'   => sub { local *STDIN = $_[0]{'psgi.input'}; my $line = <STDIN>; close STDIN; close $_[0]{'psgi.input'}; $line // 'none' },
    '/errors' => sub {
        local *STDERR;
        open STDERR, '>', \my $elsewhere or die $!;
        print STDERR "said elsewhere\n";
        $_[0]{'psgi.errors'}->print("said to psgi.errors\n");
        printf { $_[0]{'psgi.errors'} } "and %s\n", 'printed';
        $elsewhere;
    },
    '/errors/object' => sub { $_[0]{'psgi.errors'} = bless [], 'Errors'; die "as asked\n" },
    '/errors/memory' => sub { open my $h, '>', \our $kept or die $!; $_[0]{'psgi.errors'} = $h; die "in memory\n" },
    '/errors/kept'   => sub { our $kept },
    '/errors/closed' => sub { open my $h, '>', \my $x or die $!; close $h; $_[0]{'psgi.errors'} = $h; die "closed\n" },
    '/separator'     => sub { bless [], 'Lines' },
    '/separator/own' => sub { $/ = 'own'; bless [], 'Lines' },
    '/separator/now' => sub { $/ },
);

# psgi.input read in every way that people do it; line ends are shown as !.
sub input {
    my $in = shift->{'psgi.input'};
    my $n = read $in, my $b, 3;
    my @r = (ref $in, $n, $b, tell $in);
    seek $in, 0, 0;
    push @r, scalar <$in>, $in->getline;
    1 while read $in, $b, 65536;
    push @r, read($in, $b, 10), length $b, eof $in ? 'eof' : 'more', defined(scalar <$in>) ? 'more' : 'undef';
    for (1 .. 2) { seek $in, 0, 0; read $in, $b, 7; push @r, $b }
    seek $in, 0, 0;
    $b = 'ab';
    read $in, $b, 2, 4;
    push @r, unpack 'H*', $b;
    seek $in, 0, 0;
    { local *STDIN = $in; push @r, scalar <STDIN> }
    $in->seek(-4, 2);
    $in->read($b, 9);
    push @r, $b;
    s/\n/!/g for @r;
    return join ' ', @r;
}

sub {
    my $env  = shift;
    my $said = $do{ $env->{PATH_INFO} } ? $do{ $env->{PATH_INFO} }->($env) : 'nothing';
    return [ 200, $text, ref $said ? $said : [$said] ];
};

package Errors;
sub print { shift; print STDERR 'instead: ', @_ }

package Lines;
sub getline { my $self = shift; return if $self->[0]++; ref $/ eq 'SCALAR' && ${$/} > 0 ? 'a number' : "not: $/" }
sub close   { }
