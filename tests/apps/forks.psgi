# /fork leaves a child behind that waits at the gate; /hold waits itself. Says which worker.
use strict;
use warnings;

open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die "gate: $!";

sub {
    my $path = $_[0]{PATH_INFO};
    print STDERR "holding pid=$$ path=$path\n" if $path eq '/hold';
    sysread $gate, my $byte, 1 if $path eq '/hold';
    if ($path eq '/fork') {
        my $child = fork // die "fork: $!";
        if (!$child) {
            sysread $gate, my $byte, 1;
            require POSIX;
            POSIX::_exit(0);
        }
    }
    return [ 200, [ 'Content-Type' => 'text/plain' ], ["$path $$"] ];
};
