# Responders and writers, used and abused, by path. `/` says which worker.
use strict;
use warnings;

my @text = ('Content-Type' => 'text/plain');
my %kept;

$SIG{PIPE} = sub { print STDERR "SIGPIPE\n" };

sub gate { open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die $!; sysread $gate, my $byte, 1 }
sub try  { my $do = shift; return eval { $do->(); 1 } ? 'worked' : $@ =~ s/ at .*//sr }

sub writer { my $do = shift; return sub { my $w = shift->([ 200, [@text] ]); $do->($w) } }

my %stream = (
    '/never'  => sub { },
    '/undef'  => sub { $_[0]->(undef) },
    '/twice'  => sub { my $r = shift; $r->([ 200, [@text], ['once'] ]); print STDERR 'said: ', try(sub { $r->([ 200, [@text], ['again'] ]) }), "\n" },
    '/after'  => sub { my $r = shift; my $w = $r->([ 200, [@text] ]); $w->write(try(sub { $r->([ 200, [@text] ]) })); $w->close },
    '/open'   => writer(sub { $_[0]->write('not closed') }),
    '/lost'   => writer(sub { $_[0]->write('dropped'); undef $_[0] }),
    '/closed' => writer(sub { my $w = shift; $w->write('a'); print STDERR 'said: ', join(', ', try(sub { $w->close }), try(sub { $w->close }), try(sub { $w->write('b') })), "\n" }),
    '/writes' => writer(sub {
        my $w = shift;
        my @said = map { $w->write($_) ? 1 : 0 } 'a', '', undef, '0', 1.5, "\xe9";
        $w->write(" @said " . ($w->can('poll_cb') ? 'poll_cb' : 'none') . (ref $w->can('close')));
        $w->close;
    }),

    '/keep' => sub { $kept{responder} = shift; $kept{writer} = $kept{responder}->([ 200, [@text] ]); $kept{writer}->write('kept'); $kept{writer}->close },
    '/keep/open'  => sub { $kept{responder} = shift; $kept{writer} = $kept{responder}->([ 200, [@text] ]); $kept{writer}->write('kept') },
    '/keep/never' => sub { $kept{responder} = shift; delete $kept{writer} },
    '/use' => writer(sub {
        my $w = shift;
        $w->write(join '; ', map { try($_) } sub { $kept{responder}->([ 200, [@text], ['stray'] ]) }, $kept{writer} ? (sub { $kept{writer}->write('stray') }, sub { $kept{writer}->close }) : ());
        $w->close;
    }),

    '/gone' => writer(sub {
        my $w = shift;
        my @said = $w->write('first') ? 1 : 0;
        print STDERR "waiting\n";
        gate();
        push @said, $w->write('more') ? 1 : 0 for 1 .. 3;
        print STDERR "said: @said\n";
        $w->close;
    }),
    '/full' => writer(sub {
        my $w = shift;
        my $sent = 0;
        $sent += 65_536 while $w->write('x' x 65_536);
        my $again = $w->write('x') ? 'true' : 'false';
        print STDERR 'gave up: ', $sent < 16_000_000 ? 'bounded' : 'far ahead', ", $again\n";
    }),
    '/ahead' => writer(sub { my $w = shift; $w->write('x' x 1_000_000) for 1 .. 15; print STDERR "written\n"; $w->close }),
    '/alarm' => writer(sub {
        my $w = shift;
        my $why = try(sub {
            local $SIG{ALRM} = sub { die "interrupted\n" };
            alarm 1;
            1 while $w->write('x' x 65_536);
        });
        alarm 0;
        print STDERR "said: $why\n";
    }),
    '/length' => sub { my $w = shift->([ 200, [ @text, 'Content-Length' => 100 ] ]); $w->write('some'); print STDERR "waiting pid=$$\n"; gate() },
    '/chunks' => writer(sub { $_[0]->write('some'); print STDERR "waiting pid=$$\n"; gate() }),
);

sub {
    my $path = $_[0]{PATH_INFO};
    return $stream{$path} // [ 200, [@text], [$$] ];
};
