# Requests that take too long, each in its own way. Every answer names the worker.
use strict;
use warnings;

my $text = [ 'Content-Type' => 'text/plain' ];

END { print STDERR "END of $$\n" }

sub gate { open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die $!; sysread $gate, my $byte, 1 }
sub main::naps { sleep 60; return }

# The same with less time than all others have.
sub main::late { my $env = shift; $env->{'monoceros.deadline'}->(0.1); main::naps() }

my %do = (
    '/sleep'    => sub { main::naps() },
    '/caught'   => sub { my $env = shift; eval { main::late($env); 1 } or print STDERR "caught: $@" },
    '/stubborn' => sub {
        my $env = shift;
        local $SIG{__DIE__};
        my $told;
        while (1) { eval { $told++ ? sleep 60 : main::late($env) } }
    },
    '/stream'   => sub {
        my $env = shift;
        sub { my $writer = shift->([ 200, $text ]); $writer->write('begun'); main::late($env) };
    },
    '/goes-on'  => sub {
        my $env = shift;
        sub {
            my $writer = shift->([ 200, $text ]);
            $writer->write('begun');
            eval { main::late($env); 1 } or print STDERR 'write says: ' . ($writer->write("late: $@") ? "yes\n" : "no\n");
        };
    },
    '/getline'  => sub { [ 200, $text, bless [], 'Naps' ] },
    '/shorter'  => \&main::late,
    '/longer'   => sub {
        my $deadline = $_[0]{'monoceros.deadline'};
        my ($before, $said, $after) = ($deadline->(), $deadline->(30), $deadline->());
        gate();
        [ 200, $text, [ join ' ', $before > 0 && $before <= 2, $said, $after > 29 && $after <= 30 ] ];
    },
    '/lifted' => sub {
        my $deadline = $_[0]{'monoceros.deadline'};
        my @said = ($deadline->(0), defined $deadline->() ? 'left' : 'none');
        gate();
        [ 200, $text, [ join ' ', @said ] ];
    },
    '/wrong' => sub {
        my $deadline = $_[0]{'monoceros.deadline'};
        [ 200, $text, [ map { eval { $deadline->(@$_) }; $@ } [-1], [ 1, 2 ], ['NaN'], ['soon'] ] ];
    },
    '/kept' => sub {
        my $deadline = $_[0]{'monoceros.deadline'};
        push @{ $_[0]{'psgix.cleanup.handlers'} }, sub { eval { $deadline->(1) }; print STDERR "kept: $@" };
        undef;
    },
    '/exists' => sub { [ 200, $text, [ exists $_[0]{'monoceros.deadline'} ? 'yes' : 'no' ] ] },
);

package Naps;
sub getline { main::naps() }
sub close   { print STDERR "closed\n" }

package main;

sub {
    my $env = shift;
    my $answer = $do{ $env->{PATH_INFO} } && $do{ $env->{PATH_INFO} }->($env);
    return ref $answer ? $answer : [ 200, $text, ["$env->{PATH_INFO} $$"] ];
};
