# /hold waits at the gate, one byte for each; everything else is answered at once. Says which worker.
use strict;
use warnings;

END { print STDERR "END of $$\n" }

open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die "gate: $!";

sub {
    my $path = $_[0]{PATH_INFO};
    if ($path =~ m{^/hold}) {
        print STDERR "holding pid=$$ path=$path\n";
        my $count = sysread $gate, my $byte, 1;
        $count = sysread $gate, $byte, 1 until $count;    # a signal may come in between
    }
    return [ 200, [ 'Content-Type' => 'text/plain' ], ["$path $$"] ];
};
