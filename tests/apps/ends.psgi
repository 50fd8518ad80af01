# The end of a request, by path: what is run after the answer, in which order. Every answer names the worker.
use strict;
use warnings;
use Time::HiRes qw(time);

my $text = [ 'Content-Type' => 'text/plain' ];

END { said("END of $$") }

sub said   { print STDERR "$_[0]\n" }
sub gate   { open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die $!; sysread $gate, my $byte, 1 }
sub commit { $_[0]{'psgix.harakiri.commit'} = 1 }
sub later  { my $env = shift; push @{ $env->{'psgix.cleanup.handlers'} }, @_ }

# A body of two pieces; `do` has what else is to be done in getline, close and DESTROY.
sub body {
    my ($env, %do) = @_;
    [ 200, $text, bless { env => $env, do => \%do, pieces => [ "$env->{PATH_INFO} ", $$ ] }, 'Body' ];
}

my %do = (
    '/application' => sub { commit($_[0]); undef },
    '/stream'      => sub {
        my $env = shift;
        sub { my $w = shift->([ 200, $text ]); $w->write('/stream '); commit($env); $w->write($$); $w->close };
    },
    '/getline' => sub { body($_[0], getline => \&commit) },
    '/close'   => sub { body($_[0], close   => \&commit) },
    '/handler' => sub { later($_[0], \&commit); undef },
    '/destroy' => sub { body($_[0], DESTROY => \&commit) },
    '/undone'  => sub { commit($_[0]); later($_[0], sub { delete $_[0]{'psgix.harakiri.commit'} }); undef },
    '/order'   => sub {
        later($_[0], sub { said('3 handler'); commit($_[0]) });
        body($_[0], getline => sub { said('1 getline') }, close => sub { said('2 close') }, DESTROY => sub { said('4 DESTROY') });
    },
    '/three' => sub {
        later($_[0], sub { said('cleanup 1'); later($_[0], sub { said('cleanup 4') }) },
            sub { die "cleanup 2\n" }, sub { said("cleanup 3 of $_[0]{PATH_INFO}") });
        undef;
    },
    '/cycle'   => sub { my $env = shift; $env->{guard} = bless [], 'Guard'; later($env, sub { $env->{PATH_INFO} }); undef },
    '/dies'    => sub { later($_[0], sub { said('cleanup after a death') }); die "as asked\n" },
    '/slow'    => sub { later($_[0], sub { my $at = time; said('cleaning'); gate(); said('cleaned ' . (time - $at)) }); undef },
    '/large'   => sub { later($_[0], sub { said('cleaning'); gate(); said('cleaned') }); [ 200, $text, [ 'x' x 20_000_000 ] ] },
    '/delete'  => sub { delete $_[0]{'psgix.cleanup.handlers'}; undef },
    '/replace' => sub { $_[0]{'psgix.cleanup.handlers'} = [ sub { said('cleanup of another list') } ]; undef },
    '/odd'     => sub { $_[0]{'psgix.cleanup.handlers'} = 'no list'; undef },
    '/assign'  => sub { my $path = $_[0]{PATH_INFO}; $_[0]{$_} = 'mine' for keys %{ $_[0] }; [ 200, $text, ["$path $$"] ] },
);

sub {
    my $env = shift;
    my $answer = $do{ $env->{PATH_INFO} } && $do{ $env->{PATH_INFO} }->($env);
    return $answer // [ 200, $text, ["$env->{PATH_INFO} $$"] ];
};

package Guard;
sub DESTROY { print STDERR "guard gone\n" }

package Body;
sub now     { my ($self, $when) = @_; $self->{do}{$when}->($self->{env}) if $self->{do}{$when} }
sub getline { my $self = shift; $self->now('getline') if @{ $self->{pieces} } == 1; shift @{ $self->{pieces} } }
sub close   { $_[0]->now('close') }
sub DESTROY { $_[0]->now('DESTROY') }
