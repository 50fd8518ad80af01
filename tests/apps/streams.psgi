# A stream of each kind, by path.
use strict;
use warnings;

my $text   = [ 'Content-Type' => 'text/plain' ];
my %stream = (
    '/writer'  => sub { my $w = shift->([ 200, $text ]); $w->write($_) for 'a', '', 'bc'; $w->close },
    '/delayed' => sub { shift->([ 200, $text, ['later'] ]) },
    '/broken'  => sub { my $w = shift->([ 200, $text ]); $w->write('a'); die "in mid-stream\n" },
    '/dies'    => sub { die "before the head\n" },
    '/never'   => sub { },
    '/twice'   => sub { $_[0]->([ 200, $text, ['once'] ]); eval { $_[0]->([ 200, $text, ['x'] ]) }; warn "croaked: $@" },
    '/open'    => sub { my $w = shift->([ 200, $text ]); $w->write('not closed') },
    '/events'  => sub { my $w = shift->([ 200, $text ]); print STDERR "waiting pid=$$\n"; gate(); $w->write('now'); $w->close },
    '/length'  => sub { my $w = shift->([ 200, [ 'Content-Length' => 100 ] ]); $w->write('some'); print STDERR "waiting pid=$$\n"; gate() },
    '/late'    => sub { my $w = shift->([ 200, $text ]); 1 while $w->write('x' x 65536); $w->close; print STDERR "write gave up\n" },
    '/gone'    => sub { my $w = shift->([ 200, $text ]); 1 while $w->write('x' x 65536); print STDERR "write said false\n" },
);

sub gate { open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die $!; sysread $gate, my $byte, 1 }

sub {
    my $path = $_[0]{PATH_INFO};
    return $stream{$path} // [ 200, $text, [$path] ];
};
