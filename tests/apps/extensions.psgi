# What PSGI's extensions do, by path. Every answer names the worker.
use strict;
use warnings;

END { print STDERR "END of $$\n" }

sub gate { open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die $!; sysread $gate, my $byte, 1 }

my %do = (
    '/cleanup' => sub {
        my $handlers = $_[0]{'psgix.cleanup.handlers'};
        push @$handlers, sub { print STDERR "cleanup one\n"; push @$handlers, sub { print STDERR "cleanup four\n" } };
        push @$handlers, sub { die "cleanup two\n" }, sub { print STDERR "cleanup three $_[0]{PATH_INFO}\n" };
    },
    '/slow'     => sub { push @{ $_[0]{'psgix.cleanup.handlers'} }, sub { print STDERR "cleaning\n"; gate() } },
    '/harakiri' => sub { $_[0]{'psgix.harakiri.commit'} = 1 },
    '/exit'     => sub { exit 0 },
    '/early'    => sub { $_[0]{'psgix.informational'}->(103, [ Link => '</style.css>' ]) },
    '/input'    => sub { close $_[0]{'psgi.input'} },
    '/errors'   => sub { $_[0]{'psgi.errors'}->print("said to psgi.errors\n") },
);

sub {
    my $env = shift;
    $do{ $env->{PATH_INFO} }->($env) if $do{ $env->{PATH_INFO} };
    return [ 200, [ 'Content-Type' => 'text/plain' ], ["$env->{PATH_INFO} $$"] ];
};
