# What PSGI's extensions do, by path. Every answer names the worker.
use strict;
use warnings;

END { print STDERR "END of $$\n" }

sub gate { open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die $!; sysread $gate, my $byte, 1 }

my $link = [ Link => '</style.css>' ];
my $kept;

# Heads that must croak, one after another; what is left is the one that did not.
sub bad {
    my $inform = $_[0]{'psgix.informational'};
    my @bad = ([ 101, $link ], [ 99, $link ], [ 200, $link ], [ 'x', $link ], [ 103, [ A => "b\nC: d" ] ], [ 103, [ A => "b\rc" ] ],
        [ 103, [ A => "b\0c" ] ], [ 103, [ "A\n" => 'b' ] ], [ 103, [ 'A b' => 'c' ] ], [ 103, ['odd'] ], [ 103, undef ], [103]);
    eval { $inform->(@$_); print STDERR "did not croak\n" } for @bad;
    return;
}

my %do = (
    '/exit'   => sub { exit 0 },
    '/early'  => sub { my $i = $_[0]{'psgix.informational'}; print STDERR 'early ', join(',', map { $i->(103, $_) ? 1 : 0 } $link, [ Link => '</b.js>' ]), "\n" },
    '/any'    => sub { print STDERR 'any ', $_[0]{'psgix.informational'}->(199, []) ? 1 : 0, "\n" },
    '/bad'    => \&bad,
    '/keep'   => sub { $kept = $_[0]{'psgix.informational'}; print STDERR "keeping\n" },
    '/kept'   => sub { eval { $kept->(103, $link); 1 } or print STDERR "kept croaked\n" },
    '/gone'   => sub { print STDERR "waiting\n"; gate(); print STDERR 'gone ', $_[0]{'psgix.informational'}->(103, $link) ? 1 : 0, "\n" },
    '/log'    => sub { my $l = $_[0]{'psgix.logger'}; $l->({ level => $_, message => "a $_ line" }) for qw(debug info warn error fatal) },
    '/log/bad' => sub {
        my $l = $_[0]{'psgix.logger'};
        eval { $l->(@$_); print STDERR "did not croak\n" } for [ { level => 'loud', message => 'x' } ], [ { level => 'info' } ], ['info'], [];
    },
);

# The head first, then an interim answer: too late.
sub after {
    my $env = shift;
    return sub {
        my $w = shift->([ 200, [ 'Content-Type' => 'text/plain' ] ]);
        print STDERR 'after ', $env->{'psgix.informational'}->(103, $link) ? 1 : 0, "\n";
        $w->write("/after $$");
        $w->close;
    };
}

sub {
    my $env = shift;
    return after($env) if $env->{PATH_INFO} eq '/after';
    return [ 200, [ 'Content-Type' => 'text/plain' ], bless [ $env, "/body $$" ], 'Body' ] if $env->{PATH_INFO} eq '/body';
    $do{ $env->{PATH_INFO} }->($env) if $do{ $env->{PATH_INFO} };
    return [ 200, [ 'Content-Type' => 'text/plain' ], ["$env->{PATH_INFO} $$"] ];
};

package Body;    # the head is decided when these are called
sub now     { my $self = shift; print STDERR "$_[0] ", $self->[0]{'psgix.informational'}->(103, $link) ? 1 : 0, "\n" }
sub getline { $_[0]->now('getline'); @{ $_[0] } == 2 ? pop @{ $_[0] } : undef }
sub close   { $_[0]->now('close') }
